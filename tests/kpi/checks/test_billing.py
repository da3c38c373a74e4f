"""What the checks say of subscriptions and their invoices."""

import pytest

from tests.kpi.books import Books
from tests.webhooks.billing_examples import invoice, invoice_payment, listed, old_invoice
from tests.webhooks.examples import Json, charge, intent


def collected(books: Books, number: int, **fields: object) -> None:
    """A payment of 10.00 that names no order."""
    ids = {"id": f"pi_{number}", "latest_charge": f"ch_{number}"}
    books.stripe("payment_intent.succeeded", intent(metadata={}, **ids, **fields))
    of_payment = {"id": f"ch_{number}", "payment_intent": f"pi_{number}"}
    books.stripe("charge.succeeded", charge(metadata={}, **of_payment))


@pytest.mark.parametrize(
    "ways",
    [
        pytest.param(
            [
                ("invoice.paid", invoice()),
                ("invoice_payment.paid", invoice_payment("pi_1")),
                ("invoice_payment.paid", invoice_payment("pi_2")),
            ],
            id="each payment has an event",
        ),
        pytest.param(
            [
                (
                    "invoice.paid",
                    invoice(payments=listed(invoice_payment("pi_1"), invoice_payment("pi_2"))),
                )
            ],
            id="the invoice lists them",
        ),
        pytest.param(
            [
                ("invoice.paid", old_invoice()),
                ("invoice.paid", old_invoice(payment_intent="pi_2", charge="ch_2")),
            ],
            id="each report names one, until 2025-03-31",
        ),
        pytest.param(
            [
                ("invoice.paid", old_invoice(payment_intent=None)),
                ("invoice.paid", old_invoice(payment_intent=None, charge="ch_2")),
            ],
            id="each names a charge, until 2019",
        ),
    ],
)
def test_all_payments_of_an_invoice_belong_to_it(books: Books, ways: list[tuple[str, Json]]):
    collected(books, 1)
    collected(books, 2)
    found = books.run("unlinked_payments").findings
    assert sorted(finding.reference for finding in found) == ["pi_1", "pi_2"]
    for kind, thing in ways:
        books.stripe(kind, thing)
    assert books.run("unlinked_payments").findings == []
