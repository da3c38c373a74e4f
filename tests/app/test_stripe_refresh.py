"""The service reads by itself what no event brings, and status tells when."""

from datetime import timedelta
from threading import Event
from typing import Any

import pytest

from app.stripe_pull import pull_account
from app.stripe_refresh import DAYS, LONG_DAYS, Refresher, StripeState, stripe_state
from app.wiring import jobs
from ledger.command_handler import CommandHandler
from ledger.domain.events import PullRefreshed
from ledger.settings import Settings
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.reads import Reads
from simulator import SimulatedStripe
from tests.app.test_stripe_pull import META, as_webhooks, client, engine, quiet, rows
from tests.simulator.api.shop import shop

__all__ = ["engine"]
DAY = 24 * 60 * 60


def paid(simulated: SimulatedStripe, days: int = 1) -> None:
    payment, _ = simulated.create_payment(2500, "eur")
    simulated.pay_by_card(payment)
    simulated.advance(days * DAY)


def looked(engine: ProjectionContext) -> list[PullRefreshed]:
    return [
        each.event
        for each in engine.log.read(limit=100_000)
        if isinstance(each.event, PullRefreshed)
    ]


def test_new_transactions_and_the_members_of_new_payouts_are_read(
    engine: ProjectionContext,
) -> None:
    simulated = SimulatedStripe(5, remembers=True)
    for _ in range(9):
        paid(simulated)
    payout, _ = simulated.pay_out_available("eur")
    assert payout is not None
    simulated.finish_payout(payout)
    as_webhooks(engine, simulated)
    with shop(simulated) as served:
        refresher = Refresher(engine, client(served), "test")
        refresher.run(Event())
        Follower(engine).catch_up()
        assert simulated.memory is not None
        transactions = {each.id for each in simulated.memory.shelf("balance_transaction").things}
        known = {name for (name,) in rows(engine, "select transaction_id from transactions")}
        assert known == transactions
        members = rows(engine, "select transaction_id from payout_members")
        assert members
        paid(simulated, days=0)
        refresher.run(Event())
    first, second = looked(engine)
    assert first.until - first.since > DAYS
    assert second.until - second.since == DAYS + timedelta(seconds=1)
    assert second.new["balance_transaction"] == 1
    assert first.new["payout_members"] == 1
    assert second.new["payout_members"] == 0


def test_the_first_look_of_a_day_goes_far_back(engine: ProjectionContext) -> None:
    simulated = SimulatedStripe(5, remembers=True)
    paid(simulated, days=20)
    with shop(simulated) as served:
        Refresher(engine, client(served), "test").run(Event())
        simulated.advance(DAY)
        Refresher(engine, client(served), "test").run(Event())
    spans = [each.until - each.since for each in looked(engine)]
    assert spans == [LONG_DAYS + timedelta(seconds=1)] * 2


def test_status_tells_what_is_known_and_what_to_do(engine: ProjectionContext) -> None:
    simulated = SimulatedStripe(5, remembers=True)
    assert "STRIPE_API_KEY" in stripe_state(engine.log, has_key=False).told
    assert "never pulled" in stripe_state(engine.log, has_key=True).told
    with shop(simulated) as served:
        pull_account(engine, client(served), mode="test", progress=quiet, meta=META)
        assert stripe_state(engine.log, has_key=True).told.startswith("pulled 20")
        Refresher(engine, client(served), "test").run(Event())
    assert "balance looked at" in stripe_state(engine.log, has_key=True).told
    unfinished = StripeState(has_key=True, is_unfinished=True)
    assert "`ledger stripe pull` goes on" in unfinished.told


@pytest.mark.parametrize(("key", "names"), [(None, 0), ("rk_test_1", 1)])
def test_the_service_looks_where_there_is_a_key(
    engine: ProjectionContext, key: Any, names: int
) -> None:
    settings = Settings(stripe_api_key=key)
    reads = Reads(engine)
    planned = jobs(settings, CommandHandler(engine.log, reads.money), reads)
    reads.close()
    assert [each.name for each in planned].count("stripe") == names
