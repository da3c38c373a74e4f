"""Pages of a list, newest first: https://docs.stripe.com/api/pagination.

A cursor is an object's id and stands for its place, so what is made or changed while a client
pages neither repeats an object nor hides one.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from simulator.api import errors
from simulator.api.query import Query
from simulator.memory import Shelf

Fits = Callable[[Any], bool]


def page(shelf: Shelf, query: Query, fits: Fits, kind: str) -> tuple[list[Any], bool]:
    """The objects of a page, and whether there are more in its direction."""
    low = 0 if query.since is None else shelf.first_since(query.since)
    high = len(shelf) if query.before is None else shelf.first_since(query.before)
    if query.ending_before is not None:
        low = max(low, _place(shelf, query.ending_before, kind, "ending_before") + 1)
        newer = _first(map(shelf.things.__getitem__, range(low, high)), fits, query.limit)
        return newer[: query.limit][::-1], len(newer) > query.limit
    if query.starting_after is not None:
        high = min(high, _place(shelf, query.starting_after, kind, "starting_after"))
    older = _first(map(shelf.things.__getitem__, range(high - 1, low - 1, -1)), fits, query.limit)
    return older[: query.limit], len(older) > query.limit


def _first(things: Iterable[Any], fits: Fits, limit: int) -> list[Any]:
    """One more than fit on the page, to know whether there are more."""
    return list(islice(filter(fits, things), limit + 1))


def _place(shelf: Shelf, thing_id: str, kind: str, param: str) -> int:
    place = shelf.place(thing_id)
    if place is None:
        raise errors.missing(kind, thing_id, param)
    return place
