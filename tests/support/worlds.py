"""Random worlds for the laws: logs of a shop and its Stripe, ready to append."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from random import Random

import msgspec
from hypothesis import strategies as st
from msgspec import Struct

from ledger.domain.events import NewEvent, StripeEventReceived
from tests.support.lives import LIVES
from tests.support.town import Town

ALWAYS = ("refunds_of_all_kinds", "several_payments", "subscribers")
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
    town = Town(seed)
    town.shop.now = max(town.shop.now, start or 0)
    town.shop.open()
    deck = _deck(town)
    lives: list[Iterator[object]] = []
    while lives or len(town.shop.entries) < at_least:
        while len(lives) < _SIDE_BY_SIDE and len(town.shop.entries) < at_least:
            lives.append(next(deck))
        _live_on(lives, town.random)
        town.shop.now += town.random.randint(0, pause) if pause else 0
    name = f"random_world({seed}, {at_least}, start={start}, pause={pause})"
    return World(name, tuple(town.shop.entries), frozenset(town.kinds))


def worlds(at_least: int = 300) -> st.SearchStrategy[World]:
    """Random worlds of different sizes."""
    seeds = st.integers(0, 2**32 - 1)
    return st.builds(random_world, seeds, st.integers(at_least, at_least + 100))


def is_stripes(entry: NewEvent) -> bool:
    """Whether the entry is an event of Stripe's, not an action of the shop."""
    return isinstance(entry.event, StripeEventReceived)


def _deck(town: Town) -> Iterator[Iterator[object]]:
    """The troubles of every world, then all lives in random order, again and again."""
    names = [*ALWAYS]
    while True:
        for name in names:
            town.kinds.add(name)
            yield LIVES[name](town)
        names = town.random.sample(sorted(LIVES), len(LIVES))


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
        else:
            moment = entry.effective_at
            yield entry


def _key(entry: NewEvent) -> tuple[str, int]:
    return entry.originator_id, entry.originator_version
