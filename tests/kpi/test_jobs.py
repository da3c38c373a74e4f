"""The check job: by the clock and after a rebuild, however the checks ran last."""

from threading import Event

import pytest

from kpi import jobs
from kpi.checks.run import RUNS, run_checks
from kpi.jobs import CheckJob
from projections.engine.rebuild import rebuild
from tests.kpi.builder import LedgerBuilder

NEVER, AT_ONCE = 24 * 60, 0


def test_an_empty_log_is_left_empty(builder: LedgerBuilder) -> None:
    CheckJob(builder.engine, AT_ONCE).look(Event())
    assert builder.engine.log.head() == 0


def test_checks_run_when_their_time_has_come(builder: LedgerBuilder) -> None:
    builder.place()
    builder.follow()
    CheckJob(builder.engine, NEVER).look(Event())
    assert builder.engine.log.stream(RUNS) == []
    CheckJob(builder.engine, AT_ONCE).look(Event())
    (ran,) = builder.engine.log.stream(RUNS)
    assert ran.meta.actor == "system"


def test_checks_wait_for_read_models_that_are_far_behind(
    builder: LedgerBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "CLOSE_EVENTS", 1)
    builder.place()
    CheckJob(builder.engine, AT_ONCE).look(Event())
    assert builder.engine.log.stream(RUNS) == []
    builder.follow()
    CheckJob(builder.engine, AT_ONCE).look(Event())
    assert len(builder.engine.log.stream(RUNS)) == 1


def test_checks_run_after_a_rebuild_once(builder: LedgerBuilder) -> None:
    builder.place()
    builder.follow()
    run_checks(builder.engine, builder.now)
    seldom = CheckJob(builder.engine, NEVER)
    assert not seldom.is_due()
    rebuild(builder.engine)
    seldom.look(Event())
    assert len(builder.engine.log.stream(RUNS)) == 2
    assert not seldom.is_due()
