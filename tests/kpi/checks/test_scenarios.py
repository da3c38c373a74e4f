"""Every check finds its trouble, loses it, and finds it again; on good books all find nothing."""

import pytest

from kpi.checks.run import run_checks
from tests.kpi.books import CHECKS, Books
from tests.kpi.checks.scenarios import SCENARIOS
from tests.support.worlds import random_world


def test_every_check_has_a_scenario() -> None:
    assert SCENARIOS.keys() == CHECKS.keys()


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_finds_its_trouble_resolves_and_reopens(books: Books, name: str) -> None:
    reference, wrong, good, again = SCENARIOS[name]
    assert not books.run(name).findings
    wrong(books)
    found = books.run(name)
    assert (found.events, found.still_open) == ({"issue.opened.v1": 1}, 1)
    (issue,) = books.issues()
    assert (issue["state"], issue["reference"]) == ("open", reference)
    assert issue["severity"] == CHECKS[name].severity
    assert reference in issue["sentence"]
    assert issue["evidence"]
    books.wait(days=1)
    assert books.run(name).events == {}, "evidence does not change by itself"
    good(books)
    cleared = books.run(name)
    assert (cleared.events, cleared.still_open) == ({"issue.resolved.v1": 1}, 0)
    again(books)
    assert books.run(name).events == {"issue.reopened.v1": 1}
    (issue,) = books.issues()
    assert (issue["state"], issue["times_reopened"], issue["by_itself"]) == ("open", 1, True)


IN_GOOD_BOOKS = {
    "charge_refunds_differ",
    "daily_facts_differ",
    "fulfilled_without_payment",
    "negative_stock",
    "order_refunds_differ",
    "paid_without_proof",
    "proof_without_payment",
    "refunded_beyond_captured",
    "reservations_differ",
    "snapshots_differ",
}
"""Checks that nothing sets off which a shop that keeps the rules lives through."""


@pytest.mark.parametrize("seed", range(3))
def test_a_shop_that_keeps_the_rules_sets_off_no_false_alarm(books: Books, seed: int) -> None:
    for part in random_world(seed).split(4):
        books.engine.log.append_new(part.entries)
    books.follow()
    report = run_checks(books.engine, books.now)
    assert report.crashed == []
    alarms = {o.check.name: [f.sentence for f in o.findings] for o in report.outcomes}
    assert {name: alarms[name] for name in IN_GOOD_BOOKS if alarms[name]} == {}
    assert any(alarms.values()), "there is trouble enough in any world"
