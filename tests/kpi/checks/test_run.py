"""Runs: a crash is red and stops nothing, persons are heard, and nothing is said twice."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from threading import Barrier

import pytest

from kpi.checks import ask, run
from kpi.checks.run import RUNS, run_checks
from ledger.command_handler import CommandHandler
from ledger.domain.events import ChecksRan, IssueOpened, Metadata
from ledger.domain.issue import ReopenIssue, ResolveIssue
from ledger.errors import InvalidCommand, StoreUnavailable
from projections.engine import positions
from projections.engine.reads import Reads
from tests.kpi.books import CHECKS, Books
from tests.kpi.checks.scenarios import (
    bounced,
    charged,
    ordered_and_charged,
    paid_twice,
    refunded,
)

PAID_TWICE = "paid_twice:A1"
ANN = Metadata(actor="token/7", actor_name="Ann", reason="she wants a voucher")
UNPAID = CHECKS["reservation_overdue"]


def decide(books: Books, command: ResolveIssue | ReopenIssue, meta: Metadata = ANN) -> int:
    with closing(Reads(books.engine)) as reads:
        return CommandHandler(books.engine.log, reads.money).execute(command, meta).position


def resolve(books: Books, issue_id: str = PAID_TWICE) -> None:
    decide(books, ResolveIssue(issue_id=issue_id, at=books.now))


def reopen(books: Books, issue_id: str = PAID_TWICE) -> None:
    decide(books, ReopenIssue(issue_id=issue_id, at=books.now))


# ── Crashes ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        (replace(UNPAID, sql="select nothing from nowhere"), "nowhere"),
        (replace(UNPAID, sql="select 1/0 as order_id, now() as expires_at"), "division by zero"),
        (replace(UNPAID, sql="select 'A1' as order_id"), "no column expires_at"),
        (replace(UNPAID, sql="select null as order_id, now() as expires_at"), "no order_id"),
        (
            replace(UNPAID, sql="select 'A1' as order_id, generate_series(1, 2) as expires_at"),
            "twice",
        ),
        (replace(UNPAID, sql="delete from read_models.orders"), "read-only"),
    ],
)  # fmt: skip
def test_a_check_that_crashes_is_red_and_the_others_still_run(
    books: Books, spoilt: run.Check, why: str
) -> None:
    paid_twice(books)
    books.follow()
    checks = [spoilt, CHECKS["paid_twice"]]
    report = run_checks(books.engine, books.now, checks=checks)
    (crashed,) = report.crashed
    assert crashed.check is spoilt
    assert why in (crashed.crashed or "")
    assert report.outcomes[1].events == {"issue.opened.v1": 1}
    (recorded,) = books.engine.log.stream(RUNS)
    assert recorded.event == ChecksRan(checks=2, open_issues=1, crashed=("reservation_overdue",))


def test_a_check_that_takes_too_long_crashes(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "LONGEST_SECONDS", 0.1)
    slow = replace(UNPAID, sql="select pg_sleep(20)::text as order_id, now() as expires_at")
    assert "timeout" in (books.run(slow).crashed or "")


def test_a_crash_resolves_nothing(books: Books) -> None:
    books.place()
    assert books.run(UNPAID).still_open == 1
    books.run(replace(UNPAID, sql="select nothing from nowhere"))
    (issue,) = books.issues()
    assert issue["state"] == "open"


def test_a_read_model_that_does_not_follow_has_no_answer(books: Books) -> None:
    """What it shows is old: what is missing there may be there."""
    books.place()
    books.run(UNPAID)
    with books.engine.database.connect("projector", autocommit=True) as conn:
        positions.stop(conn.cursor(), ["orders"], 1, "KeyError at orders.py:1")
    report = run_checks(books.engine, books.now)
    crashed = {outcome.check.name for outcome in report.crashed}
    assert crashed == {check.name for check in CHECKS.values() if "orders" in check.reads}


def test_without_a_database_there_is_no_report(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = replace(books.engine.database, admin_conninfo="host=127.0.0.1 port=1")
    with pytest.raises(StoreUnavailable):
        run_checks(books.engine._replace(database=gone), books.now)


# ── Persons ─────────────────────────────────────────────────────────────────────────────────────


def test_what_a_person_resolved_stays_so_while_its_evidence_does(books: Books) -> None:
    paid_twice(books)
    books.run("paid_twice")
    resolve(books)
    again = books.run("paid_twice")
    assert (again.events, again.still_open) == ({}, 0)
    (issue,) = books.issues()
    assert (issue["state"], issue["by_itself"], issue["actor"]) == ("resolved", False, "token/7")
    assert issue["reason"] == ANN.reason
    charged(books, "ch_3")
    assert books.run("paid_twice").events == {"issue.reopened.v1": 1}
    assert "3 payments" in books.issues()[0]["sentence"]


def test_evidence_that_changes_while_it_is_open_is_noted(books: Books) -> None:
    paid_twice(books)
    books.run("paid_twice")
    charged(books, "ch_3")
    assert books.run("paid_twice").events == {"issue.evidence_changed.v1": 1}
    (issue,) = books.issues()
    assert (issue["evidence"]["held_minor"], issue["times_reopened"]) == (3000, 0)


def test_what_a_person_reopened_resolves_when_its_cause_is_gone(books: Books) -> None:
    paid_twice(books)
    books.run("paid_twice")
    resolve(books)
    reopen(books)
    refunded(books, 1000, "ch_2")
    assert books.run("paid_twice").events == {"issue.resolved.v1": 1}


def test_what_a_person_reopened_although_it_was_gone_waits_for_a_person(books: Books) -> None:
    paid_twice(books)
    books.run("paid_twice")
    refunded(books, 1000, "ch_2")
    books.run("paid_twice")
    reopen(books)
    outcome = books.run("paid_twice")
    assert (outcome.events, outcome.still_open) == ({}, 1)
    resolve(books)
    assert books.run("paid_twice").still_open == 0


def test_a_decision_needs_a_reason(books: Books) -> None:
    paid_twice(books)
    books.run("paid_twice")
    with pytest.raises(InvalidCommand, match="reason"):
        decide(books, ResolveIssue(issue_id=PAID_TWICE, at=books.now), Metadata(actor="token/7"))


# ── Runs beside each other ──────────────────────────────────────────────────────────────────────


def test_runs_at_the_same_time_say_nothing_twice(books: Books) -> None:
    for number in range(130):
        books.place(f"A{number}")
    books.follow()
    barrier = Barrier(3)

    def go() -> int:
        barrier.wait()
        report = run_checks(books.engine, books.now, checks=[UNPAID])
        return report.outcomes[0].events["issue.opened.v1"]

    with ThreadPoolExecutor(3) as pool:
        opened = sum(future.result() for future in [pool.submit(go) for _ in range(3)])
    stored = [r for r in books.engine.log.read(260) if isinstance(r.event, IssueOpened)]
    assert opened == len(stored) == 130
    assert len(books.engine.log.stream(RUNS)) == 3


def test_what_was_decided_after_the_snapshot_is_left_alone(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow run must not undo what a person or a later run said meanwhile."""
    paid_twice(books)
    books.run("paid_twice")
    charged(books, "ch_3")
    record = run._record

    def late(*arguments: object) -> object:
        resolve(books)
        return record(*arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(run, "_record", late)
    books.follow()
    (outcome,) = run_checks(books.engine, books.now, checks=[CHECKS["paid_twice"]]).outcomes
    assert outcome.events == {}


def test_what_a_run_says_belongs_to_the_object_and_to_whom_ran_it(books: Books) -> None:
    ordered_and_charged(books, 400)
    bounced(books, "ch_1", amount=400)
    books.place("A2")
    books.follow()
    run_checks(books.engine, books.now, ANN, [UNPAID])
    said = books.engine.log.stream("issue/reservation_overdue:A2")
    assert [(r.meta.actor, r.meta.correlation) for r in said] == [("token/7", "order/A2")]
    assert books.engine.log.stream(RUNS)[0].meta.actor == "token/7"
