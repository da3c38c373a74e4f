"""Logs to measure with: a simulated shop's Stripe events as they are stored, and its orders."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from msgspec import Struct
from msgspec.json import Decoder

from benchmarks.processes import SECRET
from ledger.domain.events import (
    Event,
    Line,
    Metadata,
    NewEvent,
    OrderPlaced,
    ProductListed,
    StockReceived,
    StockReserved,
    StripeEventReceived,
)
from ledger.log import APPEND_EVENTS, Log
from ledger.postgres.database import Database
from simulator import SimulatedEvent, SimulatedStripe, sign, some_traffic, traffic
from simulator.sender import MONDAY

PRODUCTS: Final = 200
DAY: Final = timedelta(days=1)
RESERVED: Final = timedelta(minutes=30)
_STRIPE: Final = Metadata(actor="stripe")
_SHOP: Final = Metadata(actor="shop", address="127.0.0.1", user_agent="ledger-bench")


def stripe_log(seed: int | str, count: int) -> Iterator[NewEvent]:
    """Stripe's events of one shop, as the webhook stores them."""
    return map(received, some_traffic(seed, count))


def shop_log(seed: int | str, count: int, start: int = MONDAY) -> Iterator[NewEvent]:
    """The first `count` entries of a shop's log: its orders, then what Stripe says about each.

    It opens a day before `start`, in seconds since 1970; a million events take it two years.
    """
    events = traffic(SimulatedStripe(seed, start=start))
    return islice(_Shop().live(events, datetime.fromtimestamp(start, UTC) - DAY), count)


def filled(log: Log, entries: Iterable[NewEvent]) -> int:
    """Append all of them in batches; answers how many."""
    stored, rest = 0, iter(entries)
    while batch := list(islice(rest, APPEND_EVENTS)):
        positions = log.append_new(batch)
        assert all(positions), "an event of the benchmark was in the log already"
        stored += len(positions)
    return stored


def mean_state_bytes(database: Database) -> float:
    """The mean size of a stored event: its body, signature, times and who sent it, as JSON."""
    with database.connect("reader") as conn:
        row = conn.execute(
            "select avg(octet_length(state))::float8 from ledger.stored_events"
        ).fetchone()
    assert row is not None
    return row[0]


def received(event: SimulatedEvent) -> NewEvent:
    """An event that arrives a second after it was made."""
    received_at = datetime.fromtimestamp(event.created + 1, UTC)
    stored = StripeEventReceived(
        event_id=event.id,
        body=event.body,
        received_at=received_at,
        source="webhook",
        signature=sign(event.body, SECRET, event.created),
    )
    return NewEvent(f"stripe/{event.id}", 1, stored, received_at, _STRIPE)


class _Thing(Struct):
    """What an order needs to know of the first Stripe object that names it."""

    currency: str = ""
    amount: int = 0
    amount_total: int = 0
    metadata: dict[str, str] = {}


class _Data(Struct):
    object: _Thing


class _Body(Struct):
    data: _Data


_thing_of = Decoder(_Body).decode


class _Shop:
    """Writes the shop's own entries; every order has two lines and is placed before it is paid."""

    def __init__(self) -> None:
        self._placed: set[str] = set()
        self._versions = Counter[str]()

    def live(self, events: Iterator[SimulatedEvent], opened: datetime) -> Iterator[NewEvent]:
        """The shop's entries and Stripe's."""
        for number in range(PRODUCTS):
            yield from self._open(f"SKU-{number}", opened)
        for event in events:
            thing = _thing_of(event.body).data.object
            order_id = thing.metadata.get("order_id")
            if order_id and order_id not in self._placed:
                yield from self._place(order_id, thing, datetime.fromtimestamp(event.created, UTC))
            yield received(event)

    def _open(self, sku: str, at: datetime) -> Iterator[NewEvent]:
        listed = ProductListed(sku=sku, name=f"Product {sku}", prices={"gbp": 1000})
        yield self._entry(f"stock/{sku}", listed, at)
        yield self._entry(f"stock/{sku}", StockReceived(sku=sku, quantity=1_000_000), at)

    def _place(self, order_id: str, thing: _Thing, at: datetime) -> Iterator[NewEvent]:
        lines = self._lines(thing.amount or thing.amount_total)
        order = OrderPlaced(
            order_id=order_id,
            currency=thing.currency,
            lines=lines,
            total_minor=sum(line.unit_minor for line in lines),
            expires_at=at + RESERVED,
            email=f"{order_id}@example.com",
        )
        self._placed.add(order_id)
        yield self._entry(f"order/{order_id}", order, at)
        for line in lines:
            held = StockReserved(sku=line.sku, order_id=order_id, quantity=line.quantity)
            yield self._entry(f"stock/{line.sku}", held, at)

    def _lines(self, total_minor: int) -> tuple[Line, Line]:
        first = 2 * len(self._placed) % PRODUCTS
        half = total_minor // 2
        return (_line(first, half), _line(first + 1, total_minor - half))

    def _entry(self, stream: str, event: Event, at: datetime) -> NewEvent:
        self._versions[stream] += 1
        return NewEvent(stream, self._versions[stream], event, at, _SHOP)


def _line(number: int, unit_minor: int) -> Line:
    return Line(
        sku=f"SKU-{number}", name=f"Product SKU-{number}", quantity=1, unit_minor=unit_minor
    )
