"""Conflicts: Stripe events that came under an id with another content; one row a content."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from ledger.domain.events import SOURCES, ConflictFound
from ledger.domain.facts import EventContext
from projections.engine.declare import Change, Listing, Mirror, Projection, key, known
from projections.engine.row import Row, Words


class Conflict(Row):
    """A content that was not stored, since the log held another one under its id."""

    other_sha256: str
    """SHA-256 of the bytes that came later."""
    event_id: str
    stored_position: int
    """Position of the content that stays."""
    stored_sha256: str | None
    """SHA-256 of its bytes; none if they cannot be read any longer."""
    source: Annotated[str, Words(SOURCES)]
    """How the other content came."""
    found_at: datetime


conflicts = Mirror(
    "conflicts",
    other_sha256=key(),
    event_id=known("text"),
    stored_position=known("bigint"),
    stored_sha256=known("text"),
    source=known("text"),
    found_at=known("timestamptz"),
    indexes=("found_at, other_sha256", "event_id"),
)
projection = Projection(
    "conflicts",
    tables=(conflicts,),
    listing=Listing(
        conflicts,
        Conflict,
        noun="conflict",
        filled_by="No event came twice with different content.",
        sort="found_at",
        filters=("event_id", "source"),
    ),
)


@projection.handles(ConflictFound)
def found(fact: ConflictFound, at: EventContext) -> Iterator[Change]:
    """The content is its own key: what comes again is no other conflict."""
    yield conflicts.mention(
        other_sha256=fact.other_sha256,
        event_id=fact.event_id,
        stored_position=fact.stored_position,
        stored_sha256=fact.stored_sha256,
        source=fact.source,
        found_at=at.effective_at,
    )
