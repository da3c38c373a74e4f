"""A pull takes in each object that Stripe holds, byte for byte and once, whatever goes wrong."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from ledger.domain.events import (
    Metadata,
    PullFinished,
    StripeObjectObserved,
    WindowListed,
)
from ledger.domain.streams import stream_of
from ledger.errors import KeyRefused, StripeUnavailable
from ledger.log import Log
from ledger.postgres.database import Database
from simulator import SimulatedStripe
from simulator.api import Key
from simulator.api.faults import Fault, at, every
from tests.simulator.api.shop import SECRET, Shop, busy, shop
from webhooks.ingest.pull import (
    FIRST_DAY,
    LISTINGS,
    Listing,
    PullReport,
    cut,
    gaps,
    pull,
)
from webhooks.stripe_client import StripeClient

META = Metadata(actor="operator")


@pytest.fixture
def log(database: Database) -> Iterator[Log]:
    with Log(database.conninfo("app")) as log:
        yield log


def client(served: Shop, key: Key = SECRET, account: str | None = None) -> StripeClient:
    return StripeClient(key.secret, served.base, account=account, calls_per_second=10_000)


def pulled(log: Log, served: Shop, key: Key = SECRET, **asked: Any) -> PullReport:
    now = datetime.fromtimestamp(served.stripe.now + 1, UTC)
    return pull(log, client(served, key), **{"livemode": False, "now": now, "meta": META} | asked)


def observed(log: Log) -> list[StripeObjectObserved]:
    return [
        each.event
        for each in log.read(limit=100_000)
        if isinstance(each.event, StripeObjectObserved)
    ]


def held(simulated: SimulatedStripe) -> dict[str, set[str]]:
    """The ids that the simulator remembers, by kind."""
    assert simulated.memory is not None
    kinds = [listing.kind for listing in LISTINGS]
    found = {
        kind: {t.id for t in simulated.memory.shelf(kind).things if not getattr(t, "deleted", 0)}
        for kind in kinds
    }
    return {kind: names for kind, names in found.items() if names}


def ids(events: list[StripeObjectObserved]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in events:
        found.setdefault(each.kind, set()).add(each.object_id)
    return found


def windows(log: Log) -> list[WindowListed]:
    found = [each.event for each in log.read(limit=100_000)]
    return [each for each in found if isinstance(each, WindowListed)]


def many(number: int) -> SimulatedStripe:
    """So many paid payments, a hundred in each of some seconds, the others over a year."""
    simulated = SimulatedStripe(4, remembers=True)
    for n in range(number):
        payment, _ = simulated.create_payment(1000 + n, "eur")
        simulated.pay_by_card(payment)
        simulated.advance(0 if n % 400 < 100 else 60 * 60)
    return simulated


def test_everything_is_taken_in_byte_for_byte_and_once(log: Log) -> None:
    with shop() as served:
        report = pulled(log, served)
        found = observed(log)
        assert ids(found) == held(served.stripe)
        assert len(found) == sum(len(each) for each in held(served.stripe).values())
        charge = next(each for each in found if each.kind == "charge")
        asked = served.answer(f"/v1/charges/{charge.object_id}")
        assert msgspec.json.decode(charge.body) == msgspec.json.decode(asked.body)
        assert charge.body in served.answer("/v1/charges", limit=100).body.encode()
        assert charge.api_version
        assert {kind: count.new for kind, count in report.counts.items() if count.new} == {
            kind: len(each) for kind, each in held(served.stripe).items()
        }


def test_what_is_known_is_not_stored_again(log: Log) -> None:
    with shop() as served:
        pulled(log, served)
        head = log.head()
        report = pulled(log, served)
        assert not any(count.new or count.changed for count in report.counts.values())
        kinds = [type(each.event) for each in log.read(head)]
        assert StripeObjectObserved not in kinds


def test_what_changed_is_stored_as_it_is_now(log: Log) -> None:
    simulated = busy()
    with shop(simulated) as served:
        payment, _ = simulated.create_payment(2500, "eur")
        simulated.pay_by_card(payment)
        pulled(log, served)
        simulated.advance(60)
        simulated.refund(payment, 700)
        report = pulled(log, served)
        assert report.counts["charge"].changed == 1
        assert report.counts["refund"].new == 1
        latest = log.latest([f"observed/self/charge/{payment.charge.id}"])
        (recorded,) = latest.values()
        assert recorded.version == 2
        assert isinstance(recorded.event, StripeObjectObserved)
        assert msgspec.json.decode(recorded.event.body)["amount_refunded"] == 700
        assert recorded.event.fetched_at <= datetime.fromtimestamp(simulated.now, UTC)


@pytest.mark.parametrize("number", [99, 100, 101, 900])
def test_long_lists_and_full_seconds_are_read_to_their_end(
    log: Log, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhooks.ingest.pull.SPLIT_OBJECTS", 150)
    monkeypatch.setattr("webhooks.ingest.pull.WINDOW_PAGES", 2)
    simulated = many(number)
    with shop(simulated) as served:
        report = pulled(log, served)
    assert ids(observed(log)) == held(simulated)
    assert report.counts["charge"].objects == number
    charges = [each for each in windows(log) if each.kind == "charge"]
    spans = sorted((int(w.since.timestamp()), int(w.until.timestamp())) for w in charges)
    assert not list(gaps(int(FIRST_DAY.timestamp()), simulated.now + 1, spans))
    assert sum(w.objects for w in charges) == number
    assert (len(charges) > 1) == (number > 100)


@pytest.mark.parametrize("request_number", [1, 3, 9, 17, 25, 40])
def test_a_pull_that_was_ended_goes_on(
    log: Log, request_number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhooks.stripe_client.RETRIES", 0)
    monkeypatch.setattr("webhooks.ingest.pull.SPLIT_OBJECTS", 100)
    simulated = many(450)
    plan = at({request_number: Fault.CUT})
    with shop(simulated, plan=plan) as served:
        with pytest.raises(StripeUnavailable):
            pulled(log, served)
        before = windows(log)
        report = pulled(log, served)
    assert report.resumed == bool(before)
    assert ids(observed(log)) == held(simulated)
    assert len(observed(log)) == sum(len(each) for each in held(simulated).values())
    assert report.counts["charge"].objects == 450
    recorded = [each.event for each in log.read(limit=100_000)]
    assert sum(isinstance(each, PullFinished) for each in recorded) == 1
    for kind in {each.kind for each in windows(log)}:
        spans = sorted((each.since, each.until) for each in windows(log) if each.kind == kind)
        assert all(until <= since for (_, until), (since, _) in pairwise(spans)), "read once"


def test_faults_and_limits_are_survived(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhooks.stripe_client.FIRST_PAUSE_SECONDS", 0.01)
    simulated = many(300)
    plan = every({Fault.ERROR: 17, Fault.CUT: 29})  # no call meets one four times in a row
    with shop(simulated, plan=plan) as served:
        pulled(log, served)
        assert {call.status for call in served.api.calls} >= {200, 500}
    assert ids(observed(log)) == held(simulated)


def test_what_the_key_may_not_read_is_named_and_the_rest_taken_in(log: Log) -> None:
    key = Key("rk_test_reads", frozenset({"rak_charge_read", "rak_customer_read"}))
    with shop() as served:
        served.api._keys[key.secret] = key
        report = pulled(log, served, key)
    assert set(ids(observed(log))) <= {"charge", "refund", "customer"}
    assert report.not_permitted["payment_intent"] == "rak_payment_intent_read"
    assert report.not_permitted["balance_transaction"] == "rak_balance_transaction_source_read"
    assert "charge" not in report.not_permitted
    finished = [e.event for e in log.read(limit=100_000) if isinstance(e.event, PullFinished)]
    assert finished[0].not_permitted == report.not_permitted


def test_a_list_that_stripe_refuses_is_named_and_the_rest_taken_in(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = Listing("robot", "/v1/robots")
    monkeypatch.setattr("webhooks.ingest.pull.LISTINGS", (*LISTINGS, unknown))
    with shop() as served:
        report = pulled(log, served)
    assert list(report.refused) == ["robot"]
    assert "/v1/robots" in report.refused["robot"]
    assert ids(observed(log)) == held(served.stripe)


def test_a_key_that_is_refused_ends_the_pull(log: Log) -> None:
    with shop() as served:
        pulled(log, served)
        head = log.head()
        with pytest.raises(KeyRefused):
            pulled(log, served, Key("sk_test_withdrawn"))
    kinds = [type(each.event) for each in log.read(head)]
    assert PullFinished not in kinds


def test_a_connected_account_is_another_one(log: Log) -> None:
    with shop() as served:
        other = served.account.connected["acct_1Connected"].modes[False]
        assert other is not None
        payment, _ = other.create_payment(700, "eur")
        now = datetime.fromtimestamp(served.stripe.now + 10**6, UTC)
        pull(
            log,
            client(served, account="acct_1Connected"),
            livemode=False,
            now=now,
            meta=META,
        )
    (event,) = observed(log)
    assert (event.account, event.object_id) == ("acct_1Connected", payment.intent_id)
    assert stream_of(event) == f"observed/acct_1Connected/payment_intent/{payment.intent_id}"


def test_only_what_was_made_since_is_asked(log: Log) -> None:
    simulated = many(50)
    since = datetime.fromtimestamp(simulated.now, UTC) - timedelta(hours=5)
    with shop(simulated) as served:
        pulled(log, served, since=since)
    seconds = since.timestamp()
    assert {msgspec.json.decode(each.body)["created"] >= seconds for each in observed(log)} == {
        True
    }


def test_gaps_and_parts_cover_a_span_once() -> None:
    assert list(gaps(0, 10, [(2, 3), (2, 5), (7, 10)])) == [(0, 2), (5, 7)]
    assert list(gaps(0, 10, [])) == [(0, 10)]
    assert list(gaps(0, 10, [(0, 10)])) == []
    for seconds in range(1, 9):
        parts = list(cut(3, 19, seconds))[::-1]
        assert [second for span in parts for second in range(*span)] == list(range(3, 19))
        assert all(since < until for since, until in parts)
    assert list(cut(0, 10, 2)) == [(8, 10), (4, 8), (0, 4)]
