"""Wishlists over HTTP, each call one command."""

from datetime import UTC, datetime
from functools import partial

from starlette.requests import Request
from starlette.routing import Route

from api.commands import COMMAND, execute
from api.operations import Schema, operation
from api.permissions import Permission, identity_of
from api.schemas import CustomerId, Id, Recorded
from ledger.domain.wishlist import AddToWishlist, RemoveFromWishlist
from ledger.errors import Forbidden, InvalidCommand, UnknownProduct


class WishRequest(Schema):
    """A product, and whose wishlist is meant: a customer's own, who may leave `customer_id` out."""

    sku: Id
    customer_id: CustomerId | None = None


class WishResponse(Schema):
    """The wish, and the position from which reads show what was done (`?after=position`)."""

    id: str
    position: int
    recorded: Recorded


_of_wishlist = partial(operation, Permission.MANAGE_WISHLIST, "wishlists", idempotent=True)
"""An operation on one wishlist, which an idempotency key makes safe to repeat."""


@_of_wishlist(errors=(*COMMAND, UnknownProduct))
def add_to_wishlist(request: Request, body: WishRequest) -> WishResponse:
    """Put a listed product on a customer's wishlist.

    A product that stands on it already stays so, and is answered the same.
    """
    return _execute(request, AddToWishlist, body)


@_of_wishlist(errors=COMMAND)
def remove_from_wishlist(request: Request, body: WishRequest) -> WishResponse:
    """Strike a product off a customer's wishlist.

    A product that does not stand on it is answered the same.
    """
    return _execute(request, RemoveFromWishlist, body)


routes = [
    Route("/wishlist/add", add_to_wishlist, methods=["POST"]),
    Route("/wishlist/remove", remove_from_wishlist, methods=["POST"]),
]


def _execute(
    request: Request, command: type[AddToWishlist | RemoveFromWishlist], body: WishRequest
) -> WishResponse:
    customer_id = _customer(request, body)
    wish = command(customer_id=customer_id, sku=body.sku, at=datetime.now(UTC))
    result = execute(request, wish, body)
    return WishResponse(**result.document())


def _customer(request: Request, body: WishRequest) -> str:
    """Whose wishlist is meant; a customer has one, his own."""
    own = identity_of(request).customer_id
    if own is None:
        if body.customer_id is None:
            raise InvalidCommand("Say whose wishlist it is: customer_id.")
        return body.customer_id
    if body.customer_id not in {None, own}:
        raise Forbidden("A customer wishes for himself: leave out customer_id.")
    return own
