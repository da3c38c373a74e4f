"""The service reads by itself what no event brings, and status tells when."""

from datetime import timedelta
from itertools import pairwise
from threading import Event
from typing import Any

import pytest

from app.stripe_pull import pull_account
from app.stripe_refresh import DAYS, LONG_DAYS, Refresher
from app.wiring import jobs
from ledger.command_handler import CommandHandler
from ledger.domain.events import PullRefreshed, StripeObjectNotTold
from ledger.settings import Settings
from projections.engine.build import ProjectionContext
from projections.engine.reads import Reads
from projections.not_told import FIRST_WAIT, LAST_TIMES
from projections.queries.stripe_state import StripeState, stripe_state
from simulator import SimulatedStripe
from tests.app.test_stripe_pull import (
    LISTS,
    META,
    as_webhooks,
    client,
    engine,
    long_lists,
    quiet,
    rows,
)
from tests.simulator.api.shop import shop
from tests.support.following import catch_up

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
        catch_up(engine)
        assert simulated.memory is not None
        transactions = {each.id for each in simulated.memory.shelf("balance_transaction").things}
        known = {name for (name,) in rows(engine, "select transaction_id from transactions")}
        assert known == transactions
        members = rows(engine, "select transaction_id from payout_members")
        assert members
        held = "select currency, minor from stripe_balances where account like '%:available'"
        available: Any = simulated.balance()["available"]
        assert rows(engine, held) == [(each["currency"], each["amount"]) for each in available]
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


def test_lists_that_webhooks_cut_are_read_on(engine: ProjectionContext) -> None:
    simulated = long_lists()
    as_webhooks(engine, simulated)
    cut = "select kind, part, count(*) from cut_lists where cut group by 1, 2 order by 1, 2"
    assert rows(engine, cut) == [
        ("credit_note", "lines", 1), ("invoice", "lines", 2), ("subscription", "items", 1),
    ]  # fmt: skip
    assert rows(engine, LISTS["mrr"]) == [(5500, False)]
    with shop(simulated) as served:
        refresher = Refresher(engine, client(served), "test")
        refresher.run(Event())
        catch_up(engine)
        assert rows(engine, cut) == []
        assert rows(engine, LISTS["mrr"]) == [(9100, True)]
        assert rows(engine, LISTS["unknown"]) == []
        refresher.run(Event())
    assert [each.new["cut_lists"] for each in looked(engine)] == [4, 0]


def test_what_stripe_does_not_tell_is_asked_for_less_and_less_and_named(
    engine: ProjectionContext,
) -> None:
    """In a quarter of an hour, then each time after twice as long, three weeks altogether."""
    simulated = SimulatedStripe(5, remembers=True)
    paid(simulated)
    as_webhooks(engine, simulated)
    with shop(SimulatedStripe(6, remembers=True)) as served:
        served.stripe.now = simulated.now
        refresher = Refresher(engine, client(served), "test")
        for _ in range(4 * 24 * 30):
            refresher.run(Event())
            catch_up(engine)
            served.stripe.advance(15 * 60)
            if not rows(engine, "select 1 from not_told where not given_up"):
                break
            wait = "select extract(epoch from next_at)::bigint from not_told"
            ((next_at,),) = rows(engine, wait)
            served.stripe.advance(max(0, next_at - served.stripe.now - 20 * 60))
        asked = [
            each.event.asked_at
            for each in engine.log.read(limit=100_000)
            if isinstance(each.event, StripeObjectNotTold)
        ]
        assert len(asked) == LAST_TIMES
        waits = [after - before for before, after in pairwise(asked)]
        assert all(
            FIRST_WAIT * 2**n <= wait <= FIRST_WAIT * 2**n + timedelta(minutes=21)
            for n, wait in enumerate(waits)
        )
        served.stripe.advance(99 * DAY)
        refresher.run(Event())
        assert engine.log.read(limit=100_000)[-1].event.TOPIC == "pull.refreshed.v1"
        assert len(rows(engine, "select * from not_told where times = 10 and given_up")) == 1
        pull_account(engine, client(served), mode="test", progress=quiet, meta=META)
    assert rows(engine, "select times from not_told") == [(11,)]


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
