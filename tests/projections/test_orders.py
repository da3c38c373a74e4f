"""Orders: what was decided and what was paid, together."""

from collections.abc import Sequence

import pytest

from ledger.domain.events import (
    Address,
    OrderAllocationFailed,
    OrderCanceled,
    OrderExpired,
    OrderFulfilled,
    OrderLinesReturned,
    OrderReinstated,
    PaymentLinked,
    PaymentUnlinked,
)
from ledger.domain.facts import AnyFact, ChargeState, DisputeFact, DisputeState, RefundState
from tests.projections.models import NOON, Models, at, charge, order, refund

CANCELED = OrderCanceled(order_id="A1")
EXPIRED = OrderExpired(order_id="A1")
REINSTATED = OrderReinstated(order_id="A1")
NOT_ALLOCATED = OrderAllocationFailed(order_id="A1", missing={"MUG": 1})
FULFILLED = OrderFulfilled(order_id="A1", based_on_position=1)
PAID = charge()
HALF = charge(500)
REST = charge(500, charge_id="ch_2", payment_id="pi_2")
AGAIN = charge(charge_id="ch_2", payment_id="pi_2")
DOLLARS = charge(charge_id="ch_2", payment_id="pi_2", currency="usd")
TAKEN_BACK = charge(0, state=ChargeState.FAILED)
ALL_BACK = refund(RefundState.SUCCEEDED, 1000)

CASES: dict[str, tuple[Sequence[AnyFact], tuple[str, str, str, bool]]] = {
    # facts after the order was placed         state, payment, refund, unallocated
    "placed": ([], ("pending", "unpaid", "none", False)),
    "half paid": ([HALF], ("pending", "partially_paid", "none", False)),
    "paid": ([PAID], ("paid", "paid", "none", False)),
    "paid in two parts": ([HALF, REST], ("paid", "paid", "none", False)),
    "paid twice": ([PAID, AGAIN], ("paid", "overpaid", "none", False)),
    "paid in dollars": ([DOLLARS], ("pending", "unpaid", "none", False)),
    "fulfilled": ([PAID, FULFILLED], ("fulfilled", "paid", "none", False)),
    "taken back by the bank": ([PAID, TAKEN_BACK], ("pending", "unpaid", "none", False)),
    "refunded in part": ([PAID, refund(RefundState.SUCCEEDED)], ("paid", "paid", "partial", False)),
    "refunded in full": ([PAID, ALL_BACK], ("paid", "paid", "full", False)),
    "a refund on its way": ([PAID, refund(RefundState.PENDING)], ("paid", "paid", "none", False)),
    "a refund that failed": (
        [PAID, ALL_BACK, refund(RefundState.FAILED, 1000)],
        ("paid", "paid", "none", False),
    ),
    "fulfilled and refunded": ([PAID, FULFILLED, ALL_BACK], ("fulfilled", "paid", "full", False)),
    "canceled": ([CANCELED], ("canceled", "unpaid", "none", False)),
    "canceled, then paid": ([CANCELED, PAID], ("canceled", "paid", "none", False)),
    "expired": ([EXPIRED], ("expired", "unpaid", "none", False)),
    "expired, half paid": ([EXPIRED, HALF], ("expired", "partially_paid", "none", False)),
    "expired, paid, not allocated yet": ([EXPIRED, PAID], ("expired", "paid", "none", True)),
    "expired, paid, no stock": ([EXPIRED, PAID, NOT_ALLOCATED], ("expired", "paid", "none", True)),
    "expired, paid, no stock, refunded": (
        [EXPIRED, PAID, NOT_ALLOCATED, ALL_BACK],
        ("expired", "paid", "full", False),
    ),
    "expired, paid, reinstated": ([EXPIRED, PAID, REINSTATED], ("paid", "paid", "none", False)),
    "reinstated, fulfilled": (
        [EXPIRED, PAID, NOT_ALLOCATED, REINSTATED, FULFILLED],
        ("fulfilled", "paid", "none", False),
    ),
}


@pytest.mark.parametrize(("facts", "expected"), CASES.values(), ids=CASES)
def test_states_of_an_order(
    models: Models, facts: Sequence[AnyFact], expected: tuple[str, str, str, bool]
):
    models.take(order())
    for fact in facts:
        models.take(fact)
    columns = ("state", "payment_state", "refund_state", "unallocated")
    assert models.one("orders", *columns) == expected


@pytest.mark.parametrize(
    ("total_minor", "facts", "to_ship"),
    [
        (1000, [], False),
        (1000, [HALF], False),
        (1000, [PAID], True),
        (1000, [PAID, refund(RefundState.SUCCEEDED)], True),
        (1000, [PAID, ALL_BACK], False),
        (1000, [PAID, ALL_BACK, refund(RefundState.FAILED, 1000)], True),
        (1000, [PAID, FULFILLED], False),
        (1000, [EXPIRED, PAID], False),
        (1000, [EXPIRED, PAID, REINSTATED], True),
        (0, [], True),
        (0, [CANCELED], False),
        (0, [PAID, ALL_BACK], True),
    ],
)
def test_to_ship_is_what_is_paid_and_whose_money_did_not_all_go_back(
    models: Models, total_minor: int, facts: Sequence[AnyFact], to_ship: bool
):
    models.take(order(total_minor))
    for fact in facts:
        models.take(fact)
    assert models.one("orders", "to_ship") is to_ship


def test_an_order_that_costs_nothing_is_paid_when_placed(models: Models):
    models.take(order(0))
    columns = ("state", "payment_state", "paid_at", "outstanding_minor")
    assert models.one("orders", *columns) == ("paid", "paid", at(1), 0)


def test_an_order_that_cost_nothing_and_expired_waits_for_nobody(models: Models):
    models.take(order(0)).take(EXPIRED)
    assert models.one("orders", "unallocated") is False


def dispute(state: DisputeState, number: int) -> DisputeFact:
    return DisputeFact(
        state=state,
        dispute_id=f"dp_{number}",
        amount_minor=100,
        currency="gbp",
        created_at=NOON,
        charge_id=f"ch_{number}",
        withdrawn=True,
    )


@pytest.mark.parametrize(
    ("disputes", "state", "disputed_minor"),
    [
        ([], "none", 0),
        ([dispute(DisputeState.WON, 1)], "won", 100),
        ([dispute(DisputeState.WON, 1), dispute(DisputeState.LOST, 2)], "lost", 200),
        ([dispute(DisputeState.LOST, 1), dispute(DisputeState.INQUIRY, 2)], "inquiry", 200),
        ([dispute(DisputeState.OPEN, 1), dispute(DisputeState.INQUIRY, 2)], "open", 200),
    ],
)
def test_the_worst_dispute_of_all_payments_shows(
    models: Models, disputes: Sequence[DisputeFact], state: str, disputed_minor: int
):
    models.take(order()).take(HALF).take(REST)
    for each in disputes:
        models.take(each)
    assert models.one("orders", "dispute_state", "disputed_minor") == (state, disputed_minor)


def test_an_order_is_paid_when_its_payments_first_reached_the_total(models: Models):
    """By the payments' own time, whichever is reported first."""
    models.take(order())
    models.take(charge(500, charge_id="ch_2", payment_id="pi_2", minutes=20))
    assert models.one("orders", "paid_at") is None
    models.take(charge(500, minutes=10))
    models.take(charge(500, charge_id="ch_3", payment_id="pi_3", minutes=30))
    assert models.one("orders", "paid_at", "payment_id", "payment_count") == (at(20), "pi_1", 3)


def test_money_in_another_currency_is_counted_apart(models: Models):
    models.take(order()).take(PAID).take(DOLLARS)
    columns = ("received_minor", "payment_count", "other_currency_payment_count", "net_minor")
    assert models.one("orders", *columns) == (1000, 1, 1, 1000)


def test_payments_wait_for_their_order(models: Models):
    models.take(PAID)
    assert models.rows("select order_id from orders") == []
    models.take(order(customer_id="ada", shipping_address=Address(city="York")))
    columns = ("state", "customer_id", "shipping_address", "placed_at")
    assert models.one("orders", *columns) == ("paid", "ada", {"city": "York"}, at(2))


def test_a_payment_that_moves_to_another_order_leaves_the_first(models: Models):
    models.take(order()).take(order(order_id="B1")).take(charge(order_id=None))
    models.take(PaymentLinked(order_id="A1", payment_id="pi_1"))
    models.take(PaymentLinked(order_id="B1", payment_id="pi_1"))
    query = "select order_id, state from orders order by order_id"
    assert models.rows(query) == [("A1", "pending"), ("B1", "paid")]


def test_returns_add_up(models: Models):
    models.take(order()).take(PAID).take(FULFILLED)
    for _ in range(2):
        models.take(OrderLinesReturned(order_id="A1", quantities={"MUG": 1}))
    assert models.rows("select sku, sum(quantity) from order_returns group by sku") == [("MUG", 2)]


def test_an_order_is_unpaid_again_when_its_payment_is_unlinked(models: Models):
    models.take(order()).take(charge(order_id=None))
    models.take(PaymentLinked(order_id="A1", payment_id="pi_1"))
    assert models.one("orders", "state") == "paid"
    models.take(PaymentUnlinked(order_id="A1", payment_id="pi_1"))
    assert models.one("orders", "state") == "pending"
    assert models.one("payments", "order_id", "linked_by") == (None, None)
