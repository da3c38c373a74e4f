"""Wishlists over HTTP, each call one command."""

from collections.abc import Callable
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.routing import Route

from api.commands import COMMAND, Errors, execute
from api.operations import Endpoint, Handler, Schema, operation
from api.permissions import Permission, identity_of
from api.schemas import CustomerId, Id
from ledger.domain.wishlist import AddToWishlist, RemoveFromWishlist
from ledger.errors import Forbidden, InvalidCommand, UnknownProduct


class WishBody(Schema):
    """A product, and whose wishlist is meant: a customer's own, who may leave `customer_id` out."""

    sku: Id
    customer_id: CustomerId | None = None


class WishAnswer(Schema):
    """The wish, and the position from which reads show what was done (`?after=position`)."""

    id: str
    position: int


def _of_wishlists(errors: Errors) -> Callable[[Endpoint], Handler]:
    """An operation on one wishlist, which an idempotency key makes safe to repeat."""
    return operation(
        surface=Permission.MANAGE_WISHLIST,
        tag="wishlists",
        body=WishBody,
        answers=WishAnswer,
        errors=errors,
        idempotent=True,
    )


@_of_wishlists((*COMMAND, UnknownProduct))
def add_to_wishlist(request: Request, body: WishBody) -> WishAnswer:
    """Put a listed product on a customer's wishlist.

    A product that stands on it already stays so, and is answered the same.
    """
    return _execute(request, AddToWishlist, body)


@_of_wishlists(COMMAND)
def remove_from_wishlist(request: Request, body: WishBody) -> WishAnswer:
    """Strike a product off a customer's wishlist.

    A product that does not stand on it is answered the same.
    """
    return _execute(request, RemoveFromWishlist, body)


routes = [
    Route("/wishlist/add", add_to_wishlist, methods=["POST"]),
    Route("/wishlist/remove", remove_from_wishlist, methods=["POST"]),
]


def _execute(
    request: Request, command: type[AddToWishlist | RemoveFromWishlist], body: WishBody
) -> WishAnswer:
    customer_id = _customer(request, body)
    wish = command(customer_id=customer_id, sku=body.sku, at=datetime.now(UTC))
    result = execute(request, wish, body)
    return WishAnswer(id=result.value["id"], position=result.position)


def _customer(request: Request, body: WishBody) -> str:
    """Whose wishlist is meant; a customer has one, his own."""
    own = identity_of(request).customer_id
    if own is None:
        if body.customer_id is None:
            raise InvalidCommand("Say whose wishlist it is: customer_id.")
        return body.customer_id
    if body.customer_id not in {None, own}:
        raise Forbidden("A customer wishes for himself: leave out customer_id.")
    return own
