"""Stripe's rule for MRR, clause by clause (docs/mrr.md): what counts, from when on, and who knows.

A movement is shown as the minutes after noon, its kind, and what it did to the MRR.
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from ledger.domain.billing_facts import (
    Asked,
    CouponFact,
    DiscountFact,
    SubscriptionFact,
    SubscriptionState,
)
from ledger.domain.facts import Fact
from tests.projections.billing import discount, subscription, terms, unpriced
from tests.projections.models import NOON, Models, at

Timed = tuple[int, Fact]
SHOWN = ("mrr_minor", "mrr_known", "mrr_unknown_because")
HALF, OFF_300 = terms("50"), terms(amount_off_minor=300)
ASKED = Asked(rate=1, packs=20, per_unit=False)


def moved(models: Models) -> list[tuple[int, str, int]]:
    found = models.rows("select at, kind, amount_minor from mrr_movements order by at, kind")
    return [(int((when - NOON) / timedelta(minutes=1)), kind, minor) for when, kind, minor in found]


def take(models: Models, reports: Sequence[Timed], order: Sequence[int] | None = None) -> None:
    for index in order or range(len(reports)):
        minutes, fact = reports[index]
        models.take(fact, minutes=minutes)


def days(models: Models) -> list[tuple[int, int, int]]:
    """Active subscriptions, subscribers, and those not fully counted, after all that moved."""
    return models.rows("""
        select sum(subscriptions)::int, sum(subscribers)::int, sum(uncounted)::int from mrr_daily
    """)


# ── An end that is asked for ────────────────────────────────────────────────────────────────────

AT_PERIOD_END: dict[str, Any] = {"cancel_at_period_end": True, "cancel_at": at(60)}
ON_A_DAY: dict[str, Any] = {"cancel_at": at(90)}
BY_FLAG_ONLY: dict[str, Any] = {"cancel_at_period_end": True}
WAYS = pytest.mark.parametrize(
    "asked",
    [
        pytest.param(AT_PERIOD_END, id="with the period"),
        pytest.param(BY_FLAG_ONLY, id="before there was a date for it"),
        pytest.param(ON_A_DAY, id="on a day"),
    ],
)


def ending(asked: dict[str, Any], canceled: int = 8) -> SubscriptionFact:
    return subscription(canceled_at=at(canceled), **asked)


def over(canceled: int = 8, ended: int = 60) -> SubscriptionFact:
    return subscription(SubscriptionState.CANCELED, canceled_at=at(canceled), ended_at=at(ended))


@WAYS
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_it_counts_until_its_end_is_asked_for_and_not_until_it_comes(
    models: Models, asked: dict[str, Any], order: Sequence[int]
):
    """Begun at 0, asked to end at 8, ended at 60; it is active and no subscriber meanwhile."""
    take(models, [(0, subscription()), (8, ending(asked)), (60, over())], order)
    assert moved(models) == [(0, "new", 1000), (8, "churned", -1000), (60, "scheduled", 0)]


@WAYS
def test_while_its_end_waits_it_is_active_and_makes_no_subscriber(
    models: Models, asked: dict[str, Any]
):
    take(models, [(0, subscription()), (8, ending(asked))])
    assert models.one("subscriptions", "state", *SHOWN) == ("active", 0, True, None)
    assert days(models) == [(1, 0, 0)]


@WAYS
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_an_end_that_is_taken_back_is_reactivation(
    models: Models, asked: dict[str, Any], order: Sequence[int]
):
    take(models, [(0, subscription()), (8, ending(asked)), (20, subscription())], order)
    assert moved(models) == [(0, "new", 1000), (8, "churned", -1000), (20, "reactivation", 1000)]


def test_asked_for_twice_it_ends_twice(models: Models):
    asked = [ending(AT_PERIOD_END, 8), ending(ON_A_DAY, 30)]
    take(models, [(0, subscription()), (8, asked[0]), (20, subscription()), (30, asked[1])])
    kinds = ["new", "churned", "reactivation", "churned"]
    assert [kind for _, kind, _ in moved(models)] == kinds


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_request_that_is_heard_of_late_counts_when_it_was_made(
    models: Models, order: Sequence[int]
):
    """The report of the request is lost: one of the renewal at 30 says that it was made at 8."""
    take(models, [(0, subscription()), (30, ending(ON_A_DAY))], order)
    assert moved(models) == [(0, "new", 1000), (8, "churned", -1000)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_so_does_one_that_only_the_end_tells_of(models: Models, order: Sequence[int]):
    take(models, [(0, subscription()), (61, over())], order)
    assert moved(models) == [(0, "new", 1000), (8, "churned", -1000), (60, "scheduled", 0)]


def test_at_once_it_ends_when_it_is_canceled(models: Models):
    take(models, [(0, subscription()), (8, over(8, 8))])
    assert moved(models) == [(0, "new", 1000), (8, "churned", -1000)]
    assert days(models) == [(0, 0, 0)]


def test_of_two_subscriptions_the_end_of_one_is_contraction(models: Models):
    other = {"subscription_id": "sub_2", "unit_minor": 400}
    take(models, [(0, subscription()), (1, subscription(**other, created_at=at(1)))])
    models.take(ending(AT_PERIOD_END), minutes=8)
    assert moved(models) == [(0, "new", 1000), (1, "expansion", 400), (8, "contraction", -1000)]


# ── States ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("behavior", ["keep_as_draft", "mark_uncollectible", "void", "levitate"])
def test_while_its_collection_is_paused_it_counts(models: Models, behavior: str):
    take(models, [(0, subscription()), (8, subscription(collection_paused=behavior))])
    assert moved(models) == [(0, "new", 1000)]
    assert models.one("subscriptions", "collection_paused", *SHOWN) == (behavior, 1000, True, None)


def test_what_is_late_counts_and_what_is_unpaid_does_not(models: Models):
    states = [
        SubscriptionState.ACTIVE,
        SubscriptionState.PAST_DUE,
        SubscriptionState.UNPAID,
        SubscriptionState.ACTIVE,
    ]
    take(models, [(10 * n, subscription(state)) for n, state in enumerate(states)])
    expected = [(0, "new", 1000), (20, "churned", -1000), (30, "reactivation", 1000)]
    assert moved(models) == expected


@pytest.mark.parametrize(
    "state", [SubscriptionState.TRIALING, SubscriptionState.PAUSED, SubscriptionState.INCOMPLETE]
)
def test_what_has_not_begun_to_be_paid_counts_nothing(models: Models, state: SubscriptionState):
    take(models, [(0, subscription(state)), (8, over(8, 8))])
    assert moved(models) == []


def test_what_is_in_a_state_that_nobody_knows_is_not_counted_and_that_is_said(models: Models):
    """Whether it should be, Stripe's documentation of that day will say."""
    strange = subscription(SubscriptionState.UNKNOWN, word="levitating")
    take(models, [(0, subscription()), (8, strange)])
    assert moved(models) == [(0, "new", 1000), (8, "churned", -1000)]
    assert models.one("subscriptions", "state", *SHOWN) == (
        "levitating",
        0,
        False,
        "state/levitating",
    )
    assert days(models) == [(0, 0, 1)]


# ── Discounts ───────────────────────────────────────────────────────────────────────────────────


def of_customer(discount_id: str = "di_c", start: int | None = 0, **more: Any) -> DiscountFact:
    """A discount of all that the customer has."""
    more = {"terms": HALF} | more
    return DiscountFact(
        discount_id=discount_id,
        coupon_id="OFF",
        customer_id="cus_1",
        customer_wide=True,
        started_at=None if start is None else at(start),
        **more,
    )


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_discount_of_the_customer_reduces_what_has_none_of_its_own(
    models: Models, order: Sequence[int]
):
    coupon = CouponFact(coupon_id="OFF", terms=HALF)
    take(models, [(0, coupon), (0, of_customer(terms=None)), (1, subscription())], order)
    assert models.one("subscriptions", *SHOWN) == (500, True, None)


def test_one_of_the_subscription_goes_before_it(models: Models):
    own = discount(terms("10"))
    models.take(of_customer(), own, subscription(discounts=("di_1",)))
    assert models.one("subscriptions", *SHOWN) == (900, True, None)


def test_one_of_an_item_does_not(models: Models):
    """(10.00 − 3.00) / 2: it is off a line, and the customer's off what is left."""
    models.take(of_customer(), discount(OFF_300), subscription(item_discounts=("di_1",)))
    assert models.one("subscriptions", *SHOWN) == (350, True, None)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_it_counts_from_its_beginning_to_its_end(models: Models, order: Sequence[int]):
    """Nothing of the subscription is reported then."""
    begins, ends = of_customer(start=10), of_customer(start=10, ended=True)
    take(models, [(0, subscription()), (10, begins), (20, ends)], order)
    expected = [(0, "new", 1000), (10, "contraction", -500), (20, "expansion", 500)]
    assert moved(models) == expected


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_another_one_takes_its_place(models: Models, order: Sequence[int]):
    """A customer has one at a time; that of once takes nothing off."""
    half, once = of_customer(start=0), of_customer("di_d", 10, terms=terms("90", duration="once"))
    take(models, [(0, half), (1, subscription(created_at=at(1))), (10, once)], order)
    assert moved(models) == [(1, "new", 500), (10, "expansion", 500)]


def test_it_is_of_one_customer_only(models: Models):
    models.take(of_customer(), subscription(customer_id="cus_2"))
    assert models.one("subscriptions", *SHOWN) == (1000, True, None)


def test_it_is_of_all_that_he_has(models: Models):
    models.take(subscription(), subscription(subscription_id="sub_2", interval="year"))
    models.take(of_customer())
    found = models.rows("select mrr_minor from subscriptions order by subscription_id")
    assert found == [(500,), (42,)]


def test_a_discount_of_everything_makes_no_subscriber(models: Models):
    """Stripe: churned while a coupon of 100 % is applied, active again when it is removed."""
    everything = of_customer(start=10, terms=terms("100"))
    take(models, [(0, subscription()), (10, everything)])
    models.take(of_customer(start=10, terms=terms("100"), ended=True), minutes=20)
    expected = [(0, "new", 1000), (10, "churned", -1000), (20, "reactivation", 1000)]
    assert moved(models) == expected


@pytest.mark.parametrize(
    ("own", "minor", "cause"),
    [
        pytest.param(terms(amount_off_minor=300, currency="usd"), 1000, "coupon/OFF/gbp", id="own"),
        pytest.param(None, 1000, None, id="the customer's"),
    ],
)
def test_an_amount_off_in_another_currency_is_none_of_this_one(
    models: Models, own: Any, minor: int, cause: str | None
):
    """Of a customer Stripe ignores it; to a subscription it is only applied if it has another."""
    dollars = terms(amount_off_minor=300, currency="usd")
    if own is None:
        models.take(of_customer(terms=dollars), subscription())
    else:
        models.take(discount(own), subscription(discounts=("di_1",)))
    assert models.one("subscriptions", *SHOWN) == (minor, cause is None, cause)


def test_a_coupon_of_several_currencies_counts_in_that_of_the_subscription(models: Models):
    models.take(subscription(discounts=("di_1",)), discount(None))
    told = terms(amount_off_minor=300, currency="usd", amounts={"gbp": 250})
    models.take(CouponFact(coupon_id="OFF", terms=told))
    assert models.one("subscriptions", *SHOWN) == (750, True, None)


@pytest.mark.parametrize(
    ("products", "minor", "cause"),
    [
        (("prod_1",), 500, None),
        (("prod_1", "prod_2"), 500, None),
        (("prod_2",), 1000, None),
    ],
)
def test_a_coupon_of_products_is_for_those(
    models: Models, products: tuple[str, ...], minor: int, cause: str | None
):
    models.take(subscription(discounts=("di_1",)), discount(terms("50", products=products)))
    assert models.one("subscriptions", *SHOWN) == (minor, cause is None, cause)


# ── What is not known ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("reports", "shown"),
    [
        pytest.param([subscription(items_missing=2)], (1000, "items"), id="items cut off"),
        pytest.param(
            [subscription(discounts_missing=1)], (1000, "discounts"), id="discounts cut off"
        ),
        pytest.param(
            [subscription(discounts=("di_1",))], (1000, "discount/di_1"), id="an id and no more"
        ),
        pytest.param(
            [subscription(discounts=("di_1",)), discount(None)],
            (1000, "coupon/OFF"),
            id="a coupon that nothing describes",
        ),
        pytest.param(
            [subscription(item_discounts=("di_1",)), discount(None)],
            (1000, "coupon/OFF"),
            id="of an item",
        ),
        pytest.param(
            [subscription(), of_customer(terms=None)], (1000, "coupon/OFF"), id="of the customer"
        ),
        pytest.param(
            [subscription(discounts=("di_1",)), discount(terms("50", duration="decade"))],
            (1000, "coupon/OFF"),
            id="a duration that Stripe did not have before",
        ),
        pytest.param([unpriced(ASKED)], (0, "price/price_1/gbp"), id="tiers"),
        pytest.param([unpriced(None)], (0, "interval/month"), id="an interval"),
        pytest.param(
            [unpriced(ASKED, discounts=("di_1",)), discount(None)],
            (0, "coupon/OFF, price/price_1/gbp"),
            id="two things",
        ),
    ],
)
def test_what_is_not_known_is_named_and_the_rest_is_counted(
    models: Models, reports: Sequence[Fact], shown: tuple[int, str]
):
    for report in reports:
        models.take(report)
    minor, cause = shown
    assert models.one("subscriptions", *SHOWN) == (minor, False, cause)
    assert days(models) == [(1, 1, 1)], "active, a subscriber, and not fully counted"


@pytest.mark.parametrize(
    "reports",
    [
        pytest.param(
            [subscription(SubscriptionState.TRIALING, items_missing=2)], id="in its trial"
        ),
        pytest.param([ending(AT_PERIOD_END), unpriced(ASKED, **BY_FLAG_ONLY)], id="that will end"),
        pytest.param([subscription(quantity=0, discounts=("di_1",))], id="of nothing"),
        pytest.param(
            [
                subscription(discounts=("di_1",)),
                DiscountFact(discount_id="di_1", coupon_id="OFF", ends_at=at(90)),
            ],
            id="whose discount has an end",
        ),
    ],
)
def test_what_does_not_matter_need_not_be_known(models: Models, reports: Sequence[Fact]):
    for report in reports:
        models.take(report)
    assert models.one("subscriptions", "mrr_known")


def test_a_subscriber_whose_price_is_not_known_comes_and_goes_as_any_other(models: Models):
    """New, and gone, without an amount that could be told."""
    take(models, [(0, unpriced(ASKED)), (8, unpriced(ASKED, **BY_FLAG_ONLY))])
    assert moved(models) == [(0, "new", 0), (8, "churned", 0)]
    models.take(unpriced(ASKED), minutes=9)
    assert moved(models)[-1] == (9, "reactivation", 0)


def test_what_becomes_known_counts_from_its_report_on(models: Models):
    """Items were cut off at 0, and all shown at 8: nothing is known of the time between."""
    take(models, [(0, subscription(items_missing=2)), (8, subscription(quantity=3))])
    assert moved(models) == [(0, "new", 1000), (8, "expansion", 2000)]
    assert models.rows("select sum(uncounted) from mrr_daily") == [(0,)]


# ── Heard of late ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("begun", "first", "expected"),
    [
        pytest.param({}, subscription, [(0, "new", 1000)], id="when it was made"),
        pytest.param({"started_at": at(-60)}, subscription, [(-60, "new", 1000)], id="backdated"),
        pytest.param(
            {"trial_end": at(20)}, subscription, [(20, "new", 1000)], id="when its trial ended"
        ),
        pytest.param({"trial_end": at(99)}, subscription, [(50, "new", 1000)], id="not yet"),
    ],
)
def test_one_that_is_first_heard_of_late_was_there_before(
    models: Models, begun: dict[str, Any], first: Any, expected: list[tuple[int, str, int]]
):
    """The first report of it comes at 50."""
    models.take(first(**begun), minutes=50)
    assert moved(models) == expected


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        pytest.param(
            subscription(canceled_at=at(8), **AT_PERIOD_END),
            [(0, "new", 1000), (8, "churned", -1000)],
            id="its end was asked for",
        ),
        pytest.param(
            over(), [(0, "new", 1000), (8, "churned", -1000), (50, "scheduled", 0)], id="it ended"
        ),
        pytest.param(
            subscription(SubscriptionState.UNPAID), [], id="unpaid, since when is not known"
        ),
        pytest.param(
            subscription(
                SubscriptionState.CANCELED, trial_end=at(8), canceled_at=at(8), ended_at=at(8)
            ),
            [],
            id="it ended with its trial",
        ),
    ],
)
def test_what_the_first_report_says_of_the_time_before(
    models: Models, first: SubscriptionFact, expected: list[tuple[int, str, int]]
):
    models.take(first, minutes=50)
    assert moved(models) == expected


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_of_what_is_heard_of_later_still_the_earliest_is_right(
    models: Models, order: Sequence[int]
):
    """Upgrades at 20 and 30, and what it began with, in any order."""
    reports = [(n * 10, subscription(unit_minor=1000 + n * 100)) for n in range(1, 4)]
    take(models, reports, order)
    expected = [(0, "new", 1100), (20, "expansion", 100), (30, "expansion", 100)]
    assert moved(models) == expected


def test_the_customers_discount_of_the_time_before_counts_too(models: Models):
    models.take(of_customer(start=20), minutes=20)
    models.take(subscription(), minutes=50)
    assert moved(models) == [(0, "new", 1000), (20, "contraction", -500)]


# ── Within a second ─────────────────────────────────────────────────────────────────────────────


def test_what_changes_several_times_within_a_second_is_one_change(models: Models):
    take(models, [(0, subscription(quantity=n)) for n in (1, 7, 5)])
    assert moved(models) == [(0, "new", 5000)]


def test_a_change_of_plans_within_a_second_is_no_churn(models: Models):
    """One ends and another one begins, of one customer; the ids say nothing of their order."""
    models.take(subscription(subscription_id="sub_1"), minutes=0)
    models.take(
        subscription(
            SubscriptionState.CANCELED, subscription_id="sub_1", canceled_at=at(9), ended_at=at(9)
        ),
        subscription(subscription_id="sub_2", unit_minor=3000, created_at=at(9)),
        minutes=9,
    )
    expected = [(0, "new", 1000), (9, "contraction", -1000), (9, "expansion", 3000)]
    assert moved(models) == expected


# ── Currencies ──────────────────────────────────────────────────────────────────────────────────


def test_who_ends_in_one_currency_and_begins_in_another_is_new_there(models: Models):
    models.take(subscription(), minutes=0)
    models.take(over(9, 9), minutes=9)
    euros = subscription(subscription_id="sub_2", currency="eur", created_at=at(20))
    models.take(euros, minutes=20)
    found = models.rows("select currency, kind, amount_minor from mrr_movements order by at")
    assert found == [("gbp", "new", 1000), ("gbp", "churned", -1000), ("eur", "new", 1000)]
