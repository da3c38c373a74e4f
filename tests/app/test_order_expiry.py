"""Expiry: what is due and unpaid ends once, and what is paid never does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from app.order_expiry import REASON, Expiry
from ledger.command_handler import CommandHandler
from ledger.decisions import Result
from ledger.domain.events import (
    Line,
    Metadata,
    NewEvent,
    OrderExpired,
    OrderOrigin,
    StockReleased,
    StripeEventReceived,
)
from ledger.domain.order_commands import CancelOrder, ExpireOrder, PlaceOrder
from ledger.domain.stock import ListProduct, ReceiveStock
from ledger.errors import WrongState
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.settings import PENDING_PAYMENT
from projections.engine import positions
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.reads import Reads
from projections.engine.registry import discover
from simulator import SimulatedStripe
from tests.support.following import steady_follower
from webhooks.translate.translator import Translator

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HALF_PAST = NOON + timedelta(minutes=30)
SHOP = Metadata(actor="shop")


class World:
    """A shop with enough tea, a follower by hand, and one process that expires orders."""

    def __init__(self, engine: ProjectionContext, stack: ExitStack) -> None:
        self.engine = engine
        self._stack = stack
        self.command_handler, self.expiry = self.another_process()
        self._follower = stack.enter_context(steady_follower(engine))
        self.stripe = SimulatedStripe(1)
        self.stripe.advance(max(0, int(NOON.timestamp()) - self.stripe.now))
        self.command_handler.execute(
            ListProduct(sku="A", at=NOON, name="Tea", prices={"gbp": 500}), SHOP
        )
        self.command_handler.execute(ReceiveStock(sku="A", at=NOON, quantity=1000), SHOP)

    def another_process(
        self, longest_payment: timedelta = PENDING_PAYMENT
    ) -> tuple[CommandHandler, Expiry]:
        reads = self._stack.enter_context(closing(Reads(self.engine)))
        command_handler = CommandHandler(self.engine.log, reads.money)
        return command_handler, Expiry(command_handler, reads, longest_payment=longest_payment)

    def place(self, *order_ids: str) -> None:
        line = Line(sku="A", name="Tea", quantity=2, unit_minor=500)
        for order_id in order_ids:
            order = PlaceOrder(
                order_id=order_id, at=NOON, currency="gbp", lines=(line,), expires_at=HALF_PAST
            )
            self.command_handler.execute(order, SHOP)
        self.follow()

    def place_of_the_past(self, order_id: str, origin: OrderOrigin) -> None:
        line = Line(sku="gone", name="Tea", quantity=2, unit_minor=500)
        order = PlaceOrder(
            order_id=order_id,
            at=NOON,
            currency="gbp",
            lines=(line,),
            expires_at=HALF_PAST,
            origin=origin,
            reserves_stock=False,
        )
        self.command_handler.execute(order, SHOP)
        self.follow()

    def pay(self, order_id: str, amount_minor: int, currency: str = "gbp") -> None:
        payment, events = self.stripe.create_payment(amount_minor, currency, order_id=order_id)
        self.append([*events, *self.stripe.pay_by_card(payment)])

    def cancel(self, order_id: str) -> Result:
        money = self.command_handler.money(order_id)
        canceled = CancelOrder(order_id=order_id, at=NOON, money=money)
        result = self.command_handler.execute(canceled, SHOP)
        self.follow()
        return result

    def append(self, events: list) -> None:
        self.engine.log.append_new([_entry(event.id, event.body) for event in events])
        self.follow()

    def follow(self) -> None:
        self._follower.catch_up()

    def expired(self) -> list[str]:
        events = [recorded.event for recorded in self.engine.log.read(limit=5000)]
        return [event.order_id for event in events if isinstance(event, OrderExpired)]


def _entry(event_id: str, body: bytes) -> NewEvent:
    received = StripeEventReceived(event_id=event_id, body=body, received_at=NOON, source="webhook")
    return NewEvent(f"stripe/{event_id}", 1, received, NOON, Metadata(actor="stripe"))


@pytest.fixture
def database(kept_database: Database) -> Database:
    return kept_database


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with ExitStack() as stack:
        log = stack.enter_context(Log(database.conninfo("app")))
        reader = Translator(mode="test", order_metadata_key="order_id")
        engine = ProjectionContext(database, log, discover(), reader)
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), engine.registry, engine.reader, head=0)
        yield World(engine, stack)


def test_an_order_expires_when_its_reservation_is_over_and_not_before(world: World) -> None:
    world.place("A1")
    assert world.expiry.expire(HALF_PAST - timedelta(microseconds=1)) == []
    assert world.expiry.expire(HALF_PAST) == ["A1"]
    *_, expired, released = world.engine.log.read()
    assert expired.event == OrderExpired(order_id="A1")
    assert released.event == StockReleased(sku="A", order_id="A1", quantity=2)
    assert expired.meta.actor == "system"
    assert expired.meta.reason == REASON
    assert expired.meta.correlation == "order/A1"


def test_it_expires_once(world: World) -> None:
    world.place("A1")
    assert world.expiry.expire(HALF_PAST) == ["A1"]
    world.follow()
    assert world.expiry.expire(HALF_PAST) == []
    assert world.expired() == ["A1"]


@pytest.mark.parametrize(
    ("paid_minor", "currency", "expires"),
    [
        (0, "gbp", True),
        (400, "gbp", False),
        (1000, "gbp", False),
        (1500, "gbp", False),
        (1000, "usd", False),
    ],
)
def test_an_order_that_money_is_held_for_never_expires(
    world: World, paid_minor: int, currency: str, *, expires: bool
) -> None:
    """Be it all of it, a part, or money of another currency."""
    world.place("A1")
    if paid_minor:
        world.pay("A1", paid_minor, currency)
    assert world.expiry.overdue(HALF_PAST, 9) == (["A1"] if expires else [])
    assert world.expiry.expire(HALF_PAST) == (["A1"] if expires else [])


def test_an_order_whose_part_payment_went_back_expires(world: World) -> None:
    world.place("A1")
    payment, events = world.stripe.create_payment(400, "gbp", order_id="A1")
    world.append([*events, *world.stripe.pay_by_card(payment)])
    _, refunds = world.stripe.refund(payment, 400)
    world.append(refunds)
    assert world.expiry.expire(HALF_PAST) == ["A1"]


def test_a_payment_that_is_under_way_keeps_the_reservation_until_it_ends(world: World) -> None:
    """A bank debit on its way, and money that is held: each ends, and then the order is due."""
    world.place("debited", "held")
    debit, events = world.stripe.create_payment(1000, "gbp", order_id="debited")
    world.append([*events, *world.stripe.start_bank_debit(debit)])
    hold, events = world.stripe.create_payment(1000, "gbp", order_id="held", manual_capture=True)
    world.append([*events, *world.stripe.authorize(hold)])
    now = _just_after(world)
    assert world.expiry.expire(now) == []
    world.append(world.stripe.bounce(debit))
    assert world.expiry.expire(now) == ["debited"]
    world.append(world.stripe.expire_hold(hold))
    assert world.expiry.expire(now) == ["held"]


def test_a_page_that_was_completed_keeps_the_reservation(world: World) -> None:
    world.place("A1")
    session, opened = world.stripe.open_checkout(1000, "gbp", order_id="A1")
    world.append([*opened, *world.stripe.complete_checkout(session, bank_debit=True)])
    assert world.expiry.expire(_just_after(world)) == []


def test_a_payment_of_which_nothing_is_heard_is_not_waited_for_without_end(world: World) -> None:
    world.place("A1")
    debit, events = world.stripe.create_payment(1000, "gbp", order_id="A1")
    world.append([*events, *world.stripe.start_bank_debit(debit)])
    said_at = datetime.fromtimestamp(world.stripe.now, UTC)
    longest = timedelta(days=3)
    _, expiry = world.another_process(longest_payment=longest)
    assert expiry.expire(said_at + longest - timedelta(minutes=1)) == []
    assert expiry.expire(said_at + longest) == ["A1"]


def test_a_person_may_expire_an_order_whose_payment_is_under_way(world: World) -> None:
    world.place("A1")
    debit, events = world.stripe.create_payment(1000, "gbp", order_id="A1")
    world.append([*events, *world.stripe.start_bank_debit(debit)])
    expire = ExpireOrder(order_id="A1", at=NOON, money=world.command_handler.money("A1"))
    world.command_handler.execute(expire, SHOP)
    assert world.expired() == ["A1"]


def test_an_order_is_not_canceled_while_a_payment_is_under_way(world: World) -> None:
    """Its stock stays held until the payment ends; a person who cannot wait expires it."""
    world.place("debited", "held", "paged")
    debit, events = world.stripe.create_payment(1000, "gbp", order_id="debited")
    world.append([*events, *world.stripe.start_bank_debit(debit)])
    hold, events = world.stripe.create_payment(1000, "gbp", order_id="held", manual_capture=True)
    world.append([*events, *world.stripe.authorize(hold)])
    page, events = world.stripe.open_checkout(1000, "gbp", order_id="paged")
    world.append([*events, *world.stripe.complete_checkout(page, bank_debit=True)])
    head = world.engine.log.head()
    for order_id in ("debited", "held", "paged"):
        with pytest.raises(WrongState, match="a payment for it is under way; cancel that first"):
            world.cancel(order_id)
    assert world.engine.log.head() == head
    world.append([*world.stripe.bounce(debit), *world.stripe.expire_hold(hold)])
    for order_id in ("debited", "held"):
        assert world.cancel(order_id).position > head
    assert page.payment is not None
    world.append(world.stripe.settle(page.payment))
    with pytest.raises(WrongState, match="is paid; refund its money first"):
        world.cancel("paged")


def test_a_payment_that_begins_after_the_look_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.place("A1")
    debit, events = world.stripe.create_payment(1000, "gbp", order_id="A1")
    world.append([*events, *world.stripe.start_bank_debit(debit)])
    monkeypatch.setattr(world.expiry, "overdue", lambda *_: ["A1"])
    assert world.expiry.expire(_just_after(world)) == []


def _just_after(world: World) -> datetime:
    """When the reservations are over, and Stripe spoke a minute ago."""
    return max(HALF_PAST, datetime.fromtimestamp(world.stripe.now, UTC)) + timedelta(minutes=1)


def test_who_comes_second_accepts_what_was_decided(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A payment, a cancellation or another expiry that came after the look is left as it is."""
    world.place("paid", "canceled", "expired", "due")
    seen = world.expiry.overdue(HALF_PAST, 9)
    assert sorted(seen) == ["canceled", "due", "expired", "paid"]
    world.pay("paid", 1000)
    money = world.command_handler.money("canceled")
    world.command_handler.execute(CancelOrder(order_id="canceled", at=NOON, money=money), SHOP)
    world.follow()
    _, other = world.another_process()
    monkeypatch.setattr(other, "overdue", lambda *_: ["expired"])
    assert other.expire(HALF_PAST) == ["expired"]
    world.follow()
    monkeypatch.setattr(world.expiry, "overdue", lambda *_: seen)
    assert world.expiry.expire(HALF_PAST) == ["due"]
    assert sorted(world.expired()) == ["due", "expired"]


def test_two_processes_at_once_expire_each_order_once(world: World) -> None:
    order_ids = [f"A{number:02}" for number in range(80)]  # more than one batch
    world.place(*order_ids)
    _, other = world.another_process()
    stop = Event()
    with ThreadPoolExecutor(3) as threads:
        following = threads.submit(Follower(world.engine).run, stop)
        for each in [threads.submit(e.run, stop) for e in (world.expiry, other)]:
            each.result()
        stop.set()
        following.result()
    assert sorted(world.expired()) == order_ids


def test_told_to_stop_it_begins_no_further_batch(world: World) -> None:
    world.place("A1")
    stop = Event()
    stop.set()
    world.expiry.run(stop)
    assert world.expired() == []


def test_a_fast_clock_of_the_service_ends_no_reservation(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the service's clock is an hour ahead, the database's has a say."""

    class Fast(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + timedelta(hours=1)

    now = datetime.now(UTC)
    line = Line(sku="A", name="Tea", quantity=2, unit_minor=500)
    young = PlaceOrder(
        order_id="young",
        at=now,
        currency="gbp",
        lines=(line,),
        expires_at=now + timedelta(minutes=30),
    )
    world.command_handler.execute(young, SHOP)
    world.follow()
    monkeypatch.setattr("ledger.clocks.datetime", Fast)
    world.expiry.run(Event())
    assert world.expired() == []


def test_only_what_lost_its_payment_of_stripes_expires_of_the_past(world: World) -> None:
    world.place_of_the_past("written-down", "import")
    world.place_of_the_past("in_1", "invoice")
    assert world.expiry.expire(HALF_PAST) == ["in_1"]
    world.follow()
    assert world.expiry.expire(HALF_PAST) == []
