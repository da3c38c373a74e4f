"""audit, explain: what happened, and why a thing is as it is, from the terminal."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from app.cli import audit
from ledger.postgres.database import Database
from tests.app.cli.conftest import Run

RunJson = Callable[..., Any]

STATES = re.compile(r"^state +(\w+)", re.MULTILINE)


@pytest.fixture
def database(after: Callable[..., Database]) -> Database:
    """An order, canceled."""
    return after(
        ("stock", "define", "MUG", "--name", "Blue mug", "--price", "12.50 gbp"),
        ("stock", "receive", "MUG", "3", "--reason", "delivery note"),
        ("order", "place", "--id", "A1", "--currency", "gbp", "--line", "MUG:2"),
        ("order", "cancel", "A1", "--reason", "changed her mind"),
    )


def test_the_latest_line_comes_first(run: Run, run_list: RunJson) -> None:
    lines = run_list("audit")
    assert [line["position"] for line in lines] == [6, 5, 4, 3, 2, 1]
    shown = run("audit").stdout
    assert shown.index("order.canceled") < shown.index("order.placed")
    assert "changed her mind" in shown


FILTERS: tuple[tuple[tuple[str, ...], list[int]], ...] = (
    (("--object", "order/A1"), [6, 5, 4, 3]),
    (("--kind", "order.*"), [5, 3]),
    (("--text", "her mind"), [6, 5]),
    (("--actor", "operator", "--kind", "stock.received"), [2]),
    (("--outcome", "refused"), []),
    (("--role", "auditor"), []),
    (("--since", "1d", "--limit", "2"), [6, 5]),
    (("--before", "3"), [2, 1]),
    (("--until", "2020-01-01"), []),
)


def test_lines_fit_all_that_is_given(run_list: RunJson) -> None:
    for filters, positions in FILTERS:
        found = [line["position"] for line in run_list("audit", *filters)]
        assert found == positions, filters


def test_an_actor_who_did_nothing_is_refused_with_those_who_did(run: Run) -> None:
    assert "'Petra' is none of operator" in run("audit", "--actor", "Petra", code=2).stderr


def test_many_lines_are_read_in_pages(run_list: RunJson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PAGE_LINES", 2)
    for limit in (1, 2, 3, 5, 6, 7):
        lines = run_list("audit", "--limit", str(limit))
        assert [line["position"] for line in lines] == [6, 5, 4, 3, 2, 1][:limit]


def test_a_time_that_is_none_is_wrong_usage(run: Run) -> None:
    assert "is no time" in run("audit", "--since", "yesterday", code=2).stderr


@pytest.mark.parametrize("of", ["A1", "ordr/A1", "order/", "/A1"])
def test_an_object_is_written_with_its_kind(run: Run, of: str) -> None:
    said = run("audit", "--object", of, code=2).stderr
    assert "order/A1" in said


def test_a_span_that_ends_before_it_begins_is_wrong_usage(run: Run) -> None:
    run("audit", "--since", "2026-01-02", "--until", "2026-01-01", code=2)


def test_each_column_names_the_event_that_made_it_so(run: Run, run_json: RunJson) -> None:
    fields = run_json("explain", "order", "A1")["fields"]
    assert fields["state"]["value"] == "canceled"
    assert [change["position"] for change in fields["state"]["changes"]] == [3, 5]
    last, every = run("explain", "order", "A1"), run("explain", "order", "A1", "--every")
    assert STATES.findall(last.stdout) == ["canceled"]
    assert STATES.findall(every.stdout) == ["pending", "canceled"]


def test_a_history_tells_what_each_event_changed(run: Run, run_list: RunJson) -> None:
    placed, _, canceled, _ = run_list("history", "order", "A1", "--changes")
    assert placed["changed"]["state"] == [None, "pending"]
    assert canceled["changed"]["state"] == ["pending", "canceled"]
    (before,), (after,) = placed["changed"]["lines"]
    assert (before, after["sku"]) == (None, "MUG")
    assert "state pending → canceled" in run("history", "order", "A1", "--changes").stdout
    assert (
        "Invalid value for KIND: 'charge'"
        in run("history", "charge", "ch_1", "--changes", code=2).stderr
    )


def test_what_is_not_there_exits_1(run: Run) -> None:
    assert "No order 'Z9' as of position" in run("explain", "order", "Z9", code=1).stderr
    assert "Invalid value for KIND: 'charge'" in run("explain", "charge", "ch_1", code=2).stderr
