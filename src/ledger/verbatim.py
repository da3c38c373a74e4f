"""How events with a body of Stripe's are stored: byte for byte, within the JSON of `state`.

A new kind of event that carries a body has a row in `VERBATIM`.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import datetime
from itertools import chain
from typing import Any, Final, Literal

from msgspec import DecodeError, Raw, Struct
from msgspec.json import Decoder

from ledger.domain.events import Event, StripeEventReceived, StripeObjectObserved
from ledger.json_text import is_too_deep


class VerbatimStripeEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a Stripe event is stored: its body byte for byte, or (`encoding`) as a base64 string."""

    event_id: str
    received_at: datetime
    source: str
    body: Raw
    signature: str | None = None
    signed_by: str | None = None
    account: str | None = None
    encoding: Literal["base64"] | None = None

    @classmethod
    def of(cls, event: StripeEventReceived) -> VerbatimStripeEvent:
        """Embed the body where that keeps its exact bytes, encode it where it does not."""
        (body,), encoding = _embedded(event.body)
        return cls(
            event_id=event.event_id,
            received_at=event.received_at,
            source=event.source,
            signature=event.signature,
            signed_by=event.signed_by,
            account=event.account,
            body=body,
            encoding=encoding,
        )

    def event(self) -> StripeEventReceived:
        """The event as it was received."""
        return StripeEventReceived(
            event_id=self.event_id,
            body=_restored(self.body, self.encoding),
            received_at=self.received_at,
            source=self.source,
            signature=self.signature,
            signed_by=self.signed_by,
            account=self.account,
        )


class VerbatimStripeObject(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an object that Stripe's API showed is stored, its body and rest likewise."""

    kind: str
    object_id: str
    fetched_at: datetime
    path: str
    livemode: bool
    body: Raw
    account: str | None = None
    api_version: str | None = None
    encoding: Literal["base64"] | None = None
    rest: dict[str, list[Raw]] = {}

    @classmethod
    def of(cls, event: StripeObjectObserved) -> VerbatimStripeObject:
        """Embed the body where that keeps its exact bytes, encode it where it does not."""
        (body, *elements), encoding = _embedded(event.body, *chain(*event.rest.values()))
        others = iter(elements)
        return cls(
            kind=event.kind,
            object_id=event.object_id,
            fetched_at=event.fetched_at,
            path=event.path,
            livemode=event.livemode,
            account=event.account,
            api_version=event.api_version,
            body=body,
            encoding=encoding,
            rest={part: [next(others) for _ in rest] for part, rest in event.rest.items()},
        )

    def event(self) -> StripeObjectObserved:
        """The object as it was shown."""
        return StripeObjectObserved(
            kind=self.kind,
            object_id=self.object_id,
            body=_restored(self.body, self.encoding),
            fetched_at=self.fetched_at,
            path=self.path,
            livemode=self.livemode,
            account=self.account,
            api_version=self.api_version,
            rest={
                part: tuple(_restored(each, self.encoding) for each in rest)
                for part, rest in self.rest.items()
            },
        )


VERBATIM: Final[dict[type[Event], Any]] = {
    StripeEventReceived: VerbatimStripeEvent,
    StripeObjectObserved: VerbatimStripeObject,
}
"""How each event with a body is stored."""


def _embedded(*bodies: bytes) -> tuple[list[Raw], Literal["base64"] | None]:
    """The bodies as JSON: all as they are, or all encoded."""
    if all(map(_is_bare_json, bodies)):
        return [Raw(body) for body in bodies], None
    return [Raw(b'"%b"' % b64encode(body)) for body in bodies], "base64"


def _restored(body: Raw, encoding: Literal["base64"] | None) -> bytes:
    return bytes(body) if encoding is None else b64decode(bytes(body).strip(b'"'))


def _is_bare_json(body: bytes) -> bool:
    if body != body.strip() or is_too_deep(body):
        return False
    try:
        Decoder(Raw).decode(body)
        body.decode()
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
