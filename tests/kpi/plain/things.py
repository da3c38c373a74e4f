"""Stripe's objects, put together by the rules of docs/stripe.md: arrival plays no part."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ledger.domain.facts import EventContext
from tests.kpi.plain.said import Said, all_of

Report = tuple[EventContext, Any]
Clock = tuple[datetime, int, int, str]


class Thing:
    """All that was reported of one object."""

    def __init__(self) -> None:
        self.reports: list[Report] = []

    @property
    def state(self) -> str | None:
        """The furthest stage of its life (ranks are stages in tens); of equals the latest."""
        if not self.reports:
            return None
        return max(self.reports, key=lambda r: (r[1].state.rank // 10, by_clock(r)))[1].state_name

    @property
    def newest(self) -> Any:
        """The latest report, which is right about plain fields; None if there is none."""
        return max(self.reports, key=by_clock)[1] if self.reports else None

    def latest_named(self, name: str) -> tuple[Clock, str] | None:
        """What the latest report that names it says, and when that is."""
        named = [(by_clock(each), getattr(each[1], name)) for each in self.reports]
        return max((each for each in named if each[1] is not None), default=None)

    def known(self, name: str) -> Any:
        """Once known stays known, and amounts of money in take the maximum."""
        values = (getattr(fact, name) for _, fact in self.reports)
        return max((value for value in values if value is not None), default=None)

    def made_at(self) -> datetime:
        """The earliest that a report says."""
        return min(fact.created_at for _, fact in self.reports)

    def since(self, holds: Callable[[Any], bool]) -> datetime | None:
        """When Stripe first said so, by its clock."""
        return min((at.effective_at for at, fact in self.reports if holds(fact)), default=None)


def by_clock(report: Report) -> Clock:
    """Stripe's time first, then the event's step in its second, the rank, and the event's id."""
    at, fact = report
    _, step, _ = at.order_key.split(".", 2)
    return at.effective_at, int(step), fact.state.rank, at.source


def things(said: Said, kind: type[Any], key: str) -> dict[str, Thing]:
    """The objects of a kind by id."""
    found: dict[str, Thing] = {}
    for at, fact in all_of(said, kind):
        found.setdefault(getattr(fact, key), Thing()).reports.append((at, fact))
    return found


def known_of(things: list[Thing], name: str) -> Any:
    """What any of them knows; of several values the greatest."""
    values = (each.known(name) for each in things)
    return max((value for value in values if value is not None), default=None)
