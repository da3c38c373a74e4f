"""Wishlists: what stands on them now, every wish, and how many a day."""

from datetime import date

import pytest

from ledger.domain.events import AddedToWishlist, RemovedFromWishlist
from tests.projections.models import Models, at


def add(customer_id: str, sku: str) -> AddedToWishlist:
    return AddedToWishlist(customer_id=customer_id, sku=sku)


def remove(customer_id: str, sku: str) -> RemovedFromWishlist:
    return RemovedFromWishlist(customer_id=customer_id, sku=sku)


def test_a_wishlist_is_what_was_added_and_not_removed_since(models: Models) -> None:
    """Ann adds a mug, a lamp, removes the mug and adds it again; Bob thinks better of his mug."""
    models.take(add("ann", "MUG")).take(add("ann", "LAMP")).take(add("bob", "MUG"))
    models.take(remove("ann", "MUG")).take(remove("bob", "MUG")).take(add("ann", "MUG"))
    found = models.rows("select wish_id, customer_id, sku, added_at from wishlists order by 1")
    assert found == [
        ("ann:LAMP", "ann", "LAMP", at(2)),
        ("ann:MUG", "ann", "MUG", at(6)),
    ]


def test_every_wish_is_kept_with_its_time(models: Models) -> None:
    models.take(add("ann", "MUG")).take(remove("ann", "MUG"))
    found = models.rows("select customer_id, sku, kind, at from wishes order by position")
    assert found == [("ann", "MUG", "added", at(1)), ("ann", "MUG", "removed", at(2))]


@pytest.mark.parametrize(
    ("zone", "days"),
    [
        ("UTC", [(date(2026, 3, 1), 1, 0), (date(2026, 3, 2), 1, 1)]),
        ("America/New_York", [(date(2026, 3, 1), 2, 1)]),
    ],
)
def test_a_day_of_the_reporting_zone_counts_its_wishes(
    models: Models, zone: str, days: list[tuple[date, int, int]]
) -> None:
    """Wishes at 12:01 on 1 March and at 00:30 UTC on 2 March, in New York still the evening before.

    By UTC the first day has one added, the second one added and one removed.
    """
    before = models.cursor.execute("select set_config('ledger.time_zone', %s, false)", [zone])
    assert before.fetchone() == (zone,)
    try:
        models.take(add("ann", "MUG"), minutes=1)
        models.take(add("bob", "MUG"), minutes=750)
        models.take(remove("ann", "MUG"), minutes=751)
        found = models.rows(
            "select day, sum(added)::bigint, sum(removed)::bigint from wishlist_daily"
            " group by day order by day"
        )
        assert found == days
    finally:
        models.cursor.execute("reset ledger.time_zone")


def test_a_wish_stands_in_the_history_of_its_customer(models: Models) -> None:
    models.take(add("ann", "MUG"))
    found = models.rows("select kind, id from links order by kind")
    assert found == [("customer", "ann"), ("wish", "ann:MUG")]
