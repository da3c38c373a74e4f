"""`ledger audit`: the audit log, searched as over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from app.cli.context import a_past_time, a_time, reading
from app.cli.output import show_list, table

if TYPE_CHECKING:
    from projections.engine.reads import Reads
    from projections.queries.listing import Positions

app = typer.Typer()

PAGE_LINES: Final = 1_000
When = typer.Option(metavar="WHEN", help="An ISO 8601 time (UTC), or days back such as 7d.")


@app.command(epilog="Example: ledger audit --object order/A1 --kind 'order.*' --since 7d")
def audit(
    *,
    of: Annotated[
        str | None, typer.Option("--object", metavar="KIND/ID", help="What it is about: order/A1.")
    ] = None,
    actor: Annotated[
        str | None, typer.Option(help="Who did it: token/4be1c0de9f21, or the name shown.")
    ] = None,
    role: Annotated[str | None, typer.Option(help="The role of who did it.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="What was done; * is anything: 'issue.*'.")
    ] = None,
    outcome: Annotated[str | None, typer.Option(help="The outcome: refused.")] = None,
    text: Annotated[str | None, typer.Option(help="Words to find in any column.")] = None,
    since: Annotated[str | None, When] = None,
    until: Annotated[str | None, When] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many lines at most.")] = 50,
    before: Annotated[
        int | None, typer.Option(min=1, metavar="POSITION", help="Only lines before this position.")
    ] = None,
) -> None:
    """Search the audit log; the latest line comes first.

    Times mean when the ledger recorded a line. Whatever is given must fit.
    """
    given = {
        "object": of,
        "actor": actor,
        "role": role,
        "kind": kind,
        "outcome": outcome,
        "text": text,
    }
    filters = {name: value for name, value in given.items() if value is not None}
    if of is not None:
        _check_object(of)
    now = datetime.now(UTC)
    start = None if since is None else a_past_time(since, now, "--since")
    end = None if until is None else a_time(until, now)
    if start is not None and end is not None and end <= start:
        raise typer.BadParameter(f"it is not after --since {since}.", param_hint="--until")
    span = (start, end)
    lines, position, empty = _lines(filters, span, before, limit)
    show_list(lines, position, empty, lambda: table(*_view(lines)))


def _check_object(of: str) -> None:
    from ledger.domain.events import CATALOGUE
    from projections.engine.registry import discover
    from projections.links import UNLISTED

    kind, slash, name = of.partition("/")
    kinds = {each.listing.link for each in discover() if each.listing and each.listing.link}
    known = kinds | {topic.partition(".")[0] for topic in CATALOGUE} | {*UNLISTED}
    if not slash or not name or kind not in known:
        raise typer.BadParameter(
            f"{of!r} is no KIND/ID such as order/A1; kinds are {', '.join(sorted(known))}.",
            param_hint="--object",
        )


def _lines(
    filters: Mapping[str, str],
    span: tuple[datetime | None, ...],
    before: int | None,
    limit: int,
) -> tuple[list[dict[str, Any]], int, str]:
    """The lines, up to which position they go, and why there are none where there are none."""
    from projections.queries.answers import FITTING, why_empty
    from projections.queries.audit_search import FILLED_BY, NOUNS, READS
    from projections.queries.history import between

    narrowed = FITTING if filters or before or any(span) else ""
    with reading() as (opened, reads):
        with reads.snapshot(READS) as cursor:
            position = cursor.position
        asked = between(opened.log, *span).beyond(before, latest_first=True)
        found = _pages(reads, filters, asked.upto(position), limit)
        lines = [line for page in found for line in page]
    return lines, position, why_empty(NOUNS, FILLED_BY, position, narrowed=narrowed)


def _pages(
    reads: Reads, filters: Mapping[str, str], span: Positions, limit: int
) -> Iterator[list[dict[str, Any]]]:
    from projections.queries.audit_search import READS, search

    while limit > 0:
        lines = min(limit, PAGE_LINES)
        with reads.snapshot(READS) as cursor:
            page = search(cursor, filters, span, limit=lines)
        yield page
        if len(page) < lines:
            return
        limit, span = limit - lines, span.beyond(page[-1]["position"], latest_first=True)


def _view(lines: list[dict[str, Any]]) -> tuple[list[str], Sequence[tuple[object, ...]]]:
    heads = [">position", "=recorded (UTC)", "=what", "by", "=outcome", "of", "why"]
    rows = [
        (
            line["position"],
            f"{line['recorded_at']:%F %T}",
            line["kind"],
            line["actor_name"] or line["actor"],
            line["outcome"],
            line["correlation"] or line["source"],
            line["reason"],
        )
        for line in lines
    ]
    return heads, rows
