"""Wishlists: what a customer would like to have, and what adding and removing a product does."""

from typing import assert_never

from msgspec import Struct

from ledger.domain.aggregate import Aggregate, Command
from ledger.domain.events import AddedToWishlist, RemovedFromWishlist
from ledger.domain.limits import MAX_WISHES, check_customer_id, check_id
from ledger.domain.stock import Item, check_listed
from ledger.errors import InvalidCommand

# ── Commands ────────────────────────────────────────────────────────────────────────────────────


class _OfProduct(Command, frozen=True, kw_only=True):
    customer_id: str
    sku: str


class AddToWishlist(_OfProduct, frozen=True, kw_only=True):
    """Put a product on a customer's wishlist."""


class RemoveFromWishlist(_OfProduct, frozen=True, kw_only=True):
    """Strike a product off a customer's wishlist."""


WishlistCommand = AddToWishlist | RemoveFromWishlist
WishlistEvent = AddedToWishlist | RemovedFromWishlist

# ── State ───────────────────────────────────────────────────────────────────────────────────────


class Wishlist(Struct, frozen=True):
    """The SKUs that one customer would like to have."""

    skus: frozenset[str] = frozenset()


def evolve(wishlist: Wishlist, event: WishlistEvent) -> Wishlist:
    """The wishlist after an event of its stream."""
    match event:
        case AddedToWishlist(sku=sku):
            return Wishlist(wishlist.skus | {sku})
        case RemovedFromWishlist(sku=sku):
            return Wishlist(wishlist.skus - {sku})
        case _:
            assert_never(event)


# ── Decisions ───────────────────────────────────────────────────────────────────────────────────


def decide(command: WishlistCommand, wishlist: Wishlist, item: Item) -> list[WishlistEvent]:
    """What a command does to a wishlist; no events: it is so already. Raises a `Refused`.

    `item` is the product that the command names: it must be listed to be wished for.
    """
    match command:
        case AddToWishlist(customer_id=customer_id, sku=sku):
            check_listed(sku, item)
            if sku in wishlist.skus:
                return []
            _check_room(wishlist)
            return [AddedToWishlist(customer_id=customer_id, sku=sku)]
        case RemoveFromWishlist(customer_id=customer_id, sku=sku):
            if sku not in wishlist.skus:
                return []
            return [RemovedFromWishlist(customer_id=customer_id, sku=sku)]
        case _:
            assert_never(command)


def _check_room(wishlist: Wishlist) -> None:
    if len(wishlist.skus) >= MAX_WISHES:
        raise InvalidCommand(f"A wishlist holds {MAX_WISHES} products; remove one first.")


def wish_id(customer_id: str, sku: str) -> str:
    """The id of one product on one customer's wishlist; no SKU has a colon."""
    return f"{customer_id}:{sku}"


# ── The aggregate ───────────────────────────────────────────────────────────────────────────────


def _check(command: WishlistCommand) -> None:
    check_id("SKU", command.sku)
    check_customer_id(command.customer_id)


AGGREGATE = Aggregate(
    initial=Wishlist(),
    events=WishlistEvent,
    evolve=evolve,
    stream_id=lambda event: event.customer_id,
    commands=WishlistCommand,
    key="customer_id",
    decide=lambda command, wishlist, state_of: decide(
        command, wishlist, state_of(f"stock/{command.sku}")
    ),
    check=_check,
    needs=lambda command: {f"stock/{command.sku}"},
    answer=lambda command: {"id": wish_id(command.customer_id, command.sku)},
)
