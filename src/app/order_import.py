"""Importing orders of the past from a file: each once, whole or not at all, with a word on each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import islice
from typing import Any, Final, NamedTuple

from app.order_files import Draft
from ledger.command_handler import MAX_AT_ONCE, CommandHandler
from ledger.decisions import Batch, CommandRequest, StreamState
from ledger.domain.events import Metadata, NewEvent, OrderFulfilled, OrderPlaced, RecordedEvent
from ledger.domain.limits import is_id
from ledger.domain.money import format_money
from ledger.domain.order_commands import RecordOrder
from ledger.errors import Refused
from ledger.log import Log


class Outcome(Enum):
    """What becomes of an order of a file."""

    NEW = "new"
    SAME = "same"
    DIFFERS = "differs"
    WRONG = "wrong"


class Told(NamedTuple):
    """What becomes of an order of a file, and why, in words; `line` is where it begins."""

    line: int
    order_id: str
    outcome: Outcome
    words: str

    @property
    def is_taken(self) -> bool:
        """Whether the log holds it as the file has it."""
        return self.outcome in {Outcome.NEW, Outcome.SAME}


def import_orders(
    drafts: Iterable[Draft], log: Log, handler: CommandHandler, meta: Metadata, *, dry: bool
) -> Iterator[Told]:
    """Record the orders, and say of each what became of it, in their order.

    One that is there already is compared with what the file says, and never changed. A `dry` run
    says what would become of each, and records nothing.
    """
    seen: set[int] = set()
    for some in _chunks(drafts):
        there = _there(log, some)
        fresh: dict[int, RecordOrder] = {}
        told: dict[int, Told] = {}
        begun: dict[str, list[NewEvent]] = {}
        for at, draft in enumerate(some):
            told[at] = _judge(draft, there, begun, meta)
            name = hash(draft.order_id)
            if told[at].outcome is Outcome.NEW and draft.command is not None:
                if dry and name in seen:
                    words = "it stands in the file twice, apart; put its lines together"
                    told[at] = Told(draft.line, draft.order_id, Outcome.DIFFERS, words)
                fresh[at] = draft.command
                seen |= {name} if dry else set()
        if not dry:
            outcomes = handler.execute_all(list(fresh.values()), meta)
            for at, (_, outcome) in zip(fresh, outcomes, strict=True):
                if isinstance(outcome, Refused):
                    told[at] = _wrong(some[at], str(outcome))
        yield from told.values()


def _chunks(drafts: Iterable[Draft]) -> Iterator[list[Draft]]:
    left = iter(drafts)
    while some := list(islice(left, MAX_AT_ONCE)):
        yield some


def _there(log: Log, drafts: Sequence[Draft]) -> dict[str, list[RecordedEvent]]:
    """The first events of those orders that the log has; what cannot be an id names none."""
    ids = {draft.order_id for draft in drafts if draft.command is not None}
    names = {f"order/{order_id}": 0 for order_id in ids if is_id(order_id)}
    found: dict[str, list[RecordedEvent]] = {}
    for recorded in log.streams(names) if names else ():
        found.setdefault(recorded.stream, []).append(recorded)
    return found


def _judge(
    draft: Draft,
    there: dict[str, list[RecordedEvent]],
    begun: dict[str, list[NewEvent]],
    meta: Metadata,
) -> Told:
    if draft.command is None:
        told = "; ".join(": ".join(filter(None, each)) for each in draft.problems)
        return _wrong(draft, told)
    try:
        events = _events(draft.command, meta)
    except Refused as refusal:
        return _wrong(draft, str(refusal))
    stream = f"order/{draft.order_id}"
    before = there.get(stream) or begun.get(stream)
    if before is None:
        begun[stream] = events
        return Told(draft.line, draft.order_id, Outcome.NEW, _words(draft.command, events))
    if differing := [*_differences(before, events)]:
        words = f"it is there already, and differs: {'; '.join(differing)}"
        return Told(draft.line, draft.order_id, Outcome.DIFFERS, words)
    return Told(draft.line, draft.order_id, Outcome.SAME, "it is there already")


def _wrong(draft: Draft, words: str) -> Told:
    return Told(draft.line, draft.order_id, Outcome.WRONG, words)


def _events(command: RecordOrder, meta: Metadata) -> list[NewEvent]:
    """What the order would be, by the decider itself; raises a `Refused`."""
    call = CommandRequest(command, meta, None, "")
    call.check()
    batch = Batch({call.home: StreamState.new(call.home)}, limit=_MOST)
    batch.decide(call)
    return batch.entries


_MOST: Final = 10


def _words(command: RecordOrder, events: Sequence[NewEvent]) -> str:
    placed = events[0].event
    assert isinstance(placed, OrderPlaced)
    state = "fulfilled" if command.fulfilled_at else "canceled" if command.canceled_at else "placed"
    lines = f"{len(placed.lines)} line{'s' if len(placed.lines) > 1 else ''}"
    return (
        f"{state}, of {command.at:%F}, {lines}, {format_money(placed.total_minor, placed.currency)}"
    )


def _differences(
    before: Sequence[RecordedEvent | NewEvent], after: Sequence[NewEvent]
) -> Iterator[str]:
    """Which columns say something else than what was recorded.

    What the shop did with an order since is no difference: only an end that the file has, and the
    order has not, or not then.
    """
    was, now = before[0], after[0]
    assert isinstance(was.event, OrderPlaced)
    assert isinstance(now.event, OrderPlaced)
    if was.effective_at != now.effective_at:
        yield f"placed_at is {was.effective_at:%FT%TZ} here"
    for name in OrderPlaced.__struct_fields__:
        here, there = getattr(was.event, name), getattr(now.event, name)
        if here != there and name != "expires_at":
            yield f"{name.removesuffix('_minor')} is {_shown(here, there, now.event.currency)}"
    for end in after[1:]:
        column = "fulfilled_at" if isinstance(end.event, OrderFulfilled) else "canceled_at"
        kind = type(end.event)
        here = [each for each in before if isinstance(each.event, kind)]
        if not here:
            yield f"{column} is not there here"
        elif here[-1].effective_at != end.effective_at:
            yield f"{column} is {here[-1].effective_at:%FT%TZ} here"


def _shown(here: Any, there: Any, currency: str) -> str:
    """Amounts in full; lines are long, and the rest may be of a person."""
    if type(here) is int and type(there) is int:
        return f"{format_money(here, currency)} here, {format_money(there, currency)} in the file"
    return "another here"
