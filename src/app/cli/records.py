"""`ledger list`, `ledger show`: the rows of every read model that has a list, as over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import typer

from app.cli.context import a_time, catch_up, engine, reading
from app.cli.output import filters_of, show_as_of, show_list, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from projections.engine.declare import Listing, Projection
    from projections.engine.reads import Snapshot
    from projections.engine.registry import Registry
    from projections.engine.tables import AnyCursor
    from projections.queries.listing import Asked, Lister

app = typer.Typer()

Kind = Annotated[
    str, typer.Argument(metavar="KIND", help="order, payment, refund, dispute, sku, …")
]
Filters = Annotated[
    list[str] | None,
    typer.Option("--filter", metavar="COLUMN=VALUE", help="state=paid; may be repeated."),
]
Sort = Annotated[
    str | None,
    typer.Option(metavar="[-]COLUMN", help="Sort by a column; with -, the greatest first."),
]
Limit = Annotated[int, typer.Option(metavar="ROWS", min=1, max=1000, help="How many at most.")]
AsOf = Annotated[
    str | None,
    typer.Option(metavar="POSITION|TIME", help="As it was known then; a time or date is in UTC."),
]


@app.command("list", epilog="Example: ledger list refund --filter state=failed")
def list_(kind: Kind, filters: Filters = None, sort: Sort = None, limit: Limit = 50) -> None:
    """List the latest orders, payments, refunds, products and others.

    Spans of time are filters too: created_after=2026-03-01 is from the beginning of that day on in
    the reporting zone, created_before=2026-04-01 is before it.
    """
    list_rows(kind, filters or [], limit, sort=sort)


@app.command("show", epilog="Example: ledger show payment pi_3QxYz")
def show_(
    kind: Kind,
    name: Annotated[str, typer.Argument(metavar="ID")],
    as_of: AsOf = None,
) -> None:
    """Show an order, payment, refund or other object, and its parts."""
    show_one(kind, name, as_of)


def list_rows(kind: str, filters: Iterable[str], limit: int, *, sort: str | None = None) -> None:
    """Print the rows of a list that equal the filters, the latest first unless sorted otherwise."""
    from ledger.errors import InvalidRequest
    from projections.engine.reads import Reads
    from projections.queries.listing import Asked, Lister, spans
    from projections.queries.schemas import spans_of

    with engine() as opened, closing(Reads(opened)) as reads:
        projection, listing = _listed(opened.registry, kind)
        lister, ends = Lister(listing), spans(listing.shown)
        words = opened.words.get(listing.table.name, {})
        given = filters_of(filters, (*listing.filters, *ends))
        try:
            within = spans_of(reads, listing.shown, given)
        except InvalidRequest as error:
            (wrong,) = error.errors
            raise typer.BadParameter(
                f"{wrong.field}: {wrong.detail}", param_hint="--filter"
            ) from None
        equal = {name: value for name, value in given.items() if name not in ends}
        if sort not in {None, *lister.sorts}:
            known = ", ".join(lister.sorts)
            raise typer.BadParameter(f"{sort!r} is none of {known}.", param_hint="--sort")
        catch_up(opened)
        asked = Asked(limit, equal, within, sort, known=words)
        with reads.snapshot([projection.name]) as cursor:
            found = _some(cursor, lister, asked)
    found.show(lambda: _rows(found.rows, _columns(listing, found.rows)))


class Some(NamedTuple):
    """Rows of a list, whether there are more, as of which position, or why there are none."""

    rows: list[dict[str, Any]]
    has_more: bool
    position: int
    empty: str | None

    def show(self, view: Callable[[], RenderableType]) -> None:
        """Print them, as people look at them or as a document."""
        more = "there are more: --limit" if self.has_more else ""
        show_list(self.rows, self.position, self.empty, view, more=more)


def some_of(
    name: str, filters: Mapping[str, str], limit: int, own: Mapping[str, str] = MappingProxyType({})
) -> Some:
    """The rows of the list of a read model that equal the filters and, of `own`, belong to one."""
    from projections.queries.listing import Asked, Lister

    with reading() as (opened, reads), reads.snapshot([name]) as cursor:
        listing = opened.registry.by_name[name].listing
        assert listing is not None, f"{name} has a list"
        asked = Asked(limit, {**filters, **own}, known=opened.words.get(name, {}))
        return _some(cursor, Lister(listing), asked, own)


def _some(
    cursor: Snapshot,
    lister: Lister,
    asked: Asked,
    own: Mapping[str, str] = MappingProxyType({}),
) -> Some:
    page = lister.page(cursor, asked)
    empty = None if page.rows else lister.why_empty(cursor, asked, cursor.position, own)
    return Some(page.rows, page.next is not None, cursor.position, empty)


def show_one(kind: str, name: str, as_of: str | None) -> None:
    """Print a row, with the parts that its list declares."""
    found = _found(kind, name, as_of)
    show_as_of(found.row | found.parts, found.position, lambda: _one(found))


def as_of_option(as_of: str | None) -> str | None:
    """What `position_of` reads, from what a person wrote, if anything."""
    if not as_of:
        return None
    if as_of.isascii() and as_of.isdigit():
        return as_of
    try:
        return a_time(as_of, datetime.now(UTC)).isoformat()
    except typer.BadParameter:
        told = f"{as_of!r} is no position and no time; write 7, 2026-01-31 or 2026-01-31T12:00Z."
        raise typer.BadParameter(told, param_hint="--as-of") from None


class _Found(NamedTuple):
    row: dict[str, Any]
    parts: dict[str, list[dict[str, Any]]]
    position: int


class _Listed(NamedTuple):
    projection: Projection
    listing: Listing


def _listed(registry: Registry, kind: str) -> _Listed:
    """The read model of a kind of object, by the kind or by its own name."""
    known = {p.listing.link or p.name: _Listed(p, p.listing) for p in registry if p.listing}
    by_name = {each.projection.name: each for each in known.values()}
    found = known.get(kind) or by_name.get(kind)
    if found is None:
        raise unknown_kind(kind, known)
    return found


def unknown_kind(kind: str, known: Iterable[str]) -> typer.BadParameter:
    """That there is no such kind, the nearest one, and all that there are."""
    names = sorted(known)
    near = get_close_matches(kind, names, 1)
    meant = f"; did you mean {near[0]}?" if near else "."
    return typer.BadParameter(
        f"{kind!r} is no kind of object{meant} There are {', '.join(names)}.", param_hint="KIND"
    )


def _found(kind: str, name: str, as_of: str | None) -> _Found:
    from projections.engine.names import READS, named
    from projections.engine.reads import Reads
    from projections.queries.history import known_at
    from projections.queries.schemas import position_of

    as_of = as_of_option(as_of)
    with engine() as opened, closing(Reads(opened)) as reads:
        projection, listing = _listed(opened.registry, kind)
        catch_up(opened)
        if listing.link is not None:
            with reads.snapshot(READS) as cursor:
                name = named(cursor, listing.link, name)
        if as_of is None:
            with reads.snapshot([projection.name]) as now:
                return _one_of(listing, now, name, now.position)
        if listing.link is None:
            raise typer.BadParameter(
                f"nothing is kept of the past of {kind!r}.", param_hint="--as-of"
            )
        known = known_at(reads, projection, name, position_of(reads, as_of))
        with reads.as_of(projection.name, known.events) as then:
            return _one_of(listing, then, name, known.position)


def _one_of(listing: Listing, cursor: AnyCursor, name: str, position: int) -> _Found:
    """A row and its parts, as of a position; raises `NotFound`."""
    from projections.queries.answers import not_there
    from projections.queries.listing import Lister

    lister = Lister(listing)
    row = lister.one(cursor, name)
    if row is None:
        raise not_there(listing.noun, name, position)
    return _Found(row, lister.parts_of(cursor, name), position)


def _columns(listing: Listing, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What people look for: key, what the list says, states, amounts not 0, time, filters, why."""
    amounts = [name for name in rows[0] if name.endswith("_minor") and any(r[name] for r in rows)]
    states = [name for name in listing.filters if name.endswith("state")]
    reasons = [name for name in rows[0] if name.endswith("_because")]
    beside = (*listing.table.key, *listing.told, *states, *amounts, listing.sort or "")
    wanted = dict.fromkeys((*beside, *listing.filters, *reasons))
    if amounts:
        wanted.pop("currency", None)  # an amount says its own
    return [name for name in wanted if any(row.get(name) is not None for row in rows)]


def _rows(rows: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> RenderableType:
    names = list(columns)
    return table(
        [f"{_mark(index, name)}{_head(name)}" for index, name in enumerate(names)],
        ([_cell(row, name) for name in names] for row in rows),
    )


def _mark(index: int, name: str) -> str:
    if name.endswith("_minor"):
        return ">"
    return "=" if index == 0 or name.endswith("_at") else ""


def _one(found: _Found) -> RenderableType:
    """Its columns below each other, then a table a part."""
    from rich.console import Group

    parts: list[RenderableType] = [
        table(["", ""], ((_head(name), _cell(found.row, name)) for name in found.row))
    ]
    for name, rows in found.parts.items():
        if rows:
            told = [{"currency": found.row.get("currency")} | row for row in rows]
            parts += ["", f"[bold]{_head(name)}[/]", _rows(told, _filled(rows))]
    return Group(*parts)


def _filled(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The columns in which any row has something."""
    return (name for name in rows[0] if any(row[name] is not None for row in rows))


def _head(name: str) -> str:
    """A column's name in words; an amount says its currency itself."""
    time = name.endswith("_at")
    words = name.removesuffix("_minor").removesuffix("_at").replace("_", " ")
    return f"{words} (UTC)" if time else words


def _cell(row: Mapping[str, Any], name: str) -> object:
    from ledger.domain.money import format_money

    value, currency = row[name], row.get("currency")
    if isinstance(value, datetime):
        return f"{value:%F %T}"
    if isinstance(value, int) and name.endswith("_minor") and currency:
        return format_money(value, currency)
    if name == "currency" and value:
        return f"{value}".upper()
    if isinstance(value, dict):
        return ", ".join(_said(name, *item) for item in cast("dict[str, Any]", value).items())
    return value


def _said(name: str, item: str, value: Any) -> str:
    """A part of a document; of prices, the items are currencies."""
    from ledger.domain.money import format_money

    return format_money(value, item) if name == "prices" else f"{item} {value}"
