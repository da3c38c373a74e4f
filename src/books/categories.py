"""Of which category the sales of products are, by month: they are booked by themselves.

A closed month keeps its categories: none can be named for it any more.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from projections.engine.replay import DictCursor

READS: Final = ("periods",)
NAMED: Final = """
select sku, period, category, actor, actor_name, reason, named_at
from sales_categories
order by sku collate "C", period collate "C"
"""


class Named(NamedTuple):
    """A SKU, or what some begin with (`MUG-*`), its category from a month on, and who says so.

    None: it has none of its own any more.
    """

    sku: str
    period: str
    category: str | None
    actor: str
    actor_name: str | None
    reason: str | None
    named_at: datetime


def categories(cursor: DictCursor) -> list[Named]:
    """All that were named, by SKU and month."""
    return [Named(**row) for row in cursor.execute(NAMED)]
