"""The audit log as people search it, and the events that could not be read: the latest first.

A page goes down from a position, so that it stays as it was while the log grows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ledger.domain.access import Role
from ledger.domain.events import CATALOGUE, RecordedEvent
from ledger.log import Log
from projections.engine.reads import rows
from projections.engine.tables import AnyCursor
from projections.links import RELATED
from projections.queries.history import Shown
from projections.queries.listing import ORDER, Positions, check_texts, unknown_word

READS: Final = ("audit", "links")
NOUNS: Final = "lines of the audit log"
FILLED_BY: Final = "Everything that is recorded is one: a webhook of Stripe's, an order, a token."
"""What makes lines of the audit log, and events."""
ALL_READ: Final = "Every event of Stripe's could be read."
"""Why no event is among the unreadable ones."""

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
    "actor": "(a.actor = %(actor)s or a.actor_name = %(actor)s)",
    "role": "a.role = %(role)s",
    "kind": "a.kind like %(kind)s",
    "outcome": "a.outcome = %(outcome)s",
    "causation": "a.causation = %(causation)s",
    "topic": "a.topic = %(topic)s",
    "type": "a.object_kind = 'stripe' and a.kind like %(type)s",
    "stream": """
        a.position in (
            select notification_id from ledger.stored_events where originator_id = %(stream)s
        )
    """,
    "text": _SAYS,
}
"""By what lines are found: the condition that a filter adds."""

WORDS: Final = {
    "role": tuple(Role),
    "outcome": ("done", "failed", "refused", "unreadable"),
    "kind": tuple(topic.rpartition(".")[0] for topic in CATALOGUE),
    "topic": tuple(CATALOGUE),
    "type": (),
    "actor": (),
}
"""Filters that have words of their own, and the words that are known whatever the log has."""

_SEEN: Final = {
    "role": "select distinct role as word from audit where role is not null",
    "outcome": "select distinct outcome as word from audit",
    "kind": "select distinct kind as word from audit",
    "topic": "select distinct topic as word from audit",
    "type": "select distinct kind as word from audit where object_kind = 'stripe'",
    "actor": """
        select distinct actor || coalesce(' (' || actor_name || ')', '') as word
        from audit
        order by word
        limit 50
    """,
}
"""The words that the log has."""

_KNOWN: Final = (
    "select exists (select from unnest(%(known)s::text[]) as a ({name}) where {fits}) as fits"
)
_THERE: Final = "select exists (select from audit as a where {fits}) as fits"
_STREAM: Final = """
select exists (select from ledger.stored_events where originator_id = %(stream)s) as fits
"""

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

    `object` and `stream` are written as `order/A1`. `kind`, and `type` of Stripe's events only, may
    hold `*` for anything, as `charge.dispute.*`. `text` is looked for in every column that
    people wrote or may know, A to Z in any case. An `actor` is an id or a name, as lines show them.
    Raises `InvalidRequest` for a role, outcome, kind, topic or type that neither we nor the log
    know, and for an actor or a stream that the log does not have.
    """
    check_texts(filters.values())
    asked = span or Positions()
    conditions = "".join(f" and {FILTERS[name]}" for name in filters)
    object_kind, _, object_id = filters.get("object", "").partition("/")
    given = {
        **filters,
        "kind": _pattern(filters.get("kind", "")),
        "type": _pattern(filters.get("type", "")),
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
        if WORDS[name] and _fits(cursor, _KNOWN.format(name=name, fits=FILTERS[name]), known):
            continue
        if _fits(cursor, _THERE.format(fits=FILTERS[name]), given):
            continue
        there = {each["word"] for each in rows(cursor, _SEEN[name])}
        raise unknown_word(name, filters[name], sorted({*WORDS[name], *there}))
    if "stream" in filters and not _fits(cursor, _STREAM, given):
        raise unknown_word("stream", filters["stream"], ["the log's streams"])


def _fits(cursor: AnyCursor, query: str, given: Mapping[str, Any]) -> bool:
    (row,) = rows(cursor, query, **given)
    return row["fits"]


def unreadable(cursor: AnyCursor, span: Positions, *, limit: int) -> list[Shown]:
    """Stripe's events that the translator could not read, and why."""
    return rows(
        cursor,
        UNREADABLE + ORDER[span.latest_first],
        after=span.after,
        before=span.before,
        limit=limit,
    )


def events_that_fit(
    cursor: AnyCursor, log: Log, filters: Mapping[str, str], span: Positions, limit: int
) -> list[RecordedEvent]:
    """Events of a span that fit filters of the audit log, as they stand in the log."""
    found = log.at([line["position"] for line in search(cursor, filters, span, limit=limit)])
    return found[::-1] if span.latest_first else found


def events(log: Log, span: Positions, limit: int) -> list[RecordedEvent]:
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
