"""kpi: figures for people, and what they leave out."""

from collections.abc import Callable
from typing import Any

import pytest

from ledger.log import Log
from ledger.postgres.database import Database
from tests.app.cli.conftest import Run
from tests.kpi.books import Books
from tests.webhooks.billing_examples import item, price, subscription

RunJson = Callable[..., Any]
DAYS = ("--from", "2026-03-01", "--to", "2026-03-02")


@pytest.fixture
def tiered(database: Database) -> None:
    """A subscription of tiers that Stripe does not tell."""
    seats = item(price=price(None, billing_scheme="tiered"), quantity=20)
    with Log(database.conninfo("app")) as log:
        Books(database, log).stripe("customer.subscription.created", subscription(seats))


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
