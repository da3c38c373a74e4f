"""Runs: a crash is red and stops nothing, persons are heard, and nothing is said twice."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from threading import Barrier

import pytest

from kpi.checks import ask, run
from kpi.checks.run import RUNS, run_checks
from ledger.command_handler import CommandHandler
from ledger.domain.events import ChecksRan, IssueOpened, Metadata, ProofFinished
from ledger.domain.issue import ReopenIssue, ResolveIssue
from ledger.errors import InvalidCommand, StoreUnavailable
from projections.engine import positions
from projections.engine.proofs import answer, put_on_record
from projections.engine.reads import Reads
from projections.engine.rebuild import rebuild
from projections.engine.verify import verify
from tests.kpi.builder import CHECKS, LedgerBuilder
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


def decide(
    builder: LedgerBuilder, command: ResolveIssue | ReopenIssue, meta: Metadata = ANN
) -> int:
    with closing(Reads(builder.engine)) as reads:
        return CommandHandler(builder.engine.log, reads.money).execute(command, meta).position


def resolve(builder: LedgerBuilder, issue_id: str = PAID_TWICE) -> None:
    decide(builder, ResolveIssue(issue_id=issue_id, at=builder.now))


def reopen(builder: LedgerBuilder, issue_id: str = PAID_TWICE) -> None:
    decide(builder, ReopenIssue(issue_id=issue_id, at=builder.now))


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
    builder: LedgerBuilder, spoilt: run.Check, why: str
) -> None:
    paid_twice(builder)
    builder.follow()
    checks = [spoilt, CHECKS["paid_twice"]]
    report = run_checks(builder.engine, builder.now, checks=checks)
    (crashed,) = report.crashed
    assert crashed.check is spoilt
    assert why in (crashed.crashed or "")
    assert report.outcomes[1].events == {"issue.opened.v1": 1}
    (recorded,) = builder.engine.log.stream(RUNS)
    assert recorded.event == ChecksRan(checks=2, open_issues=1, crashed=("reservation_overdue",))


def test_a_check_that_takes_too_long_crashes(
    builder: LedgerBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask, "LONGEST_SECONDS", 0.1)
    slow = replace(UNPAID, sql="select pg_sleep(20)::text as order_id, now() as expires_at")
    assert "timeout" in (builder.run(slow).crashed or "")


def test_a_crash_resolves_nothing(builder: LedgerBuilder) -> None:
    builder.place()
    assert builder.run(UNPAID).still_open == 1
    builder.run(replace(UNPAID, sql="select nothing from nowhere"))
    (issue,) = builder.issues()
    assert issue["state"] == "open"


def test_a_read_model_that_does_not_follow_has_no_answer(builder: LedgerBuilder) -> None:
    """What it shows is old: what is missing there may be there."""
    builder.place()
    builder.run(UNPAID)
    with builder.engine.database.connect("projector", autocommit=True) as conn:
        positions.stop(conn.cursor(), ["orders"], 1, "KeyError at orders.py:1")
    report = run_checks(builder.engine, builder.now)
    crashed = {outcome.check.name for outcome in report.crashed}
    assert crashed == {check.name for check in CHECKS.values() if "orders" in check.reads}


def test_without_a_database_there_is_no_report(
    builder: LedgerBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = replace(builder.engine.database, admin_conninfo="host=127.0.0.1 port=1")
    with pytest.raises(StoreUnavailable):
        run_checks(builder.engine._replace(database=gone), builder.now)


# ── Damage ──────────────────────────────────────────────────────────────────────────────────────


def on_record(builder: LedgerBuilder, end: ProofFinished) -> None:
    put_on_record(builder.engine.log, builder.at, end, ANN)
    builder.follow()


def proven(builder: LedgerBuilder, proof_id: str = "1" * 32) -> None:
    """A proof is made, and goes on record with what it found."""
    builder.follow()
    on_record(builder, answer(proof_id, verify(builder.engine)))


def found_in(table: str) -> ProofFinished:
    """A proof that found damage in one table."""
    return ProofFinished(
        proof_id="1" * 32, holds=False, position=1, tables={}, differences=({"table": table},)
    )


def test_what_damage_hides_is_not_resolved(builder: LedgerBuilder) -> None:
    """Nor does the history say later that it was: what a rebuild brings back was never gone."""
    paid_twice(builder)
    builder.run("paid_twice")
    builder.tamper("delete from orders")
    proven(builder)
    outcome = builder.run("paid_twice")
    assert (outcome.events, outcome.withheld, outcome.still_open) == ({}, 1, 1)
    rebuild(builder.engine)
    outcome = builder.run("paid_twice")
    assert (outcome.events, outcome.withheld, outcome.still_open) == ({}, 0, 1)
    (opened,) = builder.engine.log.stream(f"issue/{PAID_TWICE}")
    assert isinstance(opened.event, IssueOpened)


def test_issues_are_opened_in_spite_of_damage(builder: LedgerBuilder) -> None:
    """A false alarm is looked into; a false all-clear is believed."""
    on_record(builder, found_in("orders"))
    paid_twice(builder)
    outcome = builder.run("paid_twice")
    assert (outcome.events, outcome.withheld) == ({"issue.opened.v1": 1}, 0)


@pytest.mark.parametrize(
    ("damaged", "withheld"),
    [
        ("orders", 1),  # which it reads
        ("payments", 1),  # which what it reads is made of
        ("issues", 1),  # which says what is open
        ("wishes", 0),
    ],
)
def test_only_what_rests_on_the_damage_is_kept(
    builder: LedgerBuilder, damaged: str, withheld: int
) -> None:
    paid_twice(builder)
    builder.run("paid_twice")
    refunded(builder, 1000, "ch_2")
    on_record(builder, found_in(damaged))
    outcome = builder.run("paid_twice")
    assert (outcome.withheld, outcome.still_open) == (withheld, withheld)


def test_what_is_gone_resolves_after_a_proof_that_holds(builder: LedgerBuilder) -> None:
    paid_twice(builder)
    builder.run("paid_twice")
    refunded(builder, 1000, "ch_2")
    on_record(builder, found_in("orders"))
    assert builder.run("paid_twice").withheld == 1
    proven(builder, "2" * 32)
    assert builder.run("paid_twice").events == {"issue.resolved.v1": 1}


def test_nothing_resolves_itself_on_a_damaged_log_but_a_person_may_decide(
    builder: LedgerBuilder,
) -> None:
    paid_twice(builder)
    builder.run("paid_twice")
    refunded(builder, 1000, "ch_2")
    faults = {"hash": {"count": 1, "places": []}}
    on_record(
        builder,
        ProofFinished(proof_id="1" * 32, holds=False, position=1, tables={}, faults=faults),
    )
    rebuild(builder.engine, believe_log=True)
    assert builder.run("paid_twice").withheld == 1
    resolve(builder)
    assert builder.run("paid_twice").still_open == 0


# ── Persons ─────────────────────────────────────────────────────────────────────────────────────


def test_what_a_person_resolved_stays_so_while_its_evidence_does(builder: LedgerBuilder) -> None:
    paid_twice(builder)
    builder.run("paid_twice")
    resolve(builder)
    again = builder.run("paid_twice")
    assert (again.events, again.still_open) == ({}, 0)
    (issue,) = builder.issues()
    assert (issue["state"], issue["by_itself"], issue["actor"]) == ("resolved", False, "token/7")
    assert issue["reason"] == ANN.reason
    charged(builder, "ch_3")
    assert builder.run("paid_twice").events == {"issue.reopened.v1": 1}
    assert "3 payments" in builder.issues()[0]["sentence"]


def test_evidence_that_changes_while_it_is_open_is_noted(builder: LedgerBuilder) -> None:
    paid_twice(builder)
    builder.run("paid_twice")
    charged(builder, "ch_3")
    assert builder.run("paid_twice").events == {"issue.evidence_changed.v1": 1}
    (issue,) = builder.issues()
    assert (issue["evidence"]["held_minor"], issue["times_reopened"]) == (3000, 0)


def test_what_a_person_reopened_resolves_when_its_cause_is_gone(builder: LedgerBuilder) -> None:
    paid_twice(builder)
    builder.run("paid_twice")
    resolve(builder)
    reopen(builder)
    refunded(builder, 1000, "ch_2")
    assert builder.run("paid_twice").events == {"issue.resolved.v1": 1}


def test_what_a_person_reopened_although_it_was_gone_waits_for_a_person(
    builder: LedgerBuilder,
) -> None:
    paid_twice(builder)
    builder.run("paid_twice")
    refunded(builder, 1000, "ch_2")
    builder.run("paid_twice")
    reopen(builder)
    outcome = builder.run("paid_twice")
    assert (outcome.events, outcome.still_open) == ({}, 1)
    resolve(builder)
    assert builder.run("paid_twice").still_open == 0


def test_a_decision_needs_a_reason(builder: LedgerBuilder) -> None:
    paid_twice(builder)
    builder.run("paid_twice")
    with pytest.raises(InvalidCommand, match="reason"):
        decide(
            builder, ResolveIssue(issue_id=PAID_TWICE, at=builder.now), Metadata(actor="token/7")
        )


# ── Runs beside each other ──────────────────────────────────────────────────────────────────────


def test_runs_at_the_same_time_say_nothing_twice(builder: LedgerBuilder) -> None:
    for number in range(130):
        builder.place(f"A{number}")
    builder.follow()
    barrier = Barrier(3)

    def go() -> int:
        barrier.wait()
        report = run_checks(builder.engine, builder.now, checks=[UNPAID])
        return report.outcomes[0].events["issue.opened.v1"]

    with ThreadPoolExecutor(3) as pool:
        opened = sum(future.result() for future in [pool.submit(go) for _ in range(3)])
    stored = [r for r in builder.engine.log.read(260) if isinstance(r.event, IssueOpened)]
    assert opened == len(stored) == 130
    assert len(builder.engine.log.stream(RUNS)) == 3


def test_what_was_decided_after_the_snapshot_is_left_alone(
    builder: LedgerBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow run must not undo what a person or a later run said meanwhile."""
    paid_twice(builder)
    builder.run("paid_twice")
    charged(builder, "ch_3")
    record = run._record

    def late(*arguments: object) -> object:
        resolve(builder)
        return record(*arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(run, "_record", late)
    builder.follow()
    (outcome,) = run_checks(builder.engine, builder.now, checks=[CHECKS["paid_twice"]]).outcomes
    assert outcome.events == {}


def test_what_a_run_says_belongs_to_the_object_and_to_whom_ran_it(builder: LedgerBuilder) -> None:
    ordered_and_charged(builder, 400)
    bounced(builder, "ch_1", amount=400)
    builder.place("A2")
    builder.follow()
    run_checks(builder.engine, builder.now, ANN, [UNPAID])
    said = builder.engine.log.stream("issue/reservation_overdue:A2")
    assert [(r.meta.actor, r.meta.correlation) for r in said] == [("token/7", "order/A2")]
    assert builder.engine.log.stream(RUNS)[0].meta.actor == "token/7"
