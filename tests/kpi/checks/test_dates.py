"""Dates that cannot be: every event is taken in, nothing breaks, and each such date is named."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from kpi.checks.run import run_checks
from ledger.domain.access import Role
from ledger.domain.events import OrderCanceled
from tests.console.over_ledger import console_over
from tests.kpi.builder import NOON, LedgerBuilder
from tests.support.servers import Server
from tests.webhooks.billing_examples import (
    discount,
    invoice,
    invoice_payment,
    item,
    payout,
    price,
    subscription,
)
from tests.webhooks.examples import (
    Json,
    charge,
    customer,
    dispute,
    intent,
    refund,
    session,
    transaction,
)

OBJECTS: list[tuple[str, Callable[..., Json]]] = [
    ("charge.succeeded", charge),
    ("payment_intent.succeeded", intent),
    ("refund.created", refund),
    ("charge.dispute.created", dispute),
    ("checkout.session.completed", session),
    ("customer.created", customer),
    ("customer.subscription.created", lambda **fields: subscription(item(), **fields)),
    ("invoice.paid", invoice),
    ("invoice_payment.paid", invoice_payment),
    ("payout.paid", payout),
    ("price.created", price),
]
NAMED = {
    "charge ch_1",
    "checkout cs_1",
    "customer cus_1",
    "dispute dp_1",
    "invoice in_1",
    "payment pi_1",
    "payout po_1",
    "refund re_1",
    "subscription sub_1",
}
SECOND, YEAR_2000, YEAR_2100, LAST = 0, 946_684_800, 4_102_444_800, 32_503_679_999
"""The first second that a time can be, two that it cannot have been, and the last."""


@pytest.fixture(params=[SECOND, YEAR_2000, YEAR_2100, LAST])
def when(request: pytest.FixtureRequest) -> int:
    return request.param


def test_an_object_of_any_kind_may_be_of_any_year_and_is_named(
    servers: Callable[[str], Server], when: int
) -> None:
    """Lists, pages and figures have an answer, also where all money is of another century."""

    def all_kinds(builder: LedgerBuilder) -> None:
        for type_, thing in OBJECTS:
            builder.stripe(type_, thing(created=when))
        builder.place()

    with console_over(servers("embedded"), all_kinds) as console:
        found = console.builder.run("impossible_dates").findings
        assert {each.reference for each in found} == NAMED
        assert run_checks(console.builder.engine, console.builder.now).crashed == []
        console.sign_in(Role.ADMIN)
        for path in (
            "/console",
            "/console/figures/net_revenue",
            "/console/figures/mrr",
            "/console/events",
            *(f"/console/{name}" for name in LISTS),
            *(f"/console/{path}" for path in PAGES),
        ):
            console.page(path)


LISTS = ("payments", "refunds", "disputes", "payouts", "subscriptions", "customers", "invoices")
PAGES = (
    "payments/pi_1",
    "refunds/re_1",
    "disputes/dp_1",
    "payouts/po_1",
    "subscriptions/sub_1",
    "customers/cus_1",
    "invoices/in_1",
)


def test_money_stands_under_the_day_that_stripe_says(
    servers: Callable[[str], Server], when: int
) -> None:
    def charged(builder: LedgerBuilder) -> None:
        builder.stripe("charge.succeeded", charge(payment_intent=None, created=when))
        builder.place()

    with console_over(servers("embedded"), charged) as console:
        (row,) = console.rows("select day from captures")
        assert row["day"] == datetime.fromtimestamp(when, UTC).date()
        console.sign_in(Role.ADMIN)
        days = {"from": f"{row['day']}", "to": f"{row['day']}"}
        assert "10.00" in console.page("/console", 200, **days)


def test_an_event_of_another_century_is_named(builder: LedgerBuilder, when: int) -> None:
    minutes = (when - int(NOON.timestamp())) // 60
    builder.stripe("product.updated", {"object": "product", "id": "prod_1"}, minutes=minutes)
    found = builder.run("impossible_dates").findings
    assert [each.reference for each in found] == ["event evt_0"]


@pytest.mark.parametrize("created", [-1, 32_503_680_000, 10**20, 1.5, "yesterday"])
def test_what_is_no_time_cannot_be_read_and_is_listed(
    builder: LedgerBuilder, created: object
) -> None:
    """Milliseconds are of a year after 3000."""
    builder.stripe("payment_intent.succeeded", intent(created=created))
    (found,) = builder.run("unreadable_events").findings
    assert found.evidence["samples"] == "evt_0"
    assert builder.run("impossible_dates").findings == []


def test_what_lies_ahead_by_right_is_no_wrong_date(builder: LedgerBuilder) -> None:
    """A due date, an arrival and the end of a period are to come; half a day is a wrong clock."""
    soon = int(builder.now.timestamp()) + 40 * 86_400
    builder.stripe("payout.created", payout(arrival_date=soon))
    builder.stripe("charge.dispute.created", dispute(evidence_details={"due_by": soon}))
    builder.stripe(
        "customer.subscription.created",
        subscription(item(current_period_end=soon), cancel_at=soon, trial_end=soon),
    )
    builder.stripe("invoice.created", invoice(period_end=soon))
    builder.stripe("charge.succeeded", charge(created=int(builder.now.timestamp()) + 43_200))
    assert builder.run("impossible_dates").findings == []


@pytest.mark.parametrize(
    ("type_", "thing", "named"),
    [
        ("payout.created", payout(arrival_date=YEAR_2100), "arrival 2100-01-01 00:00"),
        (
            "charge.dispute.created",
            dispute(evidence_details={"due_by": YEAR_2000}),
            "evidence due 2000-01-01 00:00",
        ),
        (
            "charge.dispute.created",
            dispute(balance_transactions=[transaction(created=YEAR_2100)]),
            "movement txn_9 2100-01-01 00:00",
        ),
        ("invoice.created", invoice(period_end=YEAR_2100), "period end 2100-01-01 00:00"),
        (
            "customer.subscription.created",
            subscription(item(), cancel_at=YEAR_2100),
            "cancel at 2100-01-01 00:00",
        ),
        (
            "customer.discount.created",
            discount(start=YEAR_2000),
            "started 2000-01-01 00:00",
        ),
    ],
)
def test_other_dates_are_looked_at_too(
    builder: LedgerBuilder, type_: str, thing: Json, named: str
) -> None:
    builder.stripe(type_, thing)
    (found,) = builder.run("impossible_dates").findings
    assert found.evidence["dates"] == named


def test_the_shop_may_have_a_wrong_clock_too(builder: LedgerBuilder) -> None:
    builder.place()
    builder.wait(days=400)
    builder.shop(OrderCanceled(order_id="A1"))
    builder.wait(days=-400)
    (found,) = builder.run("impossible_dates").findings
    assert (found.reference, found.kind) == ("event order/A1", "dated")
