"""`ledger wishlist …`: what customers would like to have, from the terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from app.cli.context import Reason, carry_out
from app.cli.output import show, table
from app.cli.records import rows_of

app = typer.Typer(name="wishlist", help="See and change wishlists.", no_args_is_help=True)

Customer = Annotated[str, typer.Argument(metavar="CUSTOMER")]
Sku = Annotated[str, typer.Argument(metavar="SKU")]


@app.command(epilog="Example: ledger wishlist add cus_1 MUG")
def add(customer: Customer, sku: Sku, reason: Reason = None) -> None:
    """Put a listed product on a customer's wishlist."""
    from ledger.domain.wishlist import AddToWishlist

    command = AddToWishlist(customer_id=customer, sku=sku, at=datetime.now(UTC))
    carry_out(command, reason, "added")


@app.command(epilog="Example: ledger wishlist remove cus_1 MUG")
def remove(customer: Customer, sku: Sku, reason: Reason = None) -> None:
    """Strike a product off a customer's wishlist."""
    from ledger.domain.wishlist import RemoveFromWishlist

    command = RemoveFromWishlist(customer_id=customer, sku=sku, at=datetime.now(UTC))
    carry_out(command, reason, "removed")


@app.command("show", epilog="Example: ledger wishlist show cus_1")
def show_(customer: Customer) -> None:
    """Show what stands on a customer's wishlist, the latest first."""
    rows = _rows(customer)
    lines = ((row["sku"], f"{row['added_at']:%F %T}") for row in rows)
    show(rows, lambda: table(["=product", "added (UTC)"], lines))


def _rows(customer_id: str) -> list[dict[str, Any]]:
    from ledger.domain.limits import MAX_WISHES

    return rows_of("wishlists", {"customer_id": customer_id}, MAX_WISHES)
