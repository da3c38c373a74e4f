"""Wishlists: who wished for something, and who of them bought afterwards."""

from kpi.declare import Family, Figure, Kind, Ratio, Rows, Unit

family = Family(
    40,
    "Wishlists",
    (
        Figure(
            "wishlisted_users",
            "Customers who wished",
            "distinct customers who put something on their wishlist in the window",
            Unit.COUNT,
            Kind.DISTINCT,
            Rows("wishlisted_users"),
            dated_by="wish",
        ),
        Figure(
            "purchased_users",
            "Customers who wished and bought",
            "of them, those of whom an order became fully paid in the window after their first wish"
            " in it, in any currency",
            Unit.COUNT,
            Kind.DISTINCT,
            Rows("purchased_users"),
            dated_by="wish",
        ),
        Figure(
            "wishlist_conversion_pct",
            "Wishlist conversion",
            "purchased_users / wishlisted_users × 100",
            Unit.PERCENT,
            Kind.RATIO,
            Ratio(("purchased_users",), ("wishlisted_users",)),
            dated_by="wish",
        ),
    ),
)
