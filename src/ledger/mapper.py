"""How events are stored: the bytes of a state, made of an entry and read back."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from eventsourcing.persistence import Mapper, StoredEvent, Transcoder
from msgspec import MsgspecError, Struct
from msgspec.json import Decoder, Encoder

from ledger.domain.events import (
    CATALOGUE,
    Event,
    Metadata,
    NewEvent,
    RecordedEvent,
    UnreadableEvent,
)
from ledger.errors import UnknownTopic
from ledger.verbatim import VERBATIM, VerbatimStripeEvent, VerbatimStripeObject

UNKNOWN = Metadata(actor="unknown")
"""Of an event that cannot be read."""

Data = TypeVar("Data")


class Envelope(Struct, Generic[Data], frozen=True, omit_defaults=True):
    """What `state` holds, as JSON: format version, the event's own time, its meta and its data."""

    v: int
    at: datetime
    data: Data
    meta: Metadata = Metadata()


class LedgerMapper(Mapper[str]):
    """Turns entries into stored bytes and back; nothing else knows how a state is stored."""

    def __init__(self, transcoder: Transcoder, **_: Any) -> None:
        super().__init__(transcoder)
        self._encode = Encoder().encode
        self._decoders = {
            topic: Decoder(Envelope[VERBATIM.get(event, event)])
            for topic, event in CATALOGUE.items()
        }

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """The stored form of a `NewEvent`."""
        entry = cast("NewEvent", domain_event)
        event = entry.event
        verbatim = VERBATIM.get(type(event))
        data = event if verbatim is None else verbatim.of(event)
        return StoredEvent(
            originator_id=entry.originator_id,
            originator_version=entry.originator_version,
            topic=event.TOPIC,
            state=self._encode(Envelope(1, entry.effective_at, data, entry.meta)),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """The `NewEvent` of a stored form; raises `UnknownTopic` where it cannot be read here."""
        stored = stored_event
        envelope = self.open(stored.topic, stored.state)
        return NewEvent(
            cast("str", stored.originator_id),
            stored.originator_version,
            envelope.data,
            envelope.at,
            envelope.meta,
        )

    def open(self, topic: str, state: bytes) -> Envelope[Event]:
        """The envelope of an event."""
        try:
            envelope = self._decoders[topic].decode(state)
        except KeyError:
            raise UnknownTopic(f"This version cannot read events of topic {topic!r}.") from None
        except MsgspecError as error:
            raise UnknownTopic(f"An event of topic {topic!r} cannot be read: {error}.") from error
        if envelope.v != 1:
            raise UnknownTopic(f"Format {envelope.v} of topic {topic!r} is not known here.")
        if isinstance(envelope.data, VerbatimStripeEvent | VerbatimStripeObject):
            return Envelope(1, envelope.at, envelope.data.event(), envelope.meta)
        return cast("Envelope[Event]", envelope)

    def recorded(self, row: tuple[Any, ...]) -> RecordedEvent:
        """The event of a row of `SELECT`; an `UnreadableEvent` where it cannot be read.

        Reading never raises for the sake of one event: what rests on it finds out.
        """
        position, stream, version, topic, recorded_at, state = row
        try:
            envelope = self.open(topic, state)
        except UnknownTopic as error:
            unreadable = UnreadableEvent(topic=topic, cause=str(error), state=state)
            return RecordedEvent(
                position, stream, version, recorded_at, recorded_at, unreadable, UNKNOWN
            )
        return RecordedEvent(
            position, stream, version, recorded_at, envelope.at, envelope.data, envelope.meta
        )
