"""What a payment page says of an order: free, paid through an invoice, or on its way."""

from itertools import permutations
from typing import Any

import pytest

from ledger.domain.billing_facts import InvoiceFact, InvoicePaymentFact, InvoiceState
from ledger.domain.events import OrderExpired, OrderPlaced, OrderReinstated, PaymentLinked
from ledger.domain.facts import (
    AnyFact,
    ChargeState,
    CheckoutFact,
    CheckoutState,
    PaymentFact,
    PaymentState,
    RefundState,
)
from ledger.domain.order_commands import OrderMoney
from projections.engine.tables import trusted
from projections.orders import MONEY as MONEY_OF
from projections.queries.history import positions
from tests.projections.models import NOON, Models, at, charge, order, refund

MONEY = ("received_minor", "waived_minor", "outstanding_minor")
EXPIRED = OrderExpired(order_id="A1")


def page(state: CheckoutState = CheckoutState.PAID, **fields: Any) -> CheckoutFact:
    """A payment page for order A1 over 10.00."""
    about: dict[str, Any] = {"session_id": "cs_1", "order_id": "A1", "mode": "payment"}
    return CheckoutFact(
        state=state, created_at=NOON, **(about | {"currency": "gbp", "total_minor": 1000} | fields)
    )


def intent(state: PaymentState, received_minor: int = 0, **fields: Any) -> PaymentFact:
    about = {"payment_id": "pi_1", "order_id": "A1", "currency": "gbp", "amount_minor": 1000}
    return PaymentFact(
        state=state, created_at=NOON, received_minor=received_minor, **(about | fields)
    )


FREE = page(total_minor=0, nothing_due=True, discount_minor=1000)
CASES: dict[str, tuple[list[AnyFact], tuple[str, str, int, int, int]]] = {
    # facts after the order was placed       state, payment, received, waived, outstanding
    "nothing due": ([FREE], ("paid", "paid", 0, 1000, 0)),
    "nothing due, in another currency": (
        [page(total_minor=0, nothing_due=True, currency="usd", discount_minor=1000)],
        ("pending", "unpaid", 0, 0, 1000),
    ),
    "nothing due, in a currency that nothing says": (
        [page(total_minor=0, nothing_due=True, currency=None)],
        ("paid", "paid", 0, 1000, 0),
    ),
    "nothing due of a part of it": (
        [page(total_minor=0, nothing_due=True, discount_minor=300)],
        ("pending", "unpaid", 0, 300, 700),
    ),
    "nothing due of a part of it, and the rest is paid": (
        [
            page(total_minor=0, nothing_due=True, discount_minor=300),
            page(total_minor=700, session_id="cs_2"),
            charge(700),
        ],
        ("paid", "paid", 700, 300, 0),
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
        [page(CheckoutState.OPEN, total_minor=800, discount_minor=200)],
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
    "free, and paid all the same": ([FREE, charge(1000)], ("paid", "overpaid", 1000, 1000, 0)),
    "asked for, though no payment is required yet": (
        [page(total_minor=1000, nothing_due=False, mode="subscription", subscription_id="sub_1")],
        ("pending", "unpaid", 0, 0, 1000),
    ),
}
HALF_OFF = page(total_minor=500, discount_minor=500)
HALF_OFF_AGAIN = page(total_minor=500, discount_minor=500, session_id="cs_2")
PAID_HALF = charge(500, minutes=5)
PAID_HALF_AGAIN = charge(500, payment_id="pi_2", charge_id="ch_2", minutes=5)
LEFT_UNPAID = ("pending", "unpaid", 0, 500, 500)
TWICE: list[AnyFact] = [HALF_OFF, HALF_OFF_AGAIN, PAID_HALF, PAID_HALF_AGAIN]
PAGES: dict[str, tuple[list[tuple[int, int]], int]] = {
    # what each page asked for and took off, in time   waived of an order of 10.00
    "one for all of it": ([(600, 400)], 400),
    "twice the same": ([(500, 500), (500, 500)], 500),
    "three times": ([(900, 100)] * 3, 100),
    "the second took off more": ([(900, 100), (100, 900)], 900),
    "the first took off more": ([(100, 900), (900, 100)], 900),
    "two parts of it": ([(450, 50), (450, 50)], 100),
    "two parts, and then all of it": ([(450, 50), (450, 50), (1000, 0)], 100),
    "two parts, and all of it for less": ([(450, 50), (450, 50), (200, 800)], 800),
    "all of it, and then a part": ([(900, 100), (450, 50)], 100),
    "a part of it is asked for as it is": ([(500, 0), (400, 100)], 100),
    "the whole as it is, and a page for nothing": ([(1000, 0), (0, 1000)], 1000),
}


@pytest.mark.parametrize(("pages", "waived_minor"), PAGES.values(), ids=PAGES)
def test_pages_of_one_order_take_off_the_most_of_one_or_what_its_parts_did(
    models: Models, pages: list[tuple[int, int]], waived_minor: int
):
    """Parts are those that come, with what they took off, to no more than the order costs."""
    told: list[tuple[int, AnyFact]] = [
        (
            minutes,
            page(
                total_minor=asked,
                discount_minor=off,
                nothing_due=not asked,
                session_id=f"cs_{minutes}",
            ),
        )
        for minutes, (asked, off) in enumerate(pages, 5)
    ]
    for arrival in permutations(told):
        models.forget()
        models.take(order())
        for minutes, fact in arrival:
            models.take(fact, minutes=minutes)
        assert models.one("orders", "waived_minor") == waived_minor
        taken = models.rows("select sum(waived_minor), min(waived_minor) > 0 from order_waivers")
        assert taken == [(waived_minor, True)]


def test_an_order_that_was_paid_on_two_pages_is_overpaid(models: Models):
    """Each page took half of it off; it is due once, and the second payment is too much."""
    for arrival in permutations(TWICE):
        models.forget()
        models.take(order())
        for minutes, fact in enumerate(arrival, 5):
            models.take(fact, minutes=minutes)
        found = models.one("orders", "state", "payment_state", *MONEY)
        assert found == ("paid", "overpaid", 1000, 500, 0)
        assert models.rows("select sum(overpaid_minor) from captures") == [(500,)]


def test_what_banks_took_back_of_an_order_paid_on_two_pages_is_due_again(models: Models):
    models.take(order()).take(*TWICE, minutes=5)
    periods = ("paid_at", "unpaid_at", "brought_minor")
    for number, left in ((1, ("paid", "paid", 500, 500, 0)), (2, LEFT_UNPAID)):
        failed = charge(
            0, state=ChargeState.FAILED, charge_id=f"ch_{number}", payment_id=f"pi_{number}"
        )
        models.take(failed, minutes=9 + number)
        assert models.one("orders", "state", "payment_state", *MONEY) == left
    assert models.one("paid_periods", *periods) == (at(5), at(11), 500)


def test_an_order_is_paid_when_its_pages_and_payments_came_to_its_total(models: Models):
    """What a page takes off on a later day makes no order paid on an earlier one."""
    models.take(order()).take(charge(600), minutes=0)
    models.take(page(total_minor=600, discount_minor=400), minutes=2000)
    assert models.one("orders", "paid_at") == at(2000)
    assert models.one("paid_periods", "paid_at", "brought_minor") == (at(2000), 600)


def test_what_a_later_page_makes_too_much_is_overpaid_when_it_does(models: Models):
    models.take(order()).take(charge(1000), minutes=0)
    models.take(FREE, minutes=2000)
    assert models.rows("select at, amount_minor, overpaid_minor from captures order by at") == [
        (at(0), 1000, 0),
        (at(2000), 0, 1000),
    ]
    assert models.one("paid_periods", "paid_at", "brought_minor") == (at(0), 1000)


def test_a_page_takes_off_when_it_was_paid_not_when_it_was_completed(models: Models):
    models.take(order()).take(charge(600), minutes=0)
    models.take(page(CheckoutState.COMPLETED, total_minor=600, discount_minor=400), minutes=1)
    assert models.one("orders", "payment_state", "waived_minor") == ("partially_paid", 0)
    models.take(page(total_minor=600, discount_minor=400), minutes=3000)
    assert models.one("orders", "payment_state", "paid_at") == ("paid", at(3000))


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
        [charge(1000), refund(RefundState.SUCCEEDED, 1000)],
        TWICE,
        [FREE, charge(500, currency="usd")],
        [FREE, charge(500), refund(RefundState.SUCCEEDED, 500)],
        [FREE, charge(500, currency="usd"), refund(RefundState.SUCCEEDED, 500, currency="usd")],
        [HALF_OFF, PAID_HALF, refund(RefundState.SUCCEEDED, 500)],
        [charge(1000), charge(500, payment_id="pi_2", charge_id="ch_2", currency="usd")],
        [
            charge(1000),
            refund(RefundState.SUCCEEDED, 1000),
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
    return InvoiceFact(
        state=InvoiceState.PAID,
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
    "begun": ([intent(PaymentState.PENDING)], False),
    "the bank works": ([intent(PaymentState.PROCESSING)], True),
    "the money is held": ([intent(PaymentState.AUTHORIZED)], True),
    "a word that is not known": ([intent(PaymentState.UNKNOWN, word="sleeping")], True),
    "in another currency": ([intent(PaymentState.PROCESSING, currency="usd")], True),
    "refused": ([intent(PaymentState.PROCESSING), intent(PaymentState.FAILED)], False),
    "canceled": ([intent(PaymentState.AUTHORIZED), intent(PaymentState.CANCELED)], False),
    "paid": ([intent(PaymentState.PROCESSING), intent(PaymentState.SUCCEEDED, 1000)], False),
    "a bare debit": ([charge(0, state=ChargeState.PENDING)], True),
    "a bare hold": ([charge(0, state=ChargeState.AUTHORIZED)], True),
    "a bare hold that lapsed": (
        [charge(0, state=ChargeState.AUTHORIZED), charge(0, state=ChargeState.EXPIRED)],
        False,
    ),
    "a page that is open": ([page(CheckoutState.OPEN)], False),
    "a page that was left": ([page(CheckoutState.EXPIRED)], False),
    "a page that was completed": ([page(CheckoutState.COMPLETED)], True),
    "completed, and the bank works": (
        [page(CheckoutState.COMPLETED, payment_id="pi_1"), intent(PaymentState.PROCESSING)],
        True,
    ),
    "completed, and the payment was refused": (
        [page(CheckoutState.COMPLETED, payment_id="pi_1"), intent(PaymentState.FAILED)],
        False,
    ),
    "completed, and refused later": (
        [page(CheckoutState.COMPLETED, payment_id="pi_1"), page(CheckoutState.FAILED)],
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
            intent(PaymentState.PROCESSING, order_id=None),
            intent(PaymentState.CANCELED, order_id=None),
        ],
        False,
    ),
    "a subscription's page, and the bank took its payment back": (
        [
            page(mode="subscription", invoice_id="in_1"),
            PAYS,
            intent(PaymentState.PROCESSING, order_id=None),
            intent(PaymentState.CANCELED, order_id=None),
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
    models.take(page(CheckoutState.COMPLETED, order_id="B2", payment_id="pi_1"))
    models.take(intent(PaymentState.PROCESSING))
    waits = "select order_id from orders where waiting_at is not null order by 1"
    assert models.rows(waits) == [("A1",), ("B2",)]
    models.take(intent(PaymentState.SUCCEEDED, 1000))
    assert models.rows(waits) == []


def test_a_payment_is_under_way_since_stripe_last_said_so(models: Models):
    for arrival in permutations(
        [(intent(PaymentState.PROCESSING), 5), (intent(PaymentState.PROCESSING), 9)]
    ):
        models.forget()
        models.take(order())
        for fact, minutes in arrival:
            models.take(fact, minutes=minutes)
        assert models.one("orders", "waiting_at") == at(9)


def test_a_charge_of_several_captures_is_taken_in_part(models: Models):
    taken: ChargeState = ChargeState.CAPTURED
    models.take(order()).take(intent(PaymentState.AUTHORIZED, 400)).take(charge(400, state=taken))
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
    models.take(intent(PaymentState.SUCCEEDED, 1000, order_id=None))
    models.take(PaymentLinked(order_id="A1", payment_id="pi_1"))
    for turn in turns:
        models.take(said[turn])
    paid = models.rows("select order_id, received_minor from orders order by 1")
    assert paid == [("A1", 0), ("A2", 1000)]


def test_a_free_page_that_was_fetched_years_later_pays_on_its_own_day(models: Models) -> None:
    """Else the orders of a pulled shop's promotions would be sales of the day of the pull."""
    models.take(order(1000))
    models.take(
        page(total_minor=0, nothing_due=True, discount_minor=1000, is_fetched=True), minutes=900_000
    )
    assert models.one("orders", "state", "paid_at") == ("paid", NOON)
