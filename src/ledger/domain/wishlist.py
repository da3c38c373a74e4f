"""Wishlists: what a customer would like to have, and what adding and removing a product does."""

from datetime import datetime
from typing import assert_never

from msgspec import Struct

from ledger.domain.events import AddedToWishlist, RemovedFromWishlist
from ledger.domain.limits import MAX_WISHES
from ledger.domain.stock import Item, check_listed
from ledger.errors import InvalidCommand

# ── Commands ────────────────────────────────────────────────────────────────────────────────────


class AddToWishlist(Struct, frozen=True, kw_only=True):
    """Put a product on a customer's wishlist."""

    customer_id: str
    sku: str
    at: datetime


class RemoveFromWishlist(Struct, frozen=True, kw_only=True):
    """Strike a product off a customer's wishlist."""

    customer_id: str
    sku: str
    at: datetime


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
