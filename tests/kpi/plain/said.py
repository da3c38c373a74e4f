"""What the events of a log say, one after the other: all that the plain reading knows."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from ledger.domain.facts import AnyFact, EventContext

Said = Sequence[tuple[EventContext, AnyFact]]
FactType = TypeVar("FactType")


class Amount(NamedTuple):
    """So much of something at a time."""

    at: datetime
    value: int


def all_of(said: Said, *kinds: type[FactType]) -> Iterator[tuple[EventContext, FactType]]:
    """The facts of some kinds, in the order of the log."""
    for at, fact in said:
        if isinstance(fact, kinds):
            yield at, fact
