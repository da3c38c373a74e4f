"""Parameters of a request as Stripe's libraries write them: `created[gte]=1`, `expand[]=plan`."""

from collections.abc import Collection
from urllib.parse import parse_qsl

from msgspec import Struct

from simulator.api import errors

MOST = 100
_BOUNDS = {"created[gte]": 0, "created[gt]": 1, "created[lt]": 0, "created[lte]": 1}


class Query(Struct, frozen=True):
    """A page that is asked for; `since` and `before` are half-open, in seconds since 1970."""

    limit: int
    starting_after: str | None
    ending_before: str | None
    since: int | None
    before: int | None
    filters: dict[str, str]


def pairs(text: str) -> list[tuple[str, str]]:
    """The parameters of a query or of a form, in order."""
    return parse_qsl(text, keep_blank_values=True)


def expansions(given: list[tuple[str, str]]) -> list[str]:
    """The paths of `expand[]`."""
    return [value for name, value in given if _is_expand(name)]


def listed(given: list[tuple[str, str]], filters: Collection[str]) -> Query:
    """What a list endpoint with these filters is asked for; raises for any other parameter."""
    asked = {name: value for name, value in given if not _is_expand(name)}
    limit = integer("limit", asked.pop("limit", "10"))
    if not 1 <= limit <= MOST:
        raise errors.Refused(400, f"Limit must be between 1 and {MOST}.", param="limit")
    after, before = asked.pop("starting_after", None), asked.pop("ending_before", None)
    if after and before:
        raise errors.Refused(400, "Use either starting_after or ending_before, not both.")
    low, high = _span(asked) if "created" in filters else (None, None)
    for name in asked:
        if name not in filters:
            raise errors.unknown_parameter(name)
    return Query(limit, after, before, low, high, asked)


def only(given: list[tuple[str, str]], allowed: Collection[str]) -> dict[str, str]:
    """Parameters by name; raises for one that is not allowed."""
    found = {name: value for name, value in given if not _is_expand(name)}
    for name in found:
        if name.split("[")[0] not in allowed:
            raise errors.unknown_parameter(name)
    return found


def integer(name: str, value: str) -> int:
    """A whole number; raises where it is none."""
    if not value.removeprefix("-").isdecimal():
        raise errors.not_an_integer(name, value)
    return int(value)


def _span(asked: dict[str, str]) -> tuple[int | None, int | None]:
    """The span of `created`, which is a time or has bounds; takes them out of what was asked."""
    if "created" in asked:
        moment = integer("created", asked.pop("created"))
        return moment, moment + 1
    ends: dict[str, int | None] = {"g": None, "l": None}
    for name, more in _BOUNDS.items():
        if name in asked:
            ends[name[len("created[")]] = integer(name, asked.pop(name)) + more
    return ends["g"], ends["l"]


def _is_expand(name: str) -> bool:
    return name == "expand" or name.startswith("expand[")
