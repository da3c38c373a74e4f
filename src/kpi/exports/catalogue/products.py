"""What each product sold in a window, the best sellers first."""

from kpi.exports.declare import Column, Kind, from_query

export = from_query(
    "products",
    "Best sellers",
    "best_sellers",
    columns=(
        Column("Product", Kind.TEXT),
        Column("Units", Kind.COUNT),
        Column("Revenue", Kind.DECIMAL),
        Column("SKU", Kind.TEXT),
        Column("Currency", Kind.CURRENCY),
    ),
    filters=("currency", "sku"),
    reads=("products_daily", "stock"),
)
