"""Figures: the contract, and for each figure its days, the facts behind it, what was reported."""

import re
from collections.abc import Callable, Iterator
from datetime import date

import pytest

from kpi.declare import catalogue
from kpi.snapshots import take
from ledger.domain.access import Role
from tests.console.over_ledger import ConsoleOverLedger, console_over
from tests.kpi.builder import NOON, LedgerBuilder
from tests.kpi.checks.scenarios import paid_twice
from tests.support.servers import Server

DAYS = {"from": "2023-11-14", "to": "2023-11-15"}


def reported(builder: LedgerBuilder) -> None:
    builder.follow()
    take(builder.engine, date(2023, 11, 15), NOON, days=2)


@pytest.fixture(scope="module")
def console(servers: Callable[[str], Server]) -> Iterator[ConsoleOverLedger]:
    """Books in which an order of ten pounds was paid twice, and the figures recorded."""
    with console_over(servers("embedded"), paid_twice, reported) as console:
        console.sign_in(Role.ADMIN)
        yield console


@pytest.mark.parametrize("name", catalogue())
def test_every_figure_has_a_page(console: ConsoleOverLedger, name: str) -> None:
    page = console.page(f"/console/figures/{name}", **DAYS)
    assert f"<h1>{catalogue()[name].label}</h1>" in page
    assert f'aria-label="{catalogue()[name].label} by day"' in page


def test_the_contract_lists_every_figure_and_is_searched_by_words(
    console: ConsoleOverLedger,
) -> None:
    page = console.page("/console/figures")
    assert all(f'href="/console/figures/{name}"' in page for name in catalogue())
    found = console.page("/console/figures", q="Rate refund")
    assert '<a href="/console/figures/refund_rate_value_pct">' in found
    assert "/console/figures/mrr" not in found
    assert "No figure has this name." in console.page("/console/figures", q="nonsense")


def test_a_figure_shows_the_facts_behind_it_with_their_objects(console: ConsoleOverLedger) -> None:
    page = console.page("/console/figures/revenue", **DAYS)
    assert "<strong>£20.00</strong></h2>" in page
    assert page.count('<a href="/console/orders/A1">A1</a>') == 2
    assert page.count(' number">£10.00</td>') == 5  # one of them overpaid


def test_what_was_reported_is_shown_with_its_position(console: ConsoleOverLedger) -> None:
    page = console.page("/console/figures/revenue", **DAYS)
    assert "What was reported" in page
    assert "No snapshots" not in page
    earlier = console.page("/console/figures/revenue", as_of="1", **DAYS)
    told = r"No snapshots from [^<]+, as of event 1\. <code>ledger kpi snapshot</code> takes"
    assert re.search(told, earlier)


def test_a_computed_figure_leads_to_those_that_it_is_made_of(console: ConsoleOverLedger) -> None:
    page = console.page("/console/figures/aov", **DAYS)
    assert "/console/figures/paid_orders_amount?from=2023-11-14" in page
    assert "The facts behind it" not in page


def test_an_unknown_figure_is_not_found_and_an_impossible_window_is_told(
    console: ConsoleOverLedger,
) -> None:
    console.page("/console/figures/nonsense", 404)
    assert "7, 30, 90" in console.page("/console/figures/revenue", 400, window="8")


def test_an_analyst_sees_the_facts_without_ways_to_records(console: ConsoleOverLedger) -> None:
    console.sign_in(Role.ANALYST)
    page = console.page("/console/figures/revenue", **DAYS)
    assert ">A1</td>" in page
    assert "/console/payments/ch_1" not in page
