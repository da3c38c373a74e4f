"""Wishlists: a set of products, whatever is added and removed in whatever order."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.events import AddedToWishlist, RemovedFromWishlist
from ledger.domain.limits import MAX_WISHES
from ledger.domain.stock import Levels, Listed, Unlisted
from ledger.domain.wishlist import (
    AddToWishlist,
    RemoveFromWishlist,
    Wishlist,
    WishlistCommand,
    WishlistEvent,
    decide,
    evolve,
    wish_id,
)
from ledger.errors import InvalidCommand, UnknownProduct

AT = datetime(2026, 3, 1, tzinfo=UTC)
MUG = Listed(levels=Levels(), name="Mug", prices={"gbp": 1250}, preorder=False)
EMPTY = Wishlist()
FULL = Wishlist(frozenset(f"SKU-{n}" for n in range(MAX_WISHES)))

add = AddToWishlist(customer_id="ann", sku="MUG", at=AT)
remove = RemoveFromWishlist(customer_id="ann", sku="MUG", at=AT)
added = AddedToWishlist(customer_id="ann", sku="MUG")
removed = RemovedFromWishlist(customer_id="ann", sku="MUG")


def given_events(*events: WishlistEvent) -> Wishlist:
    wishlist = EMPTY
    for event in events:
        wishlist = evolve(wishlist, event)
    return wishlist


@pytest.mark.parametrize(
    ("before", "command", "then"),
    [
        ([], add, [added]),
        ([], remove, []),
        ([added], add, []),
        ([added], remove, [removed]),
        ([added, removed], add, [added]),
        ([added, removed], remove, []),
    ],
)
def test_what_a_command_does(
    before: list[WishlistEvent], command: WishlistCommand, then: list[WishlistEvent]
) -> None:
    assert decide(command, given_events(*before), MUG) == then


def test_only_what_is_listed_can_be_wished_for() -> None:
    with pytest.raises(UnknownProduct, match="'MUG'"):
        decide(add, EMPTY, Unlisted())
    assert decide(remove, EMPTY, Unlisted()) == []


def test_a_full_wishlist_takes_no_more_until_something_is_removed() -> None:
    with pytest.raises(InvalidCommand, match=str(MAX_WISHES)):
        decide(add, FULL, MUG)
    again = AddToWishlist(customer_id="ann", sku="SKU-0", at=AT)
    assert decide(again, FULL, MUG) == []
    room = evolve(FULL, RemovedFromWishlist(customer_id="ann", sku="SKU-0"))
    assert decide(add, room, MUG) == [added]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["MUG", "TEE", "LAMP"]))))
def test_any_commands_end_in_the_set_of_what_was_added_last(said: list[tuple[bool, str]]) -> None:
    """As a set does; a command that changes nothing stores nothing, any other one event."""
    wishlist, wanted = EMPTY, set[str]()
    for adds, sku in said:
        command = (AddToWishlist if adds else RemoveFromWishlist)(customer_id="ann", sku=sku, at=AT)
        events = decide(command, wishlist, MUG)
        assert len(events) == ((sku in wanted) is not adds)
        for event in events:
            wishlist = evolve(wishlist, event)
        wanted = wanted | {sku} if adds else wanted - {sku}
        assert wishlist.skus == wanted


@given(st.text(), st.text(":/", max_size=3))
def test_the_id_of_a_wish_tells_customers_apart(customer_id: str, tail: str) -> None:
    """Whatever a customer is called: what stands after the last colon is the SKU."""
    name = customer_id + tail
    assert wish_id(name, "MUG").rpartition(":") == (name, ":", "MUG")
