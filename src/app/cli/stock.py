"""`ledger stock …`: products and their units, from the terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from app.cli.context import Reason, carry_out
from app.cli.records import AsOf, Filters, Limit, list_rows, show_one

app = typer.Typer(name="stock", help="See products and count their units.", no_args_is_help=True)

Sku = Annotated[str, typer.Argument(metavar="SKU")]


@app.command(epilog="Example: ledger stock define MUG --name 'Blue mug' --price '12.50 gbp'")
def define(
    sku: Sku,
    *,
    name: Annotated[str, typer.Option(help="What customers read.")],
    price: Annotated[
        list[str], typer.Option(metavar="AMOUNT", help="As '12.50 gbp'; one a currency.")
    ],
    preorder: Annotated[
        bool, typer.Option("--preorder", help="May be sold before it is there.")
    ] = False,
    reason: Reason = None,
) -> None:
    """Offer a product, or change its name, prices or pre-order flag."""
    from ledger.domain.money import parse_prices
    from ledger.domain.stock import ListProduct

    command = ListProduct(
        sku=sku, at=datetime.now(UTC), name=name, prices=parse_prices(price), preorder=preorder
    )
    carry_out(command, reason, "listed")


@app.command("list", epilog="Example: ledger stock list")
def list_(filters: Filters = None, limit: Limit = 50) -> None:
    """List products and how many units there are."""
    list_rows("sku", filters or [], limit)


@app.command("show", epilog="Example: ledger stock show MUG")
def show_(sku: Sku, as_of: AsOf = None) -> None:
    """Show a product and how many units there are."""
    show_one("sku", sku, as_of)


@app.command(epilog="Example: ledger stock receive MUG 40")
def receive(
    sku: Sku,
    quantity: Annotated[int, typer.Argument(metavar="UNITS", min=1)],
    reason: Reason = None,
) -> None:
    """Count in units that arrived."""
    from ledger.domain.stock import ReceiveStock

    command = ReceiveStock(sku=sku, at=datetime.now(UTC), quantity=quantity)
    carry_out(command, reason, "received")


@app.command(epilog="Example: ledger stock adjust MUG --change -2 --reason 'broken in transit'")
def adjust(
    sku: Sku,
    change: Annotated[
        int, typer.Option(metavar="UNITS", help="Units to add; negative: to remove.")
    ],
    reason: Annotated[str, typer.Option(help="Why, for the audit log.")],
) -> None:
    """Correct a count."""
    from ledger.domain.stock import AdjustStock

    command = AdjustStock(sku=sku, at=datetime.now(UTC), change=change)
    carry_out(command, reason, "adjusted")
