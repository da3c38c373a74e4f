"""Refund requests: what was asked for, and which refunds answered, the oldest request first."""

from collections.abc import Sequence
from itertools import permutations

import pytest
from msgspec.structs import replace

from ledger.domain.events import (
    Metadata,
    RefundBegun,
    RefundRefused,
    RefundRequested,
    RefundWithdrawn,
)
from ledger.domain.facts import AnyFact, RefundFact, RefundState
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


def made(number: int, amount_minor: int, minutes: int, for_request: str | None = None) -> TOLD:
    """A refund; `for_request` is the order and the place of the request among those of the case."""
    fact = refund(
        RefundState.SUCCEEDED,
        amount_minor,
        refund_id=f"re_{number}",
        minutes=minutes,
        request_id=for_request,
    )
    return fact, minutes


def numbered(fact: AnyFact, before: int) -> AnyFact:
    """The fact; a request that it names by its place has so many events of the order before it."""
    if not isinstance(fact, RefundFact) or not (fact.request_id or "").startswith("A1:"):
        return fact
    return replace(fact, request_id=f"A1:{before + int(str(fact.request_id)[3:])}")


FAILS = (refund(RefundState.FAILED, 300, minutes=20), 25)
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
        [(refund(RefundState.PENDING, 300, minutes=20), 20)],
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
        [made(1, 400, 20)],
        [("answered", 300, 0, ["re_1"]), ("requested", 500, 400, ["re_1"])],
    ),
    "of its amount before the oldest": (
        [(asked(300), 10), (asked(500), 11)],
        [made(1, 500, 20)],
        [("requested", 300, 300, []), ("answered", 500, 0, ["re_1"])],
    ),
    "several of one amount, and one of none": (
        [(asked(300), 10), (asked(300), 11), (asked(500), 12)],
        [made(1, 300, 20), made(2, 300, 21), made(3, 200, 22)],
        [
            ("answered", 300, 0, ["re_1"]),
            ("answered", 300, 0, ["re_2"]),
            ("requested", 500, 300, ["re_3"]),
        ],
    ),
    "of its amount, but made before it": (
        [(asked(300), 10), (asked(500), 30)],
        [made(1, 500, 20)],
        [("answered", 300, 0, ["re_1"]), ("requested", 500, 500, [])],
    ),
    "named": (
        [(asked(300), 10), (asked(300), 11)],
        [made(1, 300, 20, for_request="A1:2")],
        [("requested", 300, 300, []), ("answered", 300, 0, ["re_1"])],
    ),
    "named, and made by hand too": (
        [(asked(300), 10), (asked(200), 11)],
        [made(1, 300, 20, for_request="A1:1"), made(2, 300, 21)],
        [("answered", 300, 0, ["re_1"]), ("answered", 200, 0, ["re_2"])],
    ),
    "named in part, the rest by hand": (
        [(asked(200), 9), (asked(500), 10)],
        [made(1, 300, 20, for_request="A1:2"), made(2, 200, 21), made(3, 200, 22)],
        [("answered", 200, 0, ["re_2"]), ("answered", 500, 0, ["re_1", "re_3"])],
    ),
    "a name that no request has": (
        [(asked(300), 10)],
        [made(1, 300, 20, for_request="B7:2")],
        [("answered", 300, 0, ["re_1"])],
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
                models.take(numbered(fact, 1 + split), minutes=minutes)
            assert models.rows(REQUESTS) == expected


def test_an_order_shows_what_is_still_to_go_back(models: Models):
    models.take(order()).take(charge()).take(asked(300)).take(asked(200)).take(asked(50, "usd"))
    columns = ("refund_requested_minor", "to_refund")
    assert models.one("orders", *columns) == (500, True)
    models.take(refund(RefundState.SUCCEEDED, 300, minutes=30), minutes=30)
    assert models.one("orders", *columns) == (200, True)
    models.take(refund(RefundState.SUCCEEDED, 200, refund_id="re_2", minutes=40), minutes=40)
    assert models.one("orders", *columns) == (0, True), "what is in dollars waits, too"
    back = {"payment_id": "pi_2", "charge_id": "ch_2", "currency": "usd"}
    models.take(charge(payment_id="pi_2", charge_id="ch_2", currency="usd"))
    models.take(refund(RefundState.SUCCEEDED, 50, refund_id="re_3", minutes=50, **back), minutes=50)
    assert models.one("orders", *columns) == (0, False)


def test_a_request_says_who_asked_when_and_why(models: Models):
    meta = Metadata(actor="ops:olga", reason="broken in the post")
    models.take(order()).take(asked(300), minutes=5, meta=meta)
    columns = ("order_id", "requested_by", "reason", "requested_at", "answered_at")
    expected = ("A1", "ops:olga", "broken in the post", at(5), None)
    assert models.one("refund_requests", *columns) == expected


def refused(request_id: str) -> RefundRefused:
    return RefundRefused(
        request_id=request_id,
        order_id="A1",
        payment_id="pi_1",
        amount_minor=300,
        currency="gbp",
        code="charge_disputed",
        message="It is disputed.",
    )


def test_what_stripe_refuses_is_still_to_refund_and_says_why(models: Models):
    models.take(order()).take(charge()).take(asked(300), minutes=5)
    models.take(refused("A1:3"), minutes=6)
    columns = ("state", "open_minor", "refused_because", "refused_at")
    assert models.one("refund_requests", *columns) == ("refused", 300, "It is disputed.", at(6))
    assert models.one("orders", "refund_requested_minor", "to_refund") == (300, True)
    made_by_hand, minutes = made(1, 300, 10)
    models.take(made_by_hand, minutes=minutes)
    assert models.one("refund_requests", *columns) == ("answered", 0, None, None)
    assert models.one("orders", "to_refund") is False


def test_a_refused_request_that_is_asked_for_again_waits_for_nothing(models: Models):
    """Nor does a refund by hand answer it in the place of the later one."""
    models.take(order()).take(charge()).take(asked(300), minutes=5)
    models.take(refused("A1:3"), minutes=6).take(asked(300), minutes=7)
    told = "select state, open_minor, refund_ids from refund_requests order by requested_at"
    assert models.rows(told) == [("refused", 0, []), ("requested", 300, [])]
    by_hand, minutes = made(1, 300, 10)
    models.take(by_hand, minutes=minutes)
    assert models.rows(told) == [("refused", 0, []), ("answered", 0, ["re_1"])]


def test_a_refund_that_names_its_request_answers_it_whatever_becomes_of_the_payments_link(
    models: Models,
):
    models.take(order()).take(asked(300), minutes=5)
    named, minutes = made(1, 300, 10, for_request="A1:2")
    models.take(named, minutes=minutes)
    assert models.one("refund_requests", "state", "open_minor") == ("answered", 0)


def withdrawn(request_id: str, amount_minor: int) -> RefundWithdrawn:
    return RefundWithdrawn(
        request_id=request_id, order_id="A1", amount_minor=amount_minor, based_on_position=1
    )


def test_a_withdrawn_request_waits_for_nothing_and_is_off_the_list(models: Models):
    models.take(order()).take(charge()).take(asked(300), minutes=5)
    assert models.one("orders", "refund_requested_minor", "to_refund") == (300, True)
    models.take(withdrawn("A1:3", 300), minutes=6)
    columns = ("state", "open_minor", "withdrawn_minor", "answered_minor", "withdrawn_at")
    assert models.one("refund_requests", *columns) == ("withdrawn", 0, 300, 0, at(6))
    assert models.one("orders", "refund_requested_minor", "to_refund") == (0, False)


def test_what_was_withdrawn_of_a_request_is_answered_by_no_refund(models: Models):
    """One of 1000, of which 400 went back by hand, is no more than these 400 from then on."""
    models.take(order()).take(charge(2000)).take(asked(1000), minutes=5).take(asked(500), minutes=6)
    by_hand, minutes = made(1, 400, 10)
    models.take(by_hand, minutes=minutes).take(withdrawn("A1:3", 600), minutes=11)
    told = "select state, open_minor, answered_minor from refund_requests order by requested_at"
    assert models.rows(told) == [("withdrawn", 0, 400), ("requested", 500, 0)]
    more, minutes = made(2, 500, 20)
    models.take(more, minutes=minutes)
    assert models.rows(told) == [("withdrawn", 0, 400), ("answered", 0, 500)]


def test_a_withdrawn_request_that_a_refund_names_all_the_same_is_answered(models: Models):
    """Stripe's word comes first."""
    models.take(order()).take(charge()).take(asked(300), minutes=5).take(withdrawn("A1:3", 300))
    named, minutes = made(1, 300, 10, for_request="A1:3")
    models.take(named, minutes=minutes)
    assert models.one("refund_requests", "state", "open_minor") == ("answered", 0)


def test_a_refused_request_that_is_withdrawn_keeps_what_answered_it(models: Models):
    models.take(order()).take(charge(2000)).take(asked(1000), minutes=5)
    by_hand, minutes = made(1, 400, 6)
    models.take(by_hand, minutes=minutes).take(refused("A1:3"), minutes=7)
    models.take(withdrawn("A1:3", 600), minutes=8).take(asked(300), minutes=9)
    told = "select state, open_minor, answered_minor from refund_requests order by requested_at"
    assert models.rows(told) == [("withdrawn", 0, 400), ("requested", 300, 0)]


def test_a_request_says_when_stripe_was_first_asked(models: Models):
    models.take(order()).take(charge()).take(asked(300), minutes=5)
    models.take(RefundBegun(request_id="A1:3", order_id="A1"), minutes=6)
    assert models.one("refund_requests", "state", "begun_at") == ("requested", at(6))
