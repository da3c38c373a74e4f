"""Wishlists: what customers would like to have, one row a customer and product, and every wish."""

from collections.abc import Iterator
from datetime import datetime

from api.permissions import Permission
from ledger.domain.events import AddedToWishlist, RemovedFromWishlist
from ledger.domain.facts import EventContext
from ledger.domain.wishlist import wish_id
from projections.engine.declare import (
    Change,
    Derived,
    Journal,
    Listing,
    Mirror,
    Projection,
    Rollup,
    key,
    latest,
    line,
)
from projections.engine.row import Row


class Wish(Row):
    """A product that a customer would like to have."""

    wish_id: str
    customer_id: str
    sku: str
    added_at: datetime


wishes = Journal(
    "wishes",
    customer_id=line("text"),
    sku=line("text"),
    kind=line("text"),
    at=line("timestamptz"),
    indexes=("at", "customer_id, at"),
)
wish_actions = Mirror(
    "wish_actions",
    wish_id=key(),
    customer_id=latest("text"),
    sku=latest("text"),
    kind=latest("text"),
    at=latest("timestamptz"),
)
wishlists = Derived(
    "wishlists",
    key=("wish_id",),
    view="""
        select wish_id, customer_id, sku, at as added_at
        from wish_actions
        where kind = 'added'
    """,
    touched="select wish_id from staged_wish_actions",
    indexes=("added_at, wish_id", "customer_id, added_at, wish_id", "sku"),
)
wishlist_daily = Rollup(
    "wishlist_daily",
    key=("customer_id", "day"),
    amounts=("added", "removed"),
    source=wishes,
    contribution="""
        select
            customer_id,
            ledger.business_day(at) as day,
            (kind = 'added')::integer::bigint as added,
            (kind = 'removed')::integer::bigint as removed
        from source
    """,
)
projection = Projection(
    "wishlists",
    tables=(wishes, wish_actions, wishlists, wishlist_daily),
    listing=Listing(
        wishlists,
        Wish,
        noun="wish",
        filled_by="A customer makes one with `ledger wishlist add` or `POST /wishlist/add`.",
        sort="added_at",
        filters=("customer_id", "sku"),
        link="wish",
        permission=Permission.SEE_WISHLIST,
        owner="customer_id",
    ),
)


@projection.handles(AddedToWishlist)
def added(fact: AddedToWishlist, at: EventContext) -> Iterator[Change]:
    """A product is wished for, from now on."""
    yield from _said(fact, at, "added")


@projection.handles(RemovedFromWishlist)
def removed(fact: RemovedFromWishlist, at: EventContext) -> Iterator[Change]:
    """A product is not wished for any more."""
    yield from _said(fact, at, "removed")


def _said(
    fact: AddedToWishlist | RemovedFromWishlist, at: EventContext, kind: str
) -> Iterator[Change]:
    customer_id, sku, when = fact.customer_id, fact.sku, at.effective_at
    yield wishes.line(at, customer_id=customer_id, sku=sku, kind=kind, at=when)
    yield wish_actions.action(
        at,
        wish_id=wish_id(customer_id, sku),
        customer_id=customer_id,
        sku=sku,
        kind=kind,
        at=when,
    )
