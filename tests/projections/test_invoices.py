"""Invoices: their states, and what paid them."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest

from ledger.domain.billing_facts import InvoiceFact, InvoicePaymentFact, InvoiceState
from tests.projections.models import NOON, Models, at


def invoice(state: InvoiceState, **more: Any) -> InvoiceFact:
    is_paid = state is InvoiceState.PAID
    fields: dict[str, Any] = {
        "invoice_id": "in_1",
        "currency": "gbp",
        "due_minor": 1200,
        "paid_minor": 1200 if is_paid else 0,
        "remaining_minor": 0 if is_paid else 1200,
        "created_at": NOON,
        "paid_at": at(9) if is_paid else None,
    }
    return InvoiceFact(state=state, **(fields | more))


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ([InvoiceState.DRAFT, InvoiceState.OPEN], "open"),
        ([InvoiceState.PAID, InvoiceState.OPEN, InvoiceState.DRAFT], "paid"),
        ([InvoiceState.OPEN, InvoiceState.UNCOLLECTIBLE, InvoiceState.PAID], "paid"),
        ([InvoiceState.VOID, InvoiceState.OPEN], "void"),
    ],
)
def test_an_invoice_goes_forward_only(models: Models, states: Sequence[InvoiceState], state: str):
    for each in states:
        models.take(invoice(each))
    assert models.one("invoices", "state") == state


def test_amounts_are_those_of_the_newest_report(models: Models):
    """Open over 12.00 at 1 minute, a credit note of 2.00 at 5, 10.00 paid at 9; in any order."""
    models.take(invoice(InvoiceState.PAID, due_minor=1000, paid_minor=1000), minutes=9)
    models.take(invoice(InvoiceState.OPEN, due_minor=1000, remaining_minor=1000), minutes=5)
    models.take(invoice(InvoiceState.OPEN), minutes=1)
    columns = ("due_minor", "paid_minor", "remaining_minor", "paid_at")
    assert models.one("invoices", *columns) == (1000, 1000, 0, at(9))


def paid_by(payment_id: str, **more: Any) -> InvoicePaymentFact:
    return InvoicePaymentFact(invoice_id="in_1", payment_id=payment_id, **more)


PARTS = (
    invoice(InvoiceState.PAID, due_minor=5000, paid_minor=5000),
    paid_by("pi_2", state="paid", paid_minor=3000, created_at=at(2)),
    paid_by("pi_1", state="paid", paid_minor=2000, created_at=at(1)),
    paid_by("pi_0", state="canceled", created_at=at(0)),
)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_an_invoice_has_as_many_payments_as_pay_it(models: Models, order: Sequence[int]):
    """50.00 in parts of 20.00 and 30.00, and one that was given up; in any order."""
    for number in order:
        models.take(PARTS[number])
    assert models.one("invoices", "payment_count", "payment_id") == (3, "pi_1")
    found = models.rows("select payment_id, state, paid_minor from invoice_payments order by 1")
    assert found == [("pi_0", "canceled", None), ("pi_1", "paid", 2000), ("pi_2", "paid", 3000)]


def test_of_a_list_that_was_cut_the_number_is_known(models: Models):
    """Twelve payments, of which the report lists ten and two more report themselves."""
    models.take(
        invoice(InvoiceState.PAID, payments_at_least=12),
        *(paid_by(f"pi_{n:02}") for n in range(10)),
    )
    assert models.one("invoices", "payment_count") == 12
    models.take(paid_by("pi_10")).take(paid_by("pi_11"))
    assert models.one("invoices", "payment_count") == 12
    assert len(models.rows("select from invoice_payments")) == 12


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_paid_it_may_come_from_elsewhere(models: Models, order: tuple[int, int]):
    """Since 2025-03-31; an invoice that only its payment names is not shown yet."""
    facts = (invoice(InvoiceState.PAID), InvoicePaymentFact(invoice_id="in_1", payment_id="pi_1"))
    models.take(facts[order[0]])
    assert len(models.rows("select from invoices")) == order.index(1)
    models.take(facts[order[1]])
    assert models.one("invoices", "state", "payment_id") == ("paid", "pi_1")


def test_an_invoice_books_no_money(models: Models):
    models.take(invoice(InvoiceState.PAID), paid_by("pi_1", state="paid", paid_minor=1200))
    assert models.rows("select from payments") == []
