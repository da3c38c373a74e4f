"""Paid periods: what payment pages took off orders, and from when until when each was paid in full.

Both are tables of the projection `orders`.
"""

from typing import LiteralString

from projections.engine.declare import Derived

order_waivers = Derived(
    "order_waivers",
    key=("order_id", "session_id"),
    by=("order_id",),
    view="""
        select o.order_id, s.session_id, s.at, s.waived_minor
        from order_actions as o
        cross join lateral (
            select session_id, at,
                (so_far_minor - lag(so_far_minor, 1, 0) over in_time)::bigint as waived_minor
            from (
                select session_id, at,
                    greatest(
                        max(off_minor) over in_time,
                        sum(off_minor) filter (where asked_so_far_minor <= o.total_minor)
                            over in_time
                    ) as so_far_minor
                from (
                    select session_id, at, off_minor,
                        sum(asked_minor + off_minor) over in_time as asked_so_far_minor
                    from (
                        select c.session_id, coalesce(c.paid_at, c.created_at) as at,
                            case when c.currency = o.currency then coalesce(c.total_minor, 0)
                                else 0
                            end as asked_minor,
                            case
                                when c.currency <> o.currency then 0
                                when c.nothing_due then least(
                                    o.total_minor,
                                    coalesce(nullif(c.discount_minor, 0), o.total_minor)
                                )
                                when c.currency = o.currency and c.total_minor < o.total_minor
                                then least(
                                    o.total_minor - c.total_minor, coalesce(c.discount_minor, 0)
                                )
                                else 0
                            end as off_minor
                        from checkouts as c
                        where coalesce(c.order_id, c.reference) = o.order_id
                            and c.state = 'paid'
                    ) as paid
                    window in_time as (order by at, session_id)
                ) as added_up
                window in_time as (order by at, session_id)
            ) as so_far
            window in_time as (order by at, session_id)
        ) as s
        where s.waived_minor > 0
    """,
    touched="""
        select order_id from staged_order_actions
        union all
        select coalesce(s.order_id, s.reference)
        from staged_checkouts
        join checkouts as s using (session_id)
    """,
)
"""What each payment page took off its order: what it took off more than those before it.

A page that was paid, or of which no payment was required, settles what it took off, once: where
nothing was due of it and it took nothing off, as at the start of a trial, all of the order. One of
another currency takes nothing off. Who pays the same on two pages was given one discount: the most
that one of them took off counts, not their sum. Only pages of which each is for a part of the order
add up, as long as what they asked for and took off comes to no more than its total.
"""


def steps(currency: LiteralString) -> LiteralString:
    """SQL for what was paid in a currency on order `o`, and waived of it, one step at a time.

    Each has the first payment so far, what was received so far, what is due so far (nothing, in
    another currency than the order's), and these two as they were before it. What a page waives has
    no payment of its own.
    """
    return STEPS.replace("its_currency", currency)


STEPS = """
    select at, kind, payment_id, source_id, amount_minor,
        row_number() over in_time as number,
        case when count(payment_id) over in_time > 0 then
            first_value(payment_id) over (order by kind = 'waived', at, payment_id, kind, source_id)
        end as first_payment_id,
        sum(amount_minor) over in_time as received_minor,
        sum(amount_minor) over in_time - amount_minor as received_before_minor,
        costs_minor - sum(waived_minor) over in_time as due_minor,
        costs_minor - sum(waived_minor) over in_time + waived_minor as due_before_minor
    from (
        select r.at, r.kind, r.payment_id, r.source_id, r.amount_minor,
            0::bigint as waived_minor
        from payments as q
        join payment_movements as r using (payment_id)
        where q.order_id = o.order_id and q.currency = its_currency
            and r.kind in ('captured', 'taken_back')
        union all
        select w.at, 'waived', null, w.session_id, 0, w.waived_minor
        from order_waivers as w
        where w.order_id = o.order_id and o.currency = its_currency
    ) as moved
    cross join (
        select case when o.currency = its_currency then o.total_minor else 0 end as costs_minor
    ) as c
    window in_time as (order by at, kind = 'waived' desc, payment_id, kind, source_id)
"""

# An order is paid from when what came in reaches what is due of it, by a payment or by what a page
# takes off, until a bank takes back so much that it does not any more; it may be paid again later.
# What is told of later times ends a period or adds another one, and changes none that is over.
# `brought_minor` is what it had brought when the period began, without what exceeds what was due
# then; `payment_id` its first payment until then.
paid_periods = Derived(
    "paid_periods",
    key=("order_id", "period"),
    by=("order_id",),
    view="""
        select
            o.order_id, t.period, t.paid_at, t.unpaid_at, t.brought_minor::bigint as brought_minor,
            t.payment_id
        from orders as o
        cross join lateral (
            select 1::bigint as period, o.paid_at, null::timestamptz as unpaid_at,
                0 as brought_minor, o.payment_id
            where o.total_minor = 0
            union all
            select row_number() over (order by number), at, unpaid_at,
                least(received_minor, due_minor), first_payment_id
            from (
                select number, at, received_minor, due_minor, first_payment_id, is_paid,
                    lead(at) over (order by number) as unpaid_at
                from (
                    select number, at, received_minor, due_minor, first_payment_id,
                        received_minor >= due_minor as is_paid,
                        received_before_minor >= due_before_minor as was_paid
                    from (order_steps) as so_far
                ) as told
                where is_paid <> was_paid and o.total_minor > 0
            ) as turned
            where is_paid
        ) as t
    """.replace("order_steps", steps("o.currency")),
    touched="select order_id from touched_orders",
)
