"""Subscription versions: what each subscription came to from each point in time on.

Both are tables of the projection `subscriptions`, which says what MRR counts.
"""

from typing import Final

from ledger.domain.money import MAX_MINOR
from projections.engine.declare import Derived
from projections.prices import CHARGED

# A report holds from its second on until that of the next one; of one second the last report is
# right. Its object's own times are better than its own: of the first one when it began (it was
# active since then), of a later one when an end was asked for, and came. While it holds, a discount
# of the customer may begin or end.
POINTS = """
select
    r.subscription_id, p.at, r.version, r.customer_id, r.currency, s.active,
    s.active and (r.end_asked_at is null or p.at < r.end_asked_at) as counts,
    r.end_asked_at <= p.at as ends, p.at >= r.at and not r.state_known as is_strange
from subscription_reports as r
left join lateral (
    select at, is_active
    from subscription_reports
    where subscription_id = r.subscription_id and version < r.version and at < r.at
    order by version desc
    limit 1
) as before on true
left join lateral (
    select
        least(
            at,
            case when end_asked_at > r.at then end_asked_at end,
            case when over_at > r.at then over_at end
        ) as at
    from subscription_reports as n
    where subscription_id = r.subscription_id and version > r.version and at > r.at
        and not exists (
            select
            from subscription_reports
            where subscription_id = n.subscription_id and version > n.version and at = n.at
        )
    order by version
    limit 1
) as next on true
cross join lateral (
    select case
        when before.at is null and r.begun_at < least(r.at, r.end_asked_at) then r.begun_at
    end as at
) as begun
cross join lateral (
    select r.at
    union
    select at
    from (values (begun.at), (r.end_asked_at), (r.over_at)) as own (at)
    where at < r.at and (at > before.at or at >= begun.at)
    union
    select c.at
    from discounts as d
    cross join lateral (values (d.started_at), (d.ended_at)) as c (at)
    where d.customer_id = r.customer_id and d.customer_wide
        and jsonb_array_length(r.discount_ids) = 0
        and c.at > coalesce(begun.at, r.at) and (next.at is null or c.at < next.at)
) as p
cross join lateral (
    select case
        when r.over_at <= p.at then false
        when p.at >= r.at then r.is_active
        else coalesce(before.is_active, true)
    end as active
) as s
where not exists (
    select
    from subscription_reports
    where subscription_id = r.subscription_id and version > r.version and at = r.at
)
"""
"""When what is known of a subscription may change, and by which of its reports."""

subscription_points = Derived(
    "subscription_points",
    key=("subscription_id", "at"),
    by=("subscription_id",),
    view=POINTS,
    touched="""
        select subscription_id from staged_subscription_reports
        union all
        select r.subscription_id
        from touched_discounts
        join discounts as d using (discount_id)
        join subscription_reports as r on r.customer_id = d.customer_id
        where d.customer_wide
    """,
)

# Amounts are in parts of a minor unit, so that all of it is whole numbers and finite decimals.
_AMOUNT_OFF: Final = """
select case
    when d.currency = r.currency then d.amount_off_minor
    else (d.amounts ->> r.currency)::bigint
end as minor
"""
"""What a discount takes off an invoice in the subscription's currency; null where not known."""
_LESS_DISCOUNTS: Final = """
case when jsonb_array_length(its_discounts) = 0 then start_amount else (
    with recursive applied (step, left_over) as (
        select 0, start_amount
        union all
        select
            step + 1,
            left_over * (100 - coalesce(d.percent_off::numeric, 0)) * 0.01
                - coalesce(off.minor, 0) * w.invoices
        from applied
        left join discounts as d on d.discount_id = its_discounts ->> step
            and d.duration = 'forever'
            and (d.products is null or its_products <@ d.products)
        cross join lateral (amount_off) as off
        where step < jsonb_array_length(its_discounts)
    )
    select greatest(left_over, 0) from applied order by step desc limit 1
) end
""".replace("(amount_off)", f"({_AMOUNT_OFF})")
"""An amount less each discount in turn; one that falls below nothing never comes up again."""

# A discount with an end is none that lasts forever, whatever its coupon says.
_UNKNOWN_DISCOUNTS: Final = """
select case
    when d.discount_id is null or d.duration is null and d.coupon_id is null
    then 'discount/' || named.id
    when d.duration is null then 'coupon/' || d.coupon_id
    when d.duration not in ('forever', 'repeating', 'once') then 'coupon/' || d.coupon_id
    when d.duration = 'forever' and d.percent_off is null and off.minor is null and is_own
    then concat_ws('/', 'coupon', d.coupon_id, r.currency)
    when d.duration = 'forever' and d.products ?| array(
        select jsonb_array_elements_text(its_products)
    ) and not its_products <@ d.products
    then concat_ws('/', 'coupon', d.coupon_id, 'products')
end as cause
from jsonb_array_elements_text(its_discounts) as named (id)
left join discounts as d on d.discount_id = named.id
cross join lateral (amount_off) as off
where d.ends_at is null or d.duration is not null
""".replace("(amount_off)", f"({_AMOUNT_OFF})")
"""What would have to be known of discounts to know what they take off."""


def _less_discounts(amount: str, discounts: str, products: str) -> str:
    sql = _LESS_DISCOUNTS.replace("start_amount", amount)
    return sql.replace("its_discounts", discounts).replace("its_products", products)


def _unknown_discounts(discounts: str, products: str, *, own: str = "true") -> str:
    sql = _UNKNOWN_DISCOUNTS.replace("its_discounts", discounts)
    return sql.replace("its_products", products).replace("is_own", own)


# An invoice tells a price best: that of the report's own period, else the last one before it.
_ASKED: Final = """
scale * (item #>> '{asked,rate}')::numeric * coalesce(
    (
        select unit::numeric * q.packs
        from invoiced_prices
        where (item #> '{asked,per_unit}')::boolean
            and subscription_id = r.subscription_id and currency = r.currency
            and price_id = item ->> 'price_id'
        order by
            invoiced_at >= r.at desc,
            case when invoiced_at >= r.at then invoiced_at end,
            invoiced_at desc,
            invoice_id
        limit 1
    ),
    (
        select charged
        from price_amounts as a
        where price_id = item ->> 'price_id' and currency = r.currency
    )
)
""".replace("charged", CHARGED)

# Of a list that Stripe cut, the next whole report shows what stood in it, too (whatever was made
# before this report), unless items were changed in between. The parts of both reports make parts in
# which all amounts are whole.
_LATER: Final = """
select items, parts, invoices
from (
    select version, items, parts, invoices, items_missing,
        bool_or(items_changed) over (order by version) as changed
    from subscription_reports
    where r.items_missing > 0 and subscription_id = r.subscription_id and version > r.version
) as n
where items_missing = 0 and not changed
order by version
limit 1
"""
_NOT_SHOWN: Final = """
select item
from jsonb_array_elements(later.items) as l (item)
where not exists (
        select
        from jsonb_array_elements(r.items) as shown (one)
        where one -> 'item_id' = item -> 'item_id'
    )
    and coalesce((item ->> 'created_at')::timestamptz <= r.at, true)
"""
_ITEMS: Final = """
select item, coalesce(later.parts, 1)::numeric as scale
from jsonb_array_elements(r.items) as own (item)
union all
select item, r.parts::numeric
from (not_shown) as others
""".replace("not_shown", _NOT_SHOWN)

VERSIONS: Final = """
select
    p.subscription_id, p.at, p.version, p.customer_id, p.currency,
    case when not p.counts or is_too_much then 0 else minor end::bigint as mrr_minor,
    case
        when p.counts then u.causes
        when p.is_strange then jsonb_build_array('state/' || r.state)
        else '[]'
    end as unknown,
    p.active::integer::bigint as active,
    (p.is_strange or p.counts and u.causes <> '[]')::integer::bigint as uncounted,
    p.counts and (u.causes <> '[]' or minor > 0) as pays,
    p.ends is true as ends
from subscription_points as p
join subscription_reports as r using (subscription_id, version)
left join lateral (later_report) as later on true
cross join lateral (
    select
        r.parts::numeric * coalesce(later.parts, 1) as parts,
        greatest(
            r.invoices::numeric * coalesce(later.parts, 1), later.invoices::numeric * r.parts
        ) as invoices,
        case when r.items_missing = 0 then 0
            else r.items_missing - (select count(*) from (not_shown) as others)
        end as items_missing
    offset 0 -- these are planned by themselves: pulled up, their expressions multiply
) as w
cross join lateral (
    select case
        when jsonb_array_length(r.discount_ids) > 0 or r.discounts_missing > 0 then r.discount_ids
        else coalesce((
            select jsonb_build_array(discount_id)
            from (
                select discount_id, ended_at
                from discounts
                where customer_id = r.customer_id and customer_wide
                    and coalesce(started_at, '-infinity') <= p.at
                order by started_at desc nulls last, discount_id desc
                limit 1
            ) as latest
            where ended_at is null or ended_at > p.at
        ), '[]')
    end as ids
    offset 0
) as whole
cross join lateral (
    select
        coalesce(sum(reduced.amount), 0) as amount,
        coalesce(jsonb_agg(item -> 'product_id'), '[]') as products,
        coalesce(jsonb_agg(c.causes) filter (where c.causes is not null), '[]') as causes
    from (its_items) as i
    cross join lateral (select (item #>> '{asked,packs}')::numeric as packs) as q
    cross join lateral (
        select coalesce(scale * (item ->> 'monthly')::numeric, asked_amount) as amount
        offset 0 -- computed once, not at each use
    ) as listed
    cross join lateral (select of_one_item as amount offset 0) as reduced
    cross join lateral (
        select case
            when listed.amount is not null then (
                select jsonb_agg(cause)
                from (discounts_of_one_item) as d
                where listed.amount > 0 and cause is not null
            )
            when item ->> 'price_id' is null then '["price"]'
            when item -> 'asked' = 'null'
            then jsonb_build_array(concat_ws('/', 'interval', item ->> 'interval'))
            else jsonb_build_array(concat_ws('/', 'price', item ->> 'price_id', r.currency))
        end as causes
    ) as c
) as listed
cross join lateral (select of_the_whole as amount offset 0) as reduced
cross join lateral (
    select div(reduced.amount, w.parts) as units, mod(reduced.amount, w.parts) as rest
    offset 0
) as divided
cross join lateral (
    select case
        when 2 * rest < w.parts or 2 * rest = w.parts and units % 2 = 0 then units
        else units + 1
    end as minor
    offset 0
) as rounded
cross join lateral (select minor > most as is_too_much) as bounded
cross join lateral (
    select coalesce(jsonb_agg(distinct cause collate "C" order by cause collate "C"), '[]')
        as causes
    from (
        select cause
        from jsonb_array_elements(listed.causes) as l (each)
        cross join lateral jsonb_array_elements_text(l.each) as e (cause)
        union all
        select 'items' where w.items_missing > 0
        union all
        select 'discounts' where r.discounts_missing > 0
        union all
        select 'amount' where is_too_much
        union all
        select cause
        from (discounts_of_the_whole) as d
        where listed.amount > 0 or listed.causes <> '[]'
    ) as every
    where cause is not null
) as u
"""
"""What a subscription came to from each of these points on, and what of it is not known."""

subscription_versions = Derived(
    "subscription_versions",
    key=("subscription_id", "at"),
    by=("subscription_id",),
    view=VERSIONS.replace("asked_amount", _ASKED)
    .replace("later_report", _LATER)
    .replace("its_items", _ITEMS)
    .replace("not_shown", _NOT_SHOWN)
    .replace(
        "discounts_of_one_item",
        _unknown_discounts("(item -> 'discount_ids')", "jsonb_build_array(item -> 'product_id')"),
    )
    .replace(
        "discounts_of_the_whole",
        _unknown_discounts(
            "whole.ids", "listed.products", own="jsonb_array_length(r.discount_ids) > 0"
        ),
    )
    .replace(
        "of_one_item",
        _less_discounts(
            "listed.amount",
            "(item -> 'discount_ids')",
            "jsonb_build_array(item -> 'product_id')",
        ),
    )
    .replace("of_the_whole", _less_discounts("listed.amount", "whole.ids", "listed.products"))
    .replace("most", str(MAX_MINOR)),
    touched="""
        select subscription_id from touched_subscription_points
        union all
        select subscription_id
        from touched_discounts
        join subscription_discounts using (discount_id)
        union all
        select subscription_id
        from staged_price_amounts
        join subscription_prices using (price_id)
        union all
        select subscription_id
        from staged_invoiced_prices
        join subscription_prices using (price_id, subscription_id)
    """,
    indexes=("customer_id, currency, at, subscription_id",),
)
