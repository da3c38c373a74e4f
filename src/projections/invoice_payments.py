"""Invoice payments: which payments pay which invoices; one row an invoice and payment.

Since 2025-03-31 an invoice may be paid by many, and a payment is never one invoice's alone:
https://docs.stripe.com/changelog/basil/2025-03-31/add-support-for-multiple-partial-payments-on-invoices
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final

from typing_extensions import TypeAliasType

from ledger.domain.billing_facts import InvoicePaymentFact
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
    named,
)
from projections.engine.row import Account, Currency, Row, Words

InvoicePaymentState = TypeAliasType(
    "InvoicePaymentState", Annotated[str, Words(("open", "paid", "canceled"))]
)


class InvoicePayment(Row):
    """A payment that is for an invoice, or for a part of it."""

    invoice_payment_id: str
    invoice_id: str
    payment_id: str
    """A charge where there is no payment."""
    state: InvoicePaymentState | None
    """Null where a report only names the payment."""
    amount_minor: int | None
    paid_minor: int | None
    """What of the payment went to this invoice."""
    currency: Currency | None
    charge_id: str | None
    account: Account
    created_at: datetime | None
    paid_at: datetime | None


invoice_payment_reports = Mirror(
    "invoice_payment_reports",
    invoice_payment_id=key(),
    invoice_id=known("text"),
    payment_id=known("text"),
    state=named("text"),
    charge_id=known("text"),
    amount_minor=greatest("bigint"),
    paid_minor=greatest("bigint"),
    currency=known("text"),
    account=known("text"),
    created_at=least("timestamptz"),
    paid_at=least("timestamptz"),
    indexes=("invoice_id",),
)
# A report that knows only the charge speaks of the payment that another one names with it.
invoice_payments = Derived(
    "invoice_payments",
    key=("invoice_payment_id",),
    view="""
        select
            invoice_payment_id, invoice_id, payment_id, state, amount_minor, paid_minor, currency,
            charge_id, account, created_at, paid_at
        from invoice_payment_reports as r
        where not exists (
            select
            from invoice_payment_reports as better
            where better.invoice_id = r.invoice_id and better.charge_id = r.payment_id
                and better.payment_id <> r.payment_id
        )
    """,
    touched="""
        select r.invoice_payment_id
        from (select distinct invoice_id from staged_invoice_payment_reports) as s
        join invoice_payment_reports as r using (invoice_id)
    """,
    indexes=("invoice_id", "payment_id", "charge_id"),
)
projection = Projection(
    "invoice_payments",
    tables=(invoice_payment_reports, invoice_payments),
    listing=Listing(
        invoice_payments,
        InvoicePayment,
        noun="invoice payment",
        filled_by=FROM_STRIPE,
        filters=("invoice_id", "payment_id", "charge_id", "state", "account"),
    ),
)
_RANKS: Final = {"open": 0, "canceled": 1, "paid": 2}


@projection.handles(InvoicePaymentFact)
def paid_by(fact: InvoicePaymentFact, at: EventContext) -> Iterator[Change]:
    """One payment of it, which may pay other invoices too."""
    yield invoice_payment_reports.report(
        at,
        _RANKS.get(fact.state or "", 0),
        invoice_payment_id=f"{fact.invoice_id}/{fact.payment_id}",
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
