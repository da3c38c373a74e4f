"""What an order's page offers: exactly what its state allows, else with the reason why not."""

from typing import Any

import pytest

from console.order_actions import ACTIONS, Refund, left_to_refund, overpaid


def payment(received: int, refunded: int = 0, pending: int = 0, currency: str = "gbp") -> Any:
    return {
        "received_minor": received,
        "refunded_minor": refunded,
        "refund_pending_minor": pending,
        "currency": currency,
    }


def order(
    state: str,
    *payments: Any,
    returned: int = 0,
    unallocated: bool = False,
    requested: int = 0,
    requested_usd: int = 0,
    waiting_at: str | None = None,
    waived: int = 0,
) -> Any:
    received = sum(each["received_minor"] for each in payments if each["currency"] == "gbp")
    refunded = sum(each["refunded_minor"] for each in payments if each["currency"] == "gbp")
    return {
        "state": state,
        "currency": "gbp",
        "total_minor": 2000,
        "waived_minor": waived,
        "refund_state": "full" if 0 < received == refunded else "none",
        "paid_at": "2026-03-01T12:00:00Z" if received + waived >= 2000 else None,
        "unallocated": unallocated,
        "waiting_at": waiting_at,
        "refund_requests": [
            {"state": "requested", "currency": "gbp", "open_minor": requested},
            {"state": "requested", "currency": "usd", "open_minor": requested_usd},
            {"state": "refused", "currency": "gbp", "open_minor": 1},
        ],
        "lines": [{"quantity": 2, "returned": returned}],
        "payments": list(payments),
    }


PAID, GIVEN_BACK = payment(2000), payment(2000, refunded=2000)
OFFERED = (
    (order("pending"), "cancel expire payments"),
    (order("pending", waiting_at="2026-03-01T12:00:00Z"), "expire payments"),
    (order("pending", payment(500)), "refunds payments"),
    (order("pending", payment(500), requested=500), "payments"),
    (order("paid", PAID), "fulfil refunds payments"),
    (order("paid", GIVEN_BACK), "cancel payments"),
    (order("paid", waived=2000), "fulfil cancel payments"),
    (order("paid", GIVEN_BACK, waived=2000), "fulfil cancel payments"),
    (order("fulfilled", PAID), "return refunds payments"),
    (order("fulfilled", PAID, returned=2), "refunds payments"),
    (order("fulfilled", payment(2000, pending=2000)), "return payments"),
    (order("canceled"), "payments"),
    (order("expired"), "payments"),
    (order("expired", PAID, unallocated=True), "reallocate refunds payments"),
    (order("expired", GIVEN_BACK), "cancel payments"),
    (order("expired", payment(500, refunded=500)), "payments"),
)


@pytest.mark.parametrize(("given", "offered"), OFFERED)
def test_only_what_the_state_allows_is_offered(given: Any, offered: str) -> None:
    assert " ".join(each.name for each in ACTIONS if each.refuses(given) is None) == offered


LEFT = (
    (order("pending"), Refund(0, "gbp")),
    (order("paid", payment(2000, 500, 300), payment(100)), Refund(1300, "gbp")),
    (order("paid", PAID, requested=500), Refund(1500, "gbp")),
    (order("paid", payment(700, currency="usd"), payment(2000)), Refund(2000, "gbp")),
    (order("pending", payment(700, currency="usd")), Refund(700, "usd")),
    (order("pending", payment(700, currency="usd"), requested_usd=500), Refund(200, "usd")),
)


@pytest.mark.parametrize(("given", "left"), LEFT)
def test_money_goes_back_in_the_currency_in_which_it_is_held(given: Any, left: Refund) -> None:
    assert left_to_refund(given) == left


BEYOND = (
    (order("paid", PAID), ""),
    (order("paid", PAID, payment(2000)), "20.00"),
    (order("fulfilled", PAID, payment(100), waived=500), "6.00"),
    (order("paid", PAID, payment(2000, refunded=500, pending=300), requested=200), "10.00"),
    (order("paid", PAID, payment(2000, refunded=2000)), ""),
    (order("paid", GIVEN_BACK, payment(9000, currency="usd")), ""),
    (order("canceled", PAID, payment(2000)), ""),
)


@pytest.mark.parametrize(("given", "wanted"), BEYOND)
def test_the_form_suggests_what_was_paid_beyond_what_is_due(given: Any, wanted: str) -> None:
    assert overpaid(given) == wanted
