"""The simulated Stripe's subscribers and payouts: what it sends, and how each version writes it."""

from typing import Any

import msgspec
import pytest

from simulator import (
    API_VERSIONS,
    SUBSCRIBER_STORIES,
    Events,
    Purchase,
    SimulatedEvent,
    SimulatedStripe,
)

LATEST, OLDEST = API_VERSIONS[-1], API_VERSIONS[0]
SUBSCRIPTION = "customer.subscription."


def thing(event: SimulatedEvent) -> dict[str, Any]:
    return msgspec.json.decode(event.body)["data"]["object"]


def told(name: str, api_version: str = LATEST, currency: str = "gbp") -> Events:
    steps = SUBSCRIBER_STORIES[name](SimulatedStripe(1, api_version), Purchase(3000, currency))
    return [event for events in steps for event in events]


def things(kind: str, events: Events) -> list[dict[str, Any]]:
    """The objects of the events whose type begins so."""
    return [thing(event) for event in events if event.type.startswith(kind)]


STATUSES = [
    ("trial_that_lasted", "trialing active active active past_due active"),
    ("trial_without_card", "trialing paused canceled"),
    ("canceled_at_period_end", "incomplete active active active active active canceled"),
    (
        "gone_and_back",
        "incomplete active incomplete active canceled canceled incomplete active",
    ),
    ("coupons_of_all_kinds", "incomplete active active active active active active"),
    ("several_items", "incomplete active active"),
    ("never_paid_again", "incomplete active past_due unpaid canceled"),
    ("never_paid_at_all", "incomplete incomplete_expired incomplete active"),
    ("discounts_of_the_customer", "incomplete active incomplete active active canceled"),
    ("sold_in_another_currency", "incomplete active active active"),
    ("tiers_that_are_told_late", "incomplete active active active"),
    ("more_items_than_shown", "incomplete active active"),
    (
        "paused_and_ended_on_a_day",
        "incomplete active active active active active active canceled",
    ),
]


@pytest.mark.parametrize(("story", "statuses"), STATUSES)
def test_stories_of_subscribers(story: str, statuses: str) -> None:
    found = [each["status"] for each in things(SUBSCRIPTION, told(story))]
    assert found == statuses.split()


def test_every_story_has_its_statuses_above() -> None:
    assert {story for story, _ in STATUSES} == SUBSCRIBER_STORIES.keys()


@pytest.mark.parametrize("api_version", API_VERSIONS)
@pytest.mark.parametrize("story", sorted(SUBSCRIBER_STORIES))
def test_time_never_goes_back_in_any_version_and_currency(story: str, api_version: str) -> None:
    for currency in ("gbp", "jpy", "kwd"):
        events = told(story, api_version, currency)
        times = [event.created for event in events]
        assert times == sorted(times)
        assert events == told(story, api_version, currency)
        amounts = [each["amount"] for each in things("charge.", events)]
        assert all(amount % 10 == 0 for amount in amounts)


def test_before_2019_a_subscription_did_not_wait_for_its_first_payment() -> None:
    for api_version in API_VERSIONS:
        first = things(SUBSCRIPTION, told("several_items", api_version))[0]
        assert (first["status"] == "active") is (api_version < "2019-03-14")


def test_what_an_invoice_goes_through() -> None:
    kinds = [event.type for event in told("several_items")]
    assert kinds[:10] == [
        "customer.created",
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
        "invoice.paid",
        "invoice_payment.paid",
    ]
    (paid,) = things("invoice.paid", told("several_items"))
    assert (paid["amount_due"], paid["amount_paid"], paid["amount_remaining"]) == (9000, 9000, 0)


def test_discounts_reduce_what_is_due() -> None:
    stripe = SimulatedStripe(1)
    customer, _ = stripe.create_customer("ada@example.com", "Ada")
    subscription, _ = stripe.subscribe(customer, [(stripe.new_price(1000, "gbp"), 3)])
    assert subscription.due_minor == 3000
    third, _ = stripe.create_coupon("forever", "gbp", percent_off=33)
    stripe.apply_coupon(subscription, third)
    assert subscription.due_minor == 2010
    fixed, _ = stripe.create_coupon("forever", "gbp", amount_off_minor=5000)
    stripe.apply_coupon(subscription, fixed)
    assert subscription.due_minor == 0


MOVED = [
    # event, field, first version with it, first version without it
    (SUBSCRIPTION, "current_period_end", OLDEST, "2025-03-31.basil"),
    (SUBSCRIPTION, "discount", OLDEST, "2025-03-31.basil"),
    (SUBSCRIPTION, "discounts", "2024-04-10", None),
    (SUBSCRIPTION, "plan", OLDEST, "2025-03-31.basil"),
    (SUBSCRIPTION, "currency", "2022-11-15", None),
    (SUBSCRIPTION, "start", OLDEST, "2020-08-27"),
    (SUBSCRIPTION, "start_date", "2020-08-27", None),
    ("customer.discount.", "id", "2020-08-27", None),
    ("customer.discount.", "coupon", OLDEST, "2026-10-28.endive"),
    ("customer.discount.", "source", "2026-10-28.endive", None),
    ("invoice.", "status", "2019-02-19", None),
    ("invoice.", "closed", OLDEST, "2019-02-19"),
    ("invoice.", "subscription", OLDEST, "2025-03-31.basil"),
    ("invoice.", "charge", OLDEST, "2025-03-31.basil"),
    ("invoice.", "parent", "2025-03-31.basil", None),
    ("invoice_payment.", "invoice", "2025-03-31.basil", None),
]


@pytest.mark.parametrize("api_version", API_VERSIONS)
@pytest.mark.parametrize(("kind", "field", "first", "gone"), MOVED)
def test_fields_come_and_go_with_versions(
    api_version: str, kind: str, field: str, first: str, gone: str | None
) -> None:
    found = things(kind, told("coupons_of_all_kinds", api_version))
    expected = first <= api_version and (gone is None or api_version < gone)
    assert [field in each for each in found] == [expected] * len(found)
    assert found or kind == "invoice_payment."


@pytest.mark.parametrize("api_version", API_VERSIONS)
def test_an_items_period_is_its_own_since_2025(api_version: str) -> None:
    subscription = things(SUBSCRIPTION, told("several_items", api_version))[-1]
    for item in subscription["items"]["data"]:
        assert ("current_period_end" in item) is (api_version >= "2025-03-31")
        assert ("price" in item) is (api_version >= "2020-08-27")


def test_a_payout_is_sent_arrives_and_comes_back() -> None:
    stripe = SimulatedStripe(1)
    payout, created = stripe.pay_out(50000, "gbp")
    events = [*created, *stripe.finish_payout(payout), *stripe.fail_payout(payout)]
    assert [event.type for event in events] == ["payout.created", "payout.paid", "payout.failed"]
    assert [thing(event)["status"] for event in events] == ["pending", "paid", "failed"]
    assert thing(events[-1])["failure_code"] == "account_closed"
