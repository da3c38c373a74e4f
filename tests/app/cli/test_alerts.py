"""alerts: what is told and where to, and trying a channel, from the terminal."""

from collections.abc import Callable
from typing import Any

import pytest

from ledger.postgres.database import Database
from tests.app.cli.conftest import Run

SECRET = "whsec_" + "A" * 32


@pytest.fixture
def database(after: Callable[..., Database]) -> Database:
    return after(("stock", "define", "MUG", "--name", "Blue mug", "--price", "12.50 gbp"))


def test_rules_and_channels_are_listed_without_a_secret(
    run: Run, run_json: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "nothing is told" in run("alerts", "list").stdout
    assert "there is none" in run("alerts", "test", "slack", code=1).stderr
    monkeypatch.setenv("LEDGER_ALERTS_SLACK", "https://hooks.example.com/services/secret")
    monkeypatch.setenv("LEDGER_ALERTS_WEBHOOK", "http://127.0.0.1:1/secret")
    monkeypatch.setenv("LEDGER_ALERTS_WEBHOOK_SECRET", SECRET)
    listed = run_json("alerts", "list")
    assert [each["target"] for each in listed["channels"]] == ["hooks.example.com", "127.0.0.1"]
    assert len(listed["rules"]) == 5
    assert "secret" not in str(listed)


def test_a_test_that_fails_is_on_record(
    run: Run,
    run_json: Callable[..., Any],
    run_list: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def told() -> tuple[str, str]:
        (found,) = [each for each in run_json("doctor", code=1) if each["what"] == "alerts"]
        return found["verdict"], found["found"]

    assert told()[0] == "note"
    assert told()[1].startswith("told nowhere; LEDGER_ALERTS_SMTP")
    monkeypatch.setenv("LEDGER_ALERTS_WEBHOOK", "http://127.0.0.1:1/secret")
    monkeypatch.setenv("LEDGER_ALERTS_WEBHOOK_SECRET", SECRET)
    assert told() == (
        "note",
        "5 rules, told by webhook; nothing went out by webhook yet: `ledger alerts test` tries it",
    )
    assert "connection_refused" in run("alerts", "test", "webhook", code=1).stdout
    (line,) = run_list("alerts", "log")
    assert (line["channel"], line["outcome"], line["actor"]) == ("webhook", "given_up", "operator")
    assert told()[0] == "wrong"
    assert "UTC, did not go out (connection_refused); `ledger alerts test` tries" in told()[1]
    assert len(run_list("audit", "--kind", "alert.*")) == 1
    assert "connection_refused" in run("alerts", "log").stdout
