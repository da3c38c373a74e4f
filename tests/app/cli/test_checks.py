"""checks, issues: a run that says what is wrong, and decisions with a reason."""

from collections.abc import Callable
from typing import Any

import pytest

from kpi.checks import declare
from kpi.checks.run import run_checks
from ledger.log import Log
from ledger.postgres.database import Database
from tests.app.cli.conftest import Run
from tests.kpi.builder import LedgerBuilder
from tests.kpi.checks.scenarios import paid_twice

RunJson = Callable[..., Any]
ISSUE = "paid_twice:A1"


@pytest.fixture
def trouble(database: Database) -> None:
    """An order that was paid twice."""
    with Log(database.conninfo("app")) as log:
        paid_twice(LedgerBuilder(database, log))


def test_without_issues_a_run_is_content(run: Run) -> None:
    assert "no issue is open" in run("checks", "run", "--fail-on-issues").stdout


def test_a_run_says_what_is_wrong(run: Run, trouble: None) -> None:
    shown = run("checks", "run").stdout
    assert "paid_twice:A1  Order A1 costs 10.00 GBP and holds 20.00 GBP" in shown
    assert "1 issue is open" in shown
    assert "Order A1" not in run("checks", "run", "--top", "0").stdout


def test_a_run_fails_on_issues_where_it_shall(run: Run, trouble: None) -> None:
    run("checks", "run", "--fail-on-issues", code=1)
    run("issues", "resolve", ISSUE, "--reason", "she wants a voucher")
    run("checks", "run", "--fail-on-issues")


def test_a_crash_fails_whatever_is_wanted(
    run: Run, run_json: RunJson, trouble: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid, other = (c for c in declare.catalogue() if c.name in {"paid_twice", "overpaid"})
    broken = declare.parse(other.name, other.sql.replace("from orders", "from nowhere"))
    monkeypatch.setattr(
        "kpi.checks.run.run_checks",
        lambda engine, now, meta, limits: run_checks(engine, now, meta, [paid, broken], limits),
    )
    document = run_json("checks", "run", code=1)
    assert (document["crashed"], document["open"]) == ([other.name], 1)
    assert f"{other.name} crashed" in run("checks", "run", code=1).stderr


def test_a_run_is_a_document(run_json: RunJson, trouble: None) -> None:
    document = run_json("checks", "run", "--top", "1")
    (found,) = [check for check in document["checks"] if check["open"]]
    assert found["name"] == "paid_twice"
    assert found["events"] == {"issue.opened.v1": 1}
    assert len(found["top"]) == 1


def test_checks_are_listed(run: Run, run_json: RunJson) -> None:
    assert {check["name"] for check in run_json("checks", "list")} >= {"paid_twice"}
    assert "Which canceled orders hold money?" in run("checks", "list").stdout


def test_the_list_says_how_long_a_check_waits_here(
    run: Run, run_json: RunJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_PENDING_PAYMENT_DAYS", "2")
    waits = {check["name"]: check["waits"] for check in run_json("checks", "list")}
    assert waits["checkout_without_payment"] == "1 hour"
    assert waits["reservation_overdue"] == "5 minutes, 2 days"
    assert waits["paid_twice"] is None
    assert "5 minutes, 2 days" in run("checks", "list").stdout


def test_issues_are_listed_by_state(run: Run, run_list: RunJson, trouble: None) -> None:
    run("checks", "run")
    assert ISSUE in run("issues", "list", "--severity", "high").stdout
    assert run_list("issues", "list", "--check", "overpaid") == []
    run("issues", "resolve", ISSUE, "--reason", "she wants a voucher")
    assert run_list("issues", "list") == []
    (row,) = run_list("issues", "list", "--state", "resolved")
    assert (row["reason"], row["actor"]) == ("she wants a voucher", "operator")
    run("issues", "reopen", ISSUE, "--reason", "she does not")
    assert len(run_list("issues", "list", "--state", "any")) == 1


def test_a_decision_needs_a_reason_and_an_issue(run: Run, trouble: None) -> None:
    assert "--reason" in run("issues", "resolve", ISSUE, code=2).stderr
    refused = run("issues", "resolve", ISSUE, "--reason", "why not", code=1)
    assert "There is no issue 'paid_twice:A1'" in refused.stderr


def test_a_state_that_is_none_is_wrong_usage(run: Run) -> None:
    assert "resolved" in run("issues", "list", "--state", "closed", code=2).stderr
