"""Lists within an object of which Stripe shows the first ten, and how the rest completes them.

https://docs.stripe.com/api/pagination: a list within an object says `has_more`, and has a `url` of
its own, under which all of it is listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, cast

from msgspec import Raw
from msgspec.json import Decoder, Encoder

from ledger.json_text import storable

_MAY_BE_CUT: Final = re.compile(rb'"has_more"\s*:\s*true')
_DEEPEST: Final = 32
_API: Final = "/v1/"
_read: Final = Decoder(Any, float_hook=Decimal).decode
_write: Final = Encoder(decimal_format="number").encode


class CutList(NamedTuple):
    """A list that an object shows in part.

    `kind` and `object_id` name the object, the innermost one around the list, and `part` is the
    path from there to it (`items`). `url` is its own address, from `/v1/` on. `shown` elements are
    there, the last one with the id `last_id`; `at_least` is how many the list has, as far as it
    says. `element` is what Stripe calls one.
    """

    kind: str
    object_id: str
    part: str
    url: str
    shown: int
    at_least: int
    last_id: str | None
    element: str | None


def cut_lists(body: bytes | Raw) -> list[CutList]:
    """The lists within an object that Stripe cut; raises ValueError where `body` is no JSON."""
    if _MAY_BE_CUT.search(body) is None:
        return []
    return list(_found(_read(storable(bytes(body))), _Place(None, None, (), 0)))


def shows(body: bytes, part: str) -> bool:
    """Whether an object shows a list, by its path; raises ValueError as `cut_lists` does."""
    here = _read(storable(body))
    for step in part.split("."):
        here = _below(here, step)
    return isinstance(here, dict)


def completed(body: bytes, rest: Mapping[str, Sequence[bytes]]) -> bytes:
    """The object with each list that is named in `rest` whole: what it shows, and the rest.

    A list that the object does not show has the rest only. Raises ValueError as `cut_lists` does,
    and where there is no place for a list.
    """
    if not rest:
        return body
    whole = _read(storable(body))
    for part, elements in rest.items():
        _complete(whole, part.split("."), [Raw(storable(each)) for each in elements])
    return _write(whole)


def _complete(whole: Any, path: Sequence[str], elements: list[Raw]) -> None:
    *way, name = path
    for step in way:
        whole = _below(whole, step)
    if not isinstance(whole, dict):
        raise ValueError(  # noqa: TRY004 - what the object holds, not what the caller gave
            f"the object has no place for the list {'.'.join(path)}"
        )
    fields = cast("dict[str, Any]", whole)
    found = fields.get(name)
    shown = cast("dict[str, Any]", found) if isinstance(found, dict) else {"object": "list"}
    fields[name] = shown | {"data": [*shown.get("data", ()), *elements], "has_more": False}


def _below(value: Any, step: str) -> Any:
    """What is at a step of a path; None where there is nothing."""
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).get(step)
    each = cast("list[Any]", value) if isinstance(value, list) else []
    return each[int(step)] if step.isdecimal() and int(step) < len(each) else None


class _Place(NamedTuple):
    """Where the walk is: the innermost object with a name, the path from there, how deep it is."""

    kind: str | None
    object_id: str | None
    path: tuple[str, ...]
    depth: int

    def below(self, name: str) -> _Place:
        return self._replace(path=(*self.path, name), depth=self.depth + 1)


def _found(value: Any, here: _Place) -> Iterator[CutList]:
    if here.depth > _DEEPEST:
        return
    if isinstance(value, list):
        for number, each in enumerate(cast("list[Any]", value)):
            yield from _found(each, here.below(str(number)))
    elif isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        kind, own_id = _text(fields.get("object")), _text(fields.get("id"))
        if kind and own_id:
            here = _Place(kind, own_id, (), here.depth)
        elif fields.get("has_more") is True and (cut := _cut(fields, here)):
            yield cut
        for name, each in fields.items():
            if isinstance(each, list | dict):
                yield from _found(each, here.below(name))


def _cut(fields: Mapping[str, Any], here: _Place) -> CutList | None:
    url, data = fields.get("url"), fields.get("data")
    if not isinstance(url, str) or not url.startswith(_API) or not isinstance(data, list):
        return None
    if here.kind is None or here.object_id is None:
        return None
    last = cast("list[Any]", data)[-1] if data else None
    named = cast("dict[str, Any]", last) if isinstance(last, dict) else {}
    total = fields.get("total_count")
    shown = len(cast("list[Any]", data))
    return CutList(
        kind=here.kind,
        object_id=here.object_id,
        part=".".join(here.path),
        url=url,
        shown=shown,
        at_least=max(shown + 1, total) if type(total) is int else shown + 1,
        last_id=_text(named.get("id")),
        element=_text(named.get("object")),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
