"""Wishlists: how many customers wished for something, and how many of these bought afterwards."""

from kpi.declare import Family, Figure, Ratio, Rows, Unit

family = Family(
    40,
    "Wishlists",
    (
        Figure(
            "wishlisted_users",
            "Customers who wished",
            "distinct customers who put something on their wishlist in the window",
            Unit.COUNT,
            Rows("wishlisted_users"),
            dated_by="wish",
        ),
        Figure(
            "purchased_users",
            "Customers who wished and bought",
            "of them, those of whom an order became fully paid in the window after their first wish"
            " in it, in any currency",
            Unit.COUNT,
            Rows("purchased_users"),
            dated_by="wish",
        ),
        Figure(
            "wishlist_conversion_pct",
            "Wishlist conversion",
            "purchased_users / wishlisted_users × 100",
            Unit.PERCENT,
            Ratio(("purchased_users",), ("wishlisted_users",)),
            dated_by="wish",
        ),
    ),
)
