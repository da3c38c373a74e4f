"""What a look at the log came to: the kinds of fault, where each is, and what cannot be seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final

from msgspec import Struct

from ledger.domain.signatures import Signature

NOT_COVERED: Final = (
    "hashes are not anchored outside the database: anyone who is its superuser could rewrite"
    " an event with its hash, cut the tail with the head, or renumber what follows"
)
"""What a proof without an archive cannot see, in words that its answer ends with."""

INDEXES: Final = (
    "damage of the live tables' indexes, by which derived rows are compared unless `ledger verify"
    " --from-scratch` makes them again"
)

KINDS: Final = {
    "head": "the head is not where the log ends",
    "missing": "positions without an event",
    "twice": "positions with more than one event",
    "beyond": "events that stand outside of positions 1 to the head",
    "hash": "events that do not fit their hash",
    "state": "events whose state is neither in the log nor, unchanged, in its archive",
    "sealed": "events that are not what was sealed in the archive",
    "version": "streams whose versions are not 1, 2, 3 … in the log's order",
    "time": "events recorded before the one that precedes them",
    "unreadable": "events that cannot be read",
    "name": "events that stand in a stream of another name",
    "stripe": "events that Stripe did not send so",
}
"""The kinds of fault, in the order in which they are told."""


def not_covered(sealed: int, beyond: Sequence[tuple[int, int]] = ()) -> str:
    """What a proof cannot see of a log that was compared with an archive.

    That was done up to the position `sealed`, and in the spans `beyond` a gap after it.
    """
    if not (sealed or beyond):
        return f"{NOT_COVERED}; {INDEXES}"
    return (
        f"{where_compared(sealed, beyond)} the log was compared with what was sealed, which shows"
        f" nothing where someone rewrote the archive too; elsewhere, {NOT_COVERED}; {INDEXES}"
    )


def where_compared(sealed: int, beyond: Sequence[tuple[int, int]]) -> str:
    """Where the log was compared with an archive, in words."""
    upto = [f"up to position {sealed:,}"] if sealed else []
    return " and ".join([*upto, *(f"from {first:,} to {last:,}" for first, last in beyond)])


class Fault(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Damage of one kind: at the positions from `first` to `last`, both included."""

    kind: str
    first: int
    last: int
    detail: str = ""

    @property
    def count(self) -> int:
        """How many positions have it."""
        return self.last - self.first + 1


class LogReport(Struct, frozen=True, kw_only=True):
    """What was looked at (`events`, up to `head`), what is wrong, and what signatures said.

    `unknown_secrets` counts events by the fingerprint of a secret that is not known here; they
    count for no fault. It is empty for events that were stored before fingerprints were. Up to
    position `sealed`, and in the spans `beyond` a gap after it, the log was compared with the
    archive's segments; `not_compared` says in sentences what of an archive was not, and the cure.
    """

    events: int
    head: int
    faults: tuple[Fault, ...]
    signatures: dict[Signature, int]
    unknown_secrets: dict[str, int]
    sealed: int = 0
    beyond: tuple[tuple[int, int], ...] = ()
    not_compared: tuple[str, ...] = ()

    def by_kind(self) -> dict[str, list[Fault]]:
        """The faults of each kind that there is."""
        order = list(KINDS)
        kinds = groupby(sorted(self.faults, key=_in_order(order)), key=lambda fault: fault.kind)
        return {kind: list(faults) for kind, faults in kinds}


def _in_order(order: list[str]) -> Callable[[Fault], tuple[int, int]]:
    return lambda fault: (order.index(fault.kind), fault.first)
