"""Monthly recurring revenue adds up: opening + movements = closing, by day, currency, customer."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from fractions import Fraction
from itertools import groupby
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from ledger.domain.billing_facts import CouponFact, DiscountFact, SubscriptionFact, Terms
from ledger.domain.events import Recorded
from ledger.domain.facts import Fact, Moment
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import tables
from projections.engine.build import Copy
from projections.engine.registry import discover
from projections.engine.tables import PROOF, AnyCursor
from tests.support.worlds import World, worlds
from webhooks.translate import Translator

REGISTRY = discover().pick(["mrr_movements"])
READER = Translator(mode="test", order_metadata_key="order_id")
ZONES = ("UTC", "Pacific/Auckland", "America/Los_Angeles")
law = settings(
    max_examples=10,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
Databases = Callable[[], Database]
Rows = list[dict[str, Any]]


class Version(NamedTuple):
    """A subscription as one report shows it, in Stripe's order."""

    order: str
    subscription_id: str
    customer: tuple[str, str]
    at: datetime
    mrr_minor: int
    active: int


def terms_by_discount(facts: Sequence[tuple[Moment, Fact]]) -> dict[str, Terms]:
    """What each discount takes off: its own word, or its coupon's."""
    coupons = {f.coupon_id: f.terms for _, f in facts if isinstance(f, CouponFact)}
    discounts = [f for _, f in facts if isinstance(f, DiscountFact)]
    by_name = {d.discount_id: coupons[d.coupon_id] for d in discounts if d.coupon_id in coupons}
    return by_name | {d.discount_id: d.terms for d in discounts if d.terms is not None}


def reduced(amount: Fraction, names: Sequence[str], a_month: Fraction, by: dict[str, Terms]) -> Any:
    for terms in (by[name] for name in names if name in by):
        if terms.duration == "forever":
            amount *= 1 - Fraction(terms.percent_off or 0) / 100
            amount = max(Fraction(0), amount - (terms.amount_off_minor or 0) * a_month)
    return amount


def version(at: Moment, fact: SubscriptionFact, by: dict[str, Terms]) -> Version:
    active = fact.STATE in {"active", "past_due"}
    a_month = Fraction(fact.invoices, fact.parts)
    listed = sum(
        reduced(Fraction(item.monthly, fact.parts), item.discount_ids, a_month, by)
        for item in fact.items
    )
    mrr = round(reduced(Fraction(listed), fact.discount_ids, a_month, by)) if active else 0
    owner = (fact.customer_id, fact.currency)
    order = at.newest(fact.RANK)
    return Version(order, fact.subscription_id, owner, at.effective_at, mrr, int(active))


def versions(events: Sequence[Recorded]) -> list[Version]:
    facts: list[tuple[Moment, Any]] = [
        (at, fact) for at, said in map(READER, events) for fact in said
    ]
    by = terms_by_discount(facts)
    found = [version(at, f, by) for at, f in facts if isinstance(f, SubscriptionFact)]
    return sorted(found)


def kind_of(before: int, change: int, *, ever: bool) -> str:
    if change == 0:
        return "free"
    if before == 0:
        return "reactivation" if ever else "new"
    if before + change == 0:
        return "churned"
    return "expansion" if change > 0 else "contraction"


def expected_movements(known: Sequence[Version]) -> Iterator[tuple[Any, ...]]:
    """One version after the other, as a bookkeeper would: what each customer had before it."""
    last: dict[str, Version] = {}
    balance: dict[tuple[str, str], int] = defaultdict(int)
    ever: set[tuple[str, str]] = set()
    for each in known:
        before = last.get(each.subscription_id)
        change = each.mrr_minor - (before.mrr_minor if before else 0)
        count = each.active - (before.active if before else 0)
        last[each.subscription_id] = each
        if not (change or count):
            continue
        had = balance[each.customer]
        kind = kind_of(had, change, ever=each.customer in ever)
        balance[each.customer] += change
        ever |= {each.customer} if change else set()
        yield each.order, each.subscription_id, *each.customer, kind, change, count


@contextmanager
def built(database: Database, events: list[Recorded]) -> Iterator[AnyCursor]:
    """The read models of subscriptions, made from these events."""
    with database.connect("projector", autocommit=True) as conn:
        with conn.cursor() as cursor:
            tables.clear(cursor, PROOF)
            copy = Copy(cursor, REGISTRY, READER, PROOF)
            copy.create()
            copy.stage()
            copy.load([events])
            copy.finish()
        with conn.cursor(row_factory=dict_row) as cursor:
            yield cursor


def recorded(database: Database, world: World) -> list[Recorded]:
    with Log(database.conninfo("app")) as log:
        for part in world.split(1 + len(world.entries) // 200):
            log.append_new(part.entries)
        return log.read(limit=len(world.entries))


@law
@given(world=worlds(), seed=st.integers(0, 99))
def test_movements_are_what_a_bookkeeper_would_write(
    fresh_database: Databases, world: World, seed: int
):
    """By brute force over the facts, in exact fractions; whatever the order of arrival."""
    database = fresh_database()
    events = recorded(database, world.shuffled(seed))
    expected = list(expected_movements(versions(events)))
    with built(database, events) as cursor:
        found: Rows = cursor.execute("""
            select
                version, subscription_id, customer_id, currency, kind, amount_minor, subscriptions
            from mrr_movements
            order by version, subscription_id
        """).fetchall()
    assert [tuple(row.values()) for row in found] == expected
    assert expected


@law
@given(world=worlds(), zone=st.sampled_from(ZONES))
def test_opening_and_movements_make_closing_on_every_day(
    fresh_database: Databases, world: World, zone: str
):
    """A day's closing balance is what the newest report until its end says of each subscription."""
    database = replace(fresh_database(), time_zone=zone)
    events = recorded(database, world)
    known = versions(events)
    with built(database, events) as cursor:
        found: Rows = cursor.execute("""
            select
                day, currency, mrr_minor, subscriptions, subscribers, new_subscribers,
                churned_subscribers,
                new_minor + expansion_minor + contraction_minor + churned_minor
                    + reactivation_minor as parts_minor
            from mrr_daily
            order by currency, day
        """).fetchall()
    assert found
    for currency, days in groupby(found, key=lambda row: row["currency"]):
        closing = (0, 0, 0)
        for row in days:
            moved = (row["mrr_minor"], row["subscriptions"], row["subscribers"])
            closing = tuple(a + b for a, b in zip(closing, moved, strict=True))
            assert closing == balance_of(known, currency, row["day"], ZoneInfo(zone))
            assert row["parts_minor"] == row["mrr_minor"]
            assert row["subscribers"] == row["new_subscribers"] - row["churned_subscribers"]


def balance_of(
    known: Sequence[Version], currency: str, day: date, zone: ZoneInfo
) -> tuple[int, int, int]:
    """MRR, active subscriptions and subscribers at the end of a day."""
    until = [v for v in known if v.customer[1] == currency and v.at.astimezone(zone).date() <= day]
    newest = {v.subscription_id: v for v in until}.values()
    paying = {v.customer for v in newest if v.mrr_minor > 0}
    return sum(v.mrr_minor for v in newest), sum(v.active for v in newest), len(paying)


@law
@given(world=worlds())
def test_a_customers_movements_add_up_to_what_his_subscriptions_come_to(
    fresh_database: Databases, world: World
):
    database = fresh_database()
    with built(database, recorded(database, world)) as cursor:
        moved: Rows = cursor.execute("""
            select
                customer_id, currency,
                sum(amount_minor) as mrr_minor,
                sum(subscriptions) as active
            from mrr_movements
            group by customer_id, currency
            having sum(amount_minor) <> 0 or sum(subscriptions) <> 0
            order by customer_id, currency
        """).fetchall()
        held: Rows = cursor.execute("""
            select customer_id, currency, sum(mrr_minor) as mrr_minor, count(*) as active
            from subscriptions
            where state in ('active', 'past_due')
            group by customer_id, currency
            order by customer_id, currency
        """).fetchall()
    assert moved == held
