"""Refund requests: what was asked for, and which refunds answered, the oldest request first."""

from collections.abc import Sequence
from itertools import permutations

import pytest

from ledger.domain.events import Metadata, RefundRequested
from ledger.domain.facts import AnyFact, RefundFailed, RefundPending, RefundSucceeded
from tests.projections.models import Models, at, charge, order, refund

REQUESTS = """
select state, amount_minor, open_minor, refund_ids
from refund_requests
order by requested_at
"""
TOLD = tuple[AnyFact, int]
Asked = list[tuple[str, int, int, list[str]]]


def asked(amount_minor: int, currency: str = "gbp") -> RefundRequested:
    return RefundRequested(
        order_id="A1", amount_minor=amount_minor, currency=currency, based_on_position=1
    )


def made(number: int, amount_minor: int, minutes: int) -> TOLD:
    fact = refund(RefundSucceeded, amount_minor, refund_id=f"re_{number}", minutes=minutes)
    return fact, minutes


FAILS = (refund(RefundFailed, 300, minutes=20), 25)
CASES: dict[str, tuple[Sequence[TOLD], Sequence[TOLD], Asked]] = {
    # requests and refunds with their minutes: state, amount, open, refunds
    "not made yet": ([(asked(300), 10)], [], [("requested", 300, 300, [])]),
    "made": ([(asked(300), 10)], [made(1, 300, 20)], [("answered", 300, 0, ["re_1"])]),
    "made in the same minute": (
        [(asked(300), 10)],
        [made(1, 300, 10)],
        [("answered", 300, 0, ["re_1"])],
    ),
    "on its way": (
        [(asked(300), 10)],
        [(refund(RefundPending, 300, minutes=20), 20)],
        [("answered", 300, 0, ["re_1"])],
    ),
    "made in part": ([(asked(300), 10)], [made(1, 100, 20)], [("requested", 300, 200, ["re_1"])]),
    "made in two parts": (
        [(asked(300), 10)],
        [made(1, 100, 20), made(2, 200, 30)],
        [("answered", 300, 0, ["re_1", "re_2"])],
    ),
    "failed": (
        [(asked(300), 10)],
        [made(1, 300, 20), FAILS],
        [("failed", 300, 0, ["re_1"])],
    ),
    "asked for again": (
        [(asked(300), 10), (asked(300), 30)],
        [made(1, 300, 20), FAILS, made(2, 300, 40)],
        [("failed", 300, 0, ["re_1"]), ("answered", 300, 0, ["re_2"])],
    ),
    "made before anybody asked": (
        [(asked(300), 10)],
        [made(1, 300, 5)],
        [("requested", 300, 300, [])],
    ),
    "the oldest first": (
        [(asked(300), 10), (asked(500), 11)],
        [made(1, 500, 20)],
        [("answered", 300, 0, ["re_1"]), ("requested", 500, 300, ["re_1"])],
    ),
    "more than was asked for": (
        [(asked(300), 10), (asked(100), 30)],
        [made(1, 700, 20)],
        [("answered", 300, 0, ["re_1"]), ("requested", 100, 100, [])],
    ),
    "told by the charge only": (
        [(asked(300), 10)],
        [(charge(refunded_minor=300), 20)],
        [("answered", 300, 0, ["ch_1"])],
    ),
    "in another currency": (
        [(asked(300, "usd"), 10)],
        [made(1, 300, 20)],
        [("requested", 300, 300, [])],
    ),
}


@pytest.mark.parametrize(("requests", "refunds", "expected"), CASES.values(), ids=CASES)
def test_refunds_answer_requests_whatever_arrives_first(
    models: Models, requests: Sequence[TOLD], refunds: Sequence[TOLD], expected: Asked
):
    """The shop's own actions keep their order; Stripe's word comes before, between or after."""
    for arrival in permutations([*refunds, (charge(), 1)]):
        for split in range(len(arrival) + 1):
            models.forget()
            models.take(order())
            for fact, minutes in [*arrival[:split], *requests, *arrival[split:]]:
                models.take(fact, minutes=minutes)
            assert models.rows(REQUESTS) == expected


def test_an_order_shows_what_is_still_to_go_back(models: Models):
    models.take(order()).take(charge()).take(asked(300)).take(asked(200)).take(asked(50, "usd"))
    columns = ("refund_requested_minor", "to_refund")
    assert models.one("orders", *columns) == (500, True)
    models.take(refund(RefundSucceeded, 300, minutes=30), minutes=30)
    assert models.one("orders", *columns) == (200, True)
    models.take(refund(RefundSucceeded, 200, refund_id="re_2", minutes=40), minutes=40)
    assert models.one("orders", *columns) == (0, True), "what is in dollars waits, too"
    back = {"payment_id": "pi_2", "charge_id": "ch_2", "currency": "usd"}
    models.take(charge(payment_id="pi_2", charge_id="ch_2", currency="usd"))
    models.take(refund(RefundSucceeded, 50, refund_id="re_3", minutes=50, **back), minutes=50)
    assert models.one("orders", *columns) == (0, False)


def test_a_request_says_who_asked_when_and_why(models: Models):
    meta = Metadata(actor="ops:olga", reason="broken in the post")
    models.take(order()).take(asked(300), minutes=5, meta=meta)
    columns = ("order_id", "requested_by", "reason", "requested_at", "answered_at")
    expected = ("A1", "ops:olga", "broken in the post", at(5), None)
    assert models.one("refund_requests", *columns) == expected
