"""Subscriptions, discounts, invoices and payouts: what they mean, in old shapes and new ones."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.billing_facts import (
    Asked,
    CouponFact,
    DiscountFact,
    InvoiceFact,
    InvoiceLine,
    InvoicePaymentFact,
    InvoiceState,
    PayoutFact,
    PayoutState,
    PriceAmount,
    PriceFact,
    PriceTier,
    SubscriptionFact,
    SubscriptionItem,
    SubscriptionState,
    Terms,
)
from ledger.domain.facts import (
    AmountsNotCounted,
    PurchaseFact,
    StripeEventUnreadable,
    UncountedAmount,
)
from tests.webhooks.billing_examples import (
    coupon,
    discount,
    invoice,
    invoice_payment,
    item,
    listed,
    old_discount,
    old_invoice,
    old_subscription,
    payout,
    plan,
    price,
    subscription,
    without,
)
from tests.webhooks.examples import (
    MADE,
    TOLD,
    Json,
    customer,
    event,
    facts_of,
    state_of,
    translated,
)

MADE_AT = datetime.fromtimestamp(MADE, UTC)
TOLD_AT = datetime.fromtimestamp(TOLD, UTC)
UPDATED = "customer.subscription.updated"
QUARTER = Terms(duration="forever", percent_off="25")
FLAGS = without(old_invoice(), "status", "status_transitions", "amount_paid", "amount_remaining")


# ── States ──────────────────────────────────────────────────────────────────────────────────────

STATES = [
    *[
        (UPDATED, subscription(status=status), state)
        for status, state in [
            ("incomplete", "SubscriptionState.INCOMPLETE"),
            ("incomplete_expired", "SubscriptionState.INCOMPLETE_EXPIRED"),
            ("trialing", "SubscriptionState.TRIALING"),
            ("active", "SubscriptionState.ACTIVE"),
            ("past_due", "SubscriptionState.PAST_DUE"),
            ("unpaid", "SubscriptionState.UNPAID"),
            ("paused", "SubscriptionState.PAUSED"),
            ("canceled", "SubscriptionState.CANCELED"),
        ]
    ],
    ("customer.subscription.created", subscription(), "SubscriptionState.ACTIVE"),
    (
        "customer.subscription.trial_will_end",
        subscription(status="trialing"),
        "SubscriptionState.TRIALING",
    ),
    ("customer.subscription.paused", subscription(status="paused"), "SubscriptionState.PAUSED"),
    (
        "customer.subscription.deleted",
        subscription(status="canceled"),
        "SubscriptionState.CANCELED",
    ),
    ("customer.subscription.deleted", subscription(status="active"), "SubscriptionState.CANCELED"),
    (
        "customer.subscription.deleted",
        subscription(status="incomplete_expired"),
        "SubscriptionState.INCOMPLETE_EXPIRED",
    ),
    ("invoice.created", invoice(status="draft"), "InvoiceState.DRAFT"),
    ("invoice.finalized", invoice(status="open"), "InvoiceState.OPEN"),
    ("invoice.payment_failed", invoice(status="open"), "InvoiceState.OPEN"),
    ("invoice.finalized", invoice(), "InvoiceState.PAID"),
    ("invoice.payment_succeeded", invoice(), "InvoiceState.PAID"),
    ("invoice.voided", invoice(status="void"), "InvoiceState.VOID"),
    ("invoice.marked_uncollectible", invoice(status="uncollectible"), "InvoiceState.UNCOLLECTIBLE"),
    ("invoice.deleted", invoice(status="draft"), "InvoiceState.DELETED"),
    ("invoice.deleted", invoice(status="deleted"), "InvoiceState.DELETED"),
    ("invoice.updated", FLAGS | {"paid": True, "closed": True}, "InvoiceState.PAID"),
    ("invoice.updated", FLAGS | {"paid": False, "closed": True}, "InvoiceState.VOID"),
    (
        "invoice.updated",
        FLAGS | {"paid": False, "closed": True, "forgiven": True},
        "InvoiceState.UNCOLLECTIBLE",
    ),
    ("invoice.updated", FLAGS | {"paid": False, "closed": False}, "InvoiceState.OPEN"),
    ("payout.created", payout(status="pending"), "PayoutState.PENDING"),
    ("payout.updated", payout(), "PayoutState.IN_TRANSIT"),
    ("payout.paid", payout(status="paid"), "PayoutState.PAID"),
    ("payout.failed", payout(status="failed", failure_code="account_closed"), "PayoutState.FAILED"),
    ("payout.canceled", payout(status="canceled"), "PayoutState.CANCELED"),
    ("payout.reconciliation_completed", payout(status="paid"), "PayoutState.PAID"),
]


@pytest.mark.parametrize(("type_", "obj", "state"), STATES)
def test_an_event_means_a_state(type_: str, obj: Json, state: str) -> None:
    assert state_of(type_, obj) == state


# ── Subscriptions ───────────────────────────────────────────────────────────────────────────────

ONE = SubscriptionFact(
    state=SubscriptionState.ACTIVE,
    subscription_id="sub_1",
    customer_id="cus_1",
    currency="gbp",
    created_at=MADE_AT,
    items=(
        SubscriptionItem(
            item_id="si_1",
            price_id="price_1",
            product_id="prod_1",
            quantity=1,
            unit_minor="1200",
            interval="month",
            interval_count=1,
            metered=False,
            monthly=1200,
        ),
    ),
    parts=1,
    invoices=1,
    items_changed=True,
    current_period_start=MADE_AT,
    current_period_end=TOLD_AT,
    started_at=MADE_AT,
)


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(subscription(), id="now"),
        pytest.param(old_subscription(), id="periods of its own, no currency"),
        pytest.param(
            old_subscription(items=listed(without(item(), "price") | {"plan": plan()})),
            id="a plan for a price",
        ),
        pytest.param(
            old_subscription(items=listed(item(plan=plan(amount=None)))), id="both, the price right"
        ),
        pytest.param(
            without(old_subscription(), "start_date") | {"start": MADE}, id="start for start_date"
        ),
        pytest.param(subscription(currency="GBP"), id="a currency in capitals"),
        pytest.param(
            subscription(customer={"id": "cus_1", "deleted": True}), id="a customer shown"
        ),
        pytest.param(
            subscription(customer=None, customer_account="cus_1"), id="an account for a customer"
        ),
        pytest.param(
            subscription(item(price=price(product={"id": "prod_1"}))), id="a product shown"
        ),
    ],
)
def test_a_subscription_says_the_same_in_every_layout(obj: Json) -> None:
    assert list(facts_of(UPDATED, obj)) == [ONE]


def test_before_there_were_items_a_subscription_was_a_plan() -> None:
    obj = without(old_subscription(), "items") | {"plan": plan(), "quantity": 3}
    fact: Any = facts_of(UPDATED, obj)[0]
    assert [(i.price_id, i.quantity, i.monthly) for i in fact.items] == [("price_1", 3, 3600)]


TIERS = [
    {"up_to": 10, "unit_amount": 100, "unit_amount_decimal": "100", "flat_amount": None},
    {"up_to": None, "unit_amount": None, "unit_amount_decimal": "50.5", "flat_amount": 300},
]
TIERED = price(None, billing_scheme="tiered", tiers_mode="graduated")
METERED = price(recurring={"interval": "month", "interval_count": 1, "usage_type": "metered"})


@pytest.mark.parametrize(
    ("items", "monthly"),
    [
        pytest.param([item(quantity=3)], 3600, id="times the quantity"),
        pytest.param([item(quantity=None)], 1200, id="no quantity is one"),
        pytest.param([item(quantity=0)], 0, id="none"),
        pytest.param([item(), item(quantity=2)], 3600, id="several items"),
        pytest.param([item(price=price(1000, "year"))], Fraction(1000, 12), id="a year"),
        pytest.param([item(price=price(1000, "week", 2))], Fraction(1000 * 26, 12), id="2 weeks"),
        pytest.param([item(price=METERED)], 0, id="metered"),
        pytest.param([item(price=METERED, quantity=None), item()], 1200, id="metered beside seats"),
        pytest.param(
            [item(price=price(5, unit_amount_decimal="4.5"))], Fraction(9, 2), id="half a penny"
        ),
        pytest.param(
            [item(price=price(None, unit_amount_decimal="0.05"), quantity=30)],
            Fraction(3, 2),
            id="a twentieth of a penny",
        ),
        pytest.param(
            [item(price=TIERED | {"tiers": TIERS}, quantity=12)],
            1000 + 101 + 300,
            id="graduated: 10 × 100 + 2 × 50.5 + 300",
        ),
        pytest.param(
            [item(price=TIERED | {"tiers": TIERS, "tiers_mode": "volume"}, quantity=12)],
            606 + 300,
            id="volume: 12 × 50.5 + 300",
        ),
        pytest.param(
            [without(item(plan=plan(None, tiers=[{"up_to": None, "amount": 70}])), "price")],
            70,
            id="tiers of a plan of 2018",
        ),
        pytest.param(
            [item(price=price(transform_quantity={"divide_by": 5, "round": "up"}), quantity=6)],
            2400,
            id="sold by fives",
        ),
        pytest.param([item(price=price(recurring=None))], 0, id="a price of once"),
    ],
)
def test_what_a_subscription_comes_to_in_a_month(
    items: list[Json], monthly: int | Fraction
) -> None:
    """By the list, in exact parts of a minor unit."""
    fact: Any = facts_of(UPDATED, subscription(*items))[0]
    assert Fraction(sum(each.monthly for each in fact.items), fact.parts) == monthly


@pytest.mark.parametrize(
    ("items", "a_month"),
    [
        ([item()], 1),
        ([item(price=price(interval="year"))], Fraction(1, 12)),
        ([item(price=price(interval="week"))], Fraction(52, 12)),
        ([item(price=price(interval="year")), item()], 1),
        ([{"id": "si_1"}], 0),
    ],
)
def test_how_often_a_month_it_is_invoiced(items: list[Json], a_month: int | Fraction) -> None:
    """As often as the price that comes most often."""
    fact: Any = facts_of(UPDATED, subscription(*items))[0]
    assert Fraction(fact.invoices, fact.parts) == a_month


def in_euros(**fields: Any) -> Json:
    """A price in pounds of a subscription in euros."""
    return subscription(item(price=price(**fields), quantity=3), currency="eur")


SEATS = Asked(rate=1, packs=3, per_unit=True)


@pytest.mark.parametrize(
    ("obj", "asked"),
    [
        pytest.param(
            subscription(item(price=TIERED, quantity=12)),
            Asked(rate=1, packs=12, per_unit=False),
            id="tiers that are not shown",
        ),
        pytest.param(
            subscription(item(price=price(None, billing_scheme="tiered"), quantity=0)),
            Asked(rate=1, packs=0, per_unit=False),
            id="tiers of none at all: they may be flat",
        ),
        pytest.param(in_euros(), SEATS, id="an amount in another currency"),
        pytest.param(in_euros(currency_options={}), SEATS, id="and in none of its others"),
        pytest.param(
            in_euros(transform_quantity={"divide_by": 2, "round": "up"}),
            Asked(rate=1, packs=2, per_unit=False),
            id="sold by twos in another currency",
        ),
        pytest.param(
            subscription(item(plan=plan(), price=None, quantity=3), currency="eur"),
            SEATS,
            id="a plan in another currency",
        ),
        pytest.param(
            subscription(item(price=price(None), quantity=3)), SEATS, id="no amount at all"
        ),
        pytest.param(subscription({"id": "si_1"}), None, id="an item without a price"),
        pytest.param(
            subscription(item(price=price(interval="fortnight"))), None, id="another interval"
        ),
    ],
)
def test_an_amount_that_the_report_does_not_say_is_not_known(
    obj: Json, asked: Asked | None
) -> None:
    """Not nothing, and not what it is in another currency."""
    fact: Any = facts_of(UPDATED, obj)[0]
    assert [(each.monthly, each.asked) for each in fact.items] == [(None, asked)]


BLOCKS = price(None, billing_scheme="tiered", tiers_mode="block", tiers=TIERS)
ESTIMATED = price()["recurring"] | {"usage_type": "estimated"}


@pytest.mark.parametrize(
    "priced",
    [
        BLOCKS,
        price(billing_scheme="package"),
        price(recurring=ESTIMATED),
        price(transform_quantity={"divide_by": 10, "round": "sideways"}),
        price(billing_scheme="package", currency_options={"gbp": {"unit_amount": 5}}),
    ],
    ids=["tiers_mode", "billing_scheme", "usage_type", "round", "in another currency"],
)
def test_a_price_that_is_charged_in_an_unknown_way_costs_what_nobody_knows(priced: Json) -> None:
    """A word of tomorrow is not one of today: nothing is counted as if it were known."""
    fact: Any = facts_of(UPDATED, subscription(item(price=priced, quantity=3)))[0]
    assert [(each.monthly, each.asked.per_unit) for each in fact.items] == [(None, False)]
    assert list(facts_of("price.updated", priced)) == []


@pytest.mark.parametrize(
    ("fields", "monthly"),
    [
        ({"currency_options": {"EUR": {"unit_amount": 1300}}}, 3900),
        ({"currency_options": {"eur": {"unit_amount_decimal": "1300.5"}}}, Fraction(7803, 2)),
        (
            {"currency_options": {"eur": {"tiers": [{"up_to": None, "unit_amount": 5}]}}},
            15,
        ),
        ({"currency": "EUR"}, 3600),
        ({"currency": None}, 3600),
    ],
)
def test_a_price_in_several_currencies_counts_in_that_of_the_subscription(
    fields: Json, monthly: int | Fraction
) -> None:
    fact: Any = facts_of(UPDATED, in_euros(**fields))[0]
    assert Fraction(fact.items[0].monthly, fact.parts) == monthly


def test_what_is_not_known_of_one_item_leaves_the_others_alone() -> None:
    yearly = price(None, "year", billing_scheme="tiered")
    fact: Any = facts_of(UPDATED, subscription(item(quantity=2), item(price=yearly)))[0]
    assert [Fraction(each.monthly, fact.parts) for each in fact.items if each.monthly] == [2400]
    assert Fraction(fact.items[1].asked.rate, fact.parts) == Fraction(1, 12)


@pytest.mark.parametrize(
    ("more", "missing"),
    [
        ({}, 0),
        ({"total_count": 2}, 0),
        ({"has_more": True}, 1),
        ({"has_more": True, "total_count": 12}, 10),
        ({"has_more": False, "total_count": 3}, 1),
    ],
)
def test_items_that_stripe_does_not_show_are_missing(more: Json, missing: int) -> None:
    obj = subscription(items=listed(item(), item()) | more)
    fact: Any = facts_of(UPDATED, obj)[0]
    assert (len(fact.items), fact.items_missing) == (2, missing)


def test_so_are_discounts() -> None:
    cut = {"object": "list", "data": ["di_1"], "has_more": True, "total_count": 3}
    fact: Any = facts_of(UPDATED, subscription(item(discounts=cut), discounts=cut))[0]
    assert fact.discount_ids == fact.items[0].discount_ids == ("di_1",)
    assert fact.discounts_missing == 4


def test_how_a_subscription_ends() -> None:
    fields: Json = {"cancel_at_period_end": True, "canceled_at": MADE, "ended_at": TOLD}
    fact: Any = facts_of(UPDATED, subscription(trial_end=TOLD, cancel_at=TOLD, **fields))[0]
    assert fact.cancel_at_period_end
    assert (fact.canceled_at, fact.ended_at, fact.trial_end) == (MADE_AT, TOLD_AT, TOLD_AT)
    assert fact.cancel_at == TOLD_AT


@pytest.mark.parametrize(
    ("paused", "told"),
    [
        (None, (None, None)),
        ({"behavior": "void", "resumes_at": TOLD}, ("void", TOLD_AT)),
        ({"behavior": "keep_as_draft", "resumes_at": None}, ("keep_as_draft", None)),
        ({"behavior": "levitate"}, ("levitate", None)),
        ({}, ("unknown", None)),
    ],
)
def test_whether_its_collection_is_paused(
    paused: Json | None, told: tuple[str | None, datetime | None]
) -> None:
    fact: Any = facts_of(UPDATED, subscription(pause_collection=paused))[0]
    assert (fact.collection_paused, fact.collection_resumes_at) == told
    assert fact.state.word == "active"


# ── Discounts ───────────────────────────────────────────────────────────────────────────────────

DISCOUNT = DiscountFact(
    discount_id="di_1",
    coupon_id="QUARTER",
    terms=QUARTER,
    subscription_id="sub_1",
    customer_id="cus_1",
    started_at=MADE_AT,
)
NAMED = DiscountFact(
    discount_id="di_1",
    coupon_id="QUARTER",
    subscription_id="sub_1",
    customer_id="cus_1",
    started_at=MADE_AT,
)
SHOWN_IN_SOURCE = discount(source={"coupon": coupon(), "type": "coupon"})


@pytest.mark.parametrize(
    ("fields", "names", "said"),
    [
        pytest.param({"discounts": ["di_1", "di_2"]}, ("di_1", "di_2"), [], id="names, in order"),
        pytest.param({"discounts": [discount()]}, ("di_1",), [NAMED], id="a discount shown"),
        pytest.param({"discounts": [SHOWN_IN_SOURCE]}, ("di_1",), [DISCOUNT], id="a coupon shown"),
        pytest.param({"discounts": [old_discount()]}, ("di_1",), [DISCOUNT], id="until 2025-09-30"),
        pytest.param({"discount": old_discount()}, ("di_1",), [DISCOUNT], id="until 2025-03-31"),
        pytest.param(
            {"discount": old_discount(), "discounts": ["di_1"]},
            ("di_1",),
            [DISCOUNT],
            id="both, in 2024",
        ),
        pytest.param({"discount": None, "discounts": None}, (), [], id="none"),
    ],
)
def test_the_discounts_of_a_subscription(
    fields: Json, names: tuple[str, ...], said: list[DiscountFact]
) -> None:
    fact, *others = facts_of(UPDATED, subscription(**fields))
    assert isinstance(fact, SubscriptionFact)
    assert fact.state is SubscriptionState.ACTIVE
    assert fact.discount_ids == names
    assert others == said


def test_the_discounts_of_an_item() -> None:
    fact, *others = facts_of(UPDATED, subscription(item(discounts=["di_2", old_discount()])))
    assert isinstance(fact, SubscriptionFact)
    assert fact.state is SubscriptionState.ACTIVE
    assert [each.discount_ids for each in fact.items] == [("di_2", "di_1")]
    assert others == [DISCOUNT]


def test_a_discount_without_an_id_is_known_by_what_it_is_of() -> None:
    """Until 2020-08-27; its own event and its subscription's come to the same name."""
    nameless = without(old_discount(), "id")
    own: Any = facts_of("customer.discount.created", nameless)[0]
    shown: Any = facts_of(UPDATED, old_subscription(discount=without(nameless, "subscription")))
    assert own.discount_id == f"sub_1/QUARTER/{MADE}"
    assert shown[0].discount_ids == (own.discount_id,)
    assert shown[1].discount_id == own.discount_id


@pytest.mark.parametrize("verb", ["created", "updated", "deleted"])
def test_a_discount_says_what_it_takes_off_even_when_it_ends(verb: str) -> None:
    """When it applies, the reports of its subscription say."""
    ended = verb == "deleted"
    said = list(facts_of(f"customer.discount.{verb}", discount()))
    assert said == [replace(NAMED, ended=ended)]
    said = list(facts_of(f"customer.discount.{verb}", old_discount()))
    assert said == [replace(DISCOUNT, ended=ended)]


@pytest.mark.parametrize(
    ("fields", "is_wide"),
    [
        ({}, False),
        ({"subscription": None}, True),
        ({"subscription": None, "subscription_item": "si_1"}, False),
        ({"subscription": None, "invoice": "in_1"}, False),
        ({"subscription": None, "invoice_item": "ii_1"}, False),
        ({"subscription": None, "checkout_session": "cs_1"}, False),
        ({"subscription": None, "customer": None}, False),
    ],
)
def test_a_discount_of_nothing_narrower_is_the_customers(fields: Json, is_wide: bool) -> None:
    fact: Any = facts_of("customer.discount.created", discount(**fields))[0]
    assert fact.customer_wide is is_wide


def test_a_customer_shows_the_discount_of_all_that_he_has() -> None:
    own = old_discount(subscription=None)
    _, *said = facts_of("customer.updated", customer(discount=own))
    assert said == [replace(DISCOUNT, subscription_id=None, customer_wide=True)]
    assert len(facts_of("customer.updated", customer(discount=None))) == 1


def test_what_a_coupon_says_on_demand() -> None:
    """`currency_options` and `applies_to` stand in no event of Stripe's own."""
    fields: Json = {
        "percent_off": None,
        "amount_off": 500,
        "currency": "usd",
        "currency_options": {"EUR": {"amount_off": 450}, "jpy": {"amount_off": 700}},
        "applies_to": {"products": ["prod_1"]},
    }
    fact: Any = facts_of("coupon.updated", coupon(**fields))[0]
    assert fact.terms == Terms(
        duration="forever",
        amount_off_minor=500,
        currency="usd",
        amounts={"eur": 450, "jpy": 700},
        products=("prod_1",),
    )


# ── Prices ──────────────────────────────────────────────────────────────────────────────────────

TIER_FACTS = (
    PriceTier(up_to=10, unit="100", flat="0"),
    PriceTier(up_to=None, unit="50.5", flat="300"),
)


@pytest.mark.parametrize(
    ("type_", "obj", "amounts"),
    [
        ("price.created", price(), [PriceAmount(currency="gbp", unit="1200")]),
        ("plan.created", plan(amount_decimal="12.5"), [PriceAmount(currency="gbp", unit="12.5")]),
        (
            "price.updated",
            price(currency_options={"eur": {"unit_amount": 1300}, "jpy": {}}),
            [PriceAmount(currency="gbp", unit="1200"), PriceAmount(currency="eur", unit="1300")],
        ),
        (
            "price.updated",
            TIERED | {"tiers": TIERS},
            [PriceAmount(currency="gbp", tiers=TIER_FACTS, graduated=True)],
        ),
        (
            "plan.updated",
            plan(None, tiers=TIERS, tiers_mode="volume"),
            [PriceAmount(currency="gbp", tiers=TIER_FACTS)],
        ),
    ],
)
def test_what_a_price_costs(type_: str, obj: Json, amounts: list[PriceAmount]) -> None:
    said = list(facts_of(type_, obj))
    assert said == [PriceFact(price_id="price_1", product_id="prod_1", amounts=tuple(amounts))]


@pytest.mark.parametrize("obj", [TIERED, price(recurring=None), price(None)])
def test_a_price_that_does_not_say_what_it_costs_says_nothing(obj: Json) -> None:
    _, note, facts = translated(event("price.created", obj))
    assert (note.outcome, list(facts)) == ("unprojected", [])


PERIOD = {"subscription": "sub_1", "subscription_item": "si_1", "proration": False}
OF_PERIOD = {"type": "subscription_item_details", "subscription_item_details": PERIOD}


def line(**fields: Any) -> Json:
    """Three units at 13.00 euros, of a price in pounds."""
    return {
        "id": "il_1",
        "object": "line_item",
        "amount": 3900,
        "currency": "eur",
        "parent": OF_PERIOD,
        "pricing": {
            "type": "price_details",
            "price_details": {"price": "price_1", "product": "prod_1"},
            "unit_amount_decimal": "1300",
        },
        "quantity": 3,
    } | fields


def old_line(**fields: Any) -> Json:
    """The same until 2025-03-31: the price's own amount is that of its own currency."""
    newer = without(line(), "parent", "pricing")
    told = {"plan": plan(), "price": price(), "proration": False, "subscription": "sub_1"}
    return newer | told | {"subscription_item": "si_1", "type": "subscription"} | fields


CHANGE = OF_PERIOD | {"subscription_item_details": PERIOD | {"proration": True}}
TIERED_LINE = {"unit_amount_decimal": None, "price_details": {"price": "price_1"}}


@pytest.mark.parametrize(
    ("shown", "units"),
    [
        pytest.param(line(), ["1300"], id="what a unit costs"),
        pytest.param(line(pricing=TIERED_LINE), [], id="tiers"),
        pytest.param(line(parent=CHANGE), [], id="a change within a period"),
        pytest.param(line(parent={"type": "invoice_item_details"}), [], id="a single sale"),
        pytest.param(line(currency="gbp"), [], id="a line in another currency"),
        pytest.param(old_line(), ["1300"], id="3900 / 3, and not 1200"),
        pytest.param(old_line(price=None, plan=plan(currency="eur")), ["1200"], id="a plan"),
        pytest.param(old_line(price=price(1300, currency="eur")), ["1300"], id="its own currency"),
        pytest.param(old_line(amount=3901), [], id="what does not divide"),
        pytest.param(old_line(quantity=0), [], id="none of it"),
        pytest.param(old_line(amount=-3900), [], id="money back"),
        pytest.param(old_line(proration=True), [], id="a change within a period, before 2025"),
        pytest.param(old_line(type="invoiceitem"), [], id="a single sale, before 2025"),
        pytest.param(old_line(subscription=None), ["1300"], id="named by its invoice"),
        pytest.param(without(line(), "pricing"), [], id="no price"),
    ],
)
def test_what_a_line_of_an_invoice_says_of_a_price(shown: Json, units: list[str]) -> None:
    fact: Any = facts_of("invoice.paid", invoice(currency="eur", lines=listed(shown)))[0]
    assert fact.lines == tuple(
        InvoiceLine(subscription_id="sub_1", price_id="price_1", unit=unit) for unit in units
    )


@pytest.mark.parametrize(
    ("fields", "terms"),
    [
        ({}, QUARTER),
        ({"percent_off": 33.33}, Terms(duration="forever", percent_off="33.33")),
        ({"percent_off": "12.50"}, Terms(duration="forever", percent_off="12.5")),
        ({"percent_off": 100}, Terms(duration="forever", percent_off="100")),
        (
            {"percent_off": None, "amount_off": 500, "currency": "GBP", "duration": "once"},
            Terms(duration="once", amount_off_minor=500, currency="gbp"),
        ),
        ({"duration": "repeating"}, Terms(duration="repeating", percent_off="25")),
    ],
)
def test_a_coupons_terms(fields: Json, terms: Terms) -> None:
    said = list(facts_of("coupon.updated", coupon(**fields)))
    assert said == [CouponFact(coupon_id="QUARTER", terms=terms, name="A quarter off")]


@pytest.mark.parametrize(
    ("type_", "fields", "made", "deleted"),
    [
        ("coupon.created", {"created": MADE}, MADE, False),
        ("coupon.created", {}, TOLD, False),
        ("coupon.updated", {"created": MADE}, MADE, False),
        ("coupon.updated", {}, None, False),
        ("coupon.deleted", {"created": MADE}, MADE, True),
        ("coupon.deleted", {}, None, True),
    ],
)
def test_when_a_coupon_was_made_and_that_it_is_gone(
    type_: str, fields: Json, made: int | None, deleted: bool
) -> None:
    fact: Any = facts_of(type_, coupon(**fields))[0]
    created_at = None if made is None else datetime.fromtimestamp(made, UTC)
    assert (fact.created_at, fact.deleted) == (created_at, deleted)


# ── Invoices and payouts ────────────────────────────────────────────────────────────────────────

PAID = InvoiceFact(
    state=InvoiceState.PAID,
    invoice_id="in_1",
    currency="gbp",
    due_minor=1200,
    paid_minor=1200,
    remaining_minor=0,
    created_at=MADE_AT,
    customer_id="cus_1",
    subscription_id="sub_1",
    period_start=MADE_AT,
    period_end=TOLD_AT,
    paid_at=TOLD_AT,
)
SHOWN = {
    "payments": listed(
        invoice_payment("pi_0", status="canceled"),
        invoice_payment(),
        invoice_payment(payment={"type": "charge", "charge": "ch_2"}),
    )
}


@pytest.mark.parametrize(
    ("obj", "paid_by"),
    [
        pytest.param(invoice(), [], id="now"),
        pytest.param(
            invoice(**SHOWN),
            [("pi_0", None, "canceled"), ("pi_1", None, "paid"), ("ch_2", "ch_2", "paid")],
            id="now, its payments asked for",
        ),
        pytest.param(old_invoice(), [("pi_1", "ch_1", None)], id="until 2025-03-31"),
        pytest.param(
            without(old_invoice(), "created", "payment_intent") | {"date": MADE},
            [("ch_1", "ch_1", None)],
            id="date for created, and a charge only",
        ),
        pytest.param(
            FLAGS | {"paid": True, "closed": True},
            [("pi_1", "ch_1", None)],
            id="before it had a status",
        ),
        pytest.param(
            old_invoice(subscription={"id": "sub_1"}, charge={"id": "ch_1"}),
            [("pi_1", "ch_1", None)],
            id="expanded",
        ),
    ],
)
def test_an_invoice_says_the_same_in_every_layout(
    obj: Json, paid_by: list[tuple[str, str | None, str | None]]
) -> None:
    """What pays it is named until 2025-03-31, and listed on demand since."""
    fact, *payments, purchase = facts_of("invoice.paid", obj)
    assert isinstance(fact, InvoiceFact)
    assert isinstance(purchase, PurchaseFact)
    assert fact.state is InvoiceState.PAID
    assert replace(fact, payments_at_least=None) == PAID
    named = [each for each in payments if isinstance(each, InvoicePaymentFact)]
    assert named == payments
    assert {each.invoice_id for each in named} <= {"in_1"}
    assert [(each.payment_id, each.charge_id, each.state) for each in named] == paid_by


@pytest.mark.parametrize(
    ("payments", "at_least"),
    [
        (None, None),
        (listed(), 0),
        (listed(invoice_payment()), 1),
        (listed(invoice_payment()) | {"has_more": True}, 2),
        (listed(invoice_payment()) | {"has_more": True, "total_count": 12}, 12),
    ],
)
def test_how_many_payments_an_invoice_has_at_least(
    payments: Json | None, at_least: int | None
) -> None:
    """Stripe shows the first ten of an embedded list."""
    fact: Any = facts_of("invoice.paid", invoice(payments=payments))[0]
    assert fact.payments_at_least == at_least


def test_an_invoice_that_is_not_paid_has_no_time_of_payment() -> None:
    fact: Any = facts_of("invoice.finalized", FLAGS | {"paid": False})[0]
    assert (fact.paid_at, fact.paid_minor, fact.remaining_minor) == (None, 0, 1200)


def test_a_preview_of_an_invoice_is_none() -> None:
    """`invoice.upcoming` is about an invoice that does not exist."""
    _, note, facts = translated(event("invoice.upcoming", without(invoice(), "id")))
    assert (note.outcome, list(facts)) == ("unprojected", [])


@pytest.mark.parametrize("status", ["open", "paid", "canceled"])
def test_what_pays_an_invoice(status: str) -> None:
    said = list(facts_of("invoice_payment.paid", invoice_payment(status=status)))
    assert said == [
        InvoicePaymentFact(
            invoice_id="in_1",
            payment_id="pi_1",
            state=status,
            amount_minor=1200,
            paid_minor=1200,
            currency="gbp",
            created_at=MADE_AT,
        )
    ]


def test_what_came_in_outside_of_stripe_is_no_payment() -> None:
    record = {"type": "payment_record", "payment_record": "payrec_1"}
    _, note, facts = translated(event("invoice_payment.paid", invoice_payment(payment=record)))
    assert note.outcome == "projected"
    assert list(facts) == [
        AmountsNotCounted(
            kind="invoice_payment",
            subject_id="inpay_1",
            amounts=(UncountedAmount("amount_paid", "gbp", 1200),),
        )
    ]
    _, note, facts = translated(event("invoice_payment.paid", invoice_payment(invoice=None)))
    assert (note.outcome, list(facts)) == ("unprojected", [])


def test_a_payout() -> None:
    assert list(facts_of("payout.updated", payout())) == [
        PayoutFact(
            state=PayoutState.IN_TRANSIT,
            payout_id="po_1",
            amount_minor=50000,
            currency="gbp",
            created_at=MADE_AT,
            arrives_at=TOLD_AT,
            transaction_id="txn_1",
        )
    ]
    fact: Any = facts_of("payout.paid", payout(amount=-700))[0]
    assert fact.amount_minor == -700, "the shop owes Stripe"


# ── Wrong types ─────────────────────────────────────────────────────────────────────────────────

HUGE = 10**15
WRONG = [
    (UPDATED, subscription(customer=None)),
    (UPDATED, without(subscription({"id": "si_1"}), "currency")),
    (UPDATED, subscription(item(quantity="3"))),
    (UPDATED, subscription(item(quantity=-1))),
    (UPDATED, subscription(item(price=price(12.5)))),
    (UPDATED, subscription(item(price=price(unit_amount_decimal="a lot")))),
    (UPDATED, subscription(item(price=price(unit_amount_decimal="NaN")))),
    (UPDATED, subscription(item(price=price(unit_amount_decimal="-1")))),
    (UPDATED, subscription(item(price=price(unit_amount_decimal="1e999999")))),
    (UPDATED, subscription(item(price=price(unit_amount_decimal="1e-999999")))),
    (UPDATED, subscription(item(price=price(count=0)))),
    (UPDATED, subscription(item(price=price(HUGE), quantity=2))),
    (
        UPDATED,
        subscription(*(item(price=price(count=n)) for n in (999983, 999979, 999961, 999959))),
    ),
    (UPDATED, subscription(discounts=[7])),
    (UPDATED, subscription(discounts=["di_1"] * 101)),
    (UPDATED, old_subscription(discount={"object": "discount"})),
    ("customer.discount.created", without(discount(customer=None, subscription=None), "id")),
    ("coupon.created", coupon(percent_off="NaN")),
    ("coupon.created", coupon(percent_off=100.5)),
    ("coupon.created", coupon(percent_off=-1)),
    ("coupon.created", coupon(amount_off="5")),
    ("invoice.paid", invoice(amount_due="1200")),
    ("invoice.paid", without(invoice(), "id")),
    ("invoice.paid", invoice(parent={"subscription_details": 7})),
    ("payout.paid", payout(amount=1.5)),
]


@pytest.mark.parametrize(("type_", "obj"), WRONG)
def test_a_known_field_of_a_wrong_type_is_unreadable(type_: str, obj: Json) -> None:
    _, note, (problem,) = translated(event(type_, obj))
    assert isinstance(problem, StripeEventUnreadable)
    assert note.outcome == "unreadable"
    assert problem.cause
