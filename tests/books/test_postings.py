"""Laws of postings: money at Stripe, in any order of arrival, makes the plain reading's books."""

import re
from collections.abc import Callable, Iterator
from random import Random
from typing import LiteralString
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings

from ledger.domain.balance_facts import TransactionFact
from ledger.domain.events import BooksCategoryNamed, OrderPlaced
from ledger.domain.events import Line as OrderLine
from ledger.domain.facts import PaymentFact, PaymentState
from tests.books.lives import Told, some_money
from tests.books.plain import AGAINST, Books, Line
from tests.projections.models import Models, at, charge
from tests.support.servers import Server

SEEDS = range(settings().max_examples // 2)
LINES: LiteralString = """
select transaction_id, part, day, account, currency, sum(amount_minor)::bigint
from postings
group by transaction_id, part, day, account, currency
having sum(amount_minor) <> 0
"""
BREACHES: dict[str, LiteralString] = {
    "an entry sums to 0": """
        select transaction_id, part, sum(amount_minor)
        from postings
        group by transaction_id, part
        having sum(amount_minor) <> 0
    """,
    "an entry has one currency, its transaction's": """
        select p.* from postings as p join transactions as t using (transaction_id)
        where p.currency <> t.currency
    """,
    "accounts of the balance move by the net of transactions, and by nothing else": """
        select t.currency, t.net_minor, p.moved_minor
        from (select currency, sum(net_minor) as net_minor from transactions group by currency) as t
        left join (
            select currency, sum(amount_minor) as moved_minor
            from postings
            where account ~ '^assets:stripe:[a-z_]+:(pending|available)$'
            group by currency
        ) as p using (currency)
        where t.net_minor <> coalesce(p.moved_minor, 0)
    """,
    "days of accounts are the sums of their postings": """
        select *
        from account_days as d
        full join (
            select account, currency, day,
                sum(greatest(amount_minor, 0)) as debit_minor,
                sum(greatest(-amount_minor, 0)) as credit_minor
            from postings
            group by account, currency, day
        ) as p using (account, currency, day, debit_minor, credit_minor)
        where d is null or p is null
    """,
}


@pytest.fixture(scope="module")
def own(servers: Callable[[str], Server]) -> Iterator[Models]:
    server = servers("embedded")
    database = server.create()
    with database.connect("projector", autocommit=True) as conn:
        yield Models(conn)
    server.drop(database)


def take(models: Models, told: list[Told]) -> None:
    models.forget()
    for minutes, fact in told:
        models.take(fact, minutes=minutes)


def booked(models: Models) -> list[Line]:
    return sorted(Line(*row) for row in models.rows(LINES))


@pytest.mark.parametrize("seed", SEEDS)
def test_any_money_makes_the_books_of_a_plain_reading(own: Models, seed: int) -> None:
    told = some_money(seed)
    random = Random(seed)
    if seed % 2:
        told = random.sample(told, len(told))
        told += random.sample(told, len(told) // 3)
    take(own, told)
    assert booked(own) == Books(own.said, ZoneInfo("UTC")).lines()
    for law, query in BREACHES.items():
        assert not own.rows(query), law


@pytest.mark.parametrize("seed", SEEDS)
def test_categories_split_accounts_and_move_nothing_else(own: Models, seed: int) -> None:
    told = some_money(seed)
    take(own, told)
    sums: dict[Line, int] = {}
    for line in booked(own):
        whole = re.sub("^(income:sales|contra:refunds):.*", r"\1", line.account)
        key = line._replace(account=whole, amount_minor=0)
        sums[key] = sums.get(key, 0) + line.amount_minor
    take(own, [each for each in told if not isinstance(each[1], BooksCategoryNamed)])
    assert {key: minor for key, minor in sums.items() if minor} == {
        line._replace(amount_minor=0): line.amount_minor for line in booked(own)
    }


def test_what_goes_back_leaves_the_accounts_that_it_came_to(own: Models) -> None:
    """To the minor unit, although the category is another one by then."""
    order = OrderPlaced(
        order_id="A1",
        currency="eur",
        lines=(
            OrderLine(sku="MUG", name="Mug", quantity=2, unit_minor=500),
            OrderLine(sku="PRINT", name="Print", quantity=1, unit_minor=999),
        ),
        total_minor=2_300,
        shipping_minor=301,
        expires_at=at(30),
    )
    own.forget()
    own.take(order)
    paid = PaymentFact(
        state=PaymentState.SUCCEEDED,
        payment_id="pi_1",
        amount_minor=2_300,
        received_minor=2_300,
        currency="eur",
        created_at=at(0),
        order_id="A1",
    )
    own.take(paid, charge(2_300, currency="eur"))
    for sku, month, category in (("*", "2026-03", "goods"), ("MUG", "2026-03", "mugs")):
        own.take(BooksCategoryNamed(sku=sku, period=month, category=category))
    own.take(BooksCategoryNamed(sku="MUG", period="2026-04", category="cups"))
    for name, minutes, amount in (("charge", 0, 2_300), ("charge_failure", 60 * 24 * 40, -2_300)):
        booked_at = at(minutes)
        moved = TransactionFact(
            transaction_id=f"txn_{name}",
            type="payment",
            category=name,
            amount_minor=amount,
            fee_minor=0,
            net_minor=amount,
            currency="eur",
            created_at=booked_at,
            available_at=booked_at,
            source_id="ch_1",
        )
        own.take(moved)
    by_month: dict[int, dict[str, int]] = {3: {}, 4: {}}
    for line in booked(own):
        month = by_month[line.day.month]
        month[line.account] = month.get(line.account, 0) + line.amount_minor
    assert by_month[3] == {
        "assets:stripe:payments:available": 2_300,
        "income:sales": 0,
        "income:sales:goods": -999,
        "income:sales:mugs": -1_000,
        "income:shipping": -301,
    }
    assert by_month[4] == {account: -minor for account, minor in by_month[3].items()}


def test_the_worlds_hold_every_part_and_most_accounts(own: Models) -> None:
    """Without this the law above could hold of nothing: by it the plain reading is enough here."""
    lines: list[Line] = []
    for seed in SEEDS:
        own.forget()
        said = [(own.moment(minutes), fact) for minutes, fact in some_money(seed)]
        lines += Books(said, ZoneInfo("UTC")).lines()
    parts = {"booked", "available", "order", "arrived", "lost", "classified"}
    assert {line.part for line in lines} == parts
    accounts = {line.account for line in lines}
    assert accounts >= {"suspense:unclassified", "suspense:fee_detail", "income:fx"}
    assert accounts >= {"income:sales:mugs", "contra:refunds:prints", "income:sales:red_mugs"}
    assert len(accounts & set(AGAINST.values())) > 15
