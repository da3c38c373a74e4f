"""Orders made of purchases: one a purchase, whatever order Stripe's events come in.

The law is played on shuffled lives of two accounts that know equal ids, in three currencies, with
pages, invoices, subscriptions and payments alone; the orders are made at any moment in between.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Event
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from app.order_expiry import Expiry
from app.pauses import Pauses
from app.purchase_orders import PurchaseOrders
from app.wiring import jobs
from ledger.command_handler import CommandHandler
from ledger.domain.events import (
    Line,
    Metadata,
    NewEvent,
    OrderPlaced,
    PaymentLinked,
    PurchaseOrdered,
    PurchaseRefused,
    StripeEventReceived,
    StripeObjectObserved,
)
from ledger.domain.order_commands import (
    RULES_OF_THE_PAST,
    KnownPayment,
    LinkPayment,
    PlaceOrder,
    UnlinkPayment,
)
from ledger.domain.purchase import PurchaseKind
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.settings import Settings
from projections.engine import positions
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.reads import Reads
from projections.engine.registry import discover
from projections.engine.verify import verify
from projections.links import RELATED
from simulator import SimulatedEvent, SimulatedStripe
from tests.support.following import steady_follower
from tests.webhooks.billing_examples import invoice, invoice_payment
from tests.webhooks.examples import MADE, event, intent, session
from webhooks.ingest.append import append_events
from webhooks.translate.translator import Translator

STRIPE = Metadata(actor="stripe")
HALF_AN_HOUR = timedelta(minutes=30)
MINOR = {"gbp": 2500, "jpy": 1200, "kwd": 7250}


class World:
    """A log with its read models, followed by hand, and what makes orders of purchases."""

    def __init__(self, follower: Follower, reads: Reads, *kinds: PurchaseKind) -> None:
        self.engine = engine = follower.engine
        self.reads = reads
        self._follower = follower
        self.handler = CommandHandler(engine.log, reads.money, reads.payment)
        self.orders = self.another(*kinds)

    def another(
        self,
        *kinds: PurchaseKind,
        settled: timedelta = timedelta(0),
        named: timedelta = timedelta(0),
    ) -> PurchaseOrders:
        return PurchaseOrders(
            self.handler,
            self.reads,
            kinds,
            HALF_AN_HOUR,
            settled=settled,
            named=named,
            pauses=Pauses(lambda: 0.0),
        )

    def receive(self, events: Sequence[SimulatedEvent]) -> None:
        now = datetime.now(UTC)
        received = [
            StripeEventReceived(event_id=e.id, body=e.body, received_at=now, source="webhook")
            for e in events
        ]
        append_events(self.engine.log, received, STRIPE)
        self.follow()

    def follow(self) -> None:
        self._follower.catch_up()

    def make(self) -> int:
        made = self.orders.make()
        self.follow()
        return made

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.reads.snapshot() as cursor:
            return cursor.execute(query.encode()).fetchall()

    def events(self, kind: type[Any]) -> list[Any]:
        return [r.event for r in self.engine.log.read() if isinstance(r.event, kind)]


@contextmanager
def opened(database: Database, *kinds: PurchaseKind) -> Iterator[World]:
    with ExitStack() as stack:
        log = stack.enter_context(closing(Log(database.conninfo("app"))))
        reader = Translator(mode="test", order_metadata_key="order_id")
        engine = ProjectionContext(database, log, discover(), reader)
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), engine.registry, engine.reader, head=0)
        follower = stack.enter_context(steady_follower(engine))
        yield World(follower, stack.enter_context(closing(Reads(engine))), *kinds)


@pytest.fixture
def database(kept_database: Database) -> Database:
    return kept_database


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with opened(database, "checkout", "invoice", "payment") as made:
        yield made


# ── The law ─────────────────────────────────────────────────────────────────────────────────────


def life(seed: int, account: str | None) -> list[SimulatedEvent]:
    """What a shop sells: on pages, by invoices and subscriptions, by payments alone."""
    stripe, random = SimulatedStripe(seed, account=account), Random(seed)
    events: list[SimulatedEvent] = []

    def happened(more: Sequence[SimulatedEvent]) -> None:
        events.extend(more)

    for number in range(8):
        currency = random.choice(list(MINOR))
        amount = MINOR[currency] + 10 * number
        session, begun = stripe.open_checkout(
            amount,
            currency,
            order_id="known-elsewhere" if number == 0 else None,
            reference="cart-1" if number == 1 else None,
            email=f"c{number}@example.com",
            discount_minor=amount if number == 2 else 10 if number == 3 else 0,
        )
        happened(begun)
        happened(stripe.complete_checkout(session, bank_debit=number == 4))
        if number == 4 and session.payment is not None:
            happened(stripe.settle(session.payment))
    for number in range(4):
        currency = random.choice(list(MINOR))
        payment, begun = stripe.create_payment(MINOR[currency], currency)
        happened(begun)
        happened(stripe.decline(payment) if number == 0 else stripe.pay_by_card(payment))
    customer, made = stripe.create_customer("ada@example.com", "Ada")
    happened(made)
    once, monthly = (stripe.new_price(1999, "gbp", every) for every in ("", "month"))
    for number in range(3):
        invoice, sent = stripe.bill(customer, [(once, 1 + number)], "gbp")
        happened(sent)
        happened(stripe.pay_invoice(invoice) if number else stripe.void_invoice(invoice))
    subscription, begun = stripe.subscribe(customer, [(monthly, 3)])
    happened(begun)
    happened(stripe.renew(subscription))
    happened(stripe.miss_payment(subscription))
    return events


def expected(*kinds: PurchaseKind) -> Counter[str]:
    """How many orders a life has, by what they are made of: eight pages, of which two name one.

    Three payments alone, two invoices and two paid periods.
    """
    pages, invoices, payments = 6, 4, 3
    if kinds == ("payment",):  # of a page that took everything off there is none
        return Counter(payment=pages - 1 + invoices + payments)
    made = {"checkout": pages, "invoice": invoices, "payment": payments}
    return Counter({kind: made[kind] for kind in kinds})


@pytest.mark.parametrize(
    ("seed", "kinds"),
    [
        (1, ("checkout", "invoice", "payment")),
        (2, ("checkout", "invoice", "payment")),
        (3, ("payment",)),
        (4, ("checkout", "invoice")),
    ],
)
def test_a_purchase_makes_one_order_in_whatever_order_it_is_told(
    database: Database, seed: int, kinds: tuple[PurchaseKind, ...]
) -> None:
    random = Random(seed)
    told = [*life(seed, None), *life(seed, "acct_two")]
    told += random.choices(told, k=len(told) // 5)
    random.shuffle(told)
    with opened(database, *kinds) as world:
        orders = 0
        while told:
            some = told[: random.randint(1, 80)]
            del told[: len(some)]
            world.receive(some)
            if random.random() < 0.5:
                orders += world.make()
            if random.random() < 0.3:  # another process, which remembers nothing
                world.handler = CommandHandler(world.engine.log, world.reads.money)
                world.orders = world.another(*kinds)
            if random.random() < 0.3:  # one that is behind: it sees what was made already
                orders += world.orders.make()
                orders += world.another(*kinds).make()
        world.follow()
        orders += world.make()
        assert world.make() == 0
        more = check_orders(world, orders, kinds)
        assert orders == 2 * sum(expected(*kinds).values()) + more
        assert verify(world.engine).holds


NAMED = {"known-elsewhere", "cart-1"}
"""Orders that pages of both accounts name, and nobody placed."""


def check_orders(world: World, made: int, kinds: Sequence[PurchaseKind]) -> int:
    """One order a payment, its money adds up, and nothing of it is in the stock.

    What names an order makes that. Answers how many orders lost their payment to the order that a
    page names, which came after it, and how many are made of what names them.
    """
    placed = world.events(OrderPlaced)
    assert len({each.order_id for each in placed}) == len(placed) == made
    linked = Counter(each.payment_id for each in world.events(PaymentLinked))
    assert set(linked.values()) <= {1}
    ordered = Counter(each.object_id for each in world.events(PurchaseOrdered))
    assert set(ordered.values()) == {1}
    for each in placed:
        goods = sum(line.quantity * line.unit_minor for line in each.lines)
        extra = each.shipping_minor + each.tax_minor - each.discount_minor
        assert goods + extra == each.total_minor
    belongs = {
        row["payment_id"]: row["order_id"]
        for row in world.rows("select payment_id, order_id from payments where received_minor > 0")
    }
    alone = [payment_id for payment_id, order_id in belongs.items() if order_id is None]
    assert len(alone) == (0 if "payment" in kinds else 2 * 3)
    moved = {
        each.order_id
        for each in world.events(PaymentLinked)
        if belongs[each.payment_id] in NAMED and each.order_id not in NAMED
    }
    for row in world.rows("select * from orders"):
        if row["order_id"] in moved:
            assert (row["state"], row["received_minor"]) == ("pending", 0)
        elif row["order_id"] in NAMED:  # those of the other account belong to it, too
            assert row["state"] == "paid"
            assert row["received_minor"] >= row["total_minor"]
        else:
            assert (row["state"], row["payment_state"]) == ("paid", "paid")
            assert row["received_minor"] == row["total_minor"]
    assert not [r for r in world.engine.log.read() if r.topic.startswith("stock.")]
    return len(moved) + sum(each.order_id in NAMED for each in placed)


# ── Single purchases ────────────────────────────────────────────────────────────────────────────

FREE: dict[str, Any] = {"metadata": {}, "client_reference_id": None}


def told(*events: dict[str, Any]) -> list[SimulatedEvent]:
    """Events of our own making, each with an id of its own."""
    return [
        SimulatedEvent(
            id=f"evt_{number}",
            type=each.get("type", ""),
            created=MADE,
            body=json.dumps(each | {"id": f"evt_{number}"}).encode(),
        )
        for number, each in enumerate(events, 1)
    ]


def trial(**more: Any) -> list[dict[str, Any]]:
    """A page that begins a trial, its invoice of nothing, and an invoice of the next month."""
    page = session(
        **FREE,
        mode="subscription",
        subscription="sub_1",
        payment_intent=None,
        amount_total=0,
        payment_status="no_payment_required",
    )
    nothing = {"amount_due": 0, "amount_paid": 0, "billing_reason": "subscription_create"}
    later = {"id": "in_2", "billing_reason": "subscription_cycle"}
    return [
        event("checkout.session.completed", page | more),
        event("invoice.paid", invoice(**nothing)),
        event("invoice.paid", invoice(**later)),
        event("payment_intent.succeeded", intent(metadata={}, amount=1200, amount_received=1200)),
        event("invoice_payment.paid", invoice_payment(invoice="in_2")),
    ]


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_a_trial_makes_one_order_at_its_page_and_one_at_its_first_payment(
    world: World, first: int
) -> None:
    events = told(*trial())
    for each in events[first:] + events[:first]:
        world.receive([each])
        world.make()
    rows = world.rows("select total_minor, state from orders order by total_minor")
    assert [tuple(row.values()) for row in rows] == [(0, "paid"), (1200, "paid")]


def test_a_payment_waits_for_a_page_that_may_know_more(world: World) -> None:
    world.receive(told(event("payment_intent.succeeded", intent(metadata={}))))
    waits = world.another("checkout", "payment", settled=timedelta(minutes=10))
    assert waits.make() == 0
    page = event("checkout.session.completed", session(**FREE))
    world.receive(told({}, page)[1:])
    assert waits.make() == 1
    world.follow()
    (row,) = world.rows("select order_id, origin, placed_at, paid_at from orders")
    assert (row["order_id"], row["origin"]) == ("cs_1", "checkout")
    assert row["placed_at"] == datetime.fromtimestamp(MADE, UTC)


def test_a_payment_alone_waits_for_nothing_where_only_payments_are_asked_for(world: World) -> None:
    world.receive(told(event("payment_intent.succeeded", intent(metadata={}))))
    assert world.another("payment", settled=timedelta(minutes=10)).make() == 1


def test_lines_come_from_what_the_api_shows_of_a_page(world: World) -> None:
    line = {
        "amount_total": 1000,
        "quantity": 3,
        "description": "Tea",
        "price": {"id": "price_1", "lookup_key": "TEA"},
    }
    shown = session(**FREE, line_items={"data": [line]})
    observed = StripeObjectObserved(
        kind="checkout.session",
        object_id="cs_1",
        body=json.dumps(shown).encode(),
        fetched_at=datetime.now(UTC),
        path="/v1/checkout/sessions",
        livemode=False,
    )
    stream = "observed/self/checkout.session/cs_1"
    world.engine.log.append([NewEvent(stream, 1, observed, observed.fetched_at, STRIPE)])
    world.receive(
        told(
            event("checkout.session.completed", session(**FREE)),
            event("payment_intent.succeeded", intent(metadata={})),
        )
    )
    assert world.make() == 1
    (placed,) = world.events(OrderPlaced)
    tea = Line(sku="TEA", name="Tea", quantity=2, unit_minor=333)
    assert placed.lines == (tea, replace(tea, quantity=1, unit_minor=334))


def test_what_a_person_said_of_a_payment_stands(world: World) -> None:
    world.receive(told(event("payment_intent.succeeded", intent(metadata={}))))
    world.make()
    known = world.handler.payment("pi_1")
    unlink = UnlinkPayment(order_id="pi_1", at=datetime.now(UTC), payment_id="pi_1", known=known)
    world.handler.execute(unlink, STRIPE)
    world.follow()
    assert world.make() == 0
    assert Expiry(world.handler, world.reads).expire(datetime.now(UTC)) == ["pi_1"]
    world.follow()
    (row,) = world.rows("select state, reserves_stock from orders")
    assert (row["state"], row["reserves_stock"]) == ("expired", False)


def test_an_order_of_the_shops_own_keeps_its_payment(world: World) -> None:
    line = Line(sku="MUG", name="Mug", quantity=1, unit_minor=1000)
    own = PlaceOrder(
        order_id="A1",
        at=datetime.now(UTC),
        currency="gbp",
        lines=(line,),
        expires_at=datetime.now(UTC) + HALF_AN_HOUR,
        reserves_stock=False,
    )
    known = KnownPayment(exists=True)
    link = LinkPayment(order_id="A1", at=datetime.now(UTC), payment_id="pi_1", known=known)
    for command in (own, link):
        world.handler.execute(command, STRIPE)
    world.receive(
        told(
            event("payment_intent.succeeded", intent(metadata={})),
            event("checkout.session.completed", session(**FREE)),
        )
    )
    assert world.make() == 0
    (row,) = world.rows("select order_id, state, origin from orders")
    assert tuple(row.values()) == ("A1", "paid", "shop")


def test_what_cannot_become_an_order_is_said_once_and_hinders_no_other(world: World) -> None:
    strange = intent(metadata={}, id="pi_0", currency="zzz")
    world.receive(
        told(
            event("payment_intent.succeeded", strange),
            event("payment_intent.succeeded", intent(metadata={})),
        )
    )
    with capture_logs() as logs:
        assert (world.make(), world.make()) == (1, 0)
    assert [(each["event"], each["kind"], each["object_id"]) for each in logs] == [
        ("purchase_not_ordered", "payment", "pi_0")
    ]
    (refused,) = world.events(PurchaseRefused)
    assert (refused.object_id, "zzz" in refused.message) == ("pi_0", True)


@pytest.mark.parametrize("named", [{"metadata": {"order_id": "A7"}}, {"client_reference_id": "A7"}])
def test_what_names_an_order_that_nobody_placed_becomes_that_order(
    world: World, named: dict[str, Any]
) -> None:
    world.receive(
        told(
            event("checkout.session.completed", session(**FREE | named)),
            event("payment_intent.succeeded", intent(metadata={})),
        )
    )
    kinds: tuple[PurchaseKind, ...] = ("checkout", "payment")
    assert world.another(*kinds, named=timedelta(hours=1)).make() == 0, "it may come yet"
    assert world.another(*kinds).make() == 1
    world.follow()
    (row,) = world.rows("select order_id, state, origin, received_minor from orders")
    assert tuple(row.values()) == ("A7", "paid", "checkout", 1000)
    assert world.make() == 0


def test_an_order_that_is_placed_in_time_is_made_of_nothing(world: World) -> None:
    """What names it belongs to it, whichever came first."""
    page = session(**FREE | {"client_reference_id": "A7"})
    world.receive(
        told(
            event("checkout.session.completed", page),
            event("payment_intent.succeeded", intent(metadata={})),
        )
    )
    line = Line(sku="MUG", name="Mug", quantity=1, unit_minor=1000)
    own = PlaceOrder(
        order_id="A7",
        at=datetime.now(UTC),
        currency="gbp",
        lines=(line,),
        expires_at=datetime.now(UTC) + HALF_AN_HOUR,
        rules=RULES_OF_THE_PAST,
        reserves_stock=False,
    )
    assert len(world.rows("select from waiting_purchases")) == 2
    world.handler.execute(own, STRIPE)
    world.follow()
    assert world.rows("select from waiting_purchases") == []
    assert world.make() == 0
    (row,) = world.rows("select order_id, state, origin from orders")
    assert tuple(row.values()) == ("A7", "paid", "shop")


def test_a_name_that_no_order_can_have_is_said_and_mended_by_another(world: World) -> None:
    named = {"metadata": {"order_id": "cart/7"}}
    world.receive(told(event("payment_intent.succeeded", intent(**named))))
    assert world.make() == 0
    told_of = "select refused_because from waiting_purchases join purchases using (purchase_id)"
    (row,) = world.rows(told_of)
    assert "order id 'cart/7' must be" in row["refused_because"]
    mended = event("payment_intent.succeeded", intent(metadata={"order_id": "cart-7"}))
    world.receive(told({}, mended | {"created": MADE + 600})[1:])
    assert world.make() == 1
    world.follow()
    assert world.rows(told_of) == []
    (row,) = world.rows("select order_id, state from orders")
    assert tuple(row.values()) == ("cart-7", "paid")


def test_an_order_shows_its_page_and_payment_in_its_history(world: World) -> None:
    world.receive(
        told(
            event("checkout.session.completed", session(**FREE)),
            event("payment_intent.succeeded", intent(metadata={})),
        )
    )
    world.make()
    with world.reads.snapshot() as cursor:
        asked = {"kinds": ["order"], "ids": ["cs_1"], "after": 0, "before": 10**6}
        found = cursor.execute(RELATED, asked).fetchall()
    assert {row["position"] for row in found} >= {1, 2, 3}


def test_without_the_setting_nothing_is_made(database: Database) -> None:
    with opened(database) as world:
        names = [job.name for job in jobs(Settings(), world.handler, world.reads)]
        assert "orders_from" not in names
        on = Settings(ledger_orders_from=("payment",))
        (job,) = [j for j in jobs(on, world.handler, world.reads) if j.name == "orders_from"]
        world.receive(told(event("payment_intent.succeeded", intent(metadata={}))))
        job.call(Event())
        assert [each.order_id for each in world.events(OrderPlaced)] == ["pi_1"]
