"""Invoices: what customers are asked to pay, and by which payments; one row an invoice.

They book no money: what was paid is the payment's. An invoice may be paid without a payment, and
by many: https://docs.stripe.com/changelog/basil/2025-03-31/add-support-for-multiple-partial-payments-on-invoices
"""

from collections.abc import Iterator
from typing import Final

from ledger.domain.billing_facts import InvoiceFact, InvoicePaymentFact
from ledger.domain.facts import Moment
from projections.engine.declare import (
    Change,
    Derived,
    Listing,
    Mirror,
    Projection,
    greatest,
    key,
    known,
    least,
    named,
    newest,
    ranked,
)

invoice_reports = Mirror(
    "invoice_reports",
    invoice_id=key(),
    state=ranked("text"),
    due_minor=newest("bigint"),
    paid_minor=newest("bigint"),
    remaining_minor=newest("bigint"),
    currency=newest("text"),
    period_start=newest("timestamptz"),
    period_end=newest("timestamptz"),
    customer_id=known("text"),
    subscription_id=known("text"),
    payments_at_least=greatest("bigint"),
    account=known("text"),
    created_at=least("timestamptz"),
    paid_at=least("timestamptz"),
)
invoice_payment_reports = Mirror(
    "invoice_payment_reports",
    invoice_id=key(),
    payment_id=key(),
    state=named("text"),
    charge_id=known("text"),
    amount_minor=greatest("bigint"),
    paid_minor=greatest("bigint"),
    currency=known("text"),
    account=known("text"),
    created_at=least("timestamptz"),
    paid_at=least("timestamptz"),
    indexes=("payment_id", "charge_id"),
)
# A report that knows only the charge speaks of the payment that another one names with it.
invoice_payments = Derived(
    "invoice_payments",
    key=("invoice_id", "payment_id"),
    view="""
        select
            invoice_id, payment_id, state, amount_minor, paid_minor, currency, charge_id, account,
            created_at, paid_at
        from invoice_payment_reports as r
        where not exists (
            select
            from invoice_payment_reports as better
            where better.invoice_id = r.invoice_id and better.charge_id = r.payment_id
                and better.payment_id <> r.payment_id
        )
    """,
    touched="""
        select r.invoice_id, r.payment_id
        from (select distinct invoice_id from staged_invoice_payment_reports) as s
        join invoice_payment_reports as r using (invoice_id)
    """,
    indexes=("payment_id", "charge_id"),
)
invoices = Derived(
    "invoices",
    key=("invoice_id",),
    view="""
        select
            r.invoice_id, r.state, r.due_minor, r.paid_minor, r.remaining_minor, r.currency,
            r.customer_id, r.subscription_id, p.payment_id, p.charge_id, p.payments,
            r.period_start, r.period_end, r.account, r.created_at, r.paid_at
        from invoice_reports as r
        cross join lateral (
            select
                (array_agg(payment_id order by is_paid desc, created_at, payment_id))[1]
                    as payment_id,
                (array_agg(charge_id order by is_paid desc, created_at, payment_id))[1]
                    as charge_id,
                greatest(count(*), r.payments_at_least) as payments
            from invoice_payments
            cross join lateral (select coalesce(state = 'paid', false) as is_paid) as paid
            where invoice_id = r.invoice_id
        ) as p
    """,
    touched="""
        select invoice_id from staged_invoice_reports
        union all
        select invoice_id from touched_invoice_payments
    """,
    indexes=("created_at, invoice_id", "subscription_id", "customer_id"),
)
projection = Projection(
    "invoices",
    tables=(invoice_reports, invoice_payment_reports, invoice_payments, invoices),
    listing=Listing(
        invoices,
        sort="created_at",
        filters=("state", "customer_id", "subscription_id", "payment_id", "currency", "account"),
        link="invoice",
        parts={
            "payments": """
                select
                    payment_id, charge_id, state, amount_minor, paid_minor, currency, created_at,
                    paid_at
                from invoice_payments
                where invoice_id = %(id)s
                order by created_at, payment_id
            """,
        },
    ),
)
_RANKS: Final = {"open": 0, "canceled": 1, "paid": 2}


@projection.handles(InvoiceFact)
def reported(fact: InvoiceFact, at: Moment) -> Iterator[Change]:
    """The invoice itself."""
    yield invoice_reports.report(
        at,
        fact.RANK,
        invoice_id=fact.invoice_id,
        state=fact.STATE,
        due_minor=fact.due_minor,
        paid_minor=fact.paid_minor,
        remaining_minor=fact.remaining_minor,
        currency=fact.currency,
        period_start=fact.period_start,
        period_end=fact.period_end,
        customer_id=fact.customer_id,
        subscription_id=fact.subscription_id,
        payments_at_least=fact.payments_at_least,
        account=at.account,
        created_at=fact.created_at,
        paid_at=fact.paid_at,
    )


@projection.handles(InvoicePaymentFact)
def paid_by(fact: InvoicePaymentFact, at: Moment) -> Iterator[Change]:
    """One payment of it, which may pay other invoices too."""
    yield invoice_payment_reports.report(
        at,
        _RANKS.get(fact.state or "", 0),
        invoice_id=fact.invoice_id,
        payment_id=fact.payment_id,
        state=fact.state,
        charge_id=fact.charge_id,
        amount_minor=fact.amount_minor,
        paid_minor=fact.paid_minor,
        currency=fact.currency,
        account=at.account,
        created_at=fact.created_at,
        paid_at=fact.paid_at,
    )
