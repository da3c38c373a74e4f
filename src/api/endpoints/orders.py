"""Orders over HTTP, each call one command."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from uuid import uuid4

from msgspec.structs import replace
from starlette.requests import Request
from starlette.routing import Route

from api.auth import is_hidden, require
from api.commands import COMMAND, Errors, command_handler_of, execute
from api.operations import operation
from api.permissions import Permission, identity_of
from api.schemas import (
    OrderRequest,
    OrderResponse,
    PaymentRequest,
    ReasonQuery,
    ReasonRequest,
    RefundOrderRequest,
    ReturnRequest,
)
from ledger.decisions import Result
from ledger.domain.limits import check_id, check_payment_id
from ledger.domain.order import NoOrder
from ledger.domain.order_commands import (
    RULES_OF_THE_PAST,
    CancelOrder,
    ExpireOrder,
    FulfilOrder,
    LinkPayment,
    PlaceOrder,
    ReallocateOrder,
    RequestRefund,
    ReturnLines,
    Rules,
    UnlinkPayment,
)
from ledger.domain.refund_request import WithdrawRefund
from ledger.errors import (
    AlreadyExists,
    Ambiguous,
    FieldError,
    Forbidden,
    InvalidRequest,
    LinkedElsewhere,
    NotCaughtUp,
    OutOfStock,
    ProjectionStopped,
    UnknownOrder,
    UnknownPayment,
    UnknownProduct,
    WrongPrice,
    WrongState,
)
from ledger.log import Log
from ledger.settings import Settings

FIRST_SECOND: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE: Final[Errors] = (*COMMAND, AlreadyExists, UnknownProduct, WrongPrice, OutOfStock)
_CHANGE: Final[Errors] = (*COMMAND, UnknownOrder, WrongState, NotCaughtUp, ProjectionStopped)
_LINK: Final[Errors] = (*_CHANGE, UnknownPayment, LinkedElsewhere, Ambiguous)


_of_order = partial(operation, tag="orders", errors=_CHANGE, idempotent=True)
"""An operation on one order, which an idempotency key makes safe to repeat."""


@_of_order(Permission.PLACE_ORDER, status=201, errors=_PLACE)
def place_order(request: Request, body: OrderRequest) -> OrderResponse:
    """Place an order and reserve the stock of all its lines, or of none.

    The reservation ends when the order is canceled, or is not paid in time. An order of the past
    (`placed_at`) has none, and takes nothing of the stock.
    """
    now, address = _now(), body.shipping_address
    if body.placed_at is not None:
        require(request, Permission.PLACE_PAST_ORDER)
        _check_past(body.placed_at, now)
    customer_id = _customer(request, body)
    settings: Settings = request.state.settings
    if body.placed_at is None:
        _check_units(body, settings.ledger_max_units_per_line)
    is_past = body.placed_at is not None
    minutes = settings.ledger_reservation_minutes
    command = PlaceOrder(
        order_id=body.id or uuid4().hex,
        at=body.placed_at or now,
        currency=body.currency,
        lines=tuple(line.line() for line in body.lines),
        expires_at=_until(request, minutes, body.placed_at),
        customer_id=customer_id,
        email=body.email,
        shipping_minor=body.shipping_minor,
        tax_minor=body.tax_minor,
        discount_minor=body.discount_minor,
        total_minor=body.total_minor,
        shipping_address=address and address.address(),
        rules=RULES_OF_THE_PAST if is_past else _rules(request),
        origin="import" if is_past else "shop",
        reserves_stock=not is_past,
    )
    return _order(execute(request, command, body))


@_of_order(Permission.CANCEL_ORDER)
def cancel_order(request: Request, body: ReasonRequest) -> OrderResponse:
    """Call off an order that no money is held for, and release its stock.

    Refused while a payment for it is under way: cancel that first, or expire the order. An order
    that is canceled already stays so, and is answered the same.
    """
    _check_owner(request)
    return _settle(request, CancelOrder, body)


@_of_order(Permission.MANAGE_ORDER)
def expire_order(request: Request, body: ReasonRequest) -> OrderResponse:
    """End the reservation of an unpaid order now, and release its stock.

    The service does so by itself when the reservation is over.
    """
    return _settle(request, ExpireOrder, body)


@_of_order(Permission.MANAGE_ORDER)
def fulfil_order(request: Request, body: ReasonRequest) -> OrderResponse:
    """Send out the goods of an order that is paid in full and not refunded in full.

    An order that is fulfilled already stays so, and is answered the same.
    """
    return _settle(request, FulfilOrder, body)


@_of_order(Permission.MANAGE_ORDER)
def reallocate_order(request: Request, body: ReasonRequest) -> OrderResponse:
    """Reserve stock again for an order that was paid after it had expired.

    The service tries once by itself; a person may again when there is stock. Where there is not
    enough, the order stays as it is, *paid, unallocated*.
    """
    return _settle(request, ReallocateOrder, body)


@_of_order(Permission.MANAGE_ORDER)
def return_lines(request: Request, body: ReturnRequest) -> OrderResponse:
    """Take units of a fulfilled order back into stock.

    Never more than were sold and not yet returned. Moves no money: see refunds. A SKU that is out
    in several lines is named by them.
    """
    command = ReturnLines(
        order_id=_order_id(request),
        at=_now(),
        quantities=body.quantities or {},
        line_quantities=body.line_quantities or {},
    )
    return _order(execute(request, command, body, body.reason))


@_of_order(Permission.MANAGE_ORDER, status=201)
def request_refund(request: Request, body: RefundOrderRequest) -> OrderResponse:
    """Ask for money to go back, at most what was paid and is not given back or asked for yet.

    The request is recorded; that the money went back is known when Stripe says so.
    """
    order_id = _order_id(request)
    command = RequestRefund(
        order_id=order_id,
        at=_now(),
        amount_minor=body.amount_minor,
        money=command_handler_of(request).money(order_id),
    )
    return _order(execute(request, command, body, body.reason))


@_of_order(Permission.MANAGE_ORDER)
def withdraw_refund(request: Request, body: ReasonRequest) -> OrderResponse:
    """Take back what is open of a request for a refund.

    Refused once Stripe was asked for it, unless Stripe refused it. A request that is withdrawn
    already stays so, and is answered the same.
    """
    order_id = _order_id(request)
    command = WithdrawRefund(
        request_id=request.path_params["request_id"],
        order_id=order_id,
        at=_now(),
        money=command_handler_of(request).money(order_id),
    )
    return _order(execute(request, command, body, body.reason))


@_of_order(Permission.MANAGE_ORDER, status=201, errors=_LINK)
def link_payment(request: Request, body: PaymentRequest) -> OrderResponse:
    """Say that a payment belongs to this order, where its own metadata does not.

    A payment that Stripe is yet to report must be `expected`.
    """
    known = command_handler_of(request).payment(body.payment_id)
    command = LinkPayment(
        order_id=_order_id(request),
        at=_now(),
        payment_id=known.payment_id or body.payment_id,
        known=known,
        expected=body.expected,
    )
    return _order(execute(request, command, body, body.reason))


@_of_order(Permission.MANAGE_ORDER, errors=_LINK)
def unlink_payment(request: Request, query: ReasonQuery) -> OrderResponse:
    """Take back that a payment belongs to this order.

    Only what was linked here can be unlinked: what the payment's own metadata, its checkout or its
    invoice says is changed at Stripe.
    """
    payment_id: str = request.path_params["payment_id"]
    check_payment_id(payment_id)
    known = command_handler_of(request).payment(payment_id)
    command = UnlinkPayment(
        order_id=_order_id(request),
        at=_now(),
        payment_id=known.payment_id or payment_id,
        known=known,
    )
    return _order(execute(request, command, query, query.reason))


routes = [
    Route("/orders", place_order, methods=["POST"]),
    Route("/orders/{id}/cancel", cancel_order, methods=["POST"]),
    Route("/orders/{id}/expire", expire_order, methods=["POST"]),
    Route("/orders/{id}/fulfil", fulfil_order, methods=["POST"]),
    Route("/orders/{id}/reallocate", reallocate_order, methods=["POST"]),
    Route("/orders/{id}/return", return_lines, methods=["POST"]),
    Route("/orders/{id}/refunds", request_refund, methods=["POST"]),
    Route("/orders/{id}/refunds/{request_id}/withdraw", withdraw_refund, methods=["POST"]),
    Route("/orders/{id}/payments", link_payment, methods=["POST"]),
    Route("/orders/{id}/payments/{payment_id}", unlink_payment, methods=["DELETE"]),
]


# ── From a request to a command, and back ───────────────────────────────────────────────────────


def _settle(
    request: Request,
    command: type[CancelOrder | ExpireOrder | FulfilOrder | ReallocateOrder],
    body: ReasonRequest,
) -> OrderResponse:
    """Execute a command that rests on the order's money and nothing else."""
    order_id = _order_id(request)
    money = command_handler_of(request).money(order_id)
    decided = command(order_id=order_id, at=_now(), money=money)
    return _order(execute(request, decided, body, body.reason))


def _customer(request: Request, body: OrderRequest) -> str | None:
    """For whom an order is; a customer orders for himself, at the shop's prices."""
    own = identity_of(request).customer_id
    if own is None:
        return body.customer_id
    if body.customer_id not in {None, own}:
        raise Forbidden("A customer orders for himself: leave out customer_id.")
    if body.id is not None:
        raise Forbidden("The shop names its orders, not a customer: leave out id.")
    if body.discount_minor:
        raise Forbidden("A discount is the shop's to give: leave out discount_minor.")
    return own


def _rules(request: Request) -> Rules:
    """What the shop allows; a customer pays the listed prices whatever the shop may agree on."""
    settings: Settings = request.state.settings
    if identity_of(request).customer_id is None:
        return settings.rules
    return replace(settings.rules, listed_prices_only=True)


def _check_units(body: OrderRequest, most: int) -> None:
    """Refuse at once what is more than the document served allows, as its other limits are."""
    for at, line in enumerate(body.lines):
        if line.quantity > most:
            field, must = f"lines.{at}.quantity", f"must be from 1 to {most}."
            wrong = FieldError(field, "out_of_range", must, line.quantity, 1, most)
            raise InvalidRequest(f"body.{field}: it is {line.quantity}; it {must}", wrong)


def _check_owner(request: Request) -> None:
    """To a customer, an order of another customer does not exist."""
    if identity_of(request).customer_id is None:
        return
    order_id = _order_id(request)
    order = command_handler_of(request).order(order_id)
    owner = None if isinstance(order, NoOrder) else order.sale.customer_id
    there = not isinstance(order, NoOrder)
    if is_hidden(request, Permission.CANCEL_ORDER, there=there, customer_id=owner):
        raise UnknownOrder(f"There is no order {order_id!r}.")


def _order_id(request: Request) -> str:
    order_id: str = request.path_params["id"]
    check_id("order id", order_id)
    return order_id


def _now() -> datetime:
    return datetime.now(UTC)


def _until(request: Request, minutes: int, since: datetime | None) -> datetime:
    """So many minutes from then, or from now by whichever clock is ahead."""
    log: Log = request.state.log
    return (since or log.clocks.later()) + timedelta(minutes=minutes)


def _check_past(placed_at: datetime, now: datetime) -> None:
    """Raise `InvalidRequest` unless it is between Unix's first second and now."""
    if not FIRST_SECOND <= placed_at <= now:
        must = "must be a time of the past, from 1970 on."
        wrong = FieldError("placed_at", "invalid", must)
        raise InvalidRequest(f"body.placed_at: it {must}", wrong)


def _order(result: Result) -> OrderResponse:
    return OrderResponse(**result.document())
