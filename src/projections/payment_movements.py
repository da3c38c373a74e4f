"""Payment movements: what each payment took and gave back by refunds, each amount at its own time.

Stripe tells most of it as totals (so much captured, received, refunded so far). Each increase is a
separate movement, at the time at which Stripe first said so: what is said later adds later
movements, and changes no earlier one.
"""

from typing import Literal

from typing_extensions import TypeAliasType

from projections.engine.declare import Derived
from projections.refunds import refunds_of

PaymentMovementKind = TypeAliasType(
    "PaymentMovementKind",
    Literal["captured", "taken_back", "refund_succeeded", "refund_failed", "refund_stand_in"],
)

# Received: what the charges say and what the payment says is the same money, so the greater of the
# two totals counts, at any time. A total that was reported late and is lower than an earlier one
# says nothing. The first capture was made when the charge was, unless a report says when or the
# money was held before; a later one when it was first told. Of a payment whose money is held first,
# the capture made the charge's balance transaction: where no report tells of the capture itself,
# that says when it was. A failed charge takes back what it or,
# if it is the payment's present charge and no later attempt, the payment had reported (`by_word`):
# that then was this charge's money, and what other charges took is beside it.
#
# Refunded: each refund when it was made (`refunds.refunded_at`), and back when it failed. Where a
# charge's own total is higher than the refunds that were known to Stripe by then, the rest stands
# in for refunds of which we know nothing.
#
# All in the payment's currency; what is in another one is no part of it.
VIEW = """
select p.payment_id, m.kind, m.source_id, m.at, m.amount_minor, k.currency
from payment_reports as p
cross join lateral (
    select coalesce(p.currency, (
        select max(currency)
        from charges
        where coalesce(payment_id, charge_id) = p.payment_id
    )) as currency
    offset 0 -- computed once, not at each use
) as k
cross join lateral (
    with own as (
        select charge_id, state, state_known, refunded_minor, created_at, held_at, ended_at,
            reported_at, transaction_id, by_word,
            case
                when by_word then p.received_minor
                when state = 'failed' then captured_minor
            end as taken_back_minor
        from charges
        cross join lateral (
            select coalesce(
                state = 'failed' and charge_id = p.charge_id and created_at <= p.succeeded_at
                    and p.received_minor > captured_minor,
                false
            ) as by_word
        ) as told
        where coalesce(payment_id, charge_id) = p.payment_id and currency = k.currency
    ),
    captured as ( -- increases, by charge
        select
            charge_id, captured_minor,
            captured_minor - lag(captured_minor, 1, 0::bigint) over by_total as more_minor,
            case
                when t.captured_at > own.created_at then t.captured_at
                when p.held_first and lag(captured_minor) over by_total is null
                    and booked.created_at > own.created_at
                then booked.created_at
                when own.held_at is null and lag(captured_minor) over by_total is null
                then own.created_at
                else t.said_at
            end as at
        from own
        join charge_captures as t using (charge_id)
        left join transactions as booked using (transaction_id)
        where not by_word
        window by_total as (partition by charge_id order by captured_minor)
    ),
    received as ( -- increases, by what tells them
        select
            min(at) over (partition by charge_id order by captured_minor desc) as at,
            more_minor as by_charges, 0 as by_payment
        from captured
        union all
        select
            min(said_at) over (order by received_minor desc),
            case when exists (select from own where by_word) then more_minor else 0 end, more_minor
        from (
            select said_at, received_minor,
                received_minor - lag(received_minor, 1, 0::bigint) over (order by received_minor)
                    as more_minor
            from payment_receipts
            where payment_id = p.payment_id
        ) as told
    ),
    totals as (
        select distinct at,
            greatest(sum(by_charges) over (order by at), sum(by_payment) over (order by at))
                as total_minor
        from received
    ),
    known as (
        select refund_id, state, has_failed, amount_minor, created_at, waited_at,
            refunded_at, failed_at
        from (refunds_of(p)) as x
        where currency = k.currency
    ),
    told as ( -- the charges' own totals of what was refunded, as they were told
        select charge_id, t.told_at as at, t.refunded_minor
        from own
        join charge_refund_totals as t using (charge_id)
        union
        select charge_id, reported_at, refunded_minor
        from own
        where (state = 'captured' or not state_known)
            and exists (select from charge_refund_totals where charge_id = own.charge_id)
    ),
    changes as (
        select charge_id, at, at as told_at,
            refunded_minor - lag(refunded_minor, 1, 0::bigint)
                over (partition by charge_id order by at) as more_minor
        from told
        union all -- nothing says whether it had succeeded: if totals told of it, it comes back
        select refund_id, failed_at, null, 0
        from known
        where state = 'failed' and waited_at is null and refunded_at is null
            and exists (select from told)
    ),
    refunded as (
        select distinct on (at) at, charge_id,
            max(told_at) over (order by at) as told_at,
            sum(more_minor) over (order by at) as total_minor
        from changes
        order by at, charge_id
    ),
    unknown as (
        select charge_id, at, greatest(0, total_minor - coalesce((
            select sum(amount_minor)
            from known
            where created_at <= told_at
                and case
                    when not has_failed then true
                    when state = 'failed' and waited_at is null and refunded_at is null
                    then failed_at between told_at and refunded.at
                    else failed_at >= told_at
                end
        ), 0)) as total_minor
        from refunded
    )
    select kind, source_id, at, amount_minor::bigint
    from (
        select 'captured' as kind, '' as source_id, at,
            total_minor - lag(total_minor, 1, 0) over (order by at) as amount_minor
        from totals
        union all
        select 'taken_back', charge_id, ended_at, -taken_back_minor
        from own
        union all
        select 'refund_succeeded', refund_id, refunded_at, amount_minor
        from known
        where refunded_at is not null
        union all
        select 'refund_failed', refund_id, greatest(failed_at, refunded_at), -amount_minor
        from known
        where refunded_at is not null and has_failed
        union all
        select 'refund_stand_in', charge_id, at,
            total_minor - lag(total_minor, 1, 0) over (order by at)
        from unknown
    ) as every
    where amount_minor <> 0
) as m
where k.currency is not null
""".replace("refunds_of(p)", refunds_of("p.payment_id"))

payment_movements = Derived(
    "payment_movements",
    key=("payment_id", "kind", "source_id", "at"),
    by=("payment_id",),
    view=VIEW,
    touched="""
        select payment_id from staged_payment_reports
        union
        select payment_id from staged_payment_receipts
        union
        select coalesce(c.payment_id, c.charge_id)
        from staged_charges
        join charges as c using (charge_id)
        union
        select coalesce(c.payment_id, c.charge_id, r.payment_id)
        from touched_refunds
        join refunds as r using (refund_id)
        left join charges as c on c.charge_id = r.charge_id
        union
        select coalesce(payment_id, charge_id)
        from staged_transactions
        join charges using (transaction_id)
    """,
)
