"""Best sellers: what each product sold in a window, by currency."""

from typing import Any, Final

from kpi.windows import Window
from projections.engine.replay import DictCursor

READS: Final = ("products_daily", "stock")

BEST_SELLERS: Final = """
select
    f.sku, (select name from products where sku = f.sku) as name, f.currency,
    sum(f.units)::bigint as units, sum(f.revenue_minor)::bigint as revenue_minor
from products_daily as f
where f.day between %(first)s and %(last)s
    and (%(currency)s::text is null or f.currency = %(currency)s)
group by f.sku, f.currency
order by f.currency, revenue_minor desc, units desc, f.sku
limit %(limit)s
"""


def best_sellers(
    cursor: DictCursor, window: Window, *, currency: str | None, limit: int
) -> list[dict[str, Any]]:
    """Units and revenue by product, by currency and then the most revenue first."""
    asked = {"first": window.first, "last": window.last, "currency": currency, "limit": limit}
    return cursor.execute(BEST_SELLERS, asked).fetchall()
