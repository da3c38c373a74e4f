"""Postings: Stripe's balance in double entry, by the rules of `posting_rules`.

Each balance transaction makes entries (`part`) whose postings sum to 0 in its currency: as it was
booked, as it became available, and what else is known of it: its order, its payout's arrival, its
dispute's loss, what a person classified. An entry stands on the day on which it happened.

Goods of a sale, and what a refund gives back of them, are split over the categories of the order's
lines, as they were named for the month of the sale: what goes back leaves the same accounts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ledger.domain import posting_rules as rules
from ledger.domain.events import TransactionClassified
from ledger.domain.facts import EventContext
from projections.engine.declare import (
    Change,
    Derived,
    Mirror,
    Projection,
    Rollup,
    key,
    latest,
)


def _text(value: str) -> str:
    assert "'" not in value, "the words of rules have no quotes"
    return f"'{value}'"


def _cases(column: str, words: Mapping[str, str]) -> str:
    """SQL for the value that a word stands for, null where there is none."""
    whens = " ".join(f"when {_text(word)} then {_text(to)}" for word, to in words.items())
    return f"case {column} {whens} end"


RULE_OF: Final = {name: rule for rule in rules.RULES for name in rule.categories}
"""Each category, or beginning of categories, and its rule."""
_FAMILIES: Final = [name.removesuffix("*") for name in RULE_OF if name.endswith("*")]

# What Stripe calls it; before 2019 only the type says so, and of an adjustment its source.
CATEGORY: Final = f"""
    coalesce(
        {_cases("t.type", rules.FINER)},
        {
    " ".join(
        [
            "case",
            *(
                f"when starts_with(t.category, {_text(family)}) then {_text(family + '*')}"
                for family in _FAMILIES
            ),
        ]
    )
} end,
        t.category,
        case when t.type = 'adjustment' and d.dispute_id is not null then 'dispute' end,
        {_cases("t.type", rules.TYPES)}
    )
"""
_RULES: Final = ", ".join(
    f"({_text(name)}, {_text(rule.against)}, {_text(rule.shape)})" for name, rule in RULE_OF.items()
)
_STRIPE: Final = " ".join(
    [
        "'assets:stripe:' || case",
        *(f"when b.kind = {_text(kind)} then {_text(n)}" for kind, n in rules.BALANCES.items()),
        "else 'other' end",
    ]
)
_FEES: Final = list(enumerate(rules.FEES.items(), 6))
"""The slot, the type and the account of each part of a fee."""


def _share(weight: str, before: tuple[str, ...], after: tuple[str, ...]) -> str:
    """SQL for the share of one weight by the largest-remainder method, as `money.split` has it."""
    ahead = [
        *(f"(mod(base * {other}, whole) >= mod(base * {weight}, whole))::int" for other in before),
        *(f"(mod(base * {other}, whole) > mod(base * {weight}, whole))::int" for other in after),
    ]
    every = " + ".join(f"div(base * {each}, whole)" for each in (*before, weight, *after))
    return f"""(
        div(base * {weight}, whole) + ({" + ".join(ahead)} < base - ({every}))::int
    )::bigint"""


def _is_of(sku: str, named: str) -> str:
    """SQL for whether a SKU is the one that is named, or begins as it says."""
    return f"""(
        {named} = {sku}
        or right({named}, 1) = '*' and starts_with({sku}, left({named}, -1))
    )"""


# Of which category a line's goods are: an exact SKU counts before the longest beginning.
_CATEGORY_OF: Final = f"""(
    select category
    from (
        select distinct on (n.sku) n.sku, n.category
        from sales_categories as n
        where {_is_of("l.sku", "n.sku")} and n.period <= m.period
        order by n.sku, n.period desc
    ) as said
    where category is not null
    order by (said.sku = l.sku) desc, length(said.sku) desc
    limit 1
)"""  # noqa: S608 - made of our own words
# Goods by the largest-remainder method, as `money.split` has it: what is of no category first.
_BY_CATEGORY: Final = f"""
    select
        sum(minor)::bigint as named_minor,
        array_agg(category order by category collate "C") as names,
        array_agg(minor order by category collate "C") as minors
    from (
        select
            category,
            (
                share + (
                    row_number() over (order by rest desc, category collate "C" nulls first)
                    <= h.goods_minor - sum(share) over ()
                )::int
            )::bigint as minor
        from (
            select
                category,
                div(h.goods_minor * weight, whole) as share,
                mod(h.goods_minor * weight, whole) as rest
            from (
                select category, sum(weight) as weight, sum(sum(weight)) over () as whole
                from (
                    select
                        {_CATEGORY_OF} as category,
                        l.quantity::numeric * l.unit_minor as weight
                    from (
                        select to_char(ledger.business_day(min(at)), 'YYYY-MM') as period
                        from (
                            select t.created_at as at
                            union all
                            select created_at
                            from transactions
                            where source_id = coalesce(c.charge_id, xc.charge_id)
                        ) as moved
                    ) as m
                    cross join order_lines as l
                    where l.order_id = a.order_id and h.goods_minor > 0
                        and (select exists (select from sales_categories))
                ) as lines
                group by category
            ) as weighed
            where whole > 0
        ) as shares
    ) as parts
    where category is not null
"""  # noqa: S608 - made of our own words
POSTINGS: Final = f"""
select
    t.transaction_id,
    e.part,
    e.slot,
    ledger.business_day(e.at) as day,
    coalesce(t.account || ':', '') || e.name as account,
    t.currency,
    e.amount_minor,
    e.at
from transactions as t
left join dispute_reports as d on d.dispute_id = t.source_id
left join (values {_RULES}) as r (category, against, shape) on r.category = {CATEGORY}
left join payouts as o on o.payout_id = t.source_id and r.shape = 'payout'
left join charges as c on c.charge_id = t.source_id
left join refunds as x on x.refund_id = t.source_id
left join charges as xc on xc.charge_id = x.charge_id
left join payments as p on p.payment_id
    = coalesce(c.payment_id, c.charge_id, xc.payment_id, xc.charge_id, x.payment_id)
left join order_actions as a
    on a.order_id = p.order_id and a.currency = p.currency and a.total_minor > 0
left join classifications as k on k.transaction_id = t.transaction_id
cross join lateral (
    select
        coalesce(t.balance_type, 'payments') as kind,
        coalesce(r.against, {_text(rules.SUSPENSE)}) as against,
        t.available_at > t.created_at as is_pending
    offset 0
) as b
cross join lateral (
    select
        {
    ", ".join(
        f"coalesce(sum(amount_minor) filter (where type = {_text(kind)}), 0)::bigint as fee_{slot}"
        for slot, (kind, _) in _FEES
    )
},
        t.fee_minor - coalesce(sum(amount_minor) filter (
            where type in ({", ".join(map(_text, rules.FEES))})
        ), 0)::bigint as rest_minor
    from transaction_fees
    where transaction_id = t.transaction_id and currency = t.currency
) as f
-- When a payout is, or would be, at its destination: by hand or instant at once.
cross join lateral (
    select
        v.arrives_at,
        {_text(rules.IN_TRANSIT + ":")} || coalesce(o.destination_id, 'unknown') as destination,
        not exists (
            select
            from transactions as back
            where back.source_id = t.source_id and back.category = 'payout_reversal'
                and back.created_at <= v.arrives_at
        ) as has_arrived
    from (
        select case
            when o.automatic = false or o.method = 'instant' then o.created_at
            else o.arrives_at
        end as arrives_at
    ) as v
    offset 0
) as w
-- What a refund of a converted charge gives back at the rate at which the charge came in.
cross join lateral (
    select coalesce(
        case when r.shape = 'refund' and x.currency <> t.currency then (
            select (
                div(s.settled * (y.before + x.amount_minor), xc.captured_minor)
                - div(s.settled * y.before, xc.captured_minor)
            )::bigint
            from (
                select sum(amount_minor)::numeric as settled
                from transactions
                where source_id = x.charge_id and currency = t.currency and category = 'charge'
            ) as s
            cross join (
                select coalesce(sum(z.amount_minor), 0)::numeric as before
                from refunds as z
                where z.charge_id = x.charge_id
                    and (z.created_at, z.refund_id) < (x.created_at, x.refund_id)
                    and exists (select from transactions where source_id = z.refund_id)
            ) as y
            where xc.captured_minor > 0
        ) end,
        abs(t.amount_minor)
    ) as base_minor
    offset 0
) as z
left join lateral ( -- each is planned by itself (offset 0): pulled up, their expressions multiply
    select s.*, q.*
    from (
        select
            case when r.shape = 'sale' then {
    _share("w_shipping", ("w_goods",), ("w_tax",))
} else 0 end
                as shipping_minor,
            case
                when r.shape = 'sale' then {_share("w_tax", ("w_goods", "w_shipping"), ())}
                else {_share("w_tax", ("(w_goods + w_shipping)",), ())}
            end as tax_minor,
            case
                when r.shape = 'sale' then div(base * a.discount_minor, a.total_minor)::bigint
                else 0
            end as discount_minor,
            base,
            w_goods,
            w_shipping,
            sign(t.amount_minor)::bigint as sign
        from (
            select *, w_goods + w_shipping + w_tax as whole
            from (
                select
                    z.base_minor::numeric as base,
                    greatest(a.total_minor - a.shipping_minor - a.tax_minor, 0) as w_goods,
                    a.shipping_minor as w_shipping,
                    a.tax_minor as w_tax
            ) as weights
        ) as weighed
        where a.order_id is not null and r.shape in ('sale', 'refund') and whole > 0
        offset 0
    ) as s
    cross join lateral (
        select case
            when r.shape = 'sale'
            then base - s.shipping_minor - s.tax_minor + s.discount_minor
            else base - s.tax_minor - coalesce(
                div((base - s.tax_minor) * w_shipping, nullif(w_goods + w_shipping, 0)), 0
            )
        end as goods_minor
        offset 0
    ) as h
    cross join lateral ({_BY_CATEGORY}) as q
    offset 0
) as g on true
cross join lateral (
    select 'booked' as part, 1::bigint as slot, t.created_at as at,
        {_STRIPE} || case when b.is_pending then ':pending' else ':available' end as name,
        t.net_minor as amount_minor
    union all
    select 'booked', 2, t.created_at,
        case
            when r.shape = 'payout' and t.amount_minor > 0 and w.has_arrived
                and w.arrives_at < t.created_at
            then w.destination
            else b.against
        end,
        case
            when r.shape = 'refund' then -sign(t.amount_minor)::bigint * z.base_minor
            else -t.amount_minor
        end
    union all
    select 'booked', 12, t.created_at, {_text(rules.FX)},
        sign(t.amount_minor)::bigint * z.base_minor - t.amount_minor
    where r.shape = 'refund'
    union all
    {
    " union all ".join(
        f"select 'booked', {slot}, t.created_at, "
        + (
            f"case when r.shape = 'dispute' then {_text(rules.DISPUTE_FEES)} "
            f"else {_text(account)} end"
            if kind == "stripe_fee"
            else _text(account)
        )
        + f", f.fee_{slot}"
        for slot, (kind, account) in _FEES
    )
}
    union all
    select 'booked', 11, t.created_at, {_text(rules.FEE_REST)}, f.rest_minor
    union all
    select 'booked', 13, t.created_at, {_text(rules.SUSPENSE)},
        t.amount_minor - t.fee_minor - t.net_minor
    union all
    select 'available', slot, t.available_at, {_STRIPE} || name, sign * t.net_minor
    from (values (1, ':pending', -1), (2, ':available', 1)) as moved (slot, name, sign)
    where b.is_pending
    union all
    select 'order', slot, t.created_at, name, g.sign * amount_minor
    from (values
        (2, b.against, case
            when r.shape = 'sale' then g.shipping_minor + g.tax_minor - g.discount_minor
            else g.tax_minor
        end + coalesce(g.named_minor, 0)),
        (3, {_text(rules.SHIPPING)}, -g.shipping_minor),
        (4, {_text(rules.SALES_TAX)}, -g.tax_minor),
        (5, {_text(rules.DISCOUNTS)}, g.discount_minor)
    ) as said (slot, name, amount_minor)
    where g.sign is not null
    union all
    select 'order', {rules.FIRST_CATEGORY - 1} + number, t.created_at,
        b.against || ':' || category, -g.sign * minor
    from unnest(g.names, g.minors) with ordinality as said (category, minor, number)
    union all
    select 'arrived', slot, greatest(t.created_at, w.arrives_at), name, sign * t.amount_minor
    from (values
        (1, {_text(rules.PAYING_OUT)}, 1), (2, w.destination, -1)
    ) as moved (slot, name, sign)
    where r.shape = 'payout' and r.category = 'payout' and w.has_arrived
        and w.arrives_at is not null
    union all
    select 'lost', slot, greatest(t.created_at, v.lost_at), name, sign * t.amount_minor
    from (
        select max(at) as lost_at
        from dispute_turns
        where dispute_id = d.dispute_id and turn = 'lost'
    ) as v
    cross join (values
        (1, {_text(rules.DISPUTES)}, 1), (2, {_text(rules.DISPUTE_LOSSES)}, -1)
    ) as moved (slot, name, sign)
    where r.shape = 'dispute' and d.state = 'lost'
    union all
    select 'classified', slot, t.created_at, name, amount_minor
    from (
        select
            t.amount_minor - t.fee_minor - t.net_minor as uneven_minor,
            case
                when b.against in ({", ".join(map(_text, rules.TO_CLASSIFY))})
                then -t.amount_minor
                else 0
            end as open_minor
        offset 0
    ) as s
    cross join lateral (values
        (1, k.against, s.uneven_minor + s.open_minor + f.rest_minor),
        (2, b.against, -s.open_minor),
        (11, {_text(rules.FEE_REST)}, -f.rest_minor),
        (13, {_text(rules.SUSPENSE)}, -s.uneven_minor)
    ) as moved (slot, name, amount_minor)
    where k.against is not null
) as e
where e.amount_minor <> 0
"""  # noqa: S608 - made of our own words

classifications = Mirror(
    "classifications",
    transaction_id=key(),
    against=latest("text"),
)
postings = Derived(
    "postings",
    key=("transaction_id", "part", "slot"),
    by=("transaction_id",),
    view=POSTINGS,
    touched=f"""
        with changed as (
            select payment_id from touched_payments
            union
            select payment_id
            from staged_order_actions
            join payments using (order_id)
            union
            select payment_id
            from (select from staged_sales_categories limit 1) as any_named
            cross join lateral ( -- all lines are read, where a category is named
                select distinct order_id
                from order_lines as l
                where exists (
                    select
                    from staged_sales_categories as n
                    where {_is_of("l.sku", "n.sku")}
                )
                offset 0
            ) as named
            join payments using (order_id)
        ),
        sources as (
            select t.source_id
            from staged_transactions
            join transactions as t using (transaction_id)
            union
            select charge_id from staged_charges
            union
            select refund_id from touched_refunds
            union
            select dispute_id from staged_dispute_reports
            union
            select dispute_id from staged_dispute_turns
            union
            select payout_id from staged_payouts
            union
            select charge_id
            from changed
            join charges on coalesce(charges.payment_id, charge_id) = changed.payment_id
            union
            select refund_id
            from changed
            join refunds using (payment_id)
            where charge_id is null
        ),
        related as (
            select source_id from sources
            union
            select refund_id from sources join refunds on charge_id = source_id
            union
            select other.refund_id
            from sources
            join refunds as own on own.refund_id = source_id
            join refunds as other on other.charge_id = own.charge_id
        )
        select transaction_id from staged_transactions
        union
        select transaction_id from staged_transaction_fees
        union
        select transaction_id from staged_classifications
        union
        select transaction_id from related join transactions using (source_id)
    """,  # noqa: S608 - made of our own words
    indexes=("account, currency, day, transaction_id", "day, currency"),
)
account_days = Rollup(
    "account_days",
    key=("account", "currency", "day"),
    amounts=("debit_minor", "credit_minor"),
    source=postings,
    contribution="""
        select
            account, currency, day,
            greatest(amount_minor, 0) as debit_minor, greatest(-amount_minor, 0) as credit_minor
        from source
    """,
)
projection = Projection(
    "postings",
    tables=(classifications, postings, account_days),
    reads=(
        "transactions",
        "charges",
        "refunds",
        "payments",
        "orders",
        "payouts",
        "disputes",
        "periods",
    ),
)


@projection.handles(TransactionClassified)
def classified(fact: TransactionClassified, at: EventContext) -> Iterator[Change]:
    """What a person decided last."""
    yield classifications.action(at, transaction_id=fact.transaction_id, against=fact.against)
