"""JSON as bytes: what is legal in it and still more than our decoder or PostgreSQL can take."""

import json
import re
from collections.abc import Iterable
from typing import Any, cast

_MAX_DEPTH = 100  # Stripe nests some ten deep; where Python gives up depends on the caller's stack

_HEX = rb"[0-9a-fA-F]"
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB]%(x)b{2}\\u[dD][c-fC-F]%(x)b{2}"  # a pair of surrogates is one character
    rb"|(?P<unstorable>u0000|u[dD][89a-fA-F]%(x)b{2})|.)" % {b"x": _HEX},
    re.DOTALL,
)
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def storable(body: bytes) -> bytes:
    """The same JSON with U+FFFD for characters that no PostgreSQL text can hold.

    These are NUL and lone surrogates; in JSON both can only be written as an escape.
    """
    if b"\\" not in body:
        return body
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape["unstorable"] else escape[0], body)


def is_too_deep(body: bytes) -> bool:
    """Whether valid JSON nests deeper than a fixed limit (of 100 levels; some shapes of 200)."""
    if body.count(b"[") + body.count(b"{") <= _MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", body).translate(None, _NOT_BRACKETS)
    for _ in range(_MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return bool(brackets)


def repeated_key(body: bytes) -> str | None:
    """Where valid JSON names a key a second time within one object, as `lines.0.quantity`.

    RFC 8259 (section 4) leaves open which of the two counts, so a caller may mean either.
    """
    # An object becomes a tuple of pairs; whole numbers stay text, which may be of any length.
    return _repeated(json.loads(body, object_pairs_hook=tuple, parse_int=str), ())


def _repeated(value: Any, path: tuple[str, ...]) -> str | None:
    pairs: Iterable[tuple[Any, Any]]
    match value:
        case tuple():
            pairs = cast("tuple[tuple[str, Any], ...]", value)
        case list():
            pairs = enumerate(cast("list[Any]", value))
        case _:
            return None
    seen = set[Any]()
    for name, inner in pairs:
        here = (*path, str(name))
        if name in seen:
            return ".".join(here)
        seen.add(name)
        if found := _repeated(inner, here):
            return found
    return None
