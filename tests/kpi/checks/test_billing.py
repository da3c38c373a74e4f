"""What the checks say of subscriptions and their invoices."""

import pytest

from tests.kpi.builder import LedgerBuilder
from tests.webhooks.billing_examples import (
    invoice,
    invoice_payment,
    item,
    listed,
    old_invoice,
    subscription,
    without,
)
from tests.webhooks.examples import Json, charge, dispute, intent, refund, transaction


def collected(builder: LedgerBuilder, number: int, **fields: object) -> None:
    """A payment of 10.00 that names no order."""
    ids = {"id": f"pi_{number}", "latest_charge": f"ch_{number}"}
    builder.stripe("payment_intent.succeeded", intent(metadata={}, **ids, **fields))
    of_payment = {"id": f"ch_{number}", "payment_intent": f"pi_{number}"}
    builder.stripe("charge.succeeded", charge(metadata={}, **of_payment))


def held(builder: LedgerBuilder) -> dict[str, int]:
    """What each payment holds of no order or subscription, as the check finds it."""
    found = builder.run("unlinked_payments").findings
    each = {one.payment_id: one.held_minor for one in builder.unlinked()}
    evidence = [finding.evidence for finding in found]
    assert sum(told["payments_count"] for told in evidence) == len(each)
    assert sum(told["kept_minor"] - told["given_back_minor"] for told in evidence) == sum(
        each.values()
    )
    return each


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
                ("invoice.paid", old_invoice(amount_paid=2000)),
                (
                    "invoice.paid",
                    old_invoice(amount_paid=2000, payment_intent="pi_2", charge="ch_2"),
                ),
            ],
            id="each report names one, until 2025-03-31",
        ),
        pytest.param(
            [
                ("invoice.paid", old_invoice(amount_paid=2000, payment_intent=None)),
                ("invoice.paid", old_invoice(amount_paid=2000, payment_intent=None, charge="ch_2")),
            ],
            id="each names a charge, until 2019",
        ),
    ],
)
def test_all_payments_of_an_invoice_belong_to_it(
    builder: LedgerBuilder, ways: list[tuple[str, Json]]
):
    collected(builder, 1)
    collected(builder, 2)
    builder.stripe("customer.subscription.created", subscription())
    assert held(builder) == {"pi_1": 1000, "pi_2": 1000}
    for kind, thing in ways:
        builder.stripe(kind, thing)
    assert held(builder) == {}


ONE_OFF = without(invoice(), "parent")


@pytest.mark.parametrize(
    ("told", "left"),
    [
        pytest.param([invoice_payment()], 1000, id="an invoice of which nothing is known"),
        pytest.param([ONE_OFF, invoice_payment()], 1000, id="an invoice without a subscription"),
        pytest.param(
            [without(old_invoice(), "subscription")], 1000, id="the same until 2025-03-31"
        ),
        pytest.param(
            [
                invoice(parent={"subscription_details": {"subscription": "sub_2"}}),
                invoice_payment(),
            ],
            1000,
            id="a subscription of which nothing is known",
        ),
        pytest.param(
            [invoice(), invoice_payment(status="canceled", amount_paid=None)],
            1000,
            id="it did not pay the invoice",
        ),
        pytest.param(
            [invoice(), invoice_payment(status="open", amount_paid=None)],
            1000,
            id="it did not pay the invoice yet",
        ),
        pytest.param(
            [invoice(), invoice_payment(status="levitating")], 1000, id="nobody knows if it did"
        ),
        pytest.param(
            [invoice(), invoice_payment(amount_paid=100)], 900, id="it paid a part of the invoice"
        ),
        pytest.param(
            [invoice(currency="eur"), invoice_payment(currency="eur")],
            1000,
            id="the invoice is in another currency",
        ),
        pytest.param(
            [old_invoice(status="open", amount_paid=0)], 1000, id="the invoice is named, and unpaid"
        ),
        pytest.param([old_invoice(amount_paid=400)], 600, id="the invoice that names it paid less"),
        pytest.param([old_invoice()], None, id="the invoice that names it is paid"),
        pytest.param([invoice(), invoice_payment()], None, id="it paid the invoice"),
        pytest.param(
            [
                invoice(amount_paid=300),
                invoice(id="in_2", amount_paid=700),
                invoice_payment(amount_paid=300),
                invoice_payment(amount_paid=700, invoice="in_2", id="inpay_2"),
            ],
            None,
            id="it paid two invoices",
        ),
    ],
)
def test_what_a_payment_paid_of_a_known_subscription_is_no_trouble_and_the_rest_is(
    builder: LedgerBuilder, told: list[Json], left: int | None
):
    builder.stripe("customer.subscription.created", subscription())
    builder.stripe("payment_intent.succeeded", intent(metadata={"order_id": "lost"}))
    builder.stripe("charge.succeeded", charge(metadata={"order_id": "lost"}))
    for thing in told:
        builder.stripe(f"{thing['object']}.updated", thing)
    assert held(builder) == ({} if left is None else {"pi_1": left})


def test_two_payments_that_an_invoice_names_share_what_was_paid_of_it(builder: LedgerBuilder):
    collected(builder, 1)
    collected(builder, 2)
    builder.stripe("customer.subscription.created", subscription())
    builder.stripe("invoice.paid", old_invoice())
    builder.stripe("invoice.paid", old_invoice(payment_intent="pi_2", charge="ch_2"))
    assert held(builder) == {"pi_2": 800}


def test_what_is_left_of_a_single_sale_s_payment_is_open(builder: LedgerBuilder):
    collected(builder, 1)
    builder.stripe("invoice.paid", ONE_OFF)
    builder.stripe("invoice_payment.paid", invoice_payment())
    builder.stripe("refund.created", refund(amount=300))
    assert held(builder) == {"pi_1": 700}
    builder.stripe(
        "charge.dispute.closed",
        dispute(amount=900, status="lost", balance_transactions=[transaction(amount=-900)]),
    )
    assert held(builder) == {"pi_1": -200}


def test_a_subscription_s_payment_that_gave_back_more_than_it_took_is_open(
    builder: LedgerBuilder,
):
    collected(builder, 1)
    builder.stripe("customer.subscription.created", subscription())
    builder.stripe("invoice.paid", invoice())
    builder.stripe("invoice_payment.paid", invoice_payment())
    builder.stripe("refund.created", refund(amount=300))
    assert held(builder) == {}
    builder.stripe(
        "charge.dispute.closed",
        dispute(amount=900, status="lost", balance_transactions=[transaction(amount=-900)]),
    )
    assert held(builder) == {"pi_1": -200}


def test_updates_of_one_second_that_say_the_same_are_no_tie(builder: LedgerBuilder):
    for _ in range(2):
        builder.stripe("customer.subscription.updated", subscription(), minutes=5)
    assert not builder.run("subscription_updates_tie").findings


def test_an_update_in_the_second_of_its_making_is_the_later_one(builder: LedgerBuilder):
    builder.stripe("customer.subscription.updated", subscription(item(quantity=2)), minutes=5)
    builder.stripe("customer.subscription.created", subscription(), minutes=5)
    assert not builder.run("subscription_updates_tie").findings


def paid_by_nothing(builder: LedgerBuilder) -> list[str]:
    found = builder.run("invoice_paid_without_payment").findings
    return [finding.reference for finding in found]


def test_a_payment_that_was_canceled_or_brought_nothing_paid_no_invoice(builder: LedgerBuilder):
    collected(builder, 1)
    builder.stripe("invoice.paid", invoice())
    builder.stripe("invoice_payment.paid", invoice_payment(status="canceled", amount_paid=None))
    builder.stripe("invoice_payment.paid", invoice_payment("pi_7"))
    assert paid_by_nothing(builder) == ["in_1"]
    collected(builder, 7)
    assert paid_by_nothing(builder) == []


def test_an_invoice_that_names_a_charge_only_was_paid_by_its_payment(builder: LedgerBuilder):
    builder.stripe("invoice.paid", old_invoice(payment_intent=None))
    assert paid_by_nothing(builder) == ["in_1"]
    collected(builder, 1)
    assert paid_by_nothing(builder) == []


def test_what_was_paid_outside_of_stripe_or_not_at_all_waits_for_no_payment(
    builder: LedgerBuilder,
):
    outside = without(old_invoice(paid_out_of_band=True), "charge", "payment_intent")
    builder.stripe("invoice.paid", outside)
    builder.stripe("invoice.created", invoice(id="in_2", status="open", amount_paid=0))
    assert paid_by_nothing(builder) == []
