"""Daily sales: in whatever order Stripe's events arrive, what a plain reading of the orders gives.

The plain reading knows every order's whole life. It works with fractions and rounds as Python does
(half-even), groups customers, and adds up days. Days are cut in Berlin, across a change of clocks.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from fractions import Fraction
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings

from ledger.domain.events import Line
from ledger.domain.money import split
from tests.projections.models import Models, at
from tests.support.sales import Life, Payment, Period, arrivals, some_lives
from tests.support.servers import Server

BERLIN = ZoneInfo("Europe/Berlin")
SEEDS = range(settings().max_examples // 6)


@pytest.fixture(scope="module")
def in_berlin(servers: Callable[[str], Server]) -> Iterator[Models]:
    server = servers("embedded")
    database = replace(server.create(), time_zone=BERLIN.key)
    with database.connect("projector", autocommit=True) as conn:
        yield Models(conn)
    server.drop(database)


@pytest.fixture(scope="module", params=SEEDS)
def lives(in_berlin: Models, request: pytest.FixtureRequest) -> list[Life]:
    """A shop's orders, whose lives the read models were told one event at a time."""
    in_berlin.forget()
    lives = some_lives(request.param)
    for minutes, fact in arrivals(lives, Random(request.param)):
        in_berlin.take(fact, minutes=minutes)
    return lives


# ── The plain reading ───────────────────────────────────────────────────────────────────────────


def day(minutes: int) -> date:
    return at(minutes).astimezone(BERLIN).date()


def line_rows(life: Life) -> Iterator[tuple[Any, ...]]:
    """Its rows of `line_sales`: key, SKU, day, currency, units, gross, discount, return."""
    placed = life.placed
    amounts = [each.quantity * each.unit_minor for each in placed.lines]
    weights = amounts if any(amounts) else [1] + [0] * (len(amounts) - 1)
    shares = split(placed.discount_minor, weights)
    for place, line in enumerate(placed.lines):
        line_id = line.line_id or str(place + 1)
        for period, times in enumerate(life.periods, 1):
            sold = list(moved(life, line, line_id, shares[place], times))
            if (unpaid := times.unpaid) is not None:
                amounts_back = (
                    -sum(parts) for parts in zip(*(row[3:] for row in sold), strict=True)
                )
                sold.append(("unpaid", 0, day(unpaid), *amounts_back))
            for kind, number, when, *rest in sold:
                key = (placed.order_id, line_id, period, kind, number)
                yield *key, line.sku, when, placed.currency, *rest


def moved(
    life: Life, line: Line, line_id: str, discount: int, period: Period
) -> Iterator[tuple[Any, ...]]:
    """What a line sold in a period, and what of it came back in that."""
    paid, unpaid, _ = period
    until = 10**9 if unpaid is None else unpaid
    gross = line.quantity * line.unit_minor
    yield "sold", 0, day(paid), line.quantity, gross, discount, 0
    worth = [round(Fraction((gross - discount) * n, line.quantity)) for n in range(8)]
    back = number = 0
    for minutes, fact in life.returns:
        ids = [each.line_id for each in fact.lines]
        units = fact.quantities.get(line.sku, 0)
        if units and minutes < until and (not ids or ids == [line_id]):
            number += 1
            value = worth[back + units] - worth[back]
            yield "returned", number, day(max(minutes, paid)), -units, 0, 0, value
            back += units
    if life.canceled is not None and life.canceled < until:
        value, units = worth[line.quantity] - worth[back], line.quantity - back
        yield "canceled", 0, day(max(life.canceled, paid)), -units, 0, 0, value


def order_rows(life: Life) -> Iterator[tuple[Any, ...]]:
    """Its rows of `order_sales`, from the key to what was refunded."""
    placed = life.placed
    goods = sum(each.quantity * each.unit_minor for each in placed.lines)
    amounts = (goods, placed.shipping_minor, placed.tax_minor, placed.total_minor)
    refunded = sum(p.refunded_minor for p in life.own if not p.refund_fails)
    for period, (paid, unpaid, brought) in enumerate(life.periods, 1):
        who = (customer(life, paid), email(life, paid))
        until = 10**9 if unpaid is None else unpaid
        key = (placed.order_id, period, "paid", day(paid), placed.currency)
        yield *key, *who, 1, *amounts, brought, int(refunded > 0), refunded
        is_canceled = life.canceled is not None and life.canceled < until
        if life.canceled is not None and is_canceled:
            key = (placed.order_id, period, "canceled", day(max(life.canceled, paid)))
            yield *key, placed.currency, *who, 0, *(-amount for amount in amounts), 0, 0, 0
        if unpaid is not None:
            key = (placed.order_id, period, "unpaid", day(unpaid), placed.currency)
            back = [0 if is_canceled else -amount for amount in amounts]
            yield *key, *who, -1, *back, -brought, -int(refunded > 0), -refunded


def first_payment(life: Life, paid: int) -> Payment | None:
    """Until it was paid; a page that leaves nothing due needs none."""
    return next((each for each in life.own if each.minutes <= paid), None)


def customer(life: Life, paid: int) -> str | None:
    first = first_payment(life, paid)
    names = [life.placed.customer_id, life.placed.email]
    names += [first.customer_id, first.email] if first else []
    known = next((name for name in names if name is not None), None)
    return known if known is None else known.lower()


def email(life: Life, paid: int) -> str | None:
    first = first_payment(life, paid)
    return life.placed.email or (first.email if first else None)


def sums(rows: list[tuple[Any, ...]]) -> dict[tuple[Any, ...], tuple[int, ...]]:
    """Amounts by key, from pairs of the two."""
    added: dict[tuple[Any, ...], tuple[int, ...]] = {}
    for key, amounts in rows:
        before = added.get(key, (0,) * len(amounts))
        added[key] = tuple(map(sum, zip(before, amounts, strict=True)))
    return added


# ── Laws ────────────────────────────────────────────────────────────────────────────────────────


def test_lines_are_sold_when_paid_and_taken_back_when_they_come_back(
    in_berlin: Models, lives: list[Life]
):
    """By cumulative half-even rounding, not before they were sold; calling off takes the rest."""
    found = in_berlin.rows("""
        select order_id, line_id, period, kind, number, sku, day, currency, units, gross_minor,
            discount_minor, return_minor
        from line_sales
    """)
    assert sorted(found) == sorted(row for life in lives for row in line_rows(life))


def test_an_order_is_a_sale_on_the_day_of_its_first_full_payment(
    in_berlin: Models, lives: list[Life]
):
    """Whatever happens later, but that it is called off; its refunds stay with that day."""
    found = in_berlin.rows("""
        select order_id, period, kind, day, currency, customer, email, orders, goods_minor,
            shipping_minor, tax_minor, total_minor, brought_minor, refunded, refunded_minor
        from order_sales
    """)
    assert sorted(found) == sorted(row for life in lives for row in order_rows(life))


def test_the_lines_of_an_order_add_up_to_it(in_berlin: Models, lives: list[Life]):
    """Amounts and discounts of lines make the order's, to the minor unit; revenue is what stays."""
    sold = in_berlin.rows("""
        select s.order_id, s.goods_minor, o.discount_minor, s.total_minor
        from order_sales as s
        join orders as o using (order_id)
        where s.kind = 'paid'
        order by s.order_id, s.period
    """)
    assert sold
    assert sold == in_berlin.rows("""
        select s.order_id, sum(l.gross_minor), sum(l.discount_minor),
            sum(l.revenue_minor) + s.shipping_minor + s.tax_minor
        from order_sales as s
        join line_sales as l using (order_id, period)
        where s.kind = 'paid' and l.kind = 'sold'
        group by s.order_id, s.period, s.kind
        order by s.order_id, s.period
    """)
    assert not in_berlin.rows("""
        select from line_sales where revenue_minor <> gross_minor - discount_minor - return_minor
    """)


def test_what_came_back_in_full_brought_nothing(in_berlin: Models, lives: list[Life]):
    """In however many steps: units are gone exactly when the line's last unit takes the rest."""
    left = in_berlin.rows("""
        select sum(revenue_minor), bool_or(kind = 'canceled') or count(*) > 2 as in_steps
        from line_sales
        group by order_id, line_id
        having sum(units) = 0
    """)
    assert {revenue_minor for revenue_minor, _ in left} == {0}
    assert any(in_steps for _, in_steps in left)


def test_days_are_the_sums_of_their_facts(in_berlin: Models, lives: list[Life]):
    lines = [row for life in lives for row in line_rows(life)]
    orders = [row for life in lives for row in order_rows(life)]
    by_day = sums([((r[6], r[7]), (r[9], r[10], r[11], r[8])) for r in lines])
    by_sku = sums([((r[6], r[7], r[5]), (r[8], r[9] - r[10] - r[11])) for r in lines])
    by_order = sums([((r[3], r[4]), (r[7], r[12], r[13], r[14], r[9], r[10])) for r in orders])
    assert by_day == sums([((r[0], r[1]), r[2:]) for r in in_berlin.rows("""
        select day, currency, gross_minor, discount_minor, return_minor, units from sales_daily
    """)])  # fmt: skip
    assert by_sku == sums([((r[0], r[1], r[2]), r[3:]) for r in in_berlin.rows("""
        select day, currency, sku, units, revenue_minor from products_daily
    """)])  # fmt: skip
    assert by_order == sums([((r[0], r[1]), r[2:]) for r in in_berlin.rows("""
        select day, currency, orders, brought_minor, refunded_orders_cohort,
            refunded_minor_cohort, shipping_minor, tax_minor
        from orders_daily
    """)])  # fmt: skip


def test_what_is_overpaid_is_what_lies_beyond_what_is_due(in_berlin: Models, lives: list[Life]):
    """An order's captures add up to it, on the days on which it came to be too much."""
    expected = [
        (life.placed.order_id, at(minutes), minor)
        for life in lives
        for minutes, minor in life.overpaid.items()
    ]
    assert sorted(expected) == in_berlin.rows("""
        select c.order_id, c.at, c.overpaid_minor
        from captures as c
        join orders as o using (order_id, currency)
        where c.overpaid_minor <> 0
        order by 1, 2
    """)
    assert (
        in_berlin.rows("""
        select order_id, o.payment_state = 'overpaid'
        from orders as o
        left join (
            select order_id, currency, sum(overpaid_minor) as overpaid_minor
            from captures
            group by order_id, currency
        ) as c using (order_id, currency)
        where coalesce(c.overpaid_minor, 0)
            <> greatest(o.received_minor - (o.total_minor - o.waived_minor), 0)
            or (coalesce(c.overpaid_minor, 0) > 0) <> (o.payment_state = 'overpaid')
    """)
        == []
    )


def test_what_pages_took_off_is_what_a_plain_reading_of_them_finds(
    in_berlin: Models, lives: list[Life]
):
    expected = {life.placed.order_id: life.taken_off(10**9) for life in lives}
    assert dict(in_berlin.rows("select order_id, waived_minor from orders")) == expected
    several = [life for life in lives if len(life.pages) > 1]
    assert any(sum(p.off_minor for p in life.pages) > life.taken_off(10**9) for life in several)


def test_distinct_customers_of_any_window_are_counted_row_by_row(
    in_berlin: Models, lives: list[Life]
):
    """By the days of the two orders before, as grouping the window's orders by customer counts."""
    days: dict[tuple[str, str], list[date]] = defaultdict(list)
    for life in lives:
        if life.periods and (who := customer(life, life.periods[0].paid)) is not None:
            days[who, life.placed.currency].append(day(life.periods[0].paid))
    ends = sorted({each for known in days.values() for each in known})
    for first in ends:
        for last in ends:
            assert counted(in_berlin, first, last) == grouped(days, first, last)


def counted(models: Models, first: date, last: date) -> dict[str, tuple[int, int, int]]:
    rows = models.cursor.execute(
        """
        select
            currency,
            count(*) filter (where previous_day is null or previous_day < %(first)s),
            count(*) filter (where previous_day >= %(first)s
                and (second_previous_day is null or second_previous_day < %(first)s)),
            count(*) filter (where previous_day is null)
        from customer_orders
        where day between %(first)s and %(last)s
        group by currency
        """,
        {"first": first, "last": last},
    ).fetchall()
    return {currency: tuple(counts) for currency, *counts in rows}


def grouped(
    days: dict[tuple[str, str], list[date]], first: date, last: date
) -> dict[str, tuple[int, int, int]]:
    """Unique, repeated and new customers by currency."""
    unique, repeated, new = Counter[str](), Counter[str](), Counter[str]()
    for (_, currency), known in days.items():
        within = sum(first <= each <= last for each in known)
        unique[currency] += within > 0
        repeated[currency] += within > 1
        new[currency] += first <= min(known) <= last
    return {c: (unique[c], repeated[c], new[c]) for c in unique if unique[c]}
