"""Invoices: what customers are asked to pay; one row an invoice.

They book no money: what was paid is the payment's, and an invoice may be paid without one.
"""

from collections.abc import Iterator

from ledger.domain.billing_facts import InvoiceFact, InvoicePaymentFact
from ledger.domain.facts import Moment
from projections.engine.declare import (
    Change,
    Derived,
    Listing,
    Mirror,
    Projection,
    key,
    known,
    least,
    newest,
    ranked,
)

# A row without a state was only named by a payment; no report of the invoice came yet.
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
    payment_id=known("text"),
    charge_id=known("text"),
    account=known("text"),
    created_at=least("timestamptz"),
    paid_at=least("timestamptz"),
)
invoices = Derived(
    "invoices",
    key=("invoice_id",),
    view="""
        select
            invoice_id, state, due_minor, paid_minor, remaining_minor, currency, customer_id,
            subscription_id, payment_id, charge_id, period_start, period_end, account, created_at,
            paid_at
        from invoice_reports
        where state is not null
    """,
    touched="select invoice_id from staged_invoice_reports",
    indexes=("created_at, invoice_id", "subscription_id", "customer_id"),
)
projection = Projection(
    "invoices",
    tables=(invoice_reports, invoices),
    listing=Listing(
        invoices,
        sort="created_at",
        filters=("state", "customer_id", "subscription_id", "payment_id", "currency", "account"),
        link="invoice",
    ),
)


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
        payment_id=fact.payment_id,
        charge_id=fact.charge_id,
        account=at.account,
        created_at=fact.created_at,
        paid_at=fact.paid_at,
    )


@projection.handles(InvoicePaymentFact)
def paid_by(fact: InvoicePaymentFact, _at: Moment) -> Iterator[Change]:
    """Since 2025-03-31 an invoice's own reports no longer name what paid it."""
    yield invoice_reports.mention(
        invoice_id=fact.invoice_id, payment_id=fact.payment_id, charge_id=fact.charge_id
    )
