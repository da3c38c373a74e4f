"""Random worlds for the laws: logs of a shop and its Stripe, ready to append."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from random import Random
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import Struct

from ledger.domain.events import (
    Metadata,
    NewEvent,
    StripeEventReceived,
    StripeObjectObserved,
    StripePayoutListed,
)
from ledger.domain.streams import stream_of
from tests.support.lives import LIVES
from tests.support.simulation import Simulation

ALWAYS = (
    "refunds_of_all_kinds",
    "several_payments",
    "subscribers",
    "paid_on_pages_that_take_something_off",
)
_SIDE_BY_SIDE = 6


class World(Struct, frozen=True):
    """Log entries in the order of their arrival; times never decrease.

    `kinds` names the lives and stories that were played. `name` says how to make it again.
    """

    name: str
    entries: tuple[NewEvent, ...]
    kinds: frozenset[str]

    def __repr__(self) -> str:
        return self.name

    def shuffled(self, seed: int) -> "World":
        """The same world, where Stripe's events arrive in any order, and every fourth twice.

        The shop's own actions keep their order and stay whole. A log takes a repeated entry
        once: see `without_repeats`.
        """
        random = Random(f"shuffled {seed}")
        theirs = [[entry] for entry in self.entries if is_stripes(entry)]
        theirs += random.choices(theirs, k=len(theirs) // 4)
        random.shuffle(theirs)
        before = self.entries[0].effective_at - timedelta(hours=1)
        merged = _merged(_actions(self.entries), theirs, random)
        return self._with(f"shuffled({seed})", _restamped(merged, before))

    def without_repeats(self) -> "World":
        """The same world with the first arrival of every event only, as a log holds it."""
        first = {_key(entry): entry for entry in reversed(self.entries)}
        first_only = [entry for entry in self.entries if first[_key(entry)] is entry]
        return self._with("without_repeats()", first_only)

    def split(self, parts: int) -> "list[World]":
        """The world cut into so many stretches of nearly equal length."""
        cuts = [len(self.entries) * part // parts for part in range(parts + 1)]
        return [
            self._with(f"split({parts})[{part}]", self.entries[cuts[part] : cuts[part + 1]])
            for part in range(parts)
        ]

    def _with(self, step: str, entries: Iterable[NewEvent]) -> "World":
        return World(f"{self.name}.{step}", tuple(entries), self.kinds)


def random_world(
    seed: int, at_least: int = 300, *, start: int | None = None, pause: int = 0
) -> World:
    """A world of at least so many entries; the same seed gives the same bytes.

    It begins at `start` (seconds since 1970), and rests up to `pause` seconds after every step.
    """
    simulation = Simulation(seed)
    simulation.shop.now = max(simulation.shop.now, start or 0)
    simulation.shop.open()
    deck = _deck(simulation)
    lives: list[Iterator[object]] = []
    while lives or len(simulation.shop.entries) < at_least:
        while len(lives) < _SIDE_BY_SIDE and len(simulation.shop.entries) < at_least:
            lives.append(next(deck))
        _live_on(lives, simulation.random)
        simulation.shop.now += simulation.random.randint(0, pause) if pause else 0
    name = f"random_world({seed}, {at_least}, start={start}, pause={pause})"
    entries = tuple(_with_fetched(simulation.shop.entries, simulation.random))
    return World(name, entries, frozenset(simulation.kinds))


def worlds(at_least: int = 300) -> st.SearchStrategy[World]:
    """Random worlds of different sizes."""
    seeds = st.integers(0, 2**32 - 1)
    return st.builds(random_world, seeds, st.integers(at_least, at_least + 100))


def is_stripes(entry: NewEvent) -> bool:
    """Whether Stripe said it, in an event or when it was asked; not an action of the shop."""
    return isinstance(entry.event, StripeEventReceived | StripeObjectObserved | StripePayoutListed)


def _with_fetched(entries: Iterable[NewEvent], random: Random) -> Iterator[NewEvent]:
    """The entries, and here and there an object of an event as if it was fetched by itself.

    Once an object, at the second of its event: what it says then is the same. And here and there
    what it moved in the balance, and which transaction a payout paid out, which only a fetch tells.
    """
    fetched: set[str] = set()
    of_balance = Random(f"balance {random.random()}")
    for entry in entries:
        yield entry
        if not isinstance(entry.event, StripeEventReceived):
            continue
        observed = [_fetched(entry, entry.event)] if random.random() < 1 / 8 else []
        if of_balance.random() < 1 / 4:
            transaction = partial(_transaction, random=of_balance)
            observed.append(_fetched(entry, entry.event, transaction))
        for each in observed:
            if each is not None and each.originator_id not in fetched:
                fetched.add(each.originator_id)
                yield each
                yield from _members(each)


def _members(entry: NewEvent) -> Iterator[NewEvent]:
    """Of a payout's own transaction, that the payout paid it out."""
    shown = entry.event
    if isinstance(shown, StripeObjectObserved) and shown.object_id.startswith("txn_of_po_"):
        listed = StripePayoutListed(
            payout_id=shown.object_id.removeprefix("txn_of_"),
            transaction_ids=(shown.object_id,),
            complete=True,
            fetched_at=shown.fetched_at,
            livemode=shown.livemode,
            account=shown.account,
        )
        yield NewEvent(str(stream_of(listed)), 1, listed, entry.effective_at, entry.meta)


CATEGORIES = {
    "charge": ("charge", "charge", "charge_failure"),
    "refund": ("refund", "refund_failure"),
    "dispute": ("dispute", "dispute_reversal"),
    "payout": ("payout",),
    "customer": ("fee", "network_cost", "other_adjustment", "a_new_word"),
}
"""What may be booked of an object, by Stripe's reporting category."""


def _transaction(shown: dict[str, Any], created: int, random: Random) -> dict[str, Any]:
    """A balance transaction that an object moved; raises `LookupError` where it moves none."""
    category = random.choice(CATEGORIES[shown["object"]])
    amount = random.choice((1, -1)) * random.randint(1, 5000)
    fee = random.randint(0, 90) * (category not in {"fee", "network_cost"})
    return {
        "id": f"txn_of_{shown['id']}",
        "object": "balance_transaction",
        "amount": amount,
        "currency": shown.get("currency", "gbp"),
        "created": created,
        "fee": fee,
        "net": amount - fee,
        "reporting_category": category,
        "source": shown["id"],
        "type": "adjustment",
    }


def _fetched(
    entry: NewEvent,
    event: StripeEventReceived,
    made: Callable[[dict[str, Any], int], dict[str, Any]] = lambda shown, _created: shown,
) -> NewEvent | None:
    """What `made` makes of the object of an event, as it would be fetched; None of what is junk."""
    try:
        said = msgspec.json.decode(event.body)
        shown = said["data"]["object"]
        if not isinstance(shown["object"], str) or not isinstance(shown["id"], str):
            return None
        shown = made(shown, said["created"])
        observed = StripeObjectObserved(
            kind=shown["object"],
            object_id=shown["id"],
            body=msgspec.json.encode(shown),
            fetched_at=datetime.fromtimestamp(said["created"], UTC),
            path=f"/v1/{shown['object']}s",
            livemode=said["livemode"],
            account=said.get("account"),
            api_version=said.get("api_version"),
        )
        stream = str(stream_of(observed))
    except (msgspec.MsgspecError, LookupError, TypeError, ValueError):
        return None
    return NewEvent(stream, 1, observed, entry.effective_at, Metadata(actor="stripe"))


def _deck(simulation: Simulation) -> Iterator[Iterator[object]]:
    """The troubles of every world, then all lives in random order, again and again."""
    names = [*ALWAYS]
    while True:
        for name in names:
            simulation.kinds.add(name)
            yield LIVES[name](simulation)
        names = simulation.random.sample(sorted(LIVES), len(LIVES))


def _live_on(lives: list[Iterator[object]], random: Random) -> None:
    """One step of one life."""
    life = random.choice(lives)
    try:
        next(life)
    except StopIteration:
        lives.remove(life)


def _actions(entries: tuple[NewEvent, ...]) -> list[list[NewEvent]]:
    """The shop's own actions, each with all its entries: they share a time."""
    own = (entry for entry in entries if not is_stripes(entry))
    return [list(action) for _, action in groupby(own, key=lambda entry: entry.effective_at)]


def _merged(
    ours: list[list[NewEvent]], theirs: list[list[NewEvent]], random: Random
) -> Iterator[NewEvent]:
    turns = [ours] * len(ours) + [theirs] * len(theirs)
    random.shuffle(turns)
    waiting = {id(ours): iter(ours), id(theirs): iter(theirs)}
    for turn in turns:
        yield from next(waiting[id(turn)])


def _restamped(entries: Iterator[NewEvent], moment: datetime) -> Iterator[NewEvent]:
    """Stripe's events as if received one microsecond after whatever came before."""
    for entry in entries:
        if isinstance(entry.event, StripeEventReceived):
            moment += timedelta(microseconds=1)
            event = msgspec.structs.replace(entry.event, received_at=moment)
            yield msgspec.structs.replace(entry, event=event, effective_at=moment)
        elif isinstance(entry.event, StripeObjectObserved | StripePayoutListed):
            moment += timedelta(microseconds=1)
            yield msgspec.structs.replace(entry, effective_at=moment)
        else:
            moment = entry.effective_at
            yield entry


def _key(entry: NewEvent) -> tuple[str, int]:
    return entry.originator_id, entry.originator_version
