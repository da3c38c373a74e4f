"""`ledger history`, `ledger explain`: every event that touched one object, and what it changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.changes import is_of_rows, rows_changed
from app.cli.context import catch_up, engine
from app.cli.output import show_as_of, show_list, table
from app.cli.records import AsOf, as_of_option, unknown_kind

if TYPE_CHECKING:
    from projections.engine.declare import Projection
    from projections.engine.registry import Registry
    from projections.queries.history import History

app = typer.Typer()

Kind = Annotated[
    str, typer.Argument(metavar="KIND", help="order, payment, refund, dispute, customer, …")
]
Id = Annotated[str, typer.Argument(metavar="ID")]


@app.command(epilog="Example: ledger history order A1")
def history(
    kind: Kind,
    name: Id,
    changes: Annotated[
        bool, typer.Option("--changes", help="What each event changed, column by column.")
    ] = False,
) -> None:
    """Show every event that touched an object, in the log's order.

    For an order, its payments and what hangs on them too. Exits 1 where there is none.
    """
    lines, position = _lines(kind, name, changes=changes)
    show_list(lines, position, None, lambda: table(*_view(lines, changes=changes)))


@app.command(epilog="Example: ledger explain order A1 --as-of 4938")
def explain(
    kind: Kind,
    name: Id,
    every: Annotated[
        bool, typer.Option("--every", help="Every change of a column, not only the last.")
    ] = False,
    as_of: AsOf = None,
) -> None:
    """Show which event made each column of an object what it is.

    Exits 1 where there is no such object.
    """
    found = _explained(kind, name, as_of)
    position = found["as_of_position"]
    show_as_of(found, position, lambda: table(*_changes(found["fields"], every=every)))


def _lines(kind: str, name: str, *, changes: bool) -> History:
    from projections.engine.names import READS, named
    from projections.engine.reads import Reads
    from projections.links import UNLISTED
    from projections.queries.explain import with_changes
    from projections.queries.history import AS_OF_EVENTS, History, history
    from projections.queries.listing import EARLIEST_FIRST

    with engine() as opened, closing(Reads(opened)) as reads:
        by_kind = _by_kind(opened.registry)
        _check(kind, [*by_kind, *(() if changes else UNLISTED)])
        catch_up(opened)
        with reads.snapshot(READS) as cursor:
            name = named(cursor, kind, name)
        lines, position = page, _ = history(reads, kind, name)
        while len(page) == AS_OF_EVENTS:
            rest = EARLIEST_FIRST.beyond(lines[-1]["position"], latest_first=False)
            page, position = history(reads, kind, name, rest)
            lines = lines + page
        if changes:
            lines = with_changes(reads, by_kind[kind], name, lines)
        return History(lines, position)


def _view(
    lines: list[dict[str, Any]], *, changes: bool
) -> tuple[list[str], Sequence[tuple[object, ...]]]:
    heads = [">position", "=happened (UTC)", "=recorded", "=event", "by"]
    rows = [
        (
            line["position"],
            f"{line['effective_at']:%F %T}",
            f"{line['recorded_at']:%T}",
            line["kind"],
            line["actor_name"] or line["actor"],
            _changed(line["changed"]) if changes else line["reason"] or line["source"],
        )
        for line in lines
    ]
    return [*heads, "changed" if changes else "of"], rows


def _changed(changed: dict[str, tuple[Any, Any]]) -> str:
    """Column by column; of a row that is new, what it begins with would fill the page."""
    if changed and all(_is_nothing(pair) for pair in changed.values()):
        return "(new)"
    return ", ".join(text for column, pair in changed.items() for text in _became(column, pair))


def _is_nothing(pair: tuple[Any, Any]) -> bool:
    """Whether there was no value before, or no row of a part."""
    before, _ = pair
    return before is None or (is_of_rows(pair) and not any(before))


def _became(column: str, pair: tuple[Any, Any]) -> Iterator[str]:
    """How a value became another; of a part, how each of its rows did."""
    if not is_of_rows(pair):
        before, after = pair
        yield f"{column} {_text(before)} → {_text(after)}"
        return
    for row in rows_changed(pair):
        name = f"{column} {row.name}"
        if row.is_new or not row.changed:
            yield f"{name} ({'new' if row.is_new else 'gone'})"
        else:
            became = (f"{c} {_text(b)} → {_text(a)}" for c, (b, a) in row.changed.items())
            yield f"{name}: {', '.join(became)}"


def _by_kind(registry: Registry) -> dict[str, Projection]:
    """The read models with a row of each object of a kind."""
    return {p.listing.link: p for p in registry if p.listing and p.listing.link}


def _check(kind: str, kinds: Sequence[str]) -> None:
    if kind not in kinds:
        raise unknown_kind(kind, kinds)


def _explained(kind: str, name: str, as_of: str | None) -> dict[str, Any]:
    from projections.engine.names import READS, named
    from projections.engine.reads import Reads
    from projections.queries.explain import explain
    from projections.queries.schemas import position_of

    as_of = as_of_option(as_of)
    with engine() as opened, closing(Reads(opened)) as reads:
        by_kind = _by_kind(opened.registry)
        _check(kind, list(by_kind))
        position = None if as_of is None else position_of(reads, as_of)
        head = opened.log.head()
        wait_for = head if catch_up(opened) else 0
        with reads.snapshot(READS, wait_for) as cursor:
            name = named(cursor, kind, name)
        return explain(reads, by_kind[kind], name, as_of=position, wait_for=wait_for)


def _changes(
    fields: dict[str, dict[str, Any]], *, every: bool
) -> tuple[list[str], Sequence[tuple[object, ...]]]:
    heads = ["=column", "value", ">position", "=happened (UTC)", "=event", "by"]
    rows = [
        (
            column,
            _made(column, change),
            change["position"],
            f"{change['effective_at']:%F %T}",
            change["kind"],
            change["actor_name"] or change["actor"],
        )
        for column, field in fields.items()
        for change in (field["changes"] if every else field["changes"][-1:])
    ]
    return heads, rows


def _made(column: str, change: dict[str, Any]) -> Any:
    """The value after a change; of a part, what became of its rows."""
    pair = (change["before"], change["after"])
    return ", ".join(_became(column, pair)) if is_of_rows(pair) else _text(change["after"])


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%F %T}"
    return "–" if value is None else value
