"""Payments: what each brought in, gave back, and which order it is for."""

from collections.abc import Sequence
from itertools import permutations

import pytest

from ledger.domain.events import PaymentLinked
from ledger.domain.facts import (
    AnyFact,
    ChargeState,
    CheckoutFact,
    CheckoutState,
    DisputeFact,
    DisputeState,
    PaymentFact,
    PaymentState,
    RefundState,
)
from tests.projections.models import NOON, Models, at, charge, refund
from tests.webhooks.examples import TOLD, event, intent
from tests.webhooks.examples import charge as told_charge


def payment(
    state: PaymentState = PaymentState.SUCCEEDED,
    received_minor: int = 1000,
    *,
    charge_id: str | None = "ch_1",
    order_id: str | None = "A1",
) -> PaymentFact:
    return PaymentFact(
        state=state,
        payment_id="pi_1",
        amount_minor=1000,
        received_minor=received_minor,
        currency="gbp",
        created_at=NOON,
        charge_id=charge_id,
        order_id=order_id,
    )


def checkout(order_id: str | None = None, reference: str | None = None) -> CheckoutFact:
    return CheckoutFact(
        state=CheckoutState.PAID,
        session_id="cs_1",
        created_at=NOON,
        payment_id="pi_1",
        order_id=order_id,
        reference=reference,
    )


LOST = DisputeFact(
    state=DisputeState.LOST,
    dispute_id="dp_1",
    amount_minor=300,
    currency="gbp",
    created_at=NOON,
    charge_id="ch_1",
    withdrawn=True,
)
BARE = charge(payment_id=None)
DECLINED = charge(0, charge_id="ch_0", state=ChargeState.FAILED)
REFUSED_LATER = (
    payment(PaymentState.FAILED, 0, charge_id="ch_2"),
    charge(0, charge_id="ch_2", state=ChargeState.FAILED, minutes=5),
)
CASES: dict[str, tuple[Sequence[AnyFact], tuple[str, int, int, int]]] = {
    # facts                                    state, received, refunded, disputed
    "started": ([payment(PaymentState.PENDING, 0)], ("pending", 0, 0, 0)),
    "paid": ([payment(), charge()], ("succeeded", 1000, 0, 0)),
    "only the intent told": ([payment()], ("succeeded", 1000, 0, 0)),
    "only the charge told": ([charge()], ("succeeded", 1000, 0, 0)),
    "captured in part": ([charge(600)], ("succeeded", 600, 0, 0)),
    "a bare charge": ([BARE], ("succeeded", 1000, 0, 0)),
    "a bare charge held": ([charge(0, state=ChargeState.AUTHORIZED)], ("authorized", 0, 0, 0)),
    "a bare debit pending": ([charge(0, state=ChargeState.PENDING)], ("processing", 0, 0, 0)),
    "a hold that lapsed": ([charge(0, state=ChargeState.EXPIRED)], ("canceled", 0, 0, 0)),
    "declined": ([payment(PaymentState.FAILED, 0), DECLINED], ("failed", 0, 0, 0)),
    "declined, then paid": ([DECLINED, payment(), charge()], ("succeeded", 1000, 0, 0)),
    "a debit taken back": (
        [payment(), charge(), charge(0, state=ChargeState.FAILED)],
        ("failed", 0, 0, 0),
    ),
    "taken back, capture never told": (
        [payment(), charge(0, state=ChargeState.FAILED)],
        ("failed", 0, 0, 0),
    ),
    "taken back, then refused": (
        [payment(), charge(), charge(0, state=ChargeState.FAILED), *REFUSED_LATER],
        ("failed", 0, 0, 0),
    ),
    "refunded in part": ([charge(), refund(RefundState.SUCCEEDED)], ("succeeded", 1000, 400, 0)),
    "two refunds": (
        [
            charge(),
            refund(RefundState.SUCCEEDED),
            refund(RefundState.SUCCEEDED, 100, refund_id="re_2"),
        ],
        ("succeeded", 1000, 500, 0),
    ),
    "a failed refund": (
        [charge(), refund(RefundState.SUCCEEDED), refund(RefundState.FAILED)],
        ("succeeded", 1000, 0, 0),
    ),
    "a pending refund": ([charge(), refund(RefundState.PENDING)], ("succeeded", 1000, 0, 0)),
    "a refund in another currency": (
        [charge(), refund(RefundState.SUCCEEDED, currency="usd")],
        ("succeeded", 1000, 0, 0),
    ),
    "a refund that names only the payment": (
        [charge(), refund(RefundState.SUCCEEDED, charge_id=None)],
        ("succeeded", 1000, 400, 0),
    ),
    "a refund that names only the charge": (
        [charge(), refund(RefundState.SUCCEEDED, payment_id=None)],
        ("succeeded", 1000, 400, 0),
    ),
    "the cumulative figure stands in": (
        [charge(refunded_minor=700)],
        ("succeeded", 1000, 700, 0),
    ),
    "for what no known refund explains": (
        [charge(refunded_minor=700), refund(RefundState.SUCCEEDED)],
        ("succeeded", 1000, 700, 0),
    ),
    "not for what Stripe did not know of yet": (
        [charge(refunded_minor=300), refund(RefundState.SUCCEEDED, minutes=60)],
        ("succeeded", 1000, 700, 0),
    ),
    "not for a refund that waits": (
        [charge(refunded_minor=400), refund(RefundState.PENDING)],
        ("succeeded", 1000, 0, 0),
    ),
    "nor for one that failed later": (
        [charge(refunded_minor=400), refund(RefundState.SUCCEEDED), refund(RefundState.FAILED)],
        ("succeeded", 1000, 0, 0),
    ),
    "the total goes down again": (
        [charge(refunded_minor=700), charge(refunded_minor=200)],
        ("succeeded", 1000, 200, 0),
    ),
    "to nothing": (
        [charge(refunded_minor=700), charge()],
        ("succeeded", 1000, 0, 0),
    ),
    "or one that names only the payment": (
        [charge(refunded_minor=400), refund(RefundState.SUCCEEDED, charge_id=None)],
        ("succeeded", 1000, 400, 0),
    ),
    "disputed": ([charge(), LOST], ("succeeded", 1000, 0, 300)),
    "a bare charge, refunded and disputed": (
        [BARE, refund(RefundState.SUCCEEDED, payment_id=None), LOST],
        ("succeeded", 1000, 400, 300),
    ),
}


@pytest.mark.parametrize(("facts", "expected"), CASES.values(), ids=CASES)
def test_money_of_a_payment_whatever_arrives_first(
    models: Models, facts: Sequence[AnyFact], expected: tuple[str, int, int, int]
):
    for fact in facts:
        models.take(fact)
    columns = ("state", "received_minor", "refunded_minor", "disputed_minor")
    assert models.one("payments", *columns) == expected
    assert models.one("payments", "net_minor") == expected[1] - expected[2] - expected[3]


def test_pending_and_failed_refunds_are_told_apart(models: Models):
    models.take(
        charge(), refund(RefundState.PENDING, 100), refund(RefundState.FAILED, 70, refund_id="re_2")
    )
    columns = ("refunded_minor", "refund_pending_minor", "refund_failed_minor")
    assert models.one("payments", *columns) == (0, 100, 70)


def test_a_refund_may_be_the_first_to_say_whose_charge_it_is(models: Models):
    """An old API version does not name the payment of a charge; later words do."""
    models.take(BARE).take(payment(charge_id=None))
    assert models.rows("select payment_id from payments order by 1") == [("ch_1",), ("pi_1",)]
    models.take(refund(RefundState.SUCCEEDED))
    assert models.one("payments", "payment_id", "received_minor", "refunded_minor") == (
        "pi_1",
        1000,
        400,
    )


UNLINKED = charge(order_id=None)
LINKED = PaymentLinked(order_id="S1", payment_id="pi_1")


@pytest.mark.parametrize(
    ("facts", "order_id", "linked_by"),
    [
        ([UNLINKED], None, None),
        ([UNLINKED, LINKED], "S1", "shop"),
        ([UNLINKED, checkout(reference="R1"), LINKED], "R1", "reference"),
        ([UNLINKED, checkout(order_id="M1", reference="R1"), LINKED], "M1", "metadata"),
        ([charge(), checkout(reference="R1"), LINKED], "A1", "metadata"),
        ([UNLINKED, payment(order_id="P1"), checkout(order_id="M1")], "P1", "metadata"),
        ([UNLINKED, payment(order_id=None), checkout()], None, None),
    ],
)
def test_the_link_to_an_order_has_an_order_of_precedence(
    models: Models, facts: Sequence[AnyFact], order_id: str | None, linked_by: str | None
):
    for each in facts:
        models.take(each)
    assert models.one("payments", "order_id", "linked_by") == (order_id, linked_by)


def test_the_newest_name_of_an_order_holds_and_none_erases_it(models: Models):
    corrected = payment(order_id="A0")
    reports = [(payment(order_id="A1"), 1), (corrected, 2), (payment(order_id=None), 3)]
    for arrival in permutations(reports):
        models.forget()
        for fact, minutes in arrival:
            models.take(fact, minutes=minutes)
        assert models.one("payments", "order_id") == "A0"


def test_the_last_link_of_the_shop_holds(models: Models):
    models.take(UNLINKED, LINKED).take(PaymentLinked(order_id="S0", payment_id="pi_1"))
    assert models.one("payments", "order_id") == "S0"


def test_a_payment_succeeded_when_its_charge_was_captured(models: Models):
    models.take(payment(), minutes=9)
    assert models.one("payments", "succeeded_at") == at(9)
    models.take(charge(minutes=7), minutes=10)
    assert models.one("payments", "succeeded_at") == at(7)


def test_a_payment_failed_when_it_was_canceled_or_its_charge_taken_back(models: Models):
    models.take(payment(PaymentState.FAILED, 0), DECLINED, minutes=3)
    assert models.one("payments", "failed_at") is None
    models.take(payment(PaymentState.CANCELED, 0), minutes=4)
    assert models.one("payments", "failed_at") == at(4)
    models.take(payment(), minutes=5)
    assert models.one("payments", "failed_at") is None
    models.take(charge(0, state=ChargeState.FAILED), minutes=9)
    assert models.one("payments", "failed_at") == at(9)


def test_what_was_only_named_is_no_payment_yet(models: Models):
    models.take(refund(RefundState.SUCCEEDED)).take(checkout(order_id="A1")).take(LINKED)
    assert models.rows("select payment_id from payments") == []


def test_what_a_failed_charge_had_by_the_payments_word_is_beside_what_others_took(models: Models):
    """A debit whose own report never came bounces, and a card pays after it."""
    models.hear(
        event("payment_intent.succeeded", intent(latest_charge="py_1"), created=TOLD),
        event(
            "charge.failed",
            told_charge(id="py_1", status="failed", paid=False, captured=False, amount_captured=0),
            id="evt_2",
            created=TOLD + 86400,
        ),
    )
    assert models.one("payments", "state", "received_minor") == ("failed", 0)
    models.hear(event("charge.succeeded", told_charge(), id="evt_3", created=TOLD + 2 * 86400))
    assert models.one("payments", "state", "received_minor") == ("succeeded", 1000)
    assert models.rows("select amount_minor from payment_movements order by at") == [
        (1000,),
        (1000,),
        (-1000,),
    ]
