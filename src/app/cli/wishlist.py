"""`ledger wishlist …`: what customers would like to have, from the terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from app.cli.context import Reason, carry_out
from app.cli.output import table
from app.cli.records import some_of

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
    from ledger.domain.limits import MAX_WISHES

    found = some_of("wishlists", {}, MAX_WISHES, own={"customer_id": customer})
    lines = ((row["sku"], f"{row['added_at']:%F %T}") for row in found.rows)
    found.show(lambda: table(["=product", "added (UTC)"], lines))
