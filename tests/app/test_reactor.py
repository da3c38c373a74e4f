"""Reactions: a payment after the reservation expired gets goods if there are any, once."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from app.reactor import Reactor
from ledger.command_handler import CommandHandler
from ledger.domain.events import (
    Line,
    Metadata,
    NewEvent,
    OrderAllocationFailed,
    OrderReinstated,
    RecordedEvent,
    StockReserved,
    StripeEventReceived,
)
from ledger.domain.order_commands import ExpireOrder, KnownPayment, LinkPayment, PlaceOrder
from ledger.domain.stock import ListProduct, ReceiveStock
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import positions
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.reads import Reads
from projections.engine.rebuild import rebuild
from projections.engine.registry import discover
from simulator import SimulatedEvent, SimulatedStripe
from tests.support.following import steady_follower
from webhooks.translate.translator import Translator

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOP = Metadata(actor="shop")


def stripe_entry(event: SimulatedEvent) -> NewEvent:
    received = StripeEventReceived(
        event_id=event.id, body=event.body, received_at=NOON, source="webhook"
    )
    return NewEvent(f"stripe/{event.id}", 1, received, NOON, Metadata(actor="stripe"))


class World:
    """A command handler, a Stripe, a follower by hand, and the reactor."""

    def __init__(self, engine: ProjectionContext, reads: Reads, follower: Follower) -> None:
        self.engine = engine
        self._follower = follower
        self.command_handler = CommandHandler(engine.log, reads.money)
        self.reactor = Reactor(self.command_handler, reads)
        self.stripe = SimulatedStripe(1)
        self.received = 0

    def stock(self, quantity: int) -> None:
        self.command_handler.execute(
            ListProduct(sku="A", at=NOON, name="Tea", prices={"gbp": 500}), SHOP
        )
        self.command_handler.execute(ReceiveStock(sku="A", at=NOON, quantity=quantity), SHOP)

    def place(self, order_id: str, quantity: int) -> None:
        line = Line(sku="A", name="Tea", quantity=quantity, unit_minor=500)
        expires_at = NOON + timedelta(minutes=30)
        self.command_handler.execute(
            PlaceOrder(
                order_id=order_id, at=NOON, currency="gbp", lines=(line,), expires_at=expires_at
            ),
            SHOP,
        )
        self.follow()

    def expire(self, order_id: str) -> None:
        money = self.command_handler.money(order_id)
        self.command_handler.execute(ExpireOrder(order_id=order_id, at=NOON, money=money), SHOP)
        self.follow()

    def pay(self, order_id: str | None, amount_minor: int) -> str:
        payment, events = self.stripe.create_payment(amount_minor, "gbp", order_id=order_id)
        events = [*events, *self.stripe.pay_by_card(payment)]
        self.engine.log.append_new(list(map(stripe_entry, events)))
        self.follow()
        assert payment.intent_id is not None
        return payment.intent_id

    def follow(self) -> None:
        self._follower.catch_up()

    def events(self, order_id: str) -> list[RecordedEvent]:
        return self.engine.log.stream(f"order/{order_id}")


@pytest.fixture
def database(kept_database: Database) -> Database:
    return kept_database


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with Log(database.conninfo("app")) as log:
        reader = Translator(mode="test", order_metadata_key="order_id")
        engine = ProjectionContext(database, log, discover(), reader)
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), engine.registry, engine.reader, head=0)
        with closing(Reads(engine)) as reads, steady_follower(engine) as follower:
            yield World(engine, reads, follower)


def test_goods_that_are_there_are_allocated_once(world: World):
    world.stock(2)
    world.place("late", 2)
    world.expire("late")
    world.pay("late", 1000)
    assert world.reactor.react() == 1
    world.follow()
    assert world.reactor.react() == 0
    reinstated = world.events("late")[-1]
    assert isinstance(reinstated.event, OrderReinstated)
    assert reinstated.meta.actor == "system"
    assert reinstated.meta.causation is not None
    assert reinstated.meta.causation.startswith("stripe/evt_")
    assert isinstance(world.engine.log.stream("stock/A")[-1].event, StockReserved)


def test_goods_that_are_gone_wait_for_a_person(world: World):
    world.stock(2)
    world.place("late", 2)
    world.expire("late")
    world.place("quick", 2)
    world.pay("late", 1000)
    assert world.reactor.react() == 1
    world.follow()
    assert world.reactor.react() == 0
    failed = world.events("late")[-1].event
    assert isinstance(failed, OrderAllocationFailed)
    assert failed.missing == {"A": 2}


def test_a_payment_that_was_there_before_and_is_linked_last_is_found_too(world: World):
    """Whatever comes last, the reaction follows."""
    world.stock(2)
    payment_id = world.pay(None, 1000)
    world.place("late", 2)
    world.expire("late")
    assert world.reactor.react() == 0
    known = KnownPayment(exists=True)
    link = LinkPayment(order_id="late", at=NOON, payment_id=payment_id, known=known)
    world.command_handler.execute(link, SHOP)
    world.follow()
    assert world.reactor.react() == 1


def test_nothing_is_called_for_while_less_than_the_total_is_paid(world: World):
    world.stock(2)
    world.place("late", 2)
    world.expire("late")
    world.pay("late", 400)
    assert world.reactor.react() == 0


def test_a_rebuild_sets_nothing_off(world: World):
    world.stock(2)
    world.place("late", 2)
    world.expire("late")
    world.pay("late", 1000)
    world.reactor.react()
    world.follow()
    head = world.engine.log.head()
    rebuild(world.engine)
    assert world.reactor.react() == 0
    assert world.engine.log.head() == head
