"""Placing an order: its shape, its prices and total, and the stock that it reserves."""

from collections.abc import Mapping

from msgspec.structs import asdict

from ledger.domain.events import Line, OrderPlaced, StockReserved, lines_by_id
from ledger.domain.limits import (
    MAX_EMAIL,
    MAX_LINES,
    MAX_MINOR,
    check_between,
    check_currency,
    check_customer_id,
    check_id,
    check_text,
)
from ledger.domain.money import format_money
from ledger.domain.order_commands import PlaceOrder, units_of
from ledger.domain.stock import Item, check_listed, check_price, missing
from ledger.errors import FieldError, InvalidCommand, OutOfStock


def place(
    command: PlaceOrder, items: Mapping[str, Item]
) -> tuple[OrderPlaced, list[StockReserved]]:
    """The order and all its reservations, or a `Refused`: there is no half of an order."""
    _check_shape(command)
    total_minor = _total(command)
    for line in command.lines if command.reserves_stock else ():
        item = check_listed(line.sku, items[line.sku])
        if command.rules.listed_prices_only:
            check_price(line, command.currency, item)
    units = command.units
    if short := missing(units, items):
        told = "Not enough stock: " + ", ".join(_lack(sku, short) for sku in short) + "."
        raise OutOfStock(told, FieldError("lines", "out_of_stock", told))
    placed = OrderPlaced(
        order_id=command.order_id,
        currency=command.currency,
        lines=command.lines,
        total_minor=total_minor,
        expires_at=command.expires_at,
        customer_id=command.customer_id,
        email=command.email,
        shipping_minor=command.shipping_minor,
        tax_minor=command.tax_minor,
        discount_minor=command.discount_minor,
        shipping_address=command.shipping_address,
        origin=command.origin,
        reserves_stock=command.reserves_stock,
    )
    return placed, reserve(command.order_id, units)


def reserve(order_id: str, units: Mapping[str, int]) -> list[StockReserved]:
    """Hold units (by SKU) for an order."""
    return [
        StockReserved(sku=sku, order_id=order_id, quantity=quantity)
        for sku, quantity in units.items()
    ]


def _lack(sku: str, short: Mapping[str, int]) -> str:
    return f"{short[sku]} of {sku} missing"


def _check_shape(command: PlaceOrder) -> None:
    check_id("order id", command.order_id, field="id")
    check_currency(command.currency)
    check_customer_id(command.customer_id)
    check_text("email", command.email, MAX_EMAIL)
    for name, value in asdict(command.shipping_address).items() if command.shipping_address else ():
        check_text(f"shipping_address.{name}", value)
    if command.expires_at <= command.at:
        raise InvalidCommand("expires_at must be later than the order itself.")
    check_between("the number of lines", len(command.lines), 1, MAX_LINES, field="lines")
    for at, line in enumerate(command.lines):
        _check_line(f"lines.{at}", line, command)
    if len(lines_by_id(command.lines)) < len(command.lines):
        told = "Two lines have one id; a line without one is called by its place."
        raise InvalidCommand(told, FieldError("lines", "invalid", told))
    if not command.rules.repeated_skus and len(units_of(command.lines)) < len(command.lines):
        told = (
            "A SKU stands in two lines; add their quantities up in one, or allow it with"
            " LEDGER_REPEATED_SKUS."
        )
        raise InvalidCommand(told, FieldError("lines", "invalid", told))


def _check_line(at: str, line: Line, command: PlaceOrder) -> None:
    sku, most, currency = line.sku, command.rules.max_units_per_line, command.currency
    check_id("SKU", sku, field=f"{at}.sku")
    if line.line_id is not None:
        check_id("line id", line.line_id, field=f"{at}.line_id")
    check_text(f"the name of {sku}", line.name, field=f"{at}.name")
    check_between(f"the quantity of {sku}", line.quantity, 1, most, field=f"{at}.quantity")
    unit = f"unit_minor of {sku}", line.unit_minor
    check_between(*unit, 0, MAX_MINOR, field=f"{at}.unit_minor", currency=currency)


def _total(command: PlaceOrder) -> int:
    for name in ("shipping_minor", "tax_minor", "discount_minor"):
        check_between(name, getattr(command, name), 0, MAX_MINOR, currency=command.currency)
    goods_minor = sum(line.quantity * line.unit_minor for line in command.lines)
    due_minor = goods_minor + command.shipping_minor + command.tax_minor
    if command.discount_minor > due_minor:
        raise InvalidCommand(
            f"The discount is more than the {format_money(due_minor, command.currency)} that it is"
            " taken off.",
            _not("discount_minor", command.discount_minor, 0, due_minor, command),
        )
    total_minor = due_minor - command.discount_minor
    total = "the order's total", total_minor
    check_between(*total, 0, MAX_MINOR, field="total_minor", currency=command.currency)
    if command.total_minor is not None and command.total_minor != total_minor:
        raise InvalidCommand(
            f"The total is {format_money(command.total_minor, command.currency)}, but the sum is"
            f" {format_money(total_minor, command.currency)}.",
            _not("total_minor", command.total_minor, total_minor, total_minor, command),
        )
    return total_minor


def _not(name: str, value: int | None, least: int, most: int, command: PlaceOrder) -> FieldError:
    must = f"must be from {least} to {most}."
    return FieldError(name, "out_of_range", must, value, least, most, command.currency)
