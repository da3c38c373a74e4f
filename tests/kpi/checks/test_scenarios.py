"""Every check finds its trouble, loses it, and finds it again; on a good ledger none does."""

import pytest

from kpi.checks.run import run_checks
from tests.kpi.builder import CHECKS, LedgerBuilder
from tests.kpi.checks.scenarios import SCENARIOS, live_through
from tests.support.worlds import random_world


def test_every_check_has_a_scenario() -> None:
    missing, left_over = sorted(CHECKS - SCENARIOS.keys()), sorted(SCENARIOS.keys() - CHECKS.keys())
    assert not missing, (
        f"{', '.join(missing)}: write in SCENARIOS (tests/kpi/checks/scenarios.py) what makes the"
        " check find something, find nothing, and find it again"
    )
    assert not left_over, (
        f"{', '.join(left_over)}: take it out of SCENARIOS; there is no such check"
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_check_finds_its_trouble_resolves_and_reopens(builder: LedgerBuilder, name: str) -> None:
    live_through(builder, CHECKS[name], SCENARIOS[name])


IN_GOOD_BOOKS = {
    "books_figures_differ",
    "charge_refunds_differ",
    "daily_facts_differ",
    "fulfilled_without_payment",
    "impossible_dates",
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
def test_a_shop_that_keeps_the_rules_sets_off_no_false_alarm(
    builder: LedgerBuilder, seed: int
) -> None:
    world = random_world(seed)
    for part in world.split(4):
        builder.engine.log.append_new(part.entries)
    builder.follow()
    latest = max(entry.effective_at for entry in world.entries)
    report = run_checks(builder.engine, max(builder.now, latest))
    assert report.crashed == []
    alarms = {o.check.name: [f.sentence for f in o.findings] for o in report.outcomes}
    assert {name: alarms[name] for name in IN_GOOD_BOOKS if alarms[name]} == {}
    assert any(alarms.values()), "there is trouble enough in any world"
