"""Subscriptions: their newest report, and their MRR by Stripe's rule."""

from collections.abc import Sequence
from itertools import permutations

import pytest

from ledger.domain.billing_facts import (
    CouponFact,
    DiscountFact,
    SubscriptionFact,
    SubscriptionState,
)
from ledger.domain.facts import Fact
from tests.projections.billing import discount, subscription, terms
from tests.projections.models import Models, at


@pytest.mark.parametrize(
    ("state", "mrr_minor"),
    [
        (SubscriptionState.INCOMPLETE, 0),
        (SubscriptionState.TRIALING, 0),
        (SubscriptionState.PAUSED, 0),
        (SubscriptionState.ACTIVE, 1000),
        (SubscriptionState.PAST_DUE, 1000),
        (SubscriptionState.UNPAID, 0),
        (SubscriptionState.INCOMPLETE_EXPIRED, 0),
        (SubscriptionState.CANCELED, 0),
    ],
)
def test_active_and_past_due_subscriptions_count(
    models: Models, state: SubscriptionState, mrr_minor: int
):
    models.take(subscription(state))
    assert models.one("subscriptions", "state", "mrr_minor") == (state.word, mrr_minor)


D1, D2 = ("di_1",), ("di_1", "di_2")
HALF, OFF_300 = terms("50"), terms(amount_off_minor=300)


@pytest.mark.parametrize(
    ("report", "discounts", "mrr_minor"),
    [
        pytest.param(subscription(), [], 1000, id="list price"),
        pytest.param(subscription(quantity=3), [], 3000, id="times the quantity"),
        pytest.param(subscription(interval="year"), [], 83, id="1000 / 12 = 83.33"),
        pytest.param(subscription(interval="week"), [], 4333, id="1000 × 52 / 12 = 4333.33"),
        pytest.param(subscription(interval="day"), [], 30417, id="1000 × 365 / 12 = 30416.67"),
        pytest.param(subscription(unit_minor=30, interval="year"), [], 2, id="2.5: half to even"),
        pytest.param(subscription(unit_minor=42, interval="year"), [], 4, id="3.5: half to even"),
        pytest.param(subscription(discounts=D1), [discount(HALF)], 500, id="half of it"),
        pytest.param(
            subscription(unit_minor=999, discounts=D1),
            [discount(terms("33.33"))],
            666,
            id="999 × 66.67 % = 666.03",
        ),
        pytest.param(
            subscription(interval="year", discounts=D1),
            [discount(HALF)],
            42,
            id="1000 / 12 / 2 = 41.67, and not half of 83",
        ),
        pytest.param(subscription(discounts=D1), [discount(OFF_300)], 700, id="an amount"),
        pytest.param(
            subscription(interval="year", discounts=D1),
            [discount(OFF_300)],
            58,
            id="off each yearly invoice: 700 / 12 = 58.33",
        ),
        pytest.param(
            subscription(unit_minor=200, discounts=D1),
            [discount(OFF_300)],
            0,
            id="never below nothing",
        ),
        pytest.param(
            subscription(discounts=D2),
            [discount(HALF), discount(OFF_300, "di_2")],
            200,
            id="in turn: 1000 / 2 − 300",
        ),
        pytest.param(
            subscription(discounts=D2),
            [discount(OFF_300), discount(HALF, "di_2")],
            350,
            id="in turn: (1000 − 300) / 2",
        ),
        pytest.param(
            subscription(item_discounts=D1, discounts=("di_2",)),
            [discount(OFF_300), discount(HALF, "di_2")],
            350,
            id="first off the item, then off the whole",
        ),
        pytest.param(
            subscription(discounts=D1), [discount(terms("50", duration="once"))], 1000, id="once"
        ),
        pytest.param(
            subscription(discounts=D1),
            [discount(terms("50", duration="repeating"))],
            1000,
            id="repeating",
        ),
        pytest.param(
            subscription(discounts=D1),
            [discount(terms(amount_off_minor=300, currency="usd"))],
            1000,
            id="an amount in another currency",
        ),
        pytest.param(subscription(discounts=D1), [], 1000, id="a discount not heard of yet"),
        pytest.param(subscription(), [discount(HALF)], 1000, id="a discount of something else"),
        pytest.param(
            subscription(unit_minor=10**15, discounts=D1),
            [discount(terms("0.000000000001"))],
            999_999_999_999_990,
            id="exact however large and fine",
        ),
    ],
)
def test_mrr_is_the_list_price_by_the_month_less_what_lasts_forever(
    models: Models, report: SubscriptionFact, discounts: Sequence[DiscountFact], mrr_minor: int
):
    models.take(report, *discounts)
    assert models.one("subscriptions", "mrr_minor") == mrr_minor


NAMED = (
    subscription(discounts=D1),
    discount(None),
    CouponFact(coupon_id="OFF", terms=HALF),
)


@pytest.mark.parametrize("order", list(permutations(NAMED)))
def test_a_discount_that_is_known_by_ids_applies_whenever_its_terms_arrive(
    models: Models, order: Sequence[Fact]
):
    """Since 2025-09-30 the subscription names a discount, and the discount a coupon."""
    for fact in order:
        models.take(fact)
    assert models.one("subscriptions", "mrr_minor") == 500


def test_a_discounts_own_terms_go_before_those_of_a_later_coupon_of_that_id(models: Models):
    models.take(subscription(discounts=D1), discount(OFF_300))
    models.take(CouponFact(coupon_id="OFF", terms=HALF))
    assert models.one("subscriptions", "mrr_minor") == 700


@pytest.mark.parametrize("minutes", [(1, 2), (2, 1)])
def test_the_newest_report_is_right_whenever_it_arrives(models: Models, minutes: tuple[int, int]):
    """By Stripe's clock: 20.00 at 1 minute; upgraded, and its collection paused, since 2."""
    states = [
        subscription(unit_minor=2000, current_period_end=at(60)),
        subscription(unit_minor=3000, collection_paused="void", current_period_end=at(90)),
    ]
    for minute in minutes:
        models.take(states[minute - 1], minutes=minute)
    columns = ("state", "mrr_minor", "collection_paused", "current_period_end")
    assert models.one("subscriptions", *columns) == ("active", 3000, "void", at(90))


def test_of_one_second_the_state_that_comes_later_in_a_life_is_right(models: Models):
    """`created` (incomplete) can arrive after `updated` (active), both of one second."""
    models.take(subscription(SubscriptionState.ACTIVE), minutes=1)
    models.take(subscription(SubscriptionState.INCOMPLETE), minutes=1)
    assert models.one("subscriptions", "state") == "active"
