"""Stock: products, every movement of their units, and the levels these add up to; one row a SKU.

Levels mean what they mean in shop systems (Shopify's inventory states):

    on hand      on the shelf: received + adjusted + returned − fulfilled
    committed    of these, held for paid orders that are not fulfilled yet
    reserved     of these, held for orders that are not paid
    available    the rest, which can be sold: on hand − committed − reserved

https://shopify.dev/docs/apps/build/orders-fulfillment/inventory-management-apps
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import msgspec
from typing_extensions import TypeAliasType

from ledger.domain.events import (
    ProductListed,
    StockAdjusted,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSold,
)
from ledger.domain.facts import EventContext
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
from projections.engine.row import Currency, Part, Row

StockMovementKind = TypeAliasType(
    "StockMovementKind",
    Literal["received", "adjusted", "reserved", "released", "fulfilled", "returned"],
)


class StockItem(Row):
    """A product and its units: what lies on the shelf, is held, and can be sold."""

    sku: str
    name: str
    prices: dict[Currency, int]
    """In minor units, by currency."""
    preorder: bool
    on_hand: int
    """On the shelf: received + adjusted + returned − fulfilled."""
    committed: int
    """Of these, held for paid orders that are not fulfilled yet."""
    reserved: int
    """Of these, held for orders that are not paid."""
    available: int
    """The rest, which can be sold; below zero by pre-orders only."""
    received: int
    adjusted: int
    returned: int
    fulfilled: int


class StockMovement(Row):
    """What happened to units of a product; `held` ones are reserved or committed."""

    position: int
    kind: StockMovementKind
    quantity: int
    on_hand: int
    """By how much it moved what lies on the shelf."""
    held: int
    """By how much it moved what is held."""
    order_id: str | None
    reason: str | None
    actor: str
    actor_name: str | None
    moved_at: datetime
    on_hand_after: int
    available_after: int


products = Mirror(
    "products",
    sku=key(),
    name=latest("text"),
    prices=latest("jsonb"),
    preorder=latest("boolean"),
)
# A line says what happened (`kind`, `quantity`), and by how much it moved each level; `held` units
# are reserved or committed.
movements = Journal(
    "stock_movements",
    sku=line("text"),
    kind=line("text"),
    quantity=line("bigint"),
    on_hand=line("bigint"),
    held=line("bigint"),
    order_id=line("text"),
    reason=line("text"),
    actor=line("text"),
    actor_name=line("text"),
    at=line("timestamptz"),
    indexes=("sku, position", "order_id"),
)
levels = Rollup(
    "stock_levels",
    key=("sku",),
    amounts=("on_hand", "held", "received", "adjusted", "returned", "fulfilled"),
    source=movements,
    contribution="""
        select
            sku, on_hand, held,
            case kind when 'received' then quantity else 0 end as received,
            case kind when 'adjusted' then quantity else 0 end as adjusted,
            case kind when 'returned' then quantity else 0 end as returned,
            case kind when 'fulfilled' then quantity else 0 end as fulfilled
        from source
    """,
)
# What an order holds is committed while it is paid in full: what it held until then moves over at
# that moment, whatever it holds or frees later moves when it does, and where a bank takes the money
# back, what is left moves back.
commitments = Derived(
    "stock_commitments",
    key=("order_id", "sku", "period", "number"),
    by=("order_id",),
    view="""
        select t.order_id, m.sku, t.period, m.number, m.at, m.units
        from paid_periods as t
        cross join lateral (
            with moved as (
                select
                    sku, row_number() over (partition by sku order by position) as number,
                    greatest(at, t.paid_at) as at, held as units
                from stock_movements
                where order_id = t.order_id and held <> 0
                    and at < coalesce(t.unpaid_at, 'infinity')
            )
            select sku, number, at, units
            from moved
            union all
            select sku, 0, t.unpaid_at, -sum(units)::bigint
            from moved
            group by sku
            having t.unpaid_at is not null
        ) as m
    """,
    touched="""
        select order_id from touched_orders
        union all
        select order_id from staged_stock_movements
    """,
)
committed = Rollup(
    "stock_committed",
    key=("sku",),
    amounts=("committed",),
    source=commitments,
    contribution="select sku, units as committed from source",
)
stock = Derived(
    "stock",
    key=("sku",),
    view="""
        select
            p.sku, p.name, p.prices, p.preorder,
            coalesce(l.on_hand, 0)::bigint as on_hand,
            coalesce(c.committed, 0)::bigint as committed,
            (coalesce(l.held, 0) - coalesce(c.committed, 0))::bigint as reserved,
            coalesce(l.on_hand - l.held, 0)::bigint as available,
            coalesce(l.received, 0)::bigint as received,
            coalesce(l.adjusted, 0)::bigint as adjusted,
            coalesce(l.returned, 0)::bigint as returned,
            coalesce(l.fulfilled, 0)::bigint as fulfilled
        from products as p
        left join stock_levels as l using (sku)
        left join stock_committed as c using (sku)
    """,
    touched="""
        select sku from staged_products
        union all
        select sku from staged_stock_movements
        union all
        select sku
        from touched_stock_commitments
        join stock_commitments using (order_id)
    """,
    indexes=("available, sku",),
)
# Whether an order's units are committed is said by the events of the order and of its payments. Of
# an order that holds nothing (any longer) it does not matter.
ORDERS_THAT_HOLD = """
select 'order' as kind, order_id as id
from stock_movements
where sku = %(id)s and order_id is not null and position <= %(upto)s
group by order_id
having
    coalesce(sum(held) filter (where position < %(since)s), 0) > 0
    or max(position) >= %(since)s
"""
projection = Projection(
    "stock",
    tables=(products, movements, levels, commitments, committed, stock),
    reads=("orders",),
    listing=Listing(
        stock,
        StockItem,
        noun="product",
        filled_by="List one with `ledger stock define`.",
        sorts=("available",),
        filters=("preorder",),
        told=("name", "on_hand", "committed", "reserved", "available"),
        link="sku",
        rests_on=ORDERS_THAT_HOLD,
        pages={
            "movements": Part(
                StockMovement,
                """
                select
                    position, kind, quantity, on_hand, held, order_id, reason, actor, actor_name,
                    at as moved_at,
                    sum(on_hand) over (order by position)::bigint as on_hand_after,
                    sum(on_hand - held) over (order by position)::bigint as available_after
                from stock_movements
                where sku = %(id)s
                """,
            )
        },
    ),
)


@projection.handles(ProductListed)
def listed(fact: ProductListed, at: EventContext) -> Iterator[Change]:
    """A product is what was said of it last."""
    yield products.action(
        at,
        sku=fact.sku,
        name=fact.name,
        prices=msgspec.json.encode(fact.prices).decode(),
        preorder=fact.preorder,
    )


@projection.handles(StockReceived)
def received(fact: StockReceived, at: EventContext) -> Iterator[Change]:
    """Units arrived."""
    yield _moved(at, "received", fact.sku, fact.quantity, on_hand=fact.quantity)


@projection.handles(StockAdjusted)
def adjusted(fact: StockAdjusted, at: EventContext) -> Iterator[Change]:
    """A count was corrected."""
    yield _moved(at, "adjusted", fact.sku, fact.change, on_hand=fact.change)


@projection.handles(StockReserved)
def reserved(fact: StockReserved, at: EventContext) -> Iterator[Change]:
    """Units are held."""
    units = fact.quantity
    yield _moved(at, "reserved", fact.sku, units, held=units, order_id=fact.order_id)


@projection.handles(StockReleased)
def released(fact: StockReleased, at: EventContext) -> Iterator[Change]:
    """Units are free again."""
    units = fact.quantity
    yield _moved(at, "released", fact.sku, units, held=-units, order_id=fact.order_id)


@projection.handles(StockSold)
def fulfilled(fact: StockSold, at: EventContext) -> Iterator[Change]:
    """Units that were held left the shelf with their order."""
    units = fact.quantity
    yield _moved(
        at, "fulfilled", fact.sku, units, on_hand=-units, held=-units, order_id=fact.order_id
    )


@projection.handles(StockReturned)
def returned(fact: StockReturned, at: EventContext) -> Iterator[Change]:
    """Units are back on the shelf."""
    units = fact.quantity
    yield _moved(at, "returned", fact.sku, units, on_hand=units, order_id=fact.order_id)


def _moved(
    at: EventContext,
    kind: str,
    sku: str,
    quantity: int,
    *,
    on_hand: int = 0,
    held: int = 0,
    order_id: str | None = None,
) -> Change:
    return movements.line(
        at,
        sku=sku,
        kind=kind,
        quantity=quantity,
        on_hand=on_hand,
        held=held,
        order_id=order_id,
        reason=at.meta.reason,
        actor=at.meta.actor,
        actor_name=at.meta.actor_name,
        at=at.effective_at,
    )
