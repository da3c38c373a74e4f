"""Audit: who did what, when, from where and why; one line an event of the log."""

from collections.abc import Iterator

from ledger.domain.events import (
    AccessRefused,
    Event,
    ProofFailed,
    RebuildFailed,
    UnreadableEvent,
)
from ledger.domain.facts import EventContext, StripeEventRecorded, StripeEventUnreadable
from projections.engine.declare import Change, Journal, Projection, line

# How a delivery reached us says nothing of the world: another delivery of the same event, come
# first, would have other values.
audit = Journal(
    "audit",
    recorded_at=line("timestamptz", bookkeeping=True),
    effective_at=line("timestamptz"),
    topic=line("text"),
    kind=line("text"),
    object_kind=line("text"),
    object_id=line("text"),
    actor=line("text"),
    actor_name=line("text"),
    role=line("text"),
    address=line("text", bookkeeping=True),
    user_agent=line("text", bookkeeping=True),
    request_id=line("text", bookkeeping=True),
    reason=line("text"),
    outcome=line("text"),
    correlation=line("text"),
    causation=line("text"),
    indexes=("correlation", "causation", "outcome"),
)
unreadable = Journal(
    "unreadable_events", event_id=line("text"), type=line("text"), cause=line("text")
)
projection = Projection("audit", tables=(audit, unreadable))

LINES = """
select
    position, recorded_at, effective_at, kind, actor, actor_name, role, reason, outcome,
    object_kind || '/' || object_id as source, correlation, causation
from audit
where position = any(%(positions)s)
order by position
"""
"""The lines of some positions, in the log's order."""


def _line(at: EventContext, kind: str, actor: str, outcome: str) -> Change:
    meta = at.meta
    object_kind, _, object_id = at.source.partition("/")
    return audit.line(
        at,
        recorded_at=at.recorded_at,
        effective_at=at.effective_at,
        topic=at.topic,
        kind=kind,
        object_kind=object_kind,
        object_id=object_id,
        actor=actor,
        actor_name=meta.actor_name,
        role=meta.role,
        address=meta.address,
        user_agent=meta.user_agent,
        request_id=meta.request_id,
        reason=meta.reason,
        outcome=outcome,
        correlation=meta.correlation,
        causation=meta.causation,
    )


@projection.handles(Event)
def acted(fact: Event, at: EventContext) -> Iterator[Change]:
    """An action of the shop; its kind is its topic without the version."""
    is_unreadable = isinstance(fact, UnreadableEvent)
    topic = fact.topic if is_unreadable else fact.TOPIC
    yield _line(at, topic.rpartition(".")[0], at.meta.actor, _outcome(fact))
    if is_unreadable:
        yield unreadable.line(at, event_id=at.source, type=fact.topic, cause=fact.cause)


def _outcome(fact: Event) -> str:
    match fact:
        case AccessRefused():
            return "refused"
        case ProofFailed() | RebuildFailed():
            return "failed"
        case UnreadableEvent():
            return "unreadable"
        case _:
            return "done"


@projection.handles(StripeEventRecorded)
def reported(fact: StripeEventRecorded, at: EventContext) -> Iterator[Change]:
    """A Stripe event, and what became of it."""
    yield _line(at, fact.type, "stripe", fact.outcome)


@projection.handles(StripeEventUnreadable)
def failed(fact: StripeEventUnreadable, at: EventContext) -> Iterator[Change]:
    """A Stripe event that the translator could not read."""
    yield unreadable.line(at, event_id=fact.event_id, type=fact.type, cause=fact.cause)
