"""Movements of MRR: new, expansion, contraction, churned, reactivation, by customer and day."""

from datetime import date, timedelta
from typing import Any

import pytest

from ledger.domain.billing_facts import CouponFact, SubscriptionFact, SubscriptionState
from tests.projections.billing import discount, subscription, terms
from tests.projections.models import NOON, Models, at

DAY = 24 * 60
FIRST = NOON.date()

MOVEMENTS = """
    select day, kind, amount_minor, subscriptions, subscribers_new, subscribers_churned
    from mrr_movements
    order by at, subscription_id
"""


def of(
    customer_id: str, subscription_id: str, unit_minor: int, *, begun: int = 0, **more: Any
) -> SubscriptionFact:
    """A report of a customer's subscription, made so many days after the first one."""
    return subscription(
        unit_minor=unit_minor,
        customer_id=customer_id,
        subscription_id=subscription_id,
        created_at=at(begun * DAY),
        **more,
    )


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


ADAS_LIFE = [
    # day, report
    (0, of("ada", "sub_1", 1000, state=SubscriptionState.TRIALING)),
    (1, of("ada", "sub_1", 1000)),
    (2, of("ada", "sub_1", 3000)),
    (3, of("ada", "sub_2", 500, begun=3)),
    (4, of("ada", "sub_1", 2000)),
    (5, of("ada", "sub_1", 2000, state=SubscriptionState.PAST_DUE)),
    (6, of("ada", "sub_1", 2000, state=SubscriptionState.UNPAID)),
    (7, of("ada", "sub_2", 500, begun=3, state=SubscriptionState.CANCELED)),
    (8, of("ada", "sub_3", 700, begun=8)),
]
ADAS_MOVEMENTS = [
    (day(1), "new", 1000, 1, 1, 0),
    (day(2), "expansion", 2000, 0, 0, 0),
    (day(3), "expansion", 500, 1, 0, 0),
    (day(4), "contraction", -1000, 0, 0, 0),
    (day(6), "contraction", -2000, -1, 0, 0),
    (day(7), "churned", -500, -1, 0, 1),
    (day(8), "reactivation", 700, 1, 1, 0),
]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_subscriber_is_a_customer_and_not_a_subscription(models: Models, *, backwards: bool):
    """Ada, whatever arrives first: a trial moves nothing; 10.00 is new; an upgrade by 20.00 and a
    second subscription of 5.00 are expansion; a downgrade by 10.00 and the end of one of the two
    are contraction, past due is none; the end of the other one is churn; what she buys after it
    is reactivation. 10 + 20 + 5 − 10 − 20 − 5 + 7 = 7.00."""
    for number, report in reversed(ADAS_LIFE) if backwards else ADAS_LIFE:
        models.take(report, minutes=number * DAY)
    assert models.rows(MOVEMENTS) == ADAS_MOVEMENTS
    assert models.rows("select sum(mrr_minor) from subscriptions") == [(700,)]


def test_the_sums_of_a_day(models: Models):
    """Ada's first subscription and Bo's on one day, Bo's upgrade and Ada's end on the next one."""
    models.take(of("ada", "sub_1", 1000), minutes=0)
    models.take(of("bo", "sub_2", 400), minutes=1)
    models.take(of("bo", "sub_2", 600), minutes=DAY)
    models.take(of("ada", "sub_1", 1000, state=SubscriptionState.CANCELED), minutes=DAY + 1)
    columns = """
        select
            day, mrr_minor, new_minor, expansion_minor, contraction_minor, churned_minor,
            reactivation_minor, subscriptions, subscribers, new_subscribers, churned_subscribers
        from mrr_daily
        order by day
    """
    assert models.rows(columns) == [
        (day(0), 1400, 1400, 0, 0, 0, 0, 2, 2, 2, 0),
        (day(1), -800, 0, 200, 0, -1000, 0, -1, -1, 0, 1),
    ]


def test_currencies_are_never_added(models: Models):
    """Ada is a subscriber in pounds and, with another subscription, a new one in yen."""
    models.take(of("ada", "sub_1", 1000))
    models.take(of("ada", "sub_2", 900, currency="jpy"))
    found = models.rows("select currency, kind, amount_minor from mrr_movements order by currency")
    assert found == [("gbp", "new", 1000), ("jpy", "new", 900)]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_subscription_that_changes_its_currency_leaves_the_one_and_comes_to_the_other(
    models: Models, *, backwards: bool
):
    """10.00 gbp becomes 900 jpy, and comes back as 12.00 gbp beside 5.00 gbp that stayed."""
    life = [
        (0, of("ada", "sub_1", 1000)),
        (1, of("ada", "sub_1", 900, currency="jpy")),
        (2, of("ada", "sub_2", 500, begun=2)),
        (3, of("ada", "sub_1", 1200)),
        (4, of("ada", "sub_1", 1200, state=SubscriptionState.CANCELED)),
    ]
    for number, report in reversed(life) if backwards else life:
        models.take(report, minutes=number * DAY)
    found = models.rows("""
        select
            day, currency, kind, amount_minor, subscriptions,
            subscribers_new - subscribers_churned as subscribers
        from mrr_movements
        order by at, currency
    """)
    assert found == [
        (day(0), "gbp", "new", 1000, 1, 1),
        (day(1), "gbp", "churned", -1000, -1, -1),
        (day(1), "jpy", "new", 900, 1, 1),
        (day(2), "gbp", "reactivation", 500, 1, 1),
        (day(3), "gbp", "expansion", 1200, 1, 0),
        (day(3), "jpy", "churned", -900, -1, -1),
        (day(4), "gbp", "contraction", -1200, -1, 0),
    ]
    sums = "select currency, sum(mrr_minor), sum(subscribers) from mrr_daily group by 1 order by 1"
    assert models.rows(sums) == [("gbp", 500, 1), ("jpy", 0, 0)]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_subscription_that_changes_its_customer_is_churn_of_the_one_and_new_of_the_other(
    models: Models, *, backwards: bool
):
    life = [
        (0, of("ada", "sub_1", 1000)),
        (1, of("bo", "sub_1", 1000)),
        (2, of("ada", "sub_2", 400, begun=2)),
    ]
    for number, report in reversed(life) if backwards else life:
        models.take(report, minutes=number * DAY)
    found = models.rows("""
        select day, customer_id, kind, amount_minor from mrr_movements order by at, customer_id
    """)
    assert found == [
        (day(0), "ada", "new", 1000),
        (day(1), "ada", "churned", -1000),
        (day(1), "bo", "new", 1000),
        (day(2), "ada", "reactivation", 400),
    ]


def test_what_costs_nothing_counts_as_active_and_makes_no_subscriber(models: Models):
    models.take(of("ada", "sub_1", 0))
    models.take(of("ada", "sub_1", 500))
    models.take(of("ada", "sub_1", 0))
    models.take(of("ada", "sub_1", 0, state=SubscriptionState.CANCELED))
    assert [row[1:] for row in models.rows(MOVEMENTS)] == [
        ("free", 0, 1, 0, 0),
        ("new", 500, 0, 1, 0),
        ("churned", -500, 0, 0, 1),
        ("free", 0, -1, 0, 0),
    ]


def test_a_late_coupon_reduces_from_the_first_report_that_names_its_discount(models: Models):
    """10.00 a month from noon on, half of it from a day later on, as the coupon says that comes
    last: 10.00 new and 5.00 contraction, and not 5.00 on the day when we learnt of it. Until then
    the day of the discount is one from which on it is not known."""
    models.take(of("ada", "sub_1", 1000), minutes=0)
    models.take(of("ada", "sub_1", 1000, discounts=("di_1",)), minutes=DAY)
    models.take(discount(None), minutes=DAY)
    assert [row[:3] for row in models.rows(MOVEMENTS)] == [
        (day(0), "new", 1000),
        (day(1), "unknown", 0),
    ]
    models.take(CouponFact(coupon_id="OFF", terms=terms("50")), minutes=3 * DAY)
    assert [row[:3] for row in models.rows(MOVEMENTS)] == [
        (day(0), "new", 1000),
        (day(1), "contraction", -500),
    ]


def test_a_report_that_changes_nothing_moves_nothing(models: Models):
    for _ in range(3):
        models.take(of("ada", "sub_1", 1000))
    assert len(models.rows(MOVEMENTS)) == 1
