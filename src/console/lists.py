"""Lists: what the API lets one be asked for, and how the address of a page asks for it.

Which days and which order there are is read from the API's own document, so a list that is given
another time or another sort has it on its page, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from console.api import Problem
from console.glossary import label, state
from console.page import PageRequest
from console.saved import query_of
from console.wording import in_words
from console.writing import day
from ledger.saved_filters import SavedFilter

FROM, TO, DAYS_OF, SORT = "from", "to", "days_of", "sort"
PAGING: Final = (FROM, TO, DAYS_OF, SORT)
"""What the address of every list may say besides its filters and its cursor."""
COLUMNS: Final = "columns"
LISTED: Final = (*PAGING, "cursor")
IN_TABLES: Final = (*LISTED, COLUMNS)
"""The same for a list whose columns can be chosen."""

DESCENDING: Final = "-"
REFUSED: Final = 422
NOTHING: Final[Mapping[str, Any]] = {"items": [], "next": None}
"""What a list is that was refused."""


class Offer(NamedTuple):
    """What a list of the API can be asked for, besides filters.

    `stems` are its times as spans name them (`placed` of `placed_after` and `placed_before`), the
    one first by which it is usually sorted; `sorts` are the ways to sort it, `usual` one of them.
    `exported` are the filters of the export of the same name, where there is one.
    """

    stems: tuple[str, ...] = ()
    sorts: tuple[str, ...] = ()
    usual: str = ""
    exported: tuple[str, ...] = ()


class Head(NamedTuple):
    """The head of a column by which a list can be sorted: where it leads, and how it is now."""

    address: str
    sorted: str | None


class Way(NamedTuple):
    """A way to sort a list: in words, where it leads, and whether the list is sorted so."""

    label: str
    address: str
    is_now: bool


class Chip(NamedTuple):
    """What a list is narrowed to, and the address without it."""

    text: str
    address: str


class Listed(NamedTuple):
    """A page of a list: its rows, how it was asked for, and why it was refused, if it was.

    `empty` says why there are no rows, `as_of_position` up to where in the log they go.
    `missing` is what the API says is not known of it, and what to do. `totals` are those of all
    pages, where they were asked for. `saved` are the filters that the person saved of it.
    """

    items: list[dict[str, Any]]
    next: str | None
    offer: Offer
    query: Mapping[str, str]
    refusal: Problem | None
    empty: str | None = None
    as_of_position: int | None = None
    missing: str | None = None
    totals: Mapping[str, Any] | None = None
    saved: Sequence[SavedFilter] = ()

    @property
    def query_to_save(self) -> str:
        """What of the address a saved filter has."""
        return query_of(self.query)

    @property
    def ways(self) -> list[Way]:
        """How it can be sorted."""
        now = self.query.get(SORT) or self.offer.usual
        return [
            Way(_in_words(way, self.offer.usual), self._address({SORT: way}), way == now)
            for way in self.offer.sorts
        ]

    @property
    def sorted_by(self) -> str:
        """How it is sorted."""
        return next((way.label for way in self.ways if way.is_now), "Sort")

    def chips(
        self, asked: Mapping[str, str], states: Mapping[str, str] | None = None
    ) -> list[Chip]:
        """What it is narrowed to: its filters and its days; `states` are words of its own."""
        own = states or {}
        found = [
            Chip(
                own[value] if name == "state" and value in own else _filter_in_words(name, value),
                self._address({name: ""}),
            )
            for name, value in asked.items()
            if value
        ]
        for name, word in ((FROM, "From"), (TO, "To")):
            if value := self.query.get(name):
                moment = _day(value)
                said = f"{word} {day(f'{moment}')}" if moment else f"{word} {value}"
                found.append(Chip(said, self._address({name: ""})))
        return found

    def choices(self, columns: Sequence[str], shown: Sequence[str]) -> list[Way]:
        """The columns that can be shown or not; what identifies a row always is."""
        return [
            Way(
                label(column),
                self._address({COLUMNS: ",".join(_toggled(columns, shown, column))}),
                column in shown,
            )
            for column in columns[1:]
        ]

    @property
    def status(self) -> int:
        """The status of a page that shows it."""
        return self.refusal.status if self.refusal else 200

    @property
    def is_narrowed(self) -> bool:
        """Whether days were asked for."""
        return bool(self.query.get(FROM) or self.query.get(TO))

    def head(self, column: str) -> Head | None:
        """A column's link to sort by it; one that is sorted so already leads to the other way."""
        ways = [each for each in self.offer.sorts if each.removeprefix(DESCENDING) == column]
        if not ways:
            return None
        now = self.query.get(SORT) or self.offer.usual
        other = next((each for each in ways if each != now), ways[0]) if now in ways else ways[0]
        is_now = now in ways and ("descending" if now.startswith(DESCENDING) else "ascending")
        return Head(self._address({SORT: other}), is_now or None)

    def export(self, path: str) -> str | None:
        """The form of the list's export, filled in with what of the filters that has."""
        if not self.offer.exported:
            return None
        kept = {n: v for n, v in self.query.items() if v and n in (*self.offer.exported, FROM, TO)}
        return f"/console/exports{path}/form?{urlencode(kept)}"

    def _address(self, changed: dict[str, str]) -> str:
        """The same list from its beginning, asked for otherwise."""
        kept = {n: v for n, v in self.query.items() if v and n not in {"cursor", "told"}}
        return f"?{urlencode({n: v for n, v in (kept | changed).items() if v})}"


async def listed(
    request: PageRequest,
    path: str,
    asked: Mapping[str, str],
    *,
    of: str | None = None,
    **more: Any,
) -> Listed:
    """A page of the list at `path`, with these filters and the days and sort of the address.

    `of` is its path in the API's document, where that has a place for an id. What the API refuses
    about the filters is shown on the page.
    """
    offer = await offer_of(request, of or path)
    paging = {"cursor": request.query.get("cursor")} | more
    try:
        days = days_asked(offer, request.query)
        sort = request.query.get(SORT, "").strip() if offer.sorts else None
        found = await request.api.get(path, **{**asked, **days, **paging, SORT: sort})
        refusal = None
    except Problem as problem:
        if problem.status != REFUSED:
            raise
        found, refusal = NOTHING, in_words(problem)
    return Listed(
        found["items"],
        found["next"],
        offer,
        request.query,
        refusal,
        found.get("empty"),
        found.get("as_of_position"),
        found.get("missing"),
        found.get("totals"),
        await request.saved_filters() if of is None else (),
    )


def shown_of(
    query: Mapping[str, str], columns: Sequence[str], usual: Sequence[str] | None = None
) -> list[str]:
    """The columns that the address asks for; the usual ones where it names none."""
    asked = query.get(COLUMNS, "").split(",")
    chosen = [each for each in columns[1:] if each in asked]
    return [columns[0], *chosen] if chosen else [*(usual or columns)]


def _toggled(columns: Sequence[str], shown: Sequence[str], column: str) -> list[str]:
    return [each for each in columns if (each in shown) is not (each == column)]


def _in_words(way: str, usual: str) -> str:
    """A way to sort, as a menu says it: "Newest", "Total, largest first"."""
    column, descends = way.removeprefix(DESCENDING), way.startswith(DESCENDING)
    if column.endswith("_at") or column == "position":
        first = "newest" if descends else "oldest"
        is_usual = column == usual.removeprefix(DESCENDING)
        return first.capitalize() if is_usual else f"{label(column)}, {first} first"
    if column.endswith(("_minor", "_count", "on_hand", "committed", "reserved", "available")):
        return f"{label(column)}, {'largest' if descends else 'smallest'} first"
    return f"{label(column)}, {'Z to A' if descends else 'A to Z'}"


def _filter_in_words(name: str, value: str) -> str:
    """What a filter asks for, as a chip says it."""
    match value:
        case "true":
            return label(name)
        case "false":
            return f"Not {label(name).lower()}"
        case _ if name == "currency":
            return value.upper()
        case _ if name in IN_THEIR_WORDS:
            return f"{label(name)}: {state(value).lower()}"
        case _:
            return f"{label(name)}: {value}"


IN_THEIR_WORDS: Final = {
    "state", "payment_state", "refund_state", "dispute_state", "severity", "linked_by", "check",
    "category", "type", "reason", "kind", "outcome",
}  # fmt: skip
"""Filters whose values are words of the API's."""


def days_asked(offer: Offer, query: Mapping[str, str]) -> dict[str, str]:
    """The span of time that the days of an address mean; the last day is one of them.

    A day is one of the reporting zone, as the API takes dates.
    """
    first, last = query.get(FROM, "").strip(), query.get(TO, "").strip()
    if not offer.stems or not (first or last):
        return {}
    stem = query.get(DAYS_OF, "") or offer.stems[0]
    if stem not in offer.stems:
        raise Problem(REFUSED, {"title": f"There are days of {', '.join(offer.stems)}."})
    begin, end = _day(first), _day(last)
    if begin and end and begin > end:
        raise Problem(REFUSED, {"title": "These days end before they begin."})
    return {f"{stem}_after": first, f"{stem}_before": _after(last, end)}


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _after(text: str, day: date | None) -> str:
    """The day after; of the calendar's last none, and what is no day is the API's to refuse."""
    if day is None:
        return text
    return "" if day == date.max else f"{day + timedelta(days=1)}"


# ── What the API's document says ────────────────────────────────────────────────────────────────


async def offer_of(request: PageRequest, path: str) -> Offer:
    """What the list at a path of the document can be asked for."""
    offers = request.http.app.state
    if not hasattr(offers, "console_offers"):
        offers.console_offers = offers_in(await request.api.get("/openapi.json"))
    return offers.console_offers.get(path, Offer())


def offers_in(document: Mapping[str, Any]) -> dict[str, Offer]:
    """What every list of the API can be asked for, by its path in the document."""
    taken = {path: _taken(methods["get"]) for path, methods in _read(document).items()}
    return {
        path: _offer(schemas, tuple(taken.get(f"/exports{path}", ())))
        for path, schemas in taken.items()
        if "cursor" in schemas
    }


def _read(document: Mapping[str, Any]) -> dict[str, Any]:
    return {path: methods for path, methods in document["paths"].items() if "get" in methods}


def _taken(operation: Mapping[str, Any]) -> dict[str, Any]:
    """The schemas of what a read takes in its query, by name."""
    return {each["name"]: each["schema"] for each in operation["parameters"]}


def _offer(taken: Mapping[str, Any], exported: tuple[str, ...]) -> Offer:
    sort = taken.get(SORT, {})
    sorts: tuple[str, ...] = tuple(sort.get("enum", ()))
    usual: str = sort.get("default") or next(iter(sorts), "")
    ends = [name.removesuffix("_after") for name in taken if name.endswith("_after")]
    stems = [stem for stem in ends if f"{stem}_before" in taken]
    first = usual.removeprefix(DESCENDING).removesuffix("_at")
    return Offer(tuple(sorted(stems, key=lambda stem: stem != first)), sorts, usual, exported)
