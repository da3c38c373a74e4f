"""`ledger wishlist …`: what customers would like to have, from the terminal."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from app.cli.context import Reason, catch_up, engine, execute, open_desk, operator
from app.cli.output import Json, show, table

app = typer.Typer(name="wishlist", help="See and change wishlists.", no_args_is_help=True)

Customer = Annotated[str, typer.Argument(metavar="CUSTOMER")]
Sku = Annotated[str, typer.Argument(metavar="SKU")]


@app.command(epilog="Example: ledger wishlist add cus_1 MUG")
def add(customer: Customer, sku: Sku, reason: Reason = None, as_json: Json = False) -> None:
    """Put a listed product on a customer's wishlist."""
    from ledger.domain.wishlist import AddToWishlist

    command = AddToWishlist(customer_id=customer, sku=sku, at=datetime.now(UTC))
    with open_desk() as (_, _, desk):
        execute(desk, command, operator(reason), "added", as_json=as_json)


@app.command(epilog="Example: ledger wishlist remove cus_1 MUG")
def remove(customer: Customer, sku: Sku, reason: Reason = None, as_json: Json = False) -> None:
    """Strike a product off a customer's wishlist."""
    from ledger.domain.wishlist import RemoveFromWishlist

    command = RemoveFromWishlist(customer_id=customer, sku=sku, at=datetime.now(UTC))
    with open_desk() as (_, _, desk):
        execute(desk, command, operator(reason), "removed", as_json=as_json)


@app.command("show", epilog="Example: ledger wishlist show cus_1")
def show_(customer: Customer, as_json: Json = False) -> None:
    """Show what stands on a customer's wishlist, the latest first."""
    rows = _rows(customer)
    lines = ((row["sku"], f"{row['added_at']:%F %T}") for row in rows)
    show(rows, lambda: table(["=product", "added (UTC)"], lines), as_json=as_json)


def _rows(customer_id: str) -> list[dict[str, Any]]:
    from ledger.domain.limits import MAX_WISHES
    from projections.engine.reads import Reads
    from projections.queries.listing import Asked, Lister
    from projections.wishlists import projection

    assert projection.listing is not None
    with engine() as opened, closing(Reads(opened)) as reads:
        catch_up(opened)
        with reads.snapshot() as cursor:
            lister, mine = Lister(projection.listing), {"customer_id": customer_id}
            return lister.page(cursor, Asked(MAX_WISHES, mine)).rows
