"""Small worlds of orders and payments that do not know of each other, and what links them.

`linked_by_hand` is the rule once more, over what was played and nothing else.
"""

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from ledger.command_handler import CommandHandler
from ledger.domain.events import (
    Line,
    Metadata,
    NewEvent,
    OrderPlaced,
    StripeEventReceived,
)
from ledger.domain.link_rule import LinkRule
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import positions
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.reads import Reads
from projections.engine.registry import discover
from tests.support.following import steady_follower
from tests.webhooks.billing_examples import invoice, invoice_payment
from tests.webhooks.examples import event, intent
from webhooks.ingest.append import append_events
from webhooks.translate.translator import Translator

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = 60
OTHER = "acct_one"


class Sold(NamedTuple):
    """An order of the shop, placed so many minutes after the start."""

    order_id: str
    email: str | None
    currency: str
    total_minor: int
    minutes: int


class Paid(NamedTuple):
    """A payment at Stripe's; `names` is the order that its metadata name, for everyone to see."""

    bare: str
    email: str | None
    currency: str
    amount_minor: int
    minutes: int
    account: str | None = None
    description: str | None = None
    label: str | None = None
    names: str | None = None
    subscription: bool = False

    @property
    def payment_id(self) -> str:
        return self.bare if self.account is None else f"{self.bare}@{self.account}"


class Trade(NamedTuple):
    """What happened."""

    sold: Sequence[Sold]
    paid: Sequence[Paid]


def random_trade(seed: int, orders: int = 12, payments: int = 18) -> Trade:
    """Few people, amounts and hours, so that much fits, and much fits twice."""
    random = Random(seed)
    people = ["ada@example.com", "bob@example.com", "eve@example.com", None]

    def who() -> str | None:
        person = random.choice(people)
        return person.title() if person and random.random() < 0.3 else person

    def minutes() -> int:
        return random.choice([0, 60, 61, 120, 600, 660, 661, 2000, 3000]) + random.randint(0, 1)

    sold = [
        Sold(f"A{n}", who(), random.choice(["eur", "eur", "jpy"]),
             random.choice([500, 900, 2500]), minutes())
        for n in range(orders)
    ]  # fmt: skip
    names = [*(each.order_id for each in sold), "unknown", "A0, A1", "#A1", None]
    paid = [
        Paid(
            f"pi_{n}",
            who(),
            random.choice(["eur", "eur", "jpy"]),
            random.choice([500, 900]),
            minutes(),
            account=random.choice([None, None, None, None, OTHER]),
            description=_described(random, random.choice(names)),
            label=random.choice(names),
            names=random.choice([None, None, None, None, None, random.choice(sold).order_id]),
            subscription=random.random() < 0.1,
        )
        for n in range(payments)
    ]
    return Trade(sold, [_like(random, each, random.choice(sold)) for each in paid])


def _like(random: Random, paid: Paid, sold: Sold) -> Paid:
    """Half of the payments are of an order, if one looks closely."""
    if random.random() < 0.5:
        return paid
    minutes = max(0, sold.minutes + random.choice([-61, -60, 0, 1, 60, 61]))
    return paid._replace(
        email=sold.email and sold.email.lower(),
        currency=sold.currency,
        amount_minor=sold.total_minor,
        minutes=minutes,
    )


def _described(random: Random, name: str | None) -> str | None:
    if name is None:
        return None
    return random.choice(
        [f"Order {name}", f"Shop:  Order {name}, thanks", f"Reorder {name}", name, f"{name}. Order"]
    )


def linked_by_hand(rule: LinkRule, trade: Trade) -> dict[str, str]:
    """Which payment is linked to which order, by a rule as it is documented."""
    orders = {each.order_id: each for each in trade.sold}
    found: dict[str, str] = {}
    for paid in trade.paid:
        if paid.names is not None or paid.account is not None:
            continue
        match rule.kind:
            case "metadata":
                fitting = [orders.get((paid.label or "").removeprefix("#"))]
            case "description":
                words = " ".join((paid.description or "").split()).partition("Order ")[2]
                named = words.partition(",")[0]
                named = "" if "Reorder" in (paid.description or "") else named
                fitting = [orders.get(named)]
            case _:
                fitting = [o for o in trade.sold if _fit(paid, o) and not paid.subscription]
                rivals = [p for p in trade.paid if fitting and _fit(p, fitting[0])]
                rivals = [p for p in rivals if p.account is None]
                others = [p for p in trade.paid if fitting and p.names == fitting[0].order_id]
                fitting = fitting if len(rivals) == 1 and not others else []
        if len(fitting) == 1 and fitting[0] and fitting[0].currency == paid.currency:
            found[paid.payment_id] = fitting[0].order_id
    return found


def _fit(paid: Paid, sold: Sold) -> bool:
    return (
        paid.email is not None
        and sold.email is not None
        and paid.email.lower() == sold.email.lower()
        and (paid.currency, paid.amount_minor) == (sold.currency, sold.total_minor)
        and abs(paid.minutes - sold.minutes) <= HOUR
    )


# ── Played ──────────────────────────────────────────────────────────────────────────────────────


class Shop:
    """A ledger in which all that happened, followed by hand."""

    def __init__(self, engine: ProjectionContext, reads: Reads, follower: Follower) -> None:
        self.engine = engine
        self.reads = reads
        self.handler = CommandHandler(engine.log, reads.money, reads.payment)
        self._follower = follower

    def play(self, trade: Trade) -> None:
        log = self.engine.log
        for sold in trade.sold:
            log.append_new([_placed(sold)])
        bodies = [json.dumps(each).encode() for paid in trade.paid for each in _events(paid)]
        received = [
            StripeEventReceived(
                event_id=json.loads(body)["id"], body=body, received_at=START, source="import"
            )
            for body in bodies
        ]
        for start in range(0, len(received), 200):
            append_events(log, received[start : start + 200], Metadata(actor="stripe"))
        self.follow()

    def follow(self) -> None:
        self._follower.catch_up()

    def links(self) -> dict[str, str]:
        """What the shop linked, as payments say it."""
        query = b"select payment_id, order_id from payments where linked_by = 'shop'"
        with self.reads.snapshot(["payments"]) as cursor:
            return {row["payment_id"]: row["order_id"] for row in cursor.execute(query)}

    def decided(self) -> list[tuple[str, Any]]:
        """The shop's own events, in their order."""
        recorded = self.engine.log.read(limit=100_000)
        return [
            (each.stream, each.event)
            for each in recorded
            if not isinstance(each.event, StripeEventReceived)
        ]


@contextmanager
def opened(database: Database, trade: Trade) -> Generator[Shop]:
    """The shop, with what happened."""
    with ExitStack() as stack:
        log = stack.enter_context(closing(Log(database.conninfo("app"))))
        reader = Translator(mode="test", order_metadata_key="order_id")
        engine = ProjectionContext(database, log, discover(), reader)
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), engine.registry, engine.reader, head=0)
        reads = stack.enter_context(closing(Reads(engine)))
        shop = Shop(engine, reads, stack.enter_context(steady_follower(engine)))
        shop.play(trade)
        yield shop


def _placed(sold: Sold) -> NewEvent:
    at = START + timedelta(minutes=sold.minutes)
    placed = OrderPlaced(
        order_id=sold.order_id,
        currency=sold.currency,
        lines=(Line(sku="MUG", name="Mug", quantity=1, unit_minor=sold.total_minor),),
        total_minor=sold.total_minor,
        expires_at=at + timedelta(minutes=30),
        email=sold.email,
        origin="import",
        reserves_stock=False,
    )
    return NewEvent(f"order/{sold.order_id}", 1, placed, at, Metadata(actor="operator"))


def _events(paid: Paid) -> list[dict[str, Any]]:
    made = int((START + timedelta(minutes=paid.minutes)).timestamp())
    metadata = {"shop_order": paid.label, "order_id": paid.names, "customer": "Ada Lovelace"}
    more: dict[str, Any] = {} if paid.account is None else {"account": paid.account}
    shown = intent(
        id=paid.bare,
        amount=paid.amount_minor,
        amount_received=paid.amount_minor,
        created=made,
        currency=paid.currency,
        customer=None,
        latest_charge=None,
        receipt_email=paid.email,
        description=paid.description,
        metadata={key: value for key, value in metadata.items() if value is not None},
    )
    told = partial_event(paid, made, more)
    events = [told("payment_intent.succeeded", shown, "pi")]
    if paid.subscription:
        bill = f"in_{paid.bare}"
        pays = {"type": "payment_intent", "payment_intent": paid.bare}
        events += [
            told("invoice.paid", invoice(id=bill), "in"),
            told("invoice_payment.paid", invoice_payment(id=f"inpay_{paid.bare}", invoice=bill,
                                                         payment=pays), "inpay"),
        ]  # fmt: skip
    return events


def partial_event(paid: Paid, made: int, more: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    def told(type_: str, shown: dict[str, Any], name: str) -> dict[str, Any]:
        return event(type_, shown, id=f"evt_{name}_{paid.bare}", created=made, **more)

    return told
