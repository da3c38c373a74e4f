"""Stock: products, every movement of their units, and the levels these add up to; one row a SKU."""

from collections.abc import Iterator

import msgspec

from ledger.domain.events import (
    ProductListed,
    StockAdjusted,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSold,
)
from ledger.domain.facts import Moment
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

products = Mirror(
    "products",
    sku=key(),
    name=latest("text"),
    prices=latest("jsonb"),
    preorder=latest("boolean"),
)
# A line says what happened (`kind`, `quantity`), and by how much it moved each level.
movements = Journal(
    "stock_movements",
    sku=line("text"),
    kind=line("text"),
    quantity=line("bigint"),
    on_hand=line("bigint"),
    reserved=line("bigint"),
    sold=line("bigint"),
    order_id=line("text"),
    reason=line("text"),
    actor=line("text"),
    at=line("timestamptz"),
    indexes=("sku, position",),
)
levels = Rollup(
    "stock_levels",
    key=("sku",),
    amounts=("on_hand", "reserved", "sold"),
    source=movements,
    contribution="select sku, on_hand, reserved, sold from source",
)
stock = Derived(
    "stock",
    key=("sku",),
    view="""
        select
            p.sku, p.name, p.prices, p.preorder,
            coalesce(l.on_hand, 0)::bigint as on_hand,
            coalesce(l.reserved, 0)::bigint as reserved,
            coalesce(l.sold, 0)::bigint as sold,
            coalesce(l.on_hand - l.reserved - l.sold, 0)::bigint as available
        from products as p
        left join stock_levels as l using (sku)
    """,
    touched="select sku from staged_products union all select sku from staged_stock_movements",
)
projection = Projection(
    "stock",
    tables=(products, movements, levels, stock),
    listing=Listing(
        stock,
        filters=("preorder",),
        link="sku",
        pages={
            "movements": """
                select
                    position, kind, quantity, on_hand, reserved, sold, order_id, reason, actor, at,
                    sum(on_hand - reserved - sold) over (order by position)::bigint
                        as available_after
                from stock_movements
                where sku = %(id)s and position < %(before)s
                order by position desc
                limit %(limit)s
            """
        },
    ),
)


@projection.handles(ProductListed)
def listed(fact: ProductListed, at: Moment) -> Iterator[Change]:
    """A product is what was said of it last."""
    yield products.action(
        at,
        sku=fact.sku,
        name=fact.name,
        prices=msgspec.json.encode(fact.prices).decode(),
        preorder=fact.preorder,
    )


@projection.handles(StockReceived)
def received(fact: StockReceived, at: Moment) -> Iterator[Change]:
    """Units arrived."""
    yield _moved(at, "received", fact.sku, fact.quantity, on_hand=fact.quantity)


@projection.handles(StockAdjusted)
def adjusted(fact: StockAdjusted, at: Moment) -> Iterator[Change]:
    """A count was corrected."""
    yield _moved(at, "adjusted", fact.sku, fact.change, on_hand=fact.change)


@projection.handles(StockReserved)
def reserved(fact: StockReserved, at: Moment) -> Iterator[Change]:
    """Units are held."""
    units = fact.quantity
    yield _moved(at, "reserved", fact.sku, units, reserved=units, order_id=fact.order_id)


@projection.handles(StockReleased)
def released(fact: StockReleased, at: Moment) -> Iterator[Change]:
    """Units are free again."""
    units = fact.quantity
    yield _moved(at, "released", fact.sku, units, reserved=-units, order_id=fact.order_id)


@projection.handles(StockSold)
def sold(fact: StockSold, at: Moment) -> Iterator[Change]:
    """Units that were held left."""
    units = fact.quantity
    yield _moved(at, "sold", fact.sku, units, reserved=-units, sold=units, order_id=fact.order_id)


@projection.handles(StockReturned)
def returned(fact: StockReturned, at: Moment) -> Iterator[Change]:
    """Units came back."""
    units = fact.quantity
    yield _moved(at, "returned", fact.sku, units, sold=-units, order_id=fact.order_id)


def _moved(
    at: Moment,
    kind: str,
    sku: str,
    quantity: int,
    *,
    on_hand: int = 0,
    reserved: int = 0,
    sold: int = 0,
    order_id: str | None = None,
) -> Change:
    return movements.line(
        at,
        sku=sku,
        kind=kind,
        quantity=quantity,
        on_hand=on_hand,
        reserved=reserved,
        sold=sold,
        order_id=order_id,
        reason=at.meta.reason,
        actor=at.meta.actor,
        at=at.effective_at,
    )
