"""Placing an order: its shape, its prices and total, and the stock that it reserves."""

from collections.abc import Mapping

from msgspec.structs import asdict

from ledger.domain.events import Line, OrderPlaced, StockReserved
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
from ledger.domain.order_commands import PlaceOrder, Rules
from ledger.domain.stock import Item, check_listed, check_price, missing
from ledger.errors import InvalidCommand, OutOfStock


def place(
    command: PlaceOrder, items: Mapping[str, Item]
) -> tuple[OrderPlaced, list[StockReserved]]:
    """The order and all its reservations, or a `Refused`: there is no half of an order."""
    _check_shape(command)
    total_minor = _total(command)
    for line in command.lines:
        item = check_listed(line.sku, items[line.sku])
        if command.rules.listed_prices_only:
            check_price(line, command.currency, item)
    units = {line.sku: line.quantity for line in command.lines}
    if short := missing(units, items):
        raise OutOfStock("Not enough stock: " + ", ".join(_lack(sku, short) for sku in short) + ".")
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
    check_id("order id", command.order_id)
    check_currency(command.currency)
    check_customer_id(command.customer_id)
    check_text("email", command.email, MAX_EMAIL)
    for name, value in asdict(command.shipping_address).items() if command.shipping_address else ():
        check_text(f"shipping_address.{name}", value)
    if command.expires_at <= command.at:
        raise InvalidCommand("expires_at must be later than the order itself.")
    check_between("the number of lines", len(command.lines), 1, MAX_LINES)
    for line in command.lines:
        _check_line(line, command.rules)
    if len({line.sku for line in command.lines}) < len(command.lines):
        raise InvalidCommand("A SKU stands in two lines; add their quantities up in one.")


def _check_line(line: Line, rules: Rules) -> None:
    check_id("SKU", line.sku)
    check_text(f"the name of {line.sku}", line.name)
    check_between(f"the quantity of {line.sku}", line.quantity, 1, rules.max_units_per_line)
    check_between(f"unit_minor of {line.sku}", line.unit_minor, 0, MAX_MINOR)


def _total(command: PlaceOrder) -> int:
    for name in ("shipping_minor", "tax_minor", "discount_minor"):
        check_between(name, getattr(command, name), 0, MAX_MINOR)
    goods_minor = sum(line.quantity * line.unit_minor for line in command.lines)
    due_minor = goods_minor + command.shipping_minor + command.tax_minor
    if command.discount_minor > due_minor:
        raise InvalidCommand(f"discount_minor is more than the {due_minor} it is taken off.")
    total_minor = due_minor - command.discount_minor
    check_between("the order's total", total_minor, 0, MAX_MINOR)
    if command.total_minor not in {None, total_minor}:
        raise InvalidCommand(f"total_minor is {command.total_minor}, but the sum is {total_minor}.")
    return total_minor
