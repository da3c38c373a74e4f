"""The check job: by the clock and after a rebuild, whoever ran the checks last."""

from threading import Event

import pytest

from kpi import jobs
from kpi.checks.run import RUNS, run_checks
from kpi.jobs import CheckJob
from projections.engine.rebuild import rebuild
from tests.kpi.books import Books

NEVER, AT_ONCE = 24 * 60, 0


def test_an_empty_log_is_left_empty(books: Books) -> None:
    CheckJob(books.engine, AT_ONCE).look(Event())
    assert books.engine.log.head() == 0


def test_checks_run_when_their_time_has_come(books: Books) -> None:
    books.place()
    books.follow()
    CheckJob(books.engine, NEVER).look(Event())
    assert books.engine.log.stream(RUNS) == []
    CheckJob(books.engine, AT_ONCE).look(Event())
    (ran,) = books.engine.log.stream(RUNS)
    assert ran.meta.actor == "system"


def test_checks_wait_for_read_models_that_are_far_behind(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "CLOSE_EVENTS", 1)
    books.place()
    CheckJob(books.engine, AT_ONCE).look(Event())
    assert books.engine.log.stream(RUNS) == []
    books.follow()
    CheckJob(books.engine, AT_ONCE).look(Event())
    assert len(books.engine.log.stream(RUNS)) == 1


def test_checks_run_after_a_rebuild_once(books: Books) -> None:
    books.place()
    books.follow()
    run_checks(books.engine, books.now)
    seldom = CheckJob(books.engine, NEVER)
    assert not seldom.is_due()
    rebuild(books.engine)
    seldom.look(Event())
    assert len(books.engine.log.stream(RUNS)) == 2
    assert not seldom.is_due()
