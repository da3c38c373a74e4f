"""import and backfill: what Stripe sent by another way than the webhook."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from app.cli.context import a_time
from simulator import SimulatedEvent, some_traffic
from tests.app.cli.conftest import Run
from tests.support.stripe_api import API_KEY, stripe_api

RunJson = Callable[..., Any]


@pytest.fixture
def events() -> list[SimulatedEvent]:
    return list(some_traffic("intake", 12, compact=True))


@pytest.fixture
def lines(tmp_path: Path, events: list[SimulatedEvent]) -> Path:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(event.body for event in events))
    return file


class TestImport:
    def test_events_are_appended_once_and_read(
        self, run: Run, run_json: RunJson, lines: Path
    ) -> None:
        assert run("import", str(lines)).stdout == (
            "files: 1; 12 appended, 0 duplicates, 0 conflicts, 0 rejected\n"
        )
        again = run_json("import", str(lines))
        assert (again["appended"], again["duplicates"]) == (0, 12)
        status = run_json("status")
        assert (status["head"], status["lag_events"]) == (12, 0)

    def test_a_report_names_what_was_not_stored(
        self, run: Run, run_json: RunJson, tmp_path: Path, events: list[SimulatedEvent]
    ) -> None:
        changed = events[0].body.replace(b'"created":1', b'"created":2', 1)
        (tmp_path / "a.json").write_bytes(events[0].body)
        (tmp_path / "b.json").write_bytes(changed)
        (tmp_path / "c.json").write_bytes(b"{}")
        (tmp_path / "notes.txt").write_bytes(b"none")
        shown = " ".join(run("import", str(tmp_path), code=1).stdout.split())
        assert "files: 3 (ignored, not named as JSON: 1); 1 appended" in shown
        assert f"b.json:1: {events[0].id} is at position 1 with other content" in shown
        assert "c.json:1: The body is no Stripe event" in shown
        document = run_json("import", str(tmp_path), code=1)
        assert [len(document[kind]) for kind in ("conflicts", "rejected")] == [1, 1]

    def test_a_folder_in_which_no_event_is_says_so(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_bytes(b"none")
        shown = run("import", str(tmp_path), code=1).stdout
        assert shown.startswith("nothing there: files: 0 (ignored, not named as JSON: 1)")

    def test_a_path_that_does_not_exist_is_wrong_usage(self, run: Run) -> None:
        assert "nowhere" in run("import", "nowhere.json", code=2).stderr


class TestBackfill:
    def test_what_stripe_lists_is_appended(
        self, run: Run, run_json: RunJson, monkeypatch: pytest.MonkeyPatch, events: Any
    ) -> None:
        with stripe_api() as api:
            api.events = [event.body for event in events]
            monkeypatch.setenv("STRIPE_API_BASE", api.base)
            monkeypatch.setenv("STRIPE_API_KEY", API_KEY)
            document = run_json("backfill", "--since", "2026-01-01", code=1)
            assert (document["listed"], document["appended"]) == (12, 12)
            assert document["gap"]["since"] == "2026-01-01T00:00:00Z"
            again = run("backfill", "--since", "2026-01-01", code=1).stdout
        assert "0 appended, 12 duplicates" in again
        assert "Stripe keeps none from 2026-01-01 00:00:00 to" in again

    def test_without_a_key_it_cannot_run(self, run: Run) -> None:
        assert "STRIPE_API_KEY" in run("backfill", "--since", "7d", code=3).stderr

    def test_a_time_that_is_none_is_wrong_usage(self, run: Run) -> None:
        assert "is no time" in run("backfill", "--since", "yesterday", code=2).stderr


NOW = datetime(2026, 3, 8, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("7d", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T06:00", datetime(2026, 3, 1, 6, tzinfo=UTC)),
        ("2026-03-01T06:00+02:00", datetime(2026, 3, 1, 4, tzinfo=UTC)),
        ("2026-03-01T06:00:00Z", datetime(2026, 3, 1, 6, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_utc(text: str, time: datetime) -> None:
    assert a_time(text, NOW) == time


@pytest.mark.parametrize("text", ["", "d", "7", "soon", "99999999999d", "2026-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        a_time(text, NOW)


def test_what_is_asked_for_lies_in_the_past(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "rk_test_1")
    for verb in ("backfill", "audit"):
        assert "in the future" in run(verb, "--since", "2999-01-01", code=2).stderr


def test_a_key_of_the_other_mode_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is asked of Stripe, by name and without the key."""
    for key, mode in (("rk_live_1", "test"), ("sk_test_1", "live")):
        monkeypatch.setenv("STRIPE_API_KEY", key)
        monkeypatch.setenv("LEDGER_MODE", mode)
        told = run("status", code=3).stderr
        assert "STRIPE_API_KEY" in told
        assert key not in told
