"""The log over HTTP: its events, the audit log that they make up, and where the projections stand.

Who sees what events hold is recorded first: `ledger.disclosures`.
"""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from api.auth import require
from api.operations import operation
from api.permissions import Permission, meta_of
from ledger.disclosures import DisclosureLog
from ledger.errors import NotFound, StoreUnavailable
from ledger.settings import Settings
from projections.engine.proofs import last_proof
from projections.queries import audit_search, history
from projections.queries.history import Shown
from projections.queries.schemas import (
    READ,
    AuditLine,
    Event,
    EventDetails,
    Evidence,
    Item,
    LastProofResponse,
    ManyLines,
    ManyOfLog,
    ManyRecordedLately,
    Page,
    StandingResponse,
    StatusResponse,
    StripeResponse,
    UnreadableEvent,
    page_by_position,
    page_of,
    positions_in,
    reads_of,
)
from projections.queries.stripe_state import state_of


@operation(Permission.SEE_EVIDENCE, "events", answers=page_of(Event), errors=READ)
def list_events(request: Request, query: ManyOfLog) -> Page:
    """List events of the log, without what they hold, the earliest first.

    A cursor is the position that the page before ended with.
    """
    reads = reads_of(request)
    span = positions_in(reads, query)
    filters = query.model_dump(include={"topic", "type", "stream"}, exclude_none=True)
    log, read = reads.engine.log, audit_search.READS if filters else ()
    with reads.snapshot(read, query.after) as cursor:
        position = cursor.position
        if filters:
            found = audit_search.events_that_fit(cursor, log, filters, span, query.limit)
        else:
            found = audit_search.events(log, span.upto(position), query.limit)
    lines = [history.envelope(event, reads.engine.reader) for event in found]
    return page_by_position(lines, position, "events", query, audit_search.FILLED_BY)


@operation(
    Permission.SEE_EVIDENCE, "events", answers=EventDetails, errors=(NotFound, StoreUnavailable)
)
def show_event(request: Request, query: Evidence) -> Item:
    """Show one event as it stands in the log, with its leaf hash, and whether that still fits.

    The body of a Stripe event is verbatim. `signature_check` is made again at each call: `valid`,
    `no_present_secret_fits`, or `not_signed` (imported or pulled). This is a read of evidence, and
    so an event itself, with the `reason`.
    """
    position: int = request.path_params["position"]
    found = history.event_at(reads_of(request), position, request.state.is_signed)
    disclosure_log(request, found["source"], [found["position"]], query.reason)
    return Item(found)


@operation(Permission.SEE_EVIDENCE, "events", answers=page_of(UnreadableEvent), errors=READ)
def list_unreadable(request: Request, query: ManyRecordedLately) -> Page:
    """List Stripe's events that could not be read, and why; the latest first."""
    reads = reads_of(request)
    span = positions_in(reads, query)
    with reads.snapshot(["audit"], query.after) as cursor:
        found = audit_search.unreadable(cursor, span, limit=query.limit)
        position = cursor.position
    return page_by_position(found, position, "unreadable events", query, audit_search.ALL_READ)


@operation(Permission.SEE_EVIDENCE, "audit", answers=page_of(AuditLine), errors=READ)
def search_audit_log(request: Request, query: ManyLines) -> Page:
    """Search the audit log: who did what, to what, when, from where and why; the latest first.

    Every event of the log is a line. `source` is its stream, `objects` are those that it names.
    """
    reads = reads_of(request)
    span = positions_in(reads, query)
    filters = query.model_dump(include=set(audit_search.FILTERS), exclude_none=True)
    with reads.snapshot(audit_search.READS, query.after) as cursor:
        found = audit_search.search(cursor, filters, span, limit=query.limit)
        position = cursor.position
    return page_by_position(found, position, audit_search.NOUNS, query, audit_search.FILLED_BY)


@operation(Permission.SEE_STATUS, "service", errors=(StoreUnavailable,))
def show_status(request: Request) -> StatusResponse:
    """Say how long the log is, where each projection stands, and what the last proof found."""
    reads = reads_of(request)
    head = reads.engine.log.head()
    statuses = [
        StandingResponse(
            name=status.name,
            state=status.state,
            fingerprint=status.version,
            position=status.position,
            lag_events=max(0, head - status.position),
            stopped_position=status.stopped_at,
            because=status.because,
        )
        for status in reads.statuses()
    ]
    with reads.snapshot([]) as cursor:
        proof = last_proof(cursor.connection, reads.engine)
    told = None if proof is None else LastProofResponse.model_validate(proof.document())
    state = state_of(request)
    settings: Settings | None = getattr(request.state, "settings", None)
    stripe = StripeResponse(
        mode=None if settings is None else settings.ledger_mode,
        webhook_secrets=0 if settings is None else len(settings.stripe_webhook_secrets),
        retired_webhook_secrets=(
            0 if settings is None else len(settings.stripe_retired_webhook_secrets)
        ),
        has_key=state.has_key,
        pulled_at=state.pulled_at,
        refreshed_at=state.refreshed_at,
        missing=state.missing,
        told=state.told,
    )
    return StatusResponse(head=head, projections=statuses, last_proof=told, stripe=stripe)


routes = [
    Route("/events", list_events),
    Route("/events/unreadable", list_unreadable),
    Route("/events/{position:int}", show_event),
    Route("/audit", search_audit_log),
    Route("/status", show_status),
]


# ── Reads of evidence ───────────────────────────────────────────────────────────────────────────


def with_payloads(
    request: Request, subject: str, page: list[Shown], reason: str | None
) -> list[Shown]:
    """A page of a history, each line with what its event holds; a read of evidence.

    A role that may see the history of its own domain may see this too, on record.
    """
    require(request, Permission.SEE_PAYLOADS)
    positions = [line["position"] for line in page]
    disclosure_log(request, subject, positions, reason)
    held = reads_of(request).engine.log.at(positions)
    payloads: dict[int, Any] = {e.position: history.contents(e.event) for e in held}
    return [line | {"payload": payloads[line["position"]]} for line in page]


def disclosure_log(
    request: Request, subject: str, positions: Sequence[int], reason: str | None
) -> None:
    """Write down that the caller is about to see what these events hold."""
    writer: DisclosureLog = request.state.disclosure_log
    writer.saw(subject, positions, meta_of(request, reason))
