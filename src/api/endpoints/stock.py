"""Products and their units over HTTP, each call one command."""

from collections.abc import Callable
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.routing import Route

from api.commands import COMMAND, Errors, execute
from api.operations import Endpoint, Handler, Schema, operation
from api.permissions import Permission
from api.schemas import AdjustBody, ProductAnswer, ProductBody, ReceiveBody
from ledger.decisions import Command
from ledger.domain.stock import AdjustStock, ListProduct, ReceiveStock
from ledger.errors import OutOfStock, UnknownProduct


def _of_stock(body: type[Schema], errors: Errors) -> Callable[[Endpoint], Handler]:
    """An operation on one product, which an idempotency key makes safe to repeat."""
    return operation(
        surface=Permission.MANAGE_STOCK,
        tag="stock",
        body=body,
        answers=ProductAnswer,
        errors=errors,
        idempotent=True,
    )


@_of_stock(ProductBody, COMMAND)
def list_product(request: Request, body: ProductBody) -> ProductAnswer:
    """Offer a product, or change its name, prices or pre-order flag; its stock stays as it is."""
    command = ListProduct(
        sku=_sku(request),
        at=_now(),
        name=body.name,
        prices=body.prices,
        preorder=body.preorder,
    )
    return _execute(request, command, body)


@_of_stock(ReceiveBody, (*COMMAND, UnknownProduct))
def receive_stock(request: Request, body: ReceiveBody) -> ProductAnswer:
    """Count in units that arrived."""
    command = ReceiveStock(sku=_sku(request), at=_now(), quantity=body.quantity)
    return _execute(request, command, body, body.reason)


@_of_stock(AdjustBody, (*COMMAND, UnknownProduct, OutOfStock))
def adjust_stock(request: Request, body: AdjustBody) -> ProductAnswer:
    """Correct a count; not below what orders hold, unless the product is a pre-order."""
    command = AdjustStock(sku=_sku(request), at=_now(), change=body.change)
    return _execute(request, command, body, body.reason)


routes = [
    Route("/products/{sku}", list_product, methods=["PUT"]),
    Route("/stock/{sku}/receive", receive_stock, methods=["POST"]),
    Route("/stock/{sku}/adjust", adjust_stock, methods=["POST"]),
]


def _execute(
    request: Request, command: Command, body: Schema, reason: str | None = None
) -> ProductAnswer:
    result = execute(request, command, body, reason)
    return ProductAnswer(sku=result.value["sku"], position=result.position)


def _sku(request: Request) -> str:
    return request.path_params["sku"]


def _now() -> datetime:
    return datetime.now(UTC)
