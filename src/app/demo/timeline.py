"""The timeline of a shop: what it was asked to do, and what Stripe reported."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct, field

from ledger.domain.aggregate import Command
from ledger.domain.order_commands import (
    CancelOrder,
    ExpireOrder,
    FulfilOrder,
    OrderMoney,
    ReallocateOrder,
)
from simulator import Events
from simulator.goods import DAY

Kind = type[CancelOrder | ExpireOrder | FulfilOrder | ReallocateOrder]


class Answer(Struct, frozen=True):
    """What is done about an order once it is known what Stripe did for it."""

    kind: Kind
    order_id: str
    at: datetime

    def command(self, money: OrderMoney) -> Command:
        """The command, resting on the money that is known."""
        return self.kind(order_id=self.order_id, at=self.at, money=money)


class Week(Struct):
    """Seven days; each kind of entry in the order in which it happened."""

    events: Events = field(default_factory=Events)
    commands: list[Command] = field(default_factory=list[Command])
    answers: list[Answer] = field(default_factory=list[Answer])


class Timeline:
    """Entries in any order; what lies ahead of `now` (seconds since 1970) is not written down.

    Week by week, Stripe's events come first, then the shop's commands, then its answers to both.
    """

    def __init__(self, now: int) -> None:
        self._now = now
        self._weeks = defaultdict[int, Week](Week)

    def report(self, events: Events) -> None:
        """Stripe reported these."""
        for event in events:
            if event.created < self._now:
                self._week(event.created).events.append(event)

    def do(self, command: Command) -> None:
        """The shop was asked to do something."""
        at = int(command.at.timestamp())
        if at < self._now:
            self._week(at).commands.append(command)

    def answer(self, kind: Kind, order_id: str, at: int) -> None:
        """The shop did something about an order's money, or the want of it."""
        if at < self._now:
            self._week(at).answers.append(Answer(kind, order_id, time_of(at)))

    def weeks(self) -> Iterator[Week]:
        """The weeks, the first one first."""
        for _, week in sorted(self._weeks.items()):
            yield Week(
                sorted(week.events, key=lambda event: event.created),
                sorted(week.commands, key=lambda command: command.at),
                sorted(week.answers, key=lambda answer: answer.at),
            )

    def _week(self, at: int) -> Week:
        return self._weeks[(at - self._now) // (7 * DAY)]


def time_of(at: int) -> datetime:
    """Seconds since 1970 as a time."""
    return datetime.fromtimestamp(at, UTC)
