"""The audit log as people search it, and the events that nobody could read: the latest first.

A page goes down from a position, so that it stays as it was while the log grows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from ledger.log import Log
from projections.engine.history import BEYOND, Shown
from projections.engine.reads import rows
from projections.engine.tables import AnyCursor
from projections.links import RELATED

READS: Final = ("audit", "links")
LINES: Final = """
select
    a.position, a.recorded_at, a.effective_at, a.kind, a.outcome, a.actor, a.actor_name, a.role,
    a.object_kind || '/' || a.object_id as source,
    array(
        select kind || '/' || id
        from links
        where position = a.position
        order by kind, id
    ) as objects,
    a.reason, a.address, a.user_agent, a.request_id, a.correlation, a.causation
from audit as a
where a.position > %(after)s and a.position < %(before)s
"""
NEWEST_FIRST: Final = """
order by a.position desc
limit %(lines)s
"""

# What touched an object (for an order, its payments too), what stands in a stream of that name,
# and what was done because of it, such as a read of its evidence.
_RELATED: Final = RELATED % {
    "kinds": "array[%(object_kind)s]",
    "ids": "array[%(object_id)s]",
    "after": "%(after)s",
    "limit": "%(everything)s",
}
_OF_OBJECT: Final = """
a.position in (
    (related)
    union all
    select notification_id from ledger.stored_events where originator_id = %(object)s
    union all
    select position from audit where correlation = %(object)s
)
""".replace("related", _RELATED)
_SAYS: Final = """
strpos(
    lower(concat_ws(
        ' ', a.kind, a.outcome, a.actor, a.actor_name, a.role, a.object_kind || '/' || a.object_id,
        a.reason, a.address, a.user_agent, a.request_id, a.correlation, a.causation
    )),
    lower(%(text)s)
) > 0
"""
FILTERS: Final = {
    "object": _OF_OBJECT,
    "actor": "a.actor = %(actor)s",
    "role": "a.role = %(role)s",
    "kind": "a.kind like %(kind)s",
    "outcome": "a.outcome = %(outcome)s",
    "causation": "a.causation = %(causation)s",
    "text": _SAYS,
}
"""By what lines are found: the condition that a filter adds."""

UNREADABLE: Final = """
select
    u.position, a.recorded_at, a.effective_at, u.event_id, u.type, u.cause
from unreadable_events as u
join audit as a using (position)
where u.position < %(before)s
order by u.position desc
limit %(lines)s
"""


def search(
    cursor: AnyCursor,
    filters: Mapping[str, str],
    *,
    after: int = 0,
    before: int = BEYOND,
    limit: int,
) -> list[Shown]:
    """Lines between two positions that fit all filters, the latest first.

    `object` is written as `order/A1`; `kind` may hold `*` for anything, as `charge.dispute.*`;
    `text` is looked for in every column that people wrote or may know, A to Z in any case.
    """
    conditions = "".join(f" and {FILTERS[name]}" for name in filters)
    object_kind, _, object_id = filters.get("object", "").partition("/")
    given = {
        **filters,
        "kind": _pattern(filters.get("kind", "")),
        "object_kind": object_kind,
        "object_id": object_id,
        "after": after,
        "before": before,
        "everything": BEYOND,
        "lines": limit,
    }
    return rows(cursor, LINES + conditions + NEWEST_FIRST, **given)


def between(log: Log, since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """The positions just outside what was recorded from one time on and before another."""
    after = 0 if since is None else _last_before(log, since)
    before = BEYOND if until is None else _last_before(log, until) + 1
    return after, before


def _last_before(log: Log, time: datetime) -> int:
    try:
        return log.position_at(time - timedelta(microseconds=1))
    except OverflowError:
        return 0


def unreadable(cursor: AnyCursor, *, before: int = BEYOND, limit: int) -> list[Shown]:
    """Stripe's events that the translator could not read, and why; the latest first."""
    return rows(cursor, UNREADABLE, before=before, lines=limit)


def _pattern(text: str) -> str:
    """A pattern of SQL's `like` in which only `*` means something else than itself."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return text.replace("*", "%")
