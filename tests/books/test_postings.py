"""Laws of postings: money at Stripe, in any order of arrival, makes the plain reading's books."""

from collections.abc import Callable, Iterator
from random import Random
from typing import LiteralString
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings

from tests.books.lives import Told, some_money
from tests.books.plain import AGAINST, Books, Line
from tests.projections.models import Models
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


def test_the_worlds_hold_every_part_and_most_accounts(own: Models) -> None:
    """Without this the law above could hold of nothing."""
    lines: list[Line] = []
    for seed in SEEDS:
        take(own, some_money(seed))
        lines += booked(own)
    parts = {"booked", "available", "order", "arrived", "lost", "classified"}
    assert {line.part for line in lines} == parts
    accounts = {line.account for line in lines}
    assert accounts >= {"suspense:unclassified", "suspense:fee_detail", "income:fx"}
    assert len(accounts & set(AGAINST.values())) > 15
