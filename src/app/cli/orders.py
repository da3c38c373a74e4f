"""`ledger order …`: order commands from the terminal, carried out as over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from app.cli.context import Reason, carry_out, execute, reading
from app.cli.records import AsOf, Filters, Limit, list_rows, show_one

if TYPE_CHECKING:
    from ledger.domain.events import Line
    from ledger.log import Log

app = typer.Typer(name="order", help="See, place and change orders.", no_args_is_help=True)

OrderId = Annotated[str, typer.Argument(metavar="ORDER")]
PaymentId = Annotated[str, typer.Argument(metavar="PAYMENT", help="A payment intent's id.")]
Units = Annotated[
    list[str] | None,
    typer.Option("--line", metavar="SKU:UNITS", help="A product and how many of it."),
]
UnitsOfLines = Annotated[
    list[str] | None,
    typer.Option(
        "--line-id", metavar="LINE:UNITS", help="A line of the order by its id, and how many of it."
    ),
]

PricedUnits = Annotated[
    list[str],
    typer.Option(
        "--line",
        metavar="SKU:UNITS[:PRICE]",
        help="A product, how many of it, and (in minor units) another price than the listed one.",
    ),
]


@app.command(
    epilog="Example: ledger order place --currency gbp --line MUG:2 --email ada@example.com"
)
def place(
    currency: Annotated[str, typer.Option(help="Three letters, as gbp.")],
    *,
    line: PricedUnits,
    order_id: Annotated[str | None, typer.Option("--id", help="Your own id of the order.")] = None,
    customer: Annotated[str | None, typer.Option(help="Id of the customer.")] = None,
    email: Annotated[str | None, typer.Option(help="E-mail address of the customer.")] = None,
    shipping: Annotated[int, typer.Option(min=0, help="In minor units.")] = 0,
    tax: Annotated[int, typer.Option(min=0, help="In minor units.")] = 0,
    discount: Annotated[int, typer.Option(min=0, help="In minor units.")] = 0,
    reason: Reason = None,
) -> None:
    """Place an order, and reserve its stock.

    All lines are reserved or none; the reservation expires when the order is not paid in time.
    Other prices than the listed ones need LEDGER_LISTED_PRICES_ONLY=false, several lines of one
    SKU LEDGER_REPEATED_SKUS=true.
    """
    from ledger.domain.limits import check_currency
    from ledger.domain.order_commands import PlaceOrder
    from ledger.settings import load

    check_currency(currency.lower())  # before a product is asked for its price in it
    now, wanted = datetime.now(UTC), [_priced(text) for text in line]
    with reading() as (opened, reads):
        log, settings = opened.log, load()
        log.state()
        command = PlaceOrder(
            order_id=uuid4().hex if order_id is None else order_id,
            at=now,
            currency=currency.lower(),
            lines=tuple(_line(log, *each, currency.lower()) for each in wanted),
            expires_at=log.clocks.later() + timedelta(minutes=settings.ledger_reservation_minutes),
            customer_id=customer,
            email=email,
            shipping_minor=shipping,
            tax_minor=tax,
            discount_minor=discount,
            rules=settings.rules,
        )
        execute(reads, command, reason, "placed")


@app.command("list", epilog="Example: ledger order list --filter state=paid")
def list_(filters: Filters = None, limit: Limit = 50) -> None:
    """List orders, the latest first."""
    list_rows("order", filters or [], limit)


@app.command("show", epilog="Example: ledger order show A1 --as-of 2026-03-01T12:00:00Z")
def show_(order: OrderId, as_of: AsOf = None) -> None:
    """Show an order with its lines and payments."""
    show_one("order", order, as_of)


@app.command(epilog="Example: ledger order cancel A1 --reason 'changed her mind'")
def cancel(order: OrderId, reason: Reason = None) -> None:
    """Call off an order that no money is held for; release its stock.

    Refused while a payment for it is under way: cancel that first, at Stripe.
    """
    from ledger.domain.order_commands import CancelOrder

    _settle(CancelOrder, order, reason, "canceled")


@app.command(epilog="Example: ledger order expire A1")
def expire(order: OrderId, reason: Reason = None) -> None:
    """End the reservation of an unpaid order now."""
    from ledger.domain.order_commands import ExpireOrder

    _settle(ExpireOrder, order, reason, "expired")


@app.command(epilog="Example: ledger order fulfil A1")
def fulfil(order: OrderId, reason: Reason = None) -> None:
    """Send out the goods of a paid order."""
    from ledger.domain.order_commands import FulfilOrder

    _settle(FulfilOrder, order, reason, "fulfilled")


@app.command(epilog="Example: ledger order reallocate A1")
def reallocate(order: OrderId, reason: Reason = None) -> None:
    """Hold stock again for an order that was paid after it had expired."""
    from ledger.domain.order_commands import ReallocateOrder

    _settle(ReallocateOrder, order, reason, "reallocated")


@app.command("return", epilog="Example: ledger order return A1 --line MUG:1 --reason 'too small'")
def return_(
    order: OrderId,
    reason: Annotated[str, typer.Option(help="Why, for the audit log.")],
    line: Units = None,
    line_id: UnitsOfLines = None,
) -> None:
    """Take units of a fulfilled order back into stock; moves no money.

    By SKU, or by line where a SKU is out in several lines of the order.
    """
    from ledger.domain.order_commands import ReturnLines

    command = ReturnLines(
        order_id=order,
        at=datetime.now(UTC),
        quantities=_units(line or [], "SKU", "line"),
        line_quantities=_units(line_id or [], "LINE", "line-id"),
    )
    carry_out(command, reason, "returned")


@app.command(epilog="Example: ledger order refund A1 '12.50 gbp' --reason 'arrived late'")
def refund(
    order: OrderId,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="As '12.50 gbp'.")],
    reason: Reason = None,
) -> None:
    """Ask for money to go back; that it did is Stripe's to say."""
    from ledger.domain.money import parse_money
    from ledger.domain.order_commands import RequestRefund
    from ledger.errors import InvalidCommand

    amount_minor, currency = parse_money(amount)
    with reading() as (_, reads):
        money = reads.money(order)
        if money.paid_minor and money.currency != currency:
            raise InvalidCommand(f"The order was paid in {money.currency}, not in {currency}.")
        command = RequestRefund(
            order_id=order, at=datetime.now(UTC), amount_minor=amount_minor, money=money
        )
        execute(reads, command, reason, "refund requested")


@app.command(epilog="Example: ledger order link A1 pi_3QxYz")
def link(
    order: OrderId,
    payment: PaymentId,
    expected: Annotated[
        bool, typer.Option("--expected", help="Stripe is yet to report this payment.")
    ] = False,
    reason: Reason = None,
) -> None:
    """Say that a payment belongs to an order.

    Its own metadata comes first, where it names an order.
    """
    from ledger.domain.order_commands import LinkPayment

    with reading() as (_, reads):
        known = reads.payment(payment)
        command = LinkPayment(
            order_id=order,
            at=datetime.now(UTC),
            payment_id=known.payment_id or payment,
            known=known,
            expected=expected,
        )
        execute(reads, command, reason, "linked")


@app.command(epilog="Example: ledger order unlink A1 pi_3QxYz --reason 'wrong order'")
def unlink(order: OrderId, payment: PaymentId, reason: Reason = None) -> None:
    """Take back that a payment belongs to an order.

    What the payment's own metadata says is changed at Stripe.
    """
    from ledger.domain.order_commands import UnlinkPayment

    with reading() as (_, reads):
        known = reads.payment(payment)
        command = UnlinkPayment(
            order_id=order,
            at=datetime.now(UTC),
            payment_id=known.payment_id or payment,
            known=known,
        )
        execute(reads, command, reason, "unlinked")


def _settle(command: Any, order: str, reason: str | None, done: str) -> None:
    """Execute a command that rests on the order's money and nothing else."""
    with reading() as (_, reads):
        decided = command(order_id=order, at=datetime.now(UTC), money=reads.money(order))
        execute(reads, decided, reason, done)


def _units(texts: list[str], noun: str, option: str) -> dict[str, int]:
    """Units by SKU, or by line id, from `SKU:UNITS`."""
    units: dict[str, int] = {}
    for text in texts:
        name, _, count = text.rpartition(":")
        if not (name and _is_number(count)) or name in units:
            raise typer.BadParameter(
                f"{text!r} must be {noun}:UNITS, each {noun} once", param_hint=option
            )
        units[name] = int(count)
    return units


def _priced(text: str) -> tuple[str, int, int | None]:
    """SKU, units and price (minor units; None is the listed one) of `SKU:UNITS[:PRICE]`."""
    sku, *numbers = text.split(":")
    if not sku or not 1 <= len(numbers) <= 2 or not all(_is_number(n) for n in numbers):
        raise typer.BadParameter(
            f"{text!r} must be SKU:UNITS or SKU:UNITS:PRICE", param_hint="line"
        )
    count, *price = map(int, numbers)
    return sku, count, price[0] if price else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _line(log: Log, sku: str, quantity: int, unit_minor: int | None, currency: str) -> Line:
    """A line at the price that was said, else at the one that the product is listed for."""
    from ledger.decisions import StreamState
    from ledger.domain.events import Line
    from ledger.domain.stock import Listed
    from ledger.errors import UnknownProduct, WrongPrice

    stream = StreamState.new(f"stock/{sku}")
    for recorded in log.stream(stream.name):
        stream = stream.then(recorded.event)
    if not isinstance(stream.state, Listed):
        raise UnknownProduct(f"No product {sku!r} is listed; list it with `ledger stock define`.")
    item = stream.state
    if unit_minor is None and currency not in item.prices:
        raise WrongPrice(f"{sku} has no price in {currency}; add one with `ledger stock define`.")
    price_minor = item.prices[currency] if unit_minor is None else unit_minor
    return Line(sku=sku, name=item.name, quantity=quantity, unit_minor=price_minor)
