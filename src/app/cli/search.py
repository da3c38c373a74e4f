"""`ledger search`: what a text names, found as over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import reading
from app.cli.output import show_list, table

if TYPE_CHECKING:
    from projections.queries.search import Group, Hit

app = typer.Typer()


@app.command(epilog="Example: ledger search ada@example.com")
def search(
    words: Annotated[list[str], typer.Argument(metavar="WORDS")],
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many of each kind.")] = 5,
) -> None:
    """Find objects by id, e-mail address, amount or name.

    Ids, e-mail addresses and names of customers fit by how they begin, customers by their last name
    too, products by words of their name; amounts are written 12.50 or 1250 jpy.
    """
    from api.permissions import Permission
    from projections.queries import search as searching

    with reading() as (_, reads), reads.snapshot(searching.reads(Permission)) as cursor:
        found = searching.search(cursor, " ".join(words), Permission, limit=limit)
        position = cursor.position
    items = [{"kind": each.kind, **hit} for each in found for hit in each.hits]
    more = [each.kind for each in found if each.more]
    heads = ["=kind", "=id", "what", ">amount", "=state", "=at (UTC)"]
    show_list(
        items,
        position,
        "Nothing is called so.",
        lambda: table(heads, [_line(each, hit) for each in found for hit in each.hits]),
        more=f"more of: {', '.join(more)} (--limit)" if more else "",
    )


def _line(group: Group, hit: Hit) -> tuple[object, ...]:
    from ledger.domain.money import format_money

    amount, currency, at = hit["amount_minor"], hit["currency"], hit["at"]
    return (
        group.kind,
        hit["id"],
        hit["name"] or hit["email"],
        None if amount is None or currency is None else format_money(amount, currency),
        hit["state"],
        at and f"{at:%F %T}",
    )
