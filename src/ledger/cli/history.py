"""`ledger history`: every event that touched one object."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Annotated, Any

import typer

from ledger.cli.output import Json, show, table
from ledger.cli.parts import catch_up, engine

app = typer.Typer()

KINDS = ("order", "payment", "charge", "refund", "dispute", "checkout", "customer", "sku")


@app.command(epilog="Example: ledger history order A1")
def history(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of {', '.join(KINDS)}.")],
    name: Annotated[str, typer.Argument(metavar="ID")],
    as_json: Json = False,
) -> None:
    """Show every event that touched an object, in the log's order.

    For an order, its payments and what hangs on them too. Exits 1 where there is none.
    """
    if kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(KINDS)}", param_hint="KIND")
    lines = _lines(kind, name)
    show(lines, lambda: table(*_view(lines)), as_json=as_json)


def _lines(kind: str, name: str) -> list[dict[str, Any]]:
    from projections.engine.history import AS_OF_EVENTS, history
    from projections.engine.reads import Reads

    with engine() as opened, closing(Reads(opened)) as reads:
        catch_up(opened)
        lines = page = history(reads, kind, name)
        while len(page) == AS_OF_EVENTS:
            page = history(reads, kind, name, start=lines[-1]["position"])
            lines += page
        return lines


def _view(lines: list[dict[str, Any]]) -> tuple[list[str], Sequence[tuple[object, ...]]]:
    heads = [">position", "=happened (UTC)", "=recorded", "=event", "by", "~of"]
    rows = [
        (
            line["position"],
            f"{line['effective_at']:%F %T}",
            f"{line['recorded_at']:%T}",
            line["kind"],
            line["actor_name"] or line["actor"],
            line["reason"] or line["source"],
        )
        for line in lines
    ]
    return heads, rows
