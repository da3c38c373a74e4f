"""A shop with a past: what its lists give agrees to the unit with the truth about it."""

from collections import defaultdict
from functools import cache
from typing import Any

import pytest
from msgspec import structs

from ledger.domain.posting_rules import FEES, FINER, RULES
from simulator import PastShop, past_shop
from simulator.api import Account, Key, app, served
from simulator.api.shapes import Shapes
from simulator.fees import MORE_FEES
from simulator.memory import EVENT_SECONDS
from simulator.past import UNTIL, Figures, Truth
from simulator.past.truth import fees_of, month_of

SEEDS = (2, 3, 5)
Months = dict[str, dict[str, Figures]]


@cache
def shop(seed: int) -> PastShop:
    return past_shop(seed, years=1, objects=4000)


def objects(seed: int, kind: str) -> list[dict[str, Any]]:
    """All of a kind, as the API shows them."""
    simulated = shop(seed).stripe
    assert simulated.memory is not None
    shapes = Shapes(simulated, simulated.layout.api_version)
    return [shapes.of(kind, thing) for thing in simulated.memory.shelf(kind).things]


VOLUME = {
    "charge",
    "charge_failure",
    "dispute",
    "dispute_reversal",
    "fee",
    "network_cost",
    "partial_capture_reversal",
    "refund",
    "refund_failure",
    "tax",
}
"""Categories of what a shop sells and pays for; others move money between places."""


class Found:
    """The figures as a client finds them in the lists."""

    def __init__(self, seed: int) -> None:
        self.months: Months = defaultdict(lambda: defaultdict(Figures))
        self.charges = {each["id"]: each for each in objects(seed, "charge")}
        self.intents = {each["id"]: each for each in objects(seed, "payment_intent")}
        self.booked = {each["id"]: each for each in objects(seed, "balance_transaction")}
        for kind in ("charge", "refund", "dispute", "balance_transaction", "payout"):
            for each in objects(seed, kind):
                getattr(self, f"add_{kind}")(each)

    def figures(self, each: dict[str, Any]) -> Figures:
        return self.months[month_of(each["created"])][each["currency"]]

    def add_charge(self, charge: dict[str, Any]) -> None:
        if charge["status"] == "succeeded" and charge["captured"]:
            self.figures(charge).charged_minor += charge["amount_captured"]
            transaction = self.booked[charge["balance_transaction"]]
            held = self.intents[charge["payment_intent"]]["capture_method"] == "manual"
            kept = self.figures(transaction if held else charge)
            kept.kept_minor += charge["amount_captured"]
            figures = self.figures(self.booked[charge["balance_transaction"]])
            figures.gross_minor += charge["amount_captured"]
            figures.payments += 1

    def add_refund(self, refund: dict[str, Any]) -> None:
        if refund["status"] in {"succeeded", "pending"}:
            figures = self.figures(refund)
            figures.refunds_minor += refund["amount"]
            figures.refunds += 1
            if refund["status"] == "pending":
                figures.refunds_pending_minor += refund["amount"]

    def add_dispute(self, dispute: dict[str, Any]) -> None:
        if dispute["balance_transactions"]:
            figures = self.figures(dispute)
            figures.disputes += 1
            if dispute["status"] == "lost":
                figures.disputes_lost_minor += dispute["amount"]
            elif dispute["status"] in {"needs_response", "under_review"}:
                figures.disputes_open_minor += dispute["amount"]

    def add_balance_transaction(self, transaction: dict[str, Any]) -> None:
        figures, amount = self.figures(transaction), transaction["amount"]
        figures.fees_minor += transaction["fee"]
        if transaction["reporting_category"] in VOLUME:
            figures.net_minor += transaction["net"]
        match transaction["reporting_category"]:
            case "charge":
                figures.captured_minor += amount
                self.add_taken(transaction)
            case "charge_failure":
                figures.bounced_minor -= amount
                figures.taken_minor += amount
                figures.taken -= 1
            case "refund" | "refund_failure":
                figures.refunded_minor -= amount
            case "dispute" | "dispute_reversal":
                figures.disputed_minor -= amount
            case "partial_capture_reversal":
                figures.reversed_minor -= amount
            case "fee" | "network_cost" | "tax":
                figures.fees_minor -= amount
            case _:
                pass

    def add_taken(self, transaction: dict[str, Any]) -> None:
        charge = self.charges[transaction["source"]]
        intent = self.intents[charge["payment_intent"]]
        taken = self.figures(transaction if intent["capture_method"] == "manual" else charge)
        taken.taken_minor += transaction["amount"]
        taken.taken += 1

    def add_payout(self, payout: dict[str, Any]) -> None:
        if payout["status"] == "paid":
            figures = self.figures(payout)
            figures.payouts_paid_minor += payout["amount"]
            figures.payouts_paid += 1


def without_nothing(months: Months) -> Months:
    """Months and currencies in which something happened."""
    found = {
        month: {c: each for c, each in by_currency.items() if each != Figures()}
        for month, by_currency in months.items()
    }
    return {month: by_currency for month, by_currency in found.items() if by_currency}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_lists_agree_with_the_truth_in_every_month_and_currency(seed: int) -> None:
    truth = shop(seed).truth
    found, told = without_nothing(Found(seed).months), without_nothing(truth.months)
    assert found.keys() == told.keys()
    for month, by_currency in told.items():
        for currency, figures in by_currency.items():
            assert structs.asdict(found[month][currency]) == structs.asdict(figures), month


@pytest.mark.parametrize("seed", SEEDS)
def test_balance_customers_and_objects_agree_with_the_truth(seed: int) -> None:
    truth, simulated = shop(seed).truth, shop(seed).stripe
    balance: Any = simulated.balance()
    sums: dict[str, int] = defaultdict(int)
    for held in (balance, balance["risk_reserved"]):
        for each in (*held["available"], *held["pending"]):
            sums[each["currency"]] += each["amount"]
    assert sums == truth.balance_minor
    new: dict[str, int] = defaultdict(int)
    for customer in objects(seed, "customer"):
        new[month_of(customer["created"])] += 1
    assert new == truth.new_customers
    assert truth.objects == {kind: len(objects(seed, kind)) for kind in truth.objects}
    assert 4000 <= sum(truth.objects.values()) <= 4060


@pytest.mark.parametrize("seed", SEEDS)
def test_recurring_revenue_is_what_the_subscriptions_say(seed: int) -> None:
    """Of subscriptions that are active or past due, a year's twelfth, a coupon's half off."""
    sums: dict[str, int] = defaultdict(int)
    counted = 0
    memory = shop(seed).stripe.memory
    assert memory is not None
    whole = memory.shelf("subscription").things  # the API shows ten items of each
    for subscription, known in zip(objects(seed, "subscription"), whole, strict=True):
        if subscription["status"] not in {"active", "past_due"}:
            continue
        share = 2 if subscription["discounts"] else 1
        for item in known.items:
            months = {"month": 1, "year": 12}[item.price.interval]
            value = item.price.unit_minor * item.quantity
            assert value % (months * share) == 0
            sums[subscription["currency"]] += value // months // share
        counted += 1
    assert (sums, counted) == (shop(seed).truth.mrr_minor, shop(seed).truth.active_subscriptions)
    assert counted > 3


def test_the_truth_has_something_of_everything() -> None:
    totals = [figures for seed in SEEDS for figures in shop(seed).truth.total.values()]
    for name in Figures.__struct_fields__:
        assert any(getattr(figures, name) for figures in totals), name
    assert any(
        each["total_discount_amounts"] for seed in SEEDS for each in objects(seed, "invoice")
    )
    kinds = {each["type"] for seed in SEEDS for each in objects(seed, "balance_transaction")}
    assert kinds >= {"payout_failure", "payment_failure_refund", "refund_failure", "adjustment"}


@pytest.mark.parametrize("seed", SEEDS)
def test_net_is_what_came_in_less_all_that_went(seed: int) -> None:
    for month in shop(seed).truth.months.values():
        for each in month.values():
            went = each.bounced_minor + each.reversed_minor + each.refunded_minor
            went += each.disputed_minor + each.fees_minor
            assert each.captured_minor - went == each.net_minor
    for each in shop(seed).truth.total.values():
        assert each.captured_minor - each.bounced_minor == each.gross_minor


@pytest.mark.parametrize("seed", SEEDS)
def test_paying_customers_are_counted_once_a_month_and_once_ever(seed: int) -> None:
    booked = {each["id"]: each for each in objects(seed, "balance_transaction")}
    payers: dict[str, set[str]] = defaultdict(set)
    by_month: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for charge in objects(seed, "charge"):
        if charge["balance_transaction"]:
            payer = charge["customer"] or charge["receipt_email"]
            payers[charge["currency"]].add(payer)
            at = booked[charge["balance_transaction"]]["created"]
            by_month[month_of(at)][charge["currency"]].add(payer)
    truth = shop(seed).truth
    assert {currency: len(each) for currency, each in payers.items()} == truth.paying_customers
    assert {
        month: {currency: len(each) for currency, each in by_currency.items()}
        for month, by_currency in by_month.items()
    } == truth.paying_customers_by_month


@pytest.mark.parametrize("seed", SEEDS)
def test_the_books_of_the_truth_balance_and_hold_what_the_balance_is(seed: int) -> None:
    truth = shop(seed).truth
    held: dict[str, int] = defaultdict(int)
    for month, by_currency in truth.accounts.items():
        for currency, accounts in by_currency.items():
            assert sum(accounts.values()) == 0, month
            held[currency] += accounts.get("assets:stripe", 0)
    assert held == truth.balance_minor


@pytest.mark.parametrize("seed", SEEDS)
def test_every_category_that_rules_name_moves_the_balance_and_one_that_none_does(seed: int) -> None:
    """Those of cards and payouts happen by themselves; all others once a year."""
    booked = {each["reporting_category"] for each in objects(seed, "balance_transaction")}
    named = {name for rule in RULES for name in rule.categories}
    families = {name.removesuffix("*") for name in named if name.endswith("*")}
    seldom = {"charge_failure", "refund_failure", "dispute_reversal", "payout_reversal"}
    exact = {name for name in named if not name.endswith("*")} - {"stripe_fx_fee"}
    assert exact - seldom - booked == set()
    assert all(any(name.startswith(family) for name in booked) for family in families)
    assert {name for name in booked - named if not name.startswith(tuple(families))} == {
        "quantum_entanglement"
    }
    kinds = {each["type"] for each in objects(seed, "balance_transaction")}
    assert kinds >= set(FINER)
    fees = {
        fee["type"] for each in objects(seed, "balance_transaction") for fee in each["fee_details"]
    }
    assert fees == {*FEES, "regulatory_fee"}


def test_the_total_is_the_sum_of_the_months() -> None:
    truth = Truth(
        months={
            "2026-01": {"eur": Figures(gross_minor=5, payments=1)},
            "2026-02": {"eur": Figures(gross_minor=7, payments=2), "jpy": Figures(refunds=1)},
        }
    )
    assert truth.total == {"eur": Figures(gross_minor=12, payments=3), "jpy": Figures(refunds=1)}


@pytest.mark.parametrize("currency", ["eur", "jpy", "kwd", "gbp", "usd"])
def test_the_truth_works_fees_out_by_itself_and_comes_to_the_same(currency: str) -> None:
    for amount in range(10, 40_000, 70):
        booked = sum(fee.amount_minor for fee in MORE_FEES.of_payment(amount, currency))
        assert sum(fees_of(currency, amount).values()) == booked


def test_the_same_seed_gives_the_same_shop() -> None:
    first, again = (past_shop(7, years=1, objects=500) for _ in range(2))
    other = past_shop(8, years=1, objects=500)
    assert first.truth == again.truth != other.truth
    assert [e.body for e in events_of(first)] == [e.body for e in events_of(again)]


def events_of(past: PastShop) -> list[Any]:
    assert past.stripe.memory is not None
    return past.stripe.memory.events.things


def test_its_life_ends_when_it_should_and_only_the_last_month_has_events() -> None:
    past = shop(1)
    assert UNTIL <= past.stripe.now < UNTIL + 3600
    times = [event.created for event in events_of(past)]
    assert min(times) >= UNTIL - EVENT_SECONDS
    assert all(event.body for event in events_of(past))
    assert len(times) > 100


def test_all_sorts_of_things_happened_and_few_payments_name_an_order() -> None:
    intents = objects(1, "payment_intent")
    named = [each for each in intents if each["metadata"]]
    assert 0 < len(named) < len(intents) / 10
    assert {each["status"] for each in intents} >= {"succeeded", "canceled"}
    assert {each["status"] for each in objects(1, "checkout.session")} == {"complete", "expired"}
    assert {each["currency"] for each in intents} == {"eur", "jpy", "kwd"}
    assert {each["reporting_category"] for each in objects(1, "balance_transaction")} >= {
        "charge",
        "charge_failure",
        "dispute",
        "payout",
        "refund",
    }
    assert {each["billing_reason"] for each in objects(1, "invoice")} == {
        "manual",
        "subscription_cycle",
    }


def test_it_can_be_served() -> None:
    key = Key("sk_test_secretOfThePast")
    application = app(Account("acct_1Past", shop(1).stripe), [key])
    import stripe

    with served(application) as base:
        client = stripe.StripeClient(key.secret, base_addresses={"api": base})
        paid = client.v1.payouts.list({"limit": 100, "status": "paid"})
        found = sum(1 for _ in paid.auto_paging_iter())
    assert found == sum(figures.payouts_paid for figures in shop(1).truth.total.values())
