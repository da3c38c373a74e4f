"""An order that was paid on several pages, of which some took something off, is never silent."""

from typing import Any

from tests.kpi.builder import LedgerBuilder
from tests.kpi.checks.scenarios import page, refunded
from tests.webhooks.billing_examples import invoice, invoice_payment
from tests.webhooks.examples import charge, intent


def paid_on_page(builder: LedgerBuilder, number: int, asked: int, off: int) -> None:
    """A page takes something off, and what it asks for is paid."""
    payment_id = f"pi_{number}" if asked else None
    page(
        builder,
        id=f"cs_{number}",
        amount_total=asked,
        payment_intent=payment_id,
        payment_status="paid" if asked else "no_payment_required",
        total_details={"amount_discount": off},
    )
    if asked:
        builder.stripe("charge.succeeded", charge_of(number, asked))


def charge_of(number: int, amount: int, **fields: Any) -> dict[str, Any]:
    about = {"id": f"ch_{number}", "payment_intent": f"pi_{number}", "metadata": {}}
    return charge(**about, amount=amount, amount_captured=amount, **fields)


def evidence(builder: LedgerBuilder, check: str) -> list[dict[str, object]]:
    builder.run(check)
    return [
        issue["evidence"]
        for issue in builder.issues()
        if issue["state"] == "open" and issue["check"] == check
    ]


def test_half_off_twice_is_paid_twice_until_one_of_them_goes_back(builder: LedgerBuilder) -> None:
    builder.place()
    for number in (1, 2):
        paid_on_page(builder, number, asked=500, off=500)
    (found,) = evidence(builder, "paid_twice")
    amounts = ("due_minor", "total_minor", "held_minor", "payment_count")
    assert [found[name] for name in amounts] == [500, 1000, 1000, 2]
    pages = [each["asked_minor"] for each in evidence(builder, "checkout_total_differs")]
    assert pages == [500, 500]
    refunded(builder, 500, "ch_2")
    assert evidence(builder, "paid_twice") == []


def test_half_off_twice_may_not_be_sent_out_when_banks_take_both_back(
    builder: LedgerBuilder,
) -> None:
    builder.place()
    for number in (1, 2):
        paid_on_page(builder, number, asked=500, off=500)
    for number in (1, 2):
        builder.stripe("charge.failed", charge_of(number, 500, status="failed", paid=False))
    builder.follow()
    with builder.engine.database.connect("reader") as conn:
        row = conn.execute("""
            select state, payment_state, received_minor, outstanding_minor
            from read_models.orders
        """).fetchone()
    assert row == ("pending", "unpaid", 0, 500)
    assert evidence(builder, "paid_twice") == []


def test_what_is_paid_after_a_page_for_nothing_is_overpaid(builder: LedgerBuilder) -> None:
    builder.place()
    paid_on_page(builder, 1, asked=0, off=1000)
    paid_on_page(builder, 2, asked=1000, off=0)
    (found,) = evidence(builder, "overpaid")
    assert (found["due_minor"], found["held_minor"]) == (0, 1000)
    assert [each["asked_minor"] for each in evidence(builder, "checkout_total_differs")] == [0]
    refunded(builder, 1000, "ch_2")
    assert evidence(builder, "overpaid") == []
    assert evidence(builder, "refunded_not_canceled") == []


def test_parts_of_an_order_that_each_took_something_off_pay_it(builder: LedgerBuilder) -> None:
    builder.place()
    for number in (1, 2):
        paid_on_page(builder, number, asked=450, off=50)
    assert evidence(builder, "paid_twice") == evidence(builder, "overpaid") == []


def test_what_is_missing_of_an_order_is_missing_of_what_is_due(builder: LedgerBuilder) -> None:
    builder.place()
    paid_on_page(builder, 1, asked=700, off=200)
    builder.wait(days=1)
    (found,) = evidence(builder, "underpaid")
    assert (found["due_minor"], found["received_minor"]) == (800, 700)


def test_an_amount_that_is_not_required_yet_settles_nothing(builder: LedgerBuilder) -> None:
    """Its payment is waited for, and missed when it does not come."""
    builder.place(total_minor=3000)
    page(
        builder,
        mode="subscription",
        subscription="sub_1",
        amount_total=3000,
        payment_status="no_payment_required",
    )
    builder.wait(days=1)
    (found,) = evidence(builder, "checkout_without_payment")
    assert (found["order_id"], found["total_minor"]) == ("A1", 3000)


def test_a_subscription_s_page_is_paid_by_the_invoice_that_opens_it(builder: LedgerBuilder) -> None:
    """Also where the page does not name that invoice."""
    page(builder, mode="subscription", subscription="sub_1")
    builder.stripe("invoice.finalized", invoice(billing_reason="subscription_create"))
    builder.stripe("invoice_payment.paid", invoice_payment("pi_1"))
    waits = {"status": "processing", "amount_received": 0, "metadata": {}}
    builder.stripe("payment_intent.processing", intent(**waits))
    builder.wait(days=1)
    (found,) = evidence(builder, "proof_without_payment")
    assert (found["checkout_id"], found["payment_id"]) == ("cs_1", "pi_1")
    builder.stripe("payment_intent.succeeded", intent(metadata={}))
    assert evidence(builder, "proof_without_payment") == []
