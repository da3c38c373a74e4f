"""The simulated Stripe's balance: it ties out to its transactions whatever happens."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import Phase, given, settings

from simulator import Purchase, SimulatedStripe
from simulator.balance import Balance
from simulator.billing import Payout
from simulator.fees import Fees
from simulator.goods import DAY
from simulator.memory import Memory
from simulator.transactions import Transaction
from tests.simulator.lives import EVERY_STORY, Step, lived, lives

law = settings(max_examples=25, phases=[Phase.explicit, Phase.generate])


def memory(stripe: SimulatedStripe) -> Memory:
    assert stripe.memory is not None
    return stripe.memory


def transactions(stripe: SimulatedStripe) -> list[Transaction]:
    return memory(stripe).shelf("balance_transaction").things


def written(stripe: SimulatedStripe) -> list[dict[str, Any]]:
    return [stripe.layout.transaction(each, stripe.now) for each in transactions(stripe)]


def amounts(shown: Any) -> Counter[str]:
    return Counter({each["currency"]: each["amount"] for each in shown})


def told(story: str, currency: str = "eur", amount_minor: int = 3000) -> SimulatedStripe:
    stripe = SimulatedStripe(1, remembers=True)
    for _ in EVERY_STORY[story](stripe, Purchase(amount_minor, currency)):
        pass
    return stripe


@law
@given(lives)
def test_the_balance_is_the_net_of_all_transactions_and_pending_what_is_to_come(
    life: list[Step],
) -> None:
    stripe = lived(life)
    balance = stripe.balance()
    available, pending = Counter[str](), Counter[str]()
    for each in transactions(stripe):
        due = available if each.available_on <= stripe.now else pending
        due[each.currency] += each.net_minor
    for shown, counted in (("available", available), ("pending", pending)):
        found = amounts(balance[shown])
        assert {c: found[c] for c in {*found, *counted}} == {
            c: counted[c] for c in {*found, *counted}
        }


@law
@given(lives)
def test_amount_less_fee_is_net_and_the_details_are_the_fee(life: list[Step]) -> None:
    for each in written(lived(life)):
        assert each["amount"] - each["fee"] == each["net"]
        assert sum(detail["amount"] for detail in each["fee_details"]) == each["fee"]
        assert each["created"] <= each["available_on"]
        assert each["type"]
        assert each["reporting_category"]


@law
@given(lives)
def test_the_members_of_an_automatic_payout_sum_to_nothing_and_have_one_payout(
    life: list[Step],
) -> None:
    stripe = lived(life)
    payouts: list[Payout] = memory(stripe).shelf("payout").things
    members = [member.id for payout in payouts for member in payout.members]
    assert len(members) == len(set(members))
    for payout in payouts:
        assert payout.transaction_id in {member.id for member in payout.members}
        assert sum(member.net_minor for member in payout.members) == 0
        assert {member.payout_id for member in payout.members} == {payout.id}


@law
@given(lives)
def test_what_came_in_and_went_back_is_what_the_objects_say(life: list[Step]) -> None:
    stripe = lived(life, converts=False)
    said, booked = Counter[str](), Counter[str]()
    for charge in memory(stripe).shelf("charge").things:
        currency = charge.payment.currency
        said[currency] += charge.captured_minor
        said[currency] -= sum(r.amount_minor for r in charge.refunds if r.status == "succeeded")
        if charge.dispute is not None:
            for moved in charge.dispute.movements:
                said[moved.currency] += moved.amount_minor
    wanted = {"charge", "charge_failure", "dispute", "dispute_reversal", "refund", "refund_failure"}
    for each in transactions(stripe):
        if each.category in wanted:
            booked[each.currency] += each.amount_minor
    assert +said == +booked
    assert -said == -booked


CATEGORIES = [
    ("paid_by_card", [("charge", "charge", 3000)]),
    ("captured_in_part", [("charge", "charge", 1000), ("refund", "refund", -1000)]),
    (
        "refund_failed",
        [
            ("charge", "charge", 3000),
            ("refund", "refund", -1000),
            ("refund_failure", "refund_failure", 1000),
            ("refund", "refund", -1000),
        ],
    ),
    (
        "debit_reversed",
        [("payment", "charge", 3000), ("payment_failure_refund", "charge_failure", -3000)],
    ),
    ("debit_refused", [("charge", "charge", 3000)]),
    (
        "dispute_won",
        [
            ("charge", "charge", 3000),
            ("adjustment", "dispute", -3000),
            ("adjustment", "dispute_reversal", 3000),
        ],
    ),
    ("inquiry_closed", [("charge", "charge", 3000)]),
    ("hold_expired", []),
]


@pytest.mark.parametrize(("story", "moved"), CATEGORIES, ids=[case[0] for case in CATEGORIES])
def test_every_movement_has_a_transaction(story: str, moved: list[tuple[str, str, int]]) -> None:
    found = [
        (each["type"], each["reporting_category"], each["amount"]) for each in written(told(story))
    ]
    assert found == moved


@pytest.mark.parametrize(
    ("currency", "amount_minor", "details"),
    [
        ("usd", 3000, [("stripe_fee", 70)]),
        ("eur", 3000, [("stripe_fee", 70), ("tax", 15)]),
        ("jpy", 3030, [("stripe_fee", 70)]),  # 45.45 and 25
        ("jpy", 3040, [("stripe_fee", 71)]),  # 45.60 and 25
        ("kwd", 3000, [("stripe_fee", 80)]),  # 45 and 25, each to tens, half up
    ],
)
def test_fees_are_a_share_a_fixed_part_and_in_some_countries_tax(
    currency: str, amount_minor: int, details: list[tuple[str, int]]
) -> None:
    [transaction] = written(told("paid_by_card", currency, amount_minor))
    assert [(fee["type"], fee["amount"]) for fee in transaction["fee_details"]] == details


def test_a_schedule_of_fees_can_be_given() -> None:
    stripe = SimulatedStripe(1, remembers=True, fees=Fees(290, 30, {}))
    payment, _ = stripe.create_payment(10_000, "usd")
    stripe.pay_by_card(payment)
    assert transactions(stripe)[0].fee_minor == 320


def test_another_currency_is_settled_at_a_rate_rounded_down() -> None:
    stripe = SimulatedStripe(1, remembers=True, settles={"usd": ("eur", "0.92345")})
    payment, _ = stripe.create_payment(1001, "usd")
    stripe.pay_by_card(payment)
    stripe.refund(payment)
    came, went = written(stripe)
    assert (came["amount"], came["currency"], came["exchange_rate"]) == (924, "eur", 0.92345)
    assert (went["amount"], went["currency"]) == (-924, "eur")


def test_a_payment_can_be_paid_out_after_two_days_and_a_refund_counts_at_once() -> None:
    stripe = SimulatedStripe(1, remembers=True)
    first, _ = stripe.create_payment(10_000, "usd")
    stripe.pay_by_card(first)
    assert stripe.pay_out_available("usd") == (None, [])
    stripe.advance(2 * DAY)
    second, _ = stripe.create_payment(5_000, "usd")
    stripe.pay_by_card(second)
    stripe.refund(second, 1_000)
    payout, created = stripe.pay_out_available("usd")
    assert payout is not None
    assert payout.amount_minor == 10_000 - 175 - 1_000
    assert [event.type for event in created] == ["payout.created"]
    assert [member.kind for member in payout.members] == ["charge", "refund", "payout"]
    assert [event.type for event in stripe.finish_payout(payout)] == [
        "payout.paid",
        "payout.reconciliation_completed",
    ]


def test_a_payout_that_failed_goes_out_with_the_next_one() -> None:
    stripe = told("paid_by_card")
    stripe.advance(3 * DAY)
    first, _ = stripe.pay_out_available("eur")
    assert first is not None
    stripe.fail_payout(first)
    second, _ = stripe.pay_out_available("eur")
    assert second is not None
    assert second.amount_minor == first.amount_minor
    assert [(m.kind, m.amount_minor) for m in second.members] == [
        ("payout_failure", first.amount_minor),
        ("payout", -first.amount_minor),
    ]
    shown = stripe.billing.payout(first)
    assert shown["failure_balance_transaction"] == second.members[0].id


def test_a_payout_by_hand_is_taken_from_what_goes_out_next() -> None:
    stripe = told("paid_by_card")
    stripe.advance(3 * DAY)
    by_hand, _ = stripe.pay_out(1000, "eur")
    automatic, _ = stripe.pay_out_available("eur")
    assert automatic is not None
    assert [member.kind for member in automatic.members] == ["charge", "payout", "payout"]
    assert by_hand.amount_minor + automatic.amount_minor == 3000 - 85
    assert (by_hand.automatic, by_hand.reconciliation_status) == (False, "not_applicable")


def test_a_type_that_nobody_knows_is_a_transaction_like_any_other() -> None:
    stripe = SimulatedStripe(1, remembers=True)
    strange = stripe.move_otherwise("quantum_entanglement", -77, "eur")
    known = stripe.move_otherwise("reserve_hold", -100, "eur", available_in_days=1)
    assert [(each["type"], each["reporting_category"]) for each in written(stripe)] == [
        ("quantum_entanglement", "quantum_entanglement"),
        ("reserve_hold", "reserve_hold"),
    ]
    assert isinstance(stripe, Balance)
    assert (strange.available_on, known.available_on % DAY) == (strange.created, 0)
    assert stripe.balance()["available"] == [
        {"amount": -77, "currency": "eur", "source_types": {"card": -77}}
    ]


def test_one_that_does_not_remember_keeps_nothing() -> None:
    stripe = SimulatedStripe(1)
    payment, _ = stripe.create_payment(3000, "eur")
    stripe.pay_by_card(payment)
    assert stripe.memory is None
    assert stripe.balance()["available"] == []
