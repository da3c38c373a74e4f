"""The audit log as people search it, and the events that nobody could read: the latest first.

A page goes down from a position, so that it stays as it was while the log grows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from psycopg.sql import SQL, Identifier

from ledger.domain.access import Role
from ledger.domain.events import CATALOGUE, Recorded
from ledger.log import Log
from projections.engine.history import Shown
from projections.engine.listing import ORDER, Positions, unknown_word
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
# What touched an object (for an order, its payments too), what stands in a stream of that name,
# and what was done because of it, such as a read of its evidence.
_RELATED: Final = RELATED % {
    "kinds": "array[%(object_kind)s]",
    "ids": "array[%(object_id)s]",
    "after": "%(after)s",
    "before": "%(before)s",
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

WORDS: Final = {
    "role": tuple(Role),
    "outcome": ("done", "refused", "unreadable"),
    "kind": tuple(topic.rpartition(".")[0] for topic in CATALOGUE),
}
"""Filters that have words of their own, and the words that are known whatever the log has."""

_FITS: Final = """
select
    exists (select from unnest(%(known)s::text[]) as a ({name}) where {fits})
    or exists (select from audit as a where {fits}) as fits
"""
"""Whether a filter fits a word that is known, or one that the log has; the first is quick."""

UNREADABLE: Final = """
select
    u.position, a.recorded_at, a.effective_at, u.event_id, u.type, u.cause
from unreadable_events as u
join audit as a using (position)
where u.position > %(after)s and u.position < %(before)s
"""


def search(
    cursor: AnyCursor,
    filters: Mapping[str, str],
    span: Positions | None = None,
    *,
    limit: int,
) -> list[Shown]:
    """Lines of a span, or of everything, that fit all filters.

    `object` is written as `order/A1`; `kind` may hold `*` for anything, as `charge.dispute.*`;
    `text` is looked for in every column that people wrote or may know, A to Z in any case.
    Raises `InvalidRequest` for a role, outcome or kind that neither we nor the log know.
    """
    asked = span or Positions()
    conditions = "".join(f" and {FILTERS[name]}" for name in filters)
    object_kind, _, object_id = filters.get("object", "").partition("/")
    given = {
        **filters,
        "kind": _pattern(filters.get("kind", "")),
        "object_kind": object_kind,
        "object_id": object_id,
        "after": asked.after,
        "before": asked.before,
        "limit": limit,
    }
    found = rows(cursor, LINES + conditions + ORDER[asked.latest_first], **given)
    if not found:
        _check_words(cursor, filters, given)
    return found


def _check_words(cursor: AnyCursor, filters: Mapping[str, str], given: Mapping[str, Any]) -> None:
    """Stripe's events have kinds that we do not know before the log has one.

    The database compares, as the search does: a statement ends in time, whatever the pattern is.
    """
    for name in WORDS.keys() & filters.keys():
        known = {"known": list(WORDS[name]), **given}
        (row,) = rows(cursor, _FITS.format(name=name, fits=FILTERS[name]), **known)
        if not row["fits"]:
            query = SQL("select distinct {} as word from audit").format(Identifier(name))
            there = {each["word"] for each in cursor.execute(query).fetchall()}
            words = sorted({*WORDS[name], *there} - {None})
            raise unknown_word(name, filters[name], words)


def unreadable(cursor: AnyCursor, span: Positions, *, limit: int) -> list[Shown]:
    """Stripe's events that the translator could not read, and why."""
    return rows(
        cursor,
        UNREADABLE + ORDER[span.latest_first],
        after=span.after,
        before=span.before,
        limit=limit,
    )


def events(log: Log, span: Positions, limit: int) -> list[Recorded]:
    """Events of a span as they stand in the log; positions have no gaps."""
    if not span.latest_first:
        return log.read(span.after, upto=span.before - 1, limit=limit)
    first = min(span.before, log.head() + 1)
    wanted = range(max(span.after + 1, first - limit), first)
    return log.at(wanted)[::-1]


def _pattern(text: str) -> str:
    """A pattern of SQL's `like` in which only `*` means something else than itself."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return text.replace("*", "%")
