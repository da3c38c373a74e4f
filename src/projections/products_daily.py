"""Products by day: the units that were sold less those that came back, and what they brought."""

from projections.engine.declare import Projection, Rollup
from projections.sales_daily import line_sales

products_daily = Rollup(
    "products_daily",
    key=("day", "currency", "sku"),
    amounts=("units", "revenue_minor"),
    source=line_sales,
    contribution="select day, currency, sku, units, revenue_minor from source",
)
projection = Projection("products_daily", tables=(products_daily,), reads=("sales_daily",))
