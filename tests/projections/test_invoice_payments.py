"""Invoice payments: each once, by its invoice, whichever report named it."""

from typing import Any

import pytest

from ledger.domain.billing_facts import InvoicePaymentFact
from tests.projections.models import Models


def paid_by(payment_id: str, **more: Any) -> InvoicePaymentFact:
    return InvoicePaymentFact(invoice_id="in_1", payment_id=payment_id, **more)


@pytest.mark.parametrize("minutes", [(1, 2), (2, 1)])
def test_the_newest_report_of_a_payment_is_right_and_one_that_only_names_it_changes_nothing(
    models: Models, minutes: tuple[int, int]
):
    states = ("open", "paid")
    for minute in minutes:
        models.take(paid_by("pi_1", state=states[minute - 1]), minutes=minute)
    models.take(paid_by("pi_1", charge_id="ch_1"), minutes=3)
    found = models.rows("select payment_id, charge_id, state from invoice_payments")
    assert found == [("pi_1", "ch_1", "paid")]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_charge_and_the_payment_that_it_is_of_are_one(models: Models, order: tuple[int, int]):
    """Before there were payment intents an invoice named a charge, and later both."""
    reports = (paid_by("ch_1", charge_id="ch_1"), paid_by("pi_1", charge_id="ch_1"))
    for number in order:
        models.take(reports[number])
    assert models.rows("select payment_id, charge_id from invoice_payments") == [("pi_1", "ch_1")]


def test_one_payment_may_pay_several_invoices(models: Models):
    models.take(paid_by("pi_1"))
    models.take(InvoicePaymentFact(invoice_id="in_2", payment_id="pi_1"))
    found = models.rows("select invoice_id, payment_id from invoice_payments order by 1")
    assert found == [("in_1", "pi_1"), ("in_2", "pi_1")]
