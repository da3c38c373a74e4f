"""A pull of a whole account: read models without a webhook, and what only single calls tell."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import pytest

from app.stripe_pull import AccountReport, check_mode, examine, pull_account
from ledger.domain.events import Metadata, NewEvent, StripeEventReceived, StripePayoutListed
from ledger.errors import KeyRefused, SettingsError, StripeDeclined, StripeUnavailable
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import positions
from projections.engine.build import ProjectionContext
from projections.engine.registry import discover
from projections.engine.verify import verify
from simulator import SimulatedStripe
from simulator.api.faults import Fault, at
from simulator.memory import Shelf
from tests.simulator.api.shop import CHARGES_ONLY, LIVE, READS_ALL, SECRET, Shop, busy, shop
from tests.support.following import catch_up
from webhooks.ingest.append import append_events
from webhooks.ingest.pull import Progress
from webhooks.stripe_client import StripeClient
from webhooks.translate.translator import Translator

META = Metadata(actor="operator")


def quiet(_kind: str, _objects: int, _share: float) -> None:
    """Nobody watches."""


@pytest.fixture
def engine(kept_database: Database) -> Iterator[ProjectionContext]:
    with Log(kept_database.conninfo("app")) as log:
        reader = Translator(mode="test", order_metadata_key="order_id")
        engine = ProjectionContext(kept_database, log, discover(), reader)
        with kept_database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), engine.registry, reader, 0)
        yield engine


def client(served: Shop, secret: str = SECRET.secret) -> StripeClient:
    return StripeClient(secret, served.base, calls_per_second=10_000)


def pulled(
    engine: ProjectionContext, served: Shop, progress: Progress = quiet, **asked: Any
) -> AccountReport:
    return pull_account(
        engine, client(served), **{"mode": "test", "progress": progress, "meta": META} | asked
    )


def rows(engine: ProjectionContext, query: LiteralString) -> list[tuple[Any, ...]]:
    with engine.database.connect("reader") as conn:
        conn.execute("set search_path = read_models")
        return conn.execute(query).fetchall()


def as_webhooks(engine: ProjectionContext, simulated: SimulatedStripe, after: str = "") -> None:
    """All events that the simulator remembers, or those after one, as if they were delivered."""
    assert simulated.memory is not None
    events = list(simulated.memory.events.things)
    if after:
        events = events[[each.id for each in events].index(after) + 1 :]
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    engine.log.append_new(
        [
            NewEvent(
                f"stripe/{each.id}",
                1,
                StripeEventReceived(
                    event_id=each.id, body=each.body, received_at=noon, source="webhook"
                ),
                noon,
                Metadata(actor="stripe"),
            )
            for each in events
        ]
    )
    catch_up(engine)


WORLD: dict[str, LiteralString] = {
    "payments": """
        select payment_id, state, currency, amount_minor, received_minor, refunded_minor,
            refund_pending_minor, disputed_minor, dispute_state, net_minor, customer_id
        from payments order by 1
    """,
    "refunds": "select refund_id, state, amount_minor, currency, charge_id from refunds order by 1",
    "disputes": "select dispute_id, state, disputed_minor, currency from disputes order by 1",
    "subscriptions": """
        select subscription_id, state, currency, mrr_known, mrr_minor from subscriptions order by 1
    """,
    "invoices": """
        select invoice_id, state, due_minor, paid_minor, currency from invoices order by 1
    """,
    "payouts": "select payout_id, state, amount_minor, currency from payouts order by 1",
}
"""What is so, apart from when it came to be so."""


def test_a_pull_alone_shows_what_all_webhooks_show(
    engine: ProjectionContext, fresh_database: Any
) -> None:
    simulated = busy()
    with shop(simulated) as served:
        pulled(engine, served, since=datetime(2011, 1, 1, tzinfo=UTC))
    found = {name: rows(engine, query) for name, query in WORLD.items()}
    as_webhooks(engine, simulated)
    assert {name: rows(engine, query) for name, query in WORLD.items()} == found
    assert verify(engine).holds


def long_lists() -> SimulatedStripe:
    """A subscription of 13 items, an invoice and a page of 40 lines, 12 refunds of a charge."""
    simulated = SimulatedStripe(9, remembers=True)
    customer, _ = simulated.create_customer("kim@example.com", "Kim")
    plans = [simulated.new_price(100 * n, "eur") for n in range(1, 14)]
    subscription, _ = simulated.subscribe(customer, [(price, 1) for price in plans])
    once = [simulated.new_price(10 * n, "eur", "") for n in range(1, 41)]
    invoice, _ = simulated.bill(customer, [(price, 1) for price in once], "eur")
    simulated.pay_invoice(invoice)
    simulated.credit(invoice, 400, "product_unsatisfactory")
    session, _ = simulated.open_checkout(8200, "eur", goods=[(price, 1) for price in once])
    simulated.complete_checkout(session)
    assert session.payment is not None
    for _ in range(12):
        simulated.refund(session.payment, 10)
    assert subscription.due_minor == 9100
    simulated.advance(60)
    return simulated


LISTS: dict[str, LiteralString] = {
    "items": """
        select jsonb_array_length(items) from subscription_reports
        order by version desc limit 1
    """,
    "mrr": "select mrr_minor, mrr_known from subscriptions",
    "sold": "select kind, jsonb_array_length(lines) from purchases where lines is not null",
    "refunds": "select count(*) from refunds",
    "unknown": "select * from subscription_versions where unknown <> '[]'",
    "cut": "select kind, part from cut_lists where cut",
}


def test_lists_that_stripe_cuts_are_read_to_their_ends(engine: ProjectionContext) -> None:
    with shop(long_lists()) as served:
        report = pulled(engine, served)
        found = {name: rows(engine, query) for name, query in LISTS.items()}
        again = pulled(engine, served)
    assert found["items"] == [(13,)]
    assert found["mrr"] == [(9100, True)]
    assert sorted(found["sold"]) == [("checkout", 40), ("invoice", 13), ("invoice", 40)]
    assert found["refunds"] == [(13,)]
    assert found["cut"] == found["unknown"] == []
    assert not report.lists.refused
    assert {each.changed for each in again.objects.counts.values()} == {0}
    assert again.lists.objects == 0
    assert verify(engine).holds


def test_what_stripe_does_not_read_on_stays_named(
    engine: ProjectionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list without a page of its own: what it shows is taken in, and that it is cut is known."""
    refused = StripeDeclined("No such item.", "resource_missing")

    def refuse(*_asked: Any) -> Any:
        raise refused

    monkeypatch.setattr("webhooks.ingest.rest_of_lists.elements_after", refuse)
    with shop(long_lists()) as served:
        report = pulled(engine, served)
    assert ("subscription", "items") in rows(engine, LISTS["cut"])
    assert [unknown for _, known in rows(engine, LISTS["mrr"]) if not (unknown := known)]
    assert any(name.startswith("subscription/") for name in report.lists.refused)


def test_the_balance_ties_out(engine: ProjectionContext) -> None:
    simulated = busy()
    with shop(simulated) as served:
        report = pulled(engine, served)
        balance = served.get("/v1/balance")
    assert simulated.memory is not None
    transactions = simulated.memory.shelf("balance_transaction").things
    assert {name for (name,) in rows(engine, "select transaction_id from transactions")} == {
        each.id for each in transactions
    }
    owned = {
        part["currency"]: sum(
            each["amount"]
            for kind in ("available", "pending")
            for each in balance[kind]
            if each["currency"] == part["currency"]
        )
        for part in balance["available"]
    }
    net = "select currency, sum(net_minor)::bigint from transactions group by 1"
    assert {currency: total for currency, total in rows(engine, net) if total} == {
        currency: total for currency, total in owned.items() if total
    }
    sums = """
        select sum(net_minor)
        from payout_members
        left join transactions using (transaction_id)
        group by payout_id
    """
    assert report.balance.payouts
    assert {total for (total,) in rows(engine, sums)} == {0}
    assert not report.balance.unknown_transactions


def test_a_pull_that_was_ended_anywhere_goes_on_to_the_same(
    engine: ProjectionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhooks.stripe_client.RETRIES", 0)
    simulated = busy()
    plan = at(dict.fromkeys(range(2, 60, 9), Fault.CUT))
    with shop(simulated, plan=plan) as served:
        tries = 0
        while True:
            tries += 1
            try:
                pulled(engine, served)
            except StripeUnavailable:
                continue
            break
    assert tries > 3
    members = [e.event for e in engine.log.read(limit=100_000)]
    listed = [each.payout_id for each in members if isinstance(each, StripePayoutListed)]
    assert len(listed) == len(set(listed))
    found = {name: rows(engine, query) for name, query in WORLD.items()}
    as_webhooks(engine, simulated)
    assert {name: rows(engine, query) for name, query in WORLD.items()} == found


def test_a_change_that_was_taken_back_while_events_were_lost_is_seen(
    engine: ProjectionContext,
) -> None:
    """An event told of another address; the event that took it back never came."""
    simulated = busy()
    customer, _ = simulated.create_customer("ann@example.com", "Ann")
    with shop(simulated) as served:
        pulled(engine, served)
        simulated.advance(3600)
        (changed,) = simulated.change_email(customer, "bob@example.com")
        received = StripeEventReceived(
            event_id=changed.id,
            body=changed.body,
            received_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
            source="webhook",
        )
        engine.log.append(
            [NewEvent(f"stripe/{changed.id}", 1, received, received.received_at, META)]
        )
        simulated.advance(3600)
        simulated.change_email(customer, "ann@example.com")
        assert simulated.memory is not None
        simulated.memory.events = Shelf()  # the events were lost
        report = pulled(engine, served)
    assert report.objects.counts["customer"].changed == 1
    emails = dict(rows(engine, "select customer_id, email from customers"))
    assert emails[customer.id] == "ann@example.com"


def test_events_of_a_connected_account_are_listed_and_are_its_own(
    engine: ProjectionContext,
) -> None:
    """Stripe's list does not say whose they are; a webhook of one of them is the same event."""
    with shop() as served:
        connected = served.account.connected["acct_1Connected"].modes[False]
        payment, _ = connected.create_payment(2500, "eur", order_id="A7")
        sent = connected.pay_by_card(payment)
        other = StripeClient(
            SECRET.secret, served.base, account="acct_1Connected", calls_per_second=10_000
        )
        report = pull_account(engine, other, mode="test", progress=quiet, meta=META)
        assert connected.memory is not None
        assert report.events is not None
        assert report.events.appended == len(connected.memory.events.things) > 1
    paid = f"{payment.intent_id}@acct_1Connected"
    assert rows(engine, "select payment_id, state, account from payments") == [
        (paid, "succeeded", "acct_1Connected")
    ]
    body = sent[-1].body[:-1] + b',"account":"acct_1Connected"}'
    webhook = StripeEventReceived(
        event_id=sent[-1].id,
        body=body,
        received_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        source="webhook",
    )
    (taken,) = append_events(engine.log, [webhook], META)
    assert taken.outcome == "duplicate"
    catch_up(engine)
    assert [name for (name,) in rows(engine, "select payment_id from payments")] == [paid]
    assert verify(engine).holds


def test_a_hold_of_a_pulled_shop_is_dated_by_its_capture(engine: ProjectionContext) -> None:
    """The charge was made with the hold; its balance transaction was made with the capture."""
    simulated = SimulatedStripe(3, remembers=True)
    payment, _ = simulated.create_payment(2500, "eur", manual_capture=True)
    simulated.authorize(payment)
    simulated.advance(3 * 86_400)
    simulated.capture(payment, 2000)
    captured_at = datetime.fromtimestamp(simulated.now, UTC)
    at_once, _ = simulated.create_payment(700, "eur")
    simulated.pay_by_card(at_once)
    simulated.advance(86_400)
    assert simulated.memory is not None
    events, simulated.memory.events = simulated.memory.events, Shelf()
    with shop(simulated) as served:
        pulled(engine, served)
    moved = "select payment_id, at, amount_minor from payment_movements"
    found = {name: (at, minor) for name, at, minor in rows(engine, moved)}
    assert found == {
        payment.intent_id: (captured_at, 2000),
        at_once.intent_id: (datetime.fromtimestamp(at_once.charge.created, UTC), 700),
    }
    simulated.memory.events = events
    as_webhooks(engine, simulated)  # its event tells of the capture itself, a moment before
    heard = {name: (at, minor) for name, at, minor in rows(engine, moved)}
    assert heard[at_once.intent_id] == found[at_once.intent_id]
    at, minor = heard[payment.intent_id]
    assert (minor, captured_at - at < timedelta(seconds=5)) == (2000, True)
    assert verify(engine).holds


def test_a_key_of_the_other_mode_is_refused(engine: ProjectionContext) -> None:
    with shop() as served, pytest.raises(SettingsError, match="live mode"):
        pull_account(engine, client(served, LIVE.secret), mode="test", progress=quiet, meta=META)
    assert engine.log.head() == 0


def test_an_account_that_the_key_may_not_use_is_named_with_every_cause() -> None:
    with shop(SimulatedStripe(5, remembers=True)) as served:
        stranger = StripeClient(SECRET.secret, served.base, account="acct_none")
        with pytest.raises(KeyRefused, match=r"acct_none.*another one.*not connected.*permission"):
            check_mode(stranger, "test")


def test_an_api_that_is_away_is_told_in_our_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhooks.stripe_client.RETRIES", 0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    away = StripeClient(SECRET.secret, f"http://127.0.0.1:{port}")
    with pytest.raises(StripeUnavailable, match="the connection is refused") as told:
        check_mode(away, "test")
    assert f":{port} cannot be reached" in str(told.value)
    assert "Pool" not in str(told.value)


def test_a_key_is_examined_by_the_permissions_that_it_lacks() -> None:
    with shop() as served:
        examined = examine(client(served), "test")
        assert (examined.missing, examined.refunds_missing) == ({}, None)
        refunds = len(served.stripe.memory.shelf("refund")) if served.stripe.memory else 0
        reading = examine(client(served, READS_ALL.secret), "test")
        assert (reading.missing, reading.refunds_missing) == ({}, "rak_charge_write")
        assert served.stripe.memory
        assert len(served.stripe.memory.shelf("refund")) == refunds
        key = client(served, CHARGES_ONLY.secret)
        with pytest.raises(Exception, match="rak_balance_read"):
            examine(key, "test")
