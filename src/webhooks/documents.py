"""JSON documents that hold several Stripe events, cut into the exact bytes of each."""

from typing import Literal, NamedTuple

from msgspec import DecodeError, Raw, Struct
from msgspec.json import Decoder

from ledger.errors import NotAStripeEvent
from ledger.json_text import storable


class Element(NamedTuple):
    """A JSON value and where it begins in its document."""

    offset: int
    body: bytes


class _List(Struct):
    """docs.stripe.com/api/pagination: the newest first."""

    data: list[Raw]
    object: Literal["list"]


class _Object(Struct):
    id: str


_read_any = Decoder(Raw).decode
_read_object = Decoder(_Object).decode
_read_elements = Decoder(list[Raw] | _List).decode


def is_json(document: bytes) -> bool:
    """Whether this is one JSON value (lone surrogates, which JSON allows, included)."""
    try:
        _read_any(storable(document))
    except (DecodeError, RecursionError):
        return False
    return True


def id_of(body: bytes) -> str:
    """The id of an object of Stripe's; raises ValueError where it says none."""
    return _read_object(storable(body)).id


def elements(document: bytes) -> list[Element]:
    """The elements of a JSON array or of one of Stripe's list objects, byte for byte.

    Raises `NotAStripeEvent` where `document` is neither.
    """
    decodable = storable(document)
    try:
        found = _read_elements(decodable)
    except (ValueError, RecursionError) as error:
        raise NotAStripeEvent(f"This is no list of Stripe events: {error}") from error
    return _cut(document, decodable, found.data if isinstance(found, _List) else found)


def _cut(document: bytes, decodable: bytes, found: list[Raw]) -> list[Element]:
    """What `storable` replaces has the same length, so what was decoded shows where to cut."""
    cut: list[Element] = []
    end = 0
    for raw in found:
        value = bytes(raw)
        start = decodable.index(value, end)
        end = start + len(value)
        cut.append(Element(start, document[start:end]))
    return cut
