"""What a payment page says of an order: free, paid through an invoice, or on its way."""

from itertools import permutations
from typing import Any

import pytest

from ledger.domain.billing_facts import InvoiceFact, InvoicePaid, InvoicePaymentFact
from ledger.domain.events import OrderExpired, OrderPlaced, OrderReinstated, PaymentLinked
from ledger.domain.facts import (
    AnyFact,
    ChargeAuthorized,
    ChargeCaptured,
    ChargeExpired,
    ChargeFact,
    ChargePending,
    CheckoutCompleted,
    CheckoutExpired,
    CheckoutFact,
    CheckoutFailed,
    CheckoutOpened,
    CheckoutPaid,
    PaymentAttemptFailed,
    PaymentAuthorized,
    PaymentCanceled,
    PaymentFact,
    PaymentProcessing,
    PaymentStarted,
    PaymentSucceeded,
    PaymentUnknown,
    RefundSucceeded,
)
from ledger.domain.order_commands import OrderMoney
from projections.engine.tables import trusted
from projections.orders import MONEY as MONEY_OF
from projections.queries.history import positions
from tests.projections.models import NOON, Models, at, charge, order, refund

MONEY = ("received_minor", "waived_minor", "outstanding_minor")
EXPIRED = OrderExpired(order_id="A1")


def page(state: type[CheckoutFact] = CheckoutPaid, **fields: Any) -> CheckoutFact:
    """A payment page for order A1 over 10.00."""
    about: dict[str, Any] = {"session_id": "cs_1", "order_id": "A1", "mode": "payment"}
    return state(created_at=NOON, **(about | {"currency": "gbp", "total_minor": 1000} | fields))


def intent(state: type[PaymentFact], received_minor: int = 0, **fields: Any) -> PaymentFact:
    about = {"payment_id": "pi_1", "order_id": "A1", "currency": "gbp", "amount_minor": 1000}
    return state(created_at=NOON, received_minor=received_minor, **(about | fields))


FREE = page(total_minor=0, nothing_due=True, discount_minor=1000)
CASES: dict[str, tuple[list[AnyFact], tuple[str, str, int, int, int]]] = {
    # facts after the order was placed       state, payment, received, waived, outstanding
    "nothing due": ([FREE], ("paid", "paid", 0, 1000, 0)),
    "nothing due, in another currency": (
        [page(total_minor=0, nothing_due=True, currency="usd")],
        ("paid", "paid", 0, 1000, 0),
    ),
    "a free trial": (
        [page(total_minor=0, nothing_due=True, mode="subscription", invoice_id="in_1")],
        ("paid", "paid", 0, 1000, 0),
    ),
    "named by its reference": (
        [page(total_minor=0, nothing_due=True, order_id=None, reference="A1")],
        ("paid", "paid", 0, 1000, 0),
    ),
    "a card is kept": (
        [page(total_minor=None, mode="setup")],
        ("pending", "unpaid", 0, 0, 1000),
    ),
    "of another order": (
        [page(nothing_due=True, order_id="B7")],
        ("pending", "unpaid", 0, 0, 1000),
    ),
    "a part taken off, not paid yet": (
        [page(CheckoutOpened, total_minor=800, discount_minor=200)],
        ("pending", "unpaid", 0, 0, 1000),
    ),
    "a part taken off, the rest paid": (
        [page(total_minor=800, discount_minor=200), charge(800)],
        ("paid", "paid", 800, 200, 0),
    ),
    "the order's own discount is known there too": (
        [page(discount_minor=200), charge(1000)],
        ("paid", "paid", 1000, 0, 0),
    ),
    "less asked, and nothing taken off": (
        [page(total_minor=800, discount_minor=0), charge(800)],
        ("pending", "partially_paid", 800, 0, 200),
    ),
    "one of two pages is paid": (
        [page(total_minor=500), charge(500)],
        ("pending", "partially_paid", 500, 0, 500),
    ),
    "each of two pages took something off": (
        [
            page(total_minor=450, discount_minor=50),
            page(total_minor=450, discount_minor=50, session_id="cs_2"),
            charge(900),
        ],
        ("paid", "paid", 900, 100, 0),
    ),
    "free, and paid all the same": ([FREE, charge(1000)], ("paid", "paid", 1000, 1000, 0)),
}


@pytest.mark.parametrize(("facts", "expected"), CASES.values(), ids=CASES)
def test_a_page_reaches_its_order_whatever_comes_first(
    models: Models, facts: list[AnyFact], expected: tuple[str, str, int, int, int]
):
    for arrival in permutations([order(), *facts]):
        models.forget()
        for fact in arrival:
            models.take(fact)
        assert models.one("orders", "state", "payment_state", *MONEY) == expected


@pytest.mark.parametrize(
    "facts",
    [
        [],
        *(facts for facts, _ in CASES.values()),
        [charge(1000), refund(RefundSucceeded, 1000)],
        [FREE, charge(500, currency="usd")],
        [charge(1000), charge(500, payment_id="pi_2", charge_id="ch_2", currency="usd")],
        [
            charge(1000),
            refund(RefundSucceeded, 1000),
            charge(500, payment_id="pi_2", charge_id="ch_2", currency="usd"),
        ],
    ],
)
def test_what_waits_for_its_goods_is_what_a_command_takes_as_covered(
    models: Models, facts: list[AnyFact]
):
    """The list of paid orders without goods, and the command that gives them some, agree."""
    models.take(order()).take(EXPIRED)
    for fact in facts:
        models.take(fact)
    with models.dicts() as cursor:
        row = cursor.execute(trusted(MONEY_OF), {"id": "A1"}).fetchone()
    assert row is not None
    assert models.one("orders", "unallocated") == OrderMoney(**row, position=1).covers


def test_a_free_order_is_paid_when_its_page_was_completed(models: Models):
    models.take(order()).take(FREE, minutes=7).take(FREE, minutes=9)
    assert models.one("orders", "paid_at") == at(7)


def test_a_free_order_that_had_expired_waits_for_its_goods(models: Models):
    models.take(order()).take(EXPIRED).take(FREE)
    assert models.one("orders", "state", "unallocated") == ("expired", True)
    models.take(OrderReinstated(order_id="A1"))
    assert models.one("orders", "state", "unallocated") == ("paid", False)


def invoice(**fields: Any) -> InvoiceFact:
    return InvoicePaid(
        invoice_id="in_1",
        currency="gbp",
        due_minor=1000,
        paid_minor=1000,
        remaining_minor=0,
        created_at=NOON,
        subscription_id="sub_1",
        **fields,
    )


UNNAMED = charge(order_id=None)
PAYS = InvoicePaymentFact(invoice_id="in_1", payment_id="pi_1")
CHAINS: dict[str, list[AnyFact]] = {
    "the page names the invoice": [
        page(mode="subscription", invoice_id="in_1", subscription_id="sub_1"),
        PAYS,
        UNNAMED,
    ],
    "by its reference": [
        page(mode="subscription", invoice_id="in_1", order_id=None, reference="A1"),
        PAYS,
        UNNAMED,
    ],
    "the page names only the subscription": [
        page(mode="subscription", subscription_id="sub_1"),
        invoice(opens_subscription=True),
        PAYS,
        UNNAMED,
    ],
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_a_subscriptions_first_payment_pays_its_order(models: Models, chain: list[AnyFact]):
    for arrival in permutations([order(), *chain]):
        models.forget()
        for fact in arrival:
            models.take(fact)
        assert models.one("payments", "order_id", "linked_by") == ("A1", "invoice")
        assert models.one("orders", "state", "payment_id") == ("paid", "pi_1")


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_all_that_pays_an_order_is_in_its_past_and_in_its_payments(
    models: Models, chain: list[AnyFact]
):
    """What was known of either at a position is made of the events that touched it."""
    for arrival in permutations([order(), *chain]):
        models.forget()
        for fact in arrival:
            models.take(fact)
        placed = 1 + next(n for n, fact in enumerate(arrival) if isinstance(fact, OrderPlaced))
        with models.dicts() as cursor:
            assert positions(cursor, "order", "A1") == [*range(1, len(arrival) + 1)]
            others = {*range(1, len(arrival) + 1)} - {placed}
            assert others <= {*positions(cursor, "payment", "pi_1")}


def test_a_renewal_is_in_no_orders_past(models: Models):
    models.take(order(), page(mode="subscription", subscription_id="sub_1"))
    models.take(invoice(), PAYS, UNNAMED)
    with models.dicts() as cursor:
        assert positions(cursor, "order", "A1") == [1]


def test_a_renewal_pays_no_order(models: Models):
    models.take(order(), page(mode="subscription", subscription_id="sub_1"))
    models.take(invoice(), PAYS, UNNAMED)
    assert models.one("payments", "order_id") is None


UNDER_WAY: dict[str, tuple[list[AnyFact], bool]] = {
    "begun": ([intent(PaymentStarted)], False),
    "the bank works": ([intent(PaymentProcessing)], True),
    "the money is held": ([intent(PaymentAuthorized)], True),
    "a word that is not known": ([intent(PaymentUnknown, word="sleeping")], True),
    "in another currency": ([intent(PaymentProcessing, currency="usd")], True),
    "refused": ([intent(PaymentProcessing), intent(PaymentAttemptFailed)], False),
    "canceled": ([intent(PaymentAuthorized), intent(PaymentCanceled)], False),
    "paid": ([intent(PaymentProcessing), intent(PaymentSucceeded, 1000)], False),
    "a bare debit": ([charge(0, state=ChargePending)], True),
    "a bare hold": ([charge(0, state=ChargeAuthorized)], True),
    "a bare hold that lapsed": (
        [charge(0, state=ChargeAuthorized), charge(0, state=ChargeExpired)],
        False,
    ),
    "a page that is open": ([page(CheckoutOpened)], False),
    "a page that was left": ([page(CheckoutExpired)], False),
    "a page that was completed": ([page(CheckoutCompleted)], True),
    "completed, and the bank works": (
        [page(CheckoutCompleted, payment_id="pi_1"), intent(PaymentProcessing)],
        True,
    ),
    "completed, and the payment was refused": (
        [page(CheckoutCompleted, payment_id="pi_1"), intent(PaymentAttemptFailed)],
        False,
    ),
    "completed, and refused later": (
        [page(CheckoutCompleted, payment_id="pi_1"), page(CheckoutFailed)],
        False,
    ),
    "paid, and the payment is not known yet": ([page(payment_id="pi_1")], True),
    "a subscription's page, its payment not known yet": (
        [page(mode="subscription", invoice_id="in_1")],
        True,
    ),
    "a subscription's page that names no invoice, and the bank took its payment back": (
        [
            page(mode="subscription", subscription_id="sub_1"),
            invoice(opens_subscription=True),
            PAYS,
            intent(PaymentProcessing, order_id=None),
            intent(PaymentCanceled, order_id=None),
        ],
        False,
    ),
    "a subscription's page, and the bank took its payment back": (
        [
            page(mode="subscription", invoice_id="in_1"),
            PAYS,
            intent(PaymentProcessing, order_id=None),
            intent(PaymentCanceled, order_id=None),
        ],
        False,
    ),
    "a page that keeps a card": ([page(mode="setup", total_minor=None)], False),
}


@pytest.mark.parametrize(("facts", "waits"), UNDER_WAY.values(), ids=UNDER_WAY)
def test_an_order_knows_whether_a_payment_is_under_way(
    models: Models, facts: list[AnyFact], *, waits: bool
):
    models.take(order())
    for minutes, fact in enumerate(facts, 5):
        models.take(fact, minutes=minutes)
    assert (models.one("orders", "waiting_at") is not None) == waits


def test_a_page_whose_payment_is_another_orders_waits_no_longer_than_it(models: Models):
    models.take(order()).take(order(order_id="B2"))
    models.take(page(CheckoutCompleted, order_id="B2", payment_id="pi_1"))
    models.take(intent(PaymentProcessing))
    waits = "select order_id from orders where waiting_at is not null order by 1"
    assert models.rows(waits) == [("A1",), ("B2",)]
    models.take(intent(PaymentSucceeded, 1000))
    assert models.rows(waits) == []


def test_a_payment_is_under_way_since_stripe_last_said_so(models: Models):
    for arrival in permutations([(intent(PaymentProcessing), 5), (intent(PaymentProcessing), 9)]):
        models.forget()
        models.take(order())
        for fact, minutes in arrival:
            models.take(fact, minutes=minutes)
        assert models.one("orders", "waiting_at") == at(9)


def test_a_charge_of_several_captures_is_taken_in_part(models: Models):
    taken: type[ChargeFact] = ChargeCaptured
    models.take(order()).take(intent(PaymentAuthorized, 400)).take(charge(400, state=taken))
    assert models.one("orders", "received_minor", "payment_state") == (400, "partially_paid")


@pytest.mark.parametrize("turns", [("page", "invoice"), ("invoice", "page")], ids="-".join)
def test_an_invoice_that_gives_a_linked_payment_to_another_order_takes_it_from_the_first(
    models: Models, turns: tuple[str, ...]
) -> None:
    """One payment pays one order: the one that had it before is unpaid again."""
    said: dict[str, AnyFact] = {
        "page": page(order_id="A2", mode="subscription", invoice_id="in_1"),
        "invoice": InvoicePaymentFact(invoice_id="in_1", payment_id="pi_1", state="paid"),
    }
    models.take(order()).take(order(order_id="A2"))
    models.take(intent(PaymentSucceeded, 1000, order_id=None))
    models.take(PaymentLinked(order_id="A1", payment_id="pi_1"))
    for turn in turns:
        models.take(said[turn])
    paid = models.rows("select order_id, received_minor from orders order by 1")
    assert paid == [("A1", 0), ("A2", 1000)]
