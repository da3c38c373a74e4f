"""Decoding that loses a field of a wrong type rather than the object, where that is safe.

Safe are fields that say nothing of money, of a state, of a day that money counts on, or of what
belongs together: an object names them in `MAY_BE_LOST`. Whatever else is wrong makes it unreadable.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, Final, Generic, NamedTuple, TypeVar, get_type_hints

from msgspec import Raw
from msgspec.json import Decoder, Encoder

from webhooks.translate.objects import UNREADABLE, StripeObject

AnyObject = TypeVar("AnyObject", bound=StripeObject)
_read_fields: Final = Decoder(dict[str, Raw]).decode
_write: Final = Encoder().encode


class Decoded(NamedTuple, Generic[AnyObject]):
    """An object, and the fields that could not be read, each with why."""

    value: AnyObject
    lost: dict[str, str]


def leniently(raw: Raw, kind: type[AnyObject]) -> Decoded[AnyObject]:
    """An object without the fields that may be lost and are of a wrong type.

    Raises one of `UNREADABLE` where something else is wrong.
    """
    with suppress(*UNREADABLE):
        return Decoded(_decoder(kind)(raw), {})
    fields = _read_fields(raw)
    lost: dict[str, str] = {}
    for name, decode in _losable(kind).items():
        if name in fields:
            try:
                decode(fields[name])
            except UNREADABLE as error:
                lost[name] = str(error)
                del fields[name]
    return Decoded(_decoder(kind)(_write(fields)), lost)


@cache
def _decoder(kind: type[AnyObject]) -> Callable[[Raw | bytes], AnyObject]:
    return Decoder(kind).decode


@cache
def _losable(kind: type[StripeObject]) -> dict[str, Callable[[Raw], Any]]:
    hints = get_type_hints(kind, include_extras=True)
    return {name: Decoder(hints[name]).decode for name in sorted(kind.MAY_BE_LOST)}
