"""A day that is over: what Stripe says of later times adds to later days, and changes no earlier.

Money moves in random lives, told one report at a time: as they happened, and then in any order and
twice.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime
from random import Random
from typing import Any, LiteralString

import pytest
from hypothesis import settings

from ledger.domain.facts import DisputeFact
from tests.kpi.plain.claims import funds
from tests.kpi.plain.payments import read_payments
from tests.kpi.plain.things import Thing, things
from tests.projections.models import Models, at
from tests.support.money_lives import Told, a_disputed_life, a_paid_life
from tests.support.sales import some_lives
from tests.support.servers import Server

SEEDS = range(settings().max_examples // 2)
FUNDS: LiteralString = """
select dispute_id, kind, transaction_id, at, amount_minor
from dispute_funds
order by dispute_id, at, kind, transaction_id
"""
AT = 3  # the column of a row's time
MOVED: LiteralString = """
select source_id, kind, payment_id, at, amount_minor
from payment_movements
order by at, kind, source_id
"""


SUMS: LiteralString = """
select 'orders' as sums, day, currency,
    jsonb_build_array(orders, page_discount_minor, brought_minor, shipping_minor, tax_minor)
from orders_daily
union all
select 'sales', day, currency,
    jsonb_build_array(gross_minor, discount_minor, return_minor, units)
from sales_daily
union all
select 'products', day, concat(currency, sku), jsonb_build_array(units, revenue_minor)
from products_daily
union all
select 'payments', day, currency, jsonb_build_array(succeeded, failed)
from payments_daily
union all
select 'revenue', day, currency, jsonb_build_array(revenue_minor, overpaid_minor, captures)
from revenue_daily
union all
select 'volume', day, currency, jsonb_build_array(gross_minor, bounced_minor, customers_minor)
from volume_daily
where (gross_minor, bounced_minor, customers_minor) <> (0, 0, 0) -- a row may be of refunds only
union all
select 'customers', day, customer, jsonb_build_array(order_id, currency, previous_day)
from customer_orders
"""


@pytest.fixture(scope="module")
def own(servers: Callable[[str], Server]) -> Iterator[Models]:
    server = servers("embedded")
    database = server.create()
    with database.connect("projector", autocommit=True) as conn:
        yield Models(conn)
    server.drop(database)


def told(models: Models, reports: list[Told], query: LiteralString) -> Iterator[list[Any]]:
    """The rows after each report."""
    models.forget()
    for minutes, fact in reports:
        models.take(fact, minutes=minutes)
        yield models.rows(query)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_disputes_took_on_days_that_are_over_stays(own: Models, seed: int):
    reports = a_disputed_life(Random(seed))
    over: list[Any] = []
    for (minutes, _), rows in zip(reports, told(own, reports, FUNDS), strict=True):
        assert rows[: len(over)] == over
        over = [row for row in rows if row[AT] < at(minutes)]


@pytest.mark.parametrize("seed", SEEDS)
def test_disputes_are_what_a_plain_reading_finds_whatever_comes_first(own: Models, seed: int):
    random = Random(seed)
    reports = a_disputed_life(random)
    (*_, straight) = told(own, reports, FUNDS)
    plain = [amount for amount in funds(the_dispute(own)) if amount.value]
    assert sorted((row[AT], row[-1]) for row in straight) == sorted(plain)
    assert own.one("disputes", "disputed_minor") == sum(amount.value for amount in plain)
    twice = [*reports, *random.choices(reports, k=2)]
    (*_, shuffled) = told(own, random.sample(twice, len(twice)), FUNDS)
    assert shuffled == straight


@pytest.mark.parametrize("seed", SEEDS)
def test_what_payments_took_and_gave_back_on_days_that_are_over_stays(own: Models, seed: int):
    """A refund may be told by the charge's total first, and by itself later: of the same time."""
    reports = a_paid_life(Random(seed))
    over: dict[tuple[bool, datetime], int] = {}
    seen = at(-1)
    for (minutes, _), rows in zip(reports, told(own, reports, MOVED), strict=True):
        assert sums(rows, before=seen) == over
        seen = at(minutes)
        over = sums(rows, before=seen)


def sums(rows: list[Any], before: datetime) -> dict[tuple[bool, datetime], int]:
    """What came in, and what was refunded, at each time before one."""
    added = Counter[tuple[bool, datetime]]()
    for row in rows:
        if row[AT] < before:
            added[row[1].startswith("refund"), row[AT]] += row[-1]
    return {key: minor for key, minor in added.items() if minor}


@pytest.mark.parametrize("seed", SEEDS)
def test_payments_are_what_a_plain_reading_finds_whatever_comes_first(own: Models, seed: int):
    random = Random(seed)
    reports = a_paid_life(random)
    (*_, straight) = told(own, reports, MOVED)
    (plain,) = read_payments(own.said)
    amounts = [*plain.received, *plain.refunds]
    assert sorted((row[AT], row[-1]) for row in straight) == sorted(amounts)
    columns = ("received_minor", "refunded_minor")
    assert own.one("payments", *columns) == (plain.received_minor, plain.refunded_minor)
    twice = [*reports, *random.choices(reports, k=2)]
    (*_, shuffled) = told(own, random.sample(twice, len(twice)), MOVED)
    assert shuffled == straight


def the_dispute(models: Models) -> Thing:
    (found,) = things(models.said, DisputeFact, "dispute_id").values()
    return found


def test_what_was_sold_is_paid_on_several_pages_and_taken_back_by_banks():
    """So that the law below speaks of something."""
    lives = [life for seed in SEEDS[: len(SEEDS) // 3] for life in some_lives(seed)]
    assert any(period.unpaid for life in lives for period in life.periods)
    assert any(life.overpaid for life in lives if len(life.pages) > 1)


@pytest.mark.parametrize("seed", SEEDS[: len(SEEDS) // 3])
def test_what_was_sold_on_days_that_are_over_stays(own: Models, seed: int):
    """Whatever is paid, sent back, called off, or taken back by a bank on a later day.

    All is ordered before; no order is called off whose goods come back: they had left.
    """
    lives = [
        replace(life, minutes=0, canceled=None if life.returns else life.canceled)
        for life in some_lives(seed)
    ]
    moved = [each for life in lives for each in (*life.actions(), *life.reports())]
    moved.sort(key=lambda each: each[0])
    before: list[Any] = []
    for (minutes, _), rows in zip(moved, told(own, moved, SUMS), strict=True):
        today = at(minutes).date()
        assert over(rows, today) == over(before, today)
        before = rows


def over(rows: list[Any], today: date) -> list[Any]:
    """What was summed up of the days before one."""
    return sorted((row for row in rows if row[1] < today), key=str)
