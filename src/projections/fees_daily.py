"""Fees by day: what Stripe's balance took in for payments and gave back, and what of it fees took.

In the currency in which the balance is kept, which is not always that of the payment: so amounts
here and those of `volume_daily` compare only where Stripe converts nothing.
"""

from projections.engine.declare import Derived, Projection, Rollup
from projections.transactions import transactions

CHARGES = ("charge", "charge_failure", "partial_capture_reversal")
REFUNDS = ("refund", "refund_failure")
DISPUTES = ("dispute", "dispute_reversal")
FEES = ("fee", "network_cost", "tax")
"""Stripe's reporting categories; what moves money between a shop's own places is none of these.

https://docs.stripe.com/reports/reporting-categories
"""

PARTS = {
    "charged_minor": f"case when category in {CHARGES} then amount_minor else 0 end",
    "refunded_minor": f"case when category in {REFUNDS} then -amount_minor else 0 end",
    "disputed_minor": f"case when category in {DISPUTES} then -amount_minor else 0 end",
    # A fee that is booked by itself is all of its transaction.
    "fees_minor": f"fee_minor - case when category in {FEES} then amount_minor else 0 end",
}
"""The SQL of what a transaction puts into each sum; above nothing is what each is named after."""

_SUMS = ", ".join(f"{sql} as {name}" for name, sql in PARTS.items())

fees_daily = Rollup(
    "fees_daily",
    key=("day", "currency"),
    amounts=("transactions", *PARTS),
    source=transactions,
    contribution=f"""
        select
            ledger.business_day(created_at) as day, currency, 1::bigint as transactions, {_SUMS}
        from source
    """,  # noqa: S608 - made of our own words
)
# A payment's fee is known by a transaction of one of its charges. Where none is, it counts on the
# day on which money first came in, in the payment's own currency: nothing says in which one the
# balance took it.
unknown_fees = Derived(
    "unknown_fees",
    key=("payment_id",),
    view="""
        select
            p.payment_id, ledger.business_day(m.at) as day, p.currency, m.at, p.received_minor,
            p.account
        from payments as p
        cross join lateral (
            select min(at) as at
            from payment_movements
            where payment_id = p.payment_id and kind = 'captured'
        ) as m
        where m.at is not null and not exists (
            select
            from charges as c
            join transactions as t on t.source_id = c.charge_id
            where coalesce(c.payment_id, c.charge_id) = p.payment_id
        )
    """,
    touched="""
        select payment_id from touched_payments
        union all
        select coalesce(c.payment_id, c.charge_id)
        from staged_transactions as s
        join transactions as t using (transaction_id)
        join charges as c on c.charge_id = t.source_id
    """,
    indexes=("day, currency",),
)
unknown_fees_daily = Rollup(
    "unknown_fees_daily",
    key=("day", "currency"),
    amounts=("payments",),
    source=unknown_fees,
    contribution="select day, currency, 1::bigint as payments from source",
)
projection = Projection(
    "fees_daily",
    tables=(fees_daily, unknown_fees, unknown_fees_daily),
    reads=("transactions", "payments", "charges"),
)
