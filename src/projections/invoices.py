"""Invoices: what customers are asked to pay; one row an invoice.

They book no money: what was paid is the payment's, and an invoice may be paid without one, or by
many (`invoice_payments`). `payment_id` is the first that paid it, else the first that was to.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from typing_extensions import TypeAliasType

from ledger.domain.billing_facts import InvoiceFact, InvoiceState
from ledger.domain.facts import EventContext
from projections.engine.declare import (
    FROM_STRIPE,
    Change,
    Derived,
    Listing,
    Mirror,
    Projection,
    greatest,
    key,
    known,
    least,
    newest,
    ranked,
)
from projections.engine.row import Account, Currency, Part, Row, StateKnown, states
from projections.invoice_payments import InvoicePaymentState

InvoiceStateName = TypeAliasType("InvoiceStateName", Annotated[str, states(InvoiceState)])


class Invoice(Row):
    """What a customer is asked to pay; an invoice books no money of its own."""

    invoice_id: str
    state: InvoiceStateName
    state_known: StateKnown
    due_minor: int
    paid_minor: int
    remaining_minor: int
    currency: Currency
    customer_id: str | None
    subscription_id: str | None
    payment_id: str | None
    """The first payment that paid it, else the first that was to."""
    charge_id: str | None
    payment_count: int
    """How many payments it has, as far as reports tell."""
    period_start: datetime | None
    period_end: datetime | None
    account: Account
    created_at: datetime
    paid_at: datetime | None


class PaymentOfInvoice(Row):
    """A payment that is for this invoice, or for a part of it."""

    payment_id: str
    charge_id: str | None
    state: InvoicePaymentState | None
    amount_minor: int | None
    paid_minor: int | None
    currency: Currency | None
    created_at: datetime | None
    paid_at: datetime | None


invoice_reports = Mirror(
    "invoice_reports",
    invoice_id=key(),
    state=ranked("text"),
    state_known=ranked("boolean"),
    due_minor=newest("bigint"),
    paid_minor=newest("bigint"),
    remaining_minor=newest("bigint"),
    currency=newest("text"),
    period_start=newest("timestamptz"),
    period_end=newest("timestamptz"),
    customer_id=known("text"),
    subscription_id=known("text"),
    payments_at_least=greatest("bigint"),
    opens_subscription=known("boolean"),
    account=known("text"),
    created_at=least("timestamptz"),
    paid_at=least("timestamptz"),
    indexes=("subscription_id",),
)
invoices = Derived(
    "invoices",
    key=("invoice_id",),
    view="""
        select
            r.invoice_id, r.state, r.state_known, r.due_minor, r.paid_minor, r.remaining_minor,
            r.currency, r.customer_id, r.subscription_id, p.payment_id, p.charge_id,
            p.payment_count, r.period_start, r.period_end, r.account, r.created_at, r.paid_at
        from invoice_reports as r
        cross join lateral (
            select
                (array_agg(payment_id order by is_paid desc, created_at, payment_id))[1]
                    as payment_id,
                (array_agg(charge_id order by is_paid desc, created_at, payment_id))[1]
                    as charge_id,
                greatest(count(*), r.payments_at_least) as payment_count
            from invoice_payments
            cross join lateral (select coalesce(state = 'paid', false) as is_paid) as paid
            where invoice_id = r.invoice_id
        ) as p
    """,
    touched="""
        select invoice_id from staged_invoice_reports
        union all
        select r.invoice_id
        from staged_invoice_payment_reports as s
        join invoice_payment_reports as r using (invoice_payment_id)
    """,
    indexes=("created_at, invoice_id", "due_minor, invoice_id", "subscription_id", "customer_id"),
)
projection = Projection(
    "invoices",
    tables=(invoice_reports, invoices),
    reads=("invoice_payments",),
    listing=Listing(
        invoices,
        Invoice,
        noun="invoice",
        filled_by=FROM_STRIPE,
        sort="created_at",
        sorts=("due_minor",),
        filters=(
            "state",
            "state_known",
            "customer_id",
            "subscription_id",
            "payment_id",
            "currency",
            "account",
        ),
        link="invoice",
        parts={
            "payments": Part(
                PaymentOfInvoice,
                """
                select
                    payment_id, charge_id, state, amount_minor, paid_minor, currency, created_at,
                    paid_at
                from invoice_payments
                where invoice_id = %(id)s
                order by created_at, payment_id
                """,
            ),
        },
    ),
)


@projection.handles(InvoiceFact)
def reported(fact: InvoiceFact, at: EventContext) -> Iterator[Change]:
    """The invoice itself."""
    yield invoice_reports.report_of(fact, at, opens_subscription=fact.opens_subscription or None)
