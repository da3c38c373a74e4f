"""Products and their units over HTTP, each call one command."""

from datetime import UTC, datetime
from functools import partial

from starlette.requests import Request
from starlette.routing import Route

from api.commands import COMMAND, execute
from api.operations import Schema, operation
from api.permissions import Permission
from api.schemas import AdjustRequest, ProductRequest, ProductResponse, ReceiveRequest
from ledger.domain.aggregate import Command
from ledger.domain.stock import AdjustStock, ListProduct, ReceiveStock
from ledger.errors import OutOfStock, UnknownProduct

_of_stock = partial(operation, Permission.MANAGE_STOCK, "stock", idempotent=True)
"""An operation on one product, which an idempotency key makes safe to repeat."""


@_of_stock(errors=COMMAND)
def list_product(request: Request, body: ProductRequest) -> ProductResponse:
    """Offer a product, or change its name, prices or pre-order flag; its stock stays as it is."""
    command = ListProduct(
        sku=_sku(request),
        at=_now(),
        name=body.name,
        prices=body.prices,
        preorder=body.preorder,
    )
    return _execute(request, command, body)


@_of_stock(errors=(*COMMAND, UnknownProduct))
def receive_stock(request: Request, body: ReceiveRequest) -> ProductResponse:
    """Count in units that arrived."""
    command = ReceiveStock(sku=_sku(request), at=_now(), quantity=body.quantity)
    return _execute(request, command, body, body.reason)


@_of_stock(errors=(*COMMAND, UnknownProduct, OutOfStock))
def adjust_stock(request: Request, body: AdjustRequest) -> ProductResponse:
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
) -> ProductResponse:
    result = execute(request, command, body, reason)
    return ProductResponse(**result.document())


def _sku(request: Request) -> str:
    return request.path_params["sku"]


def _now() -> datetime:
    return datetime.now(UTC)
