"""kpi: figures for people, and what they leave out."""

import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from kpi.as_of import known_until
from kpi.report import COMPLETE
from kpi.windows import day_of
from ledger.log import Log
from ledger.postgres.database import Database
from tests.app.cli.conftest import Run
from tests.kpi.builder import LedgerBuilder
from tests.kpi.checks.scenarios import paid_twice
from tests.webhooks.billing_examples import item, price, subscription
from tests.webhooks.examples import charge

RunJson = Callable[..., Any]
DAYS = ("--from", "2026-03-01", "--to", "2026-03-02")


@pytest.fixture
def tiered(database: Database) -> None:
    """A subscription of tiers that Stripe does not tell."""
    seats = item(price=price(None, billing_scheme="tiered"), quantity=20)
    with Log(database.conninfo("app")) as log:
        LedgerBuilder(database, log).stripe("customer.subscription.created", subscription(seats))


def test_what_mrr_leaves_out_is_said_below_it(run: Run, tiered: None) -> None:
    shown = " ".join(run("kpi", "show", *DAYS).stdout.split())
    assert "mrr_uncounted_subscriptions 1" in shown
    assert "not fully counted: 1 (in opening_mrr, mrr, new_mrr," in shown
    assert "`ledger issues list --check mrr_unknown` says why" in shown


def test_where_nothing_is_left_out_nothing_is_said(run: Run) -> None:
    assert "not fully counted" not in run("kpi", "show", *DAYS).stdout


def test_programs_read_it_beside_the_figure(run_json: RunJson, tiered: None) -> None:
    figures = run_json("kpi", "show", *DAYS)["currencies"]["gbp"]
    assert figures["mrr"]["value"] == 0
    assert figures["mrr_uncounted_subscriptions"]["value"] == 1


@pytest.fixture
def only_payments(database: Database) -> None:
    """A payment that no order knows."""
    with Log(database.conninfo("app")) as log:
        LedgerBuilder(database, log).stripe("charge.succeeded", charge(metadata={}))


CHARGED = ("--from", "2023-11-14", "--to", "2023-11-14")


def test_without_orders_figures_of_payments_are_shown_instead_of_zeros(
    run: Run, run_json: RunJson, only_payments: None
) -> None:
    shown = " ".join(run("kpi", "show", *CHARGED).stdout.split())
    assert "─ gross_volume 10.00 " in shown
    assert " revenue 0.00" not in shown
    assert (
        "left out, as nothing of them is known in GBP: Money of orders, Stripe's balance," in shown
    )
    assert "not fully counted: 1 (in settled_gross," in shown
    assert "net_volume, effective_fee_rate_pct); `ledger stripe pull` fetches them" in shown
    assert run_json("kpi", "show", *CHARGED)["currencies"]["gbp"]["revenue"]["value"] == 0


def test_a_currency_without_amounts_is_a_sentence(
    run: Run, run_json: RunJson, only_payments: None
) -> None:
    """A heading without rows would look as if something were left out."""
    told = " ".join(run("kpi", "show", *DAYS, "--currency", "GBP").stdout.split())
    assert "Nothing in GBP from 2026-03-01 to 2026-03-02: no order, payment" in told
    assert "as of position 1." in told
    assert " GBP figure" not in told
    assert run_json("kpi", "show", *DAYS, "--currency", "gbp")["as_of_position"] == 1


def test_without_any_amount_that_is_said(run: Run) -> None:
    told = " ".join(run("kpi", "show", *DAYS).stdout.split())
    assert "Nothing in any currency from 2026-03-01 to 2026-03-02:" in told
    assert "as of position 0." in told


def test_with_orders_both_are_shown(run: Run, database: Database) -> None:
    with Log(database.conninfo("app")) as log:
        paid_twice(LedgerBuilder(database, log))
    shown = " ".join(run("kpi", "show", *CHARGED).stdout.split())
    assert "─ revenue 20.00 " in shown
    assert " gross_volume 20.00" in shown
    assert "left out, as nothing of them is known in GBP: Stripe's balance (--json" in shown


def test_a_window_with_days_that_are_yet_to_come_is_not_complete(
    run: Run, run_json: RunJson, database: Database, tiered: None
) -> None:
    future = ("--from", "2999-12-10", "--to", "2999-12-20")
    for as_of in ((), ("--as-of", "1")):
        assert not run_json("kpi", "show", *future, *as_of)["standing"]["complete"]
        assert run_json("kpi", "show", *DAYS, *as_of)["standing"]["complete"]
        shown = " ".join(run("kpi", "show", *future, *as_of).stdout.split())
        assert re.search(r"INCOMPLETE: days after 20\d\d-\d\d-\d\d are yet to come", shown)
    assert COMPLETE in " ".join(run("kpi", "show", "--help").stdout.split())


@pytest.mark.parametrize("as_of", ["0", "2001-01-01", "2001-01-01T12:00:00Z", "9999d"])
def test_before_the_first_event_no_figure_is_shown(
    run: Run, run_json: RunJson, tiered: None, as_of: str
) -> None:
    """A zero would say that nothing was sold: nothing was known."""
    told = run("kpi", "show", *DAYS, "--as-of", as_of, code=2)
    assert told.stdout == ""
    assert "nothing was known at that time" in told.stderr
    assert "the first event was recorded at 20" in told.stderr
    document = run_json("kpi", "show", *DAYS, "--as-of", as_of, code=2)
    assert document.keys() == {"error", "detail"}


def test_of_an_empty_log_nothing_is_known_at_any_time(run: Run) -> None:
    run("migrate")
    assert "no event yet" in run("kpi", "show", *DAYS, "--as-of", "1d", code=2).stderr


def test_as_of_a_position_the_days_are_known_up_to_the_next_event(
    database: Database, tiered: None
) -> None:
    """Nothing happened in between, so the day on which that was recorded had begun."""
    zone = ZoneInfo("Pacific/Kiritimati")
    with Log(database.conninfo("app")) as log:
        LedgerBuilder(database, log).place()
        first, second = log.read(limit=2)
        assert known_until(log, zone, first.position) == day_of(second.recorded_at, zone)
        today = day_of(log.now(), zone)
        assert today <= known_until(log, zone, log.head()) <= day_of(log.now(), zone)
