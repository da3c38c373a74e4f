"""Requested refunds are made at Stripe, each exactly once, whatever happens on the way."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Lock, Thread
from typing import Any

import pytest

from app.refunds import Pauses, Refunder, RefundsState
from app.wiring import jobs
from ledger.command_handler import CommandHandler
from ledger.domain.events import Line, Metadata, RefundRefused
from ledger.domain.order_commands import RULES_OF_THE_PAST, PlaceOrder, RequestRefund
from ledger.errors import PermissionMissing
from ledger.settings import Settings
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.reads import Reads
from simulator import SimulatedStripe
from simulator.api.faults import Fault
from simulator.objects import Payment
from tests.app.test_stripe_pull import as_webhooks, engine, rows
from tests.simulator.api.shop import CHARGES_ONLY, SECRET, Shop, shop
from webhooks import stripe_client
from webhooks.ingest.observe import append_observed
from webhooks.refund_calls import make_refund, missing_permission
from webhooks.stripe_client import StripeClient

__all__ = ["engine"]
OLGA = Metadata(actor="ops:olga", reason="broken in the post")


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that fail are tried again without a pause."""
    monkeypatch.setattr(stripe_client, "FIRST_PAUSE_SECONDS", 0.0)


class World:
    """A shop whose orders are paid at a simulated Stripe; `refunder` is a process that starts."""

    def __init__(self, engine: ProjectionContext, served: Shop) -> None:
        self.engine = engine
        self.served = served
        self.stripe = served.stripe
        self.reads = Reads(engine)
        self.commands = CommandHandler(engine.log, self.reads.money)
        self._follower = Follower(engine)
        self._over = Event()
        self._lock = Lock()

    def follow(self) -> None:
        with self._lock:
            self._follower.catch_up()

    def hear(self) -> None:
        """What Stripe has sent so far arrives as webhooks."""
        as_webhooks(self.engine, self.stripe)
        self.follow()

    def order(self, order_id: str, *paid: int, currency: str = "eur") -> list[Payment]:
        """An order that is paid by these payments."""
        line = Line(sku="TEA", name="Tea", quantity=1, unit_minor=sum(paid))
        now = datetime.now(UTC)
        self.commands.execute(
            PlaceOrder(
                order_id=order_id,
                at=now,
                currency=currency,
                lines=(line,),
                expires_at=now + timedelta(minutes=30),
                rules=RULES_OF_THE_PAST,
                reserves_stock=False,
            ),
            OLGA,
        )
        made: list[Payment] = []
        for amount_minor in paid:
            payment, _ = self.stripe.create_payment(amount_minor, currency, order_id=order_id)
            self.stripe.pay_by_card(payment)
            made.append(payment)
        self.hear()
        return made

    def ask(self, order_id: str, *amounts_minor: int, at: datetime | None = None) -> None:
        """All of them in one second."""
        at = at or datetime.now(UTC)
        for amount_minor in amounts_minor:
            self.follow()
            command = RequestRefund(
                order_id=order_id,
                at=at,
                amount_minor=amount_minor,
                money=self.commands.money(order_id),
            )
            self.commands.execute(command, OLGA)
        self.follow()

    def refunder(self, key: str = SECRET.secret, pauses: Pauses | None = None) -> Refunder:
        def client_of(account: str | None) -> StripeClient:
            return StripeClient(key, self.served.base, account=account, calls_per_second=10_000)

        return Refunder(self.reads, client_of, "test", pauses or Pauses(lambda: 0.0))

    def look(self, refunder: Refunder | None = None) -> None:
        (refunder or self.refunder()).run(Event())
        self.follow()

    def requests(self) -> list[tuple[Any, ...]]:
        return rows(
            self.engine,
            "select state, open_minor from refund_requests order by requested_at, request_id",
        )

    def made(self) -> list[int]:
        """The amounts that Stripe gave back."""
        assert self.stripe.memory is not None
        return sorted(each.amount_minor for each in self.stripe.memory.shelf("refund").things)

    def known(self) -> list[int]:
        found = rows(self.engine, "select amount_minor from refunds order by 1")
        return [amount_minor for (amount_minor,) in found]

    def posts(self) -> int:
        return sum(call.method == "POST" for call in self.served.api.calls)

    @contextmanager
    def followed(self) -> Iterator["World"]:
        """A follower beside, as in the service."""

        def run() -> None:
            while not self._over.wait(0.01):
                self.follow()

        thread = Thread(target=run)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()


@pytest.fixture
def world(engine: ProjectionContext) -> Iterator[World]:
    with shop(SimulatedStripe(7, remembers=True)) as served:
        made = World(engine, served)
        with closing(made.reads), made.followed():
            yield made


@pytest.mark.parametrize(
    ("currency", "paid", "asked"),
    [("eur", 5000, 1234), ("jpy", 5000, 1234), ("kwd", 5000, 1230)],
)
def test_a_request_is_made_once_names_itself_and_is_known_from_the_answer(
    world: World, currency: str, paid: int, asked: int
) -> None:
    world.order("A1", paid, currency=currency)
    world.ask("A1", asked)
    world.look()
    world.look()
    assert (world.made(), world.known(), world.posts()) == ([asked], [asked], 1)
    assert world.requests() == [("answered", 0)]
    (told,) = rows(world.engine, "select request_id, reason, state from refunds")
    (request_id,) = rows(world.engine, "select request_id from refund_requests")[0]
    assert told == (request_id, "requested_by_customer", "succeeded")
    assert rows(world.engine, "select refunded_minor, to_refund from orders") == [(asked, False)]
    world.hear()  # the webhooks say the same
    assert (world.requests(), world.known()) == ([("answered", 0)], [asked])


def test_one_request_of_several_payments_and_several_requests_in_one_second(world: World) -> None:
    world.order("A1", 1000, 700, 300)
    world.ask("A1", 1200, 500, 300)
    world.look()
    assert sum(world.made()) == 2000
    assert world.requests() == [("answered", 0)] * 3
    assert world.known() == world.made()
    left = rows(world.engine, "select received_minor - refunded_minor from payments")
    assert left == [(0,)] * 3


def test_a_payment_that_has_all_goes_before_a_split(world: World) -> None:
    world.order("A1", 300, 2000, 900)
    world.ask("A1", 900)
    world.look()
    assert world.made() == [900]
    (back,) = rows(world.engine, "select received_minor from payments where refunded_minor > 0")
    assert back == (900,)


@pytest.mark.parametrize(
    ("fault", "first"),
    [*((Fault.LOST, first) for first in range(1, 7)), (Fault.ERROR, 4), (Fault.CUT, 4)],
)
def test_a_process_that_dies_while_stripe_fails_makes_nothing_twice(
    world: World, fault: Fault, first: int
) -> None:
    """From any call on all go wrong, until another process starts."""
    world.order("A1", 600, 400)
    world.ask("A1", 700, 300)
    begun = len(world.served.api.calls)
    world.served.api.plan = lambda number: fault if number >= begun + first else None
    world.look()
    world.served.api.plan = lambda _: None
    world.look()
    assert sum(world.made()) == 1000
    assert world.known() == world.made()
    assert world.requests() == [("answered", 0)] * 2


@contextmanager
def killed(monkeypatch: pytest.MonkeyPatch, at: int) -> Iterator[None]:
    """The process ends before its n-th refund at Stripe or append."""
    count = 0

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count == at:
                raise Killed
            return call(*args, **kwargs)

        return wrapped

    with monkeypatch.context() as patch:
        patch.setattr("app.refunds.make_refund", dying(make_refund))
        patch.setattr("app.refunds.append_observed", dying(append_observed))
        with pytest.raises(Killed):
            yield


@pytest.mark.parametrize("day_later", [False, True])
@pytest.mark.parametrize("at", range(1, 7))
def test_a_kill_at_any_point_makes_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch, at: int, *, day_later: bool
) -> None:
    """Nor where the next process starts when Stripe has forgotten the key."""
    world.order("A1", 600, 400)
    world.ask("A1", 700, 300)
    with killed(monkeypatch, at):
        world.look()
    if day_later:
        world.stripe.advance(3 * 86_400)
    world.look()
    assert sum(world.made()) == 1000
    assert world.known() == world.made()
    assert world.requests() == [("answered", 0)] * 2


def test_two_services_at_once_make_it_once(world: World) -> None:
    world.order("A1", 600, 400)
    world.ask("A1", 700, 300)
    services = [Thread(target=world.look) for _ in range(3)]
    for each in services:
        each.start()
    for each in services:
        each.join()
    world.look()
    assert sum(world.made()) == 1000
    assert world.known() == world.made()
    assert world.requests() == [("answered", 0)] * 2


def refusals(engine: ProjectionContext) -> list[RefundRefused]:
    events = [each.event for each in engine.log.read(limit=10_000)]
    return [event for event in events if isinstance(event, RefundRefused)]


def test_what_stripe_refuses_for_good_is_on_record_once_and_may_be_asked_again(
    world: World,
) -> None:
    (payment,) = world.order("A1", 1000)
    world.ask("A1", 800)
    world.stripe.refund(payment, 700)  # in the dashboard, and no webhook has told yet
    world.look()
    world.look()
    (refused,) = refusals(world.engine)
    assert (refused.amount_minor, refused.code) == (800, "amount_too_large")
    assert world.requests() == [("refused", 800)]
    assert world.posts() == 1
    (told,) = rows(world.engine, "select refused_because from refund_requests")
    assert "greater than unrefunded amount" in told[0]
    assert rows(world.engine, "select to_refund from orders") == [(True,)]
    world.hear()
    world.ask("A1", 300)
    world.look()
    assert world.made() == [300, 700]
    assert sorted(world.requests()) == [("answered", 0), ("refused", 0)]
    assert rows(world.engine, "select to_refund from orders") == [(False,)]


def test_a_refund_by_hand_answers_the_request_and_nothing_more_is_made(world: World) -> None:
    (payment,) = world.order("A1", 1000)
    world.ask("A1", 400, at=datetime.fromtimestamp(world.stripe.now - 5, UTC))
    world.stripe.refund(payment, 400)
    world.hear()
    world.look()
    assert (world.made(), world.posts()) == ([400], 0)
    assert world.requests() == [("answered", 0)]


def test_nothing_is_made_while_stripe_is_away_and_pauses_grow(world: World) -> None:
    world.order("A1", 1000)
    world.ask("A1", 400)
    now = 0.0
    pauses = Pauses(lambda: now)
    refunder = world.refunder(pauses=pauses)
    world.served.api.plan = lambda _: Fault.ERROR
    waited: list[float] = []
    for _ in range(4):
        world.look(refunder)
        begun = now
        while pauses.is_on(""):
            calls = len(world.served.api.calls)
            world.look(refunder)
            assert len(world.served.api.calls) == calls, "too early"
            now += 5
        waited.append(now - begun)
    assert waited == [20, 40, 80, 160]
    assert world.requests() == [("requested", 400)]
    world.served.api.plan = lambda _: None
    world.look(refunder)
    assert world.made() == [400]


def test_a_key_that_may_not_write_makes_nothing_and_is_told_what_it_lacks(world: World) -> None:
    world.order("A1", 1000)
    world.ask("A1", 400)
    refunder = world.refunder(CHARGES_ONLY.secret)
    (waiting,) = refunder.waiting()
    with pytest.raises(PermissionMissing):
        refunder.carry_out(waiting.request_id)
    world.look(refunder)
    assert (world.made(), world.requests()) == ([], [("requested", 400)])
    client = StripeClient(CHARGES_ONLY.secret, world.served.base)
    assert missing_permission(client) == "rak_charge_write"
    assert missing_permission(StripeClient(SECRET.secret, world.served.base)) is None


@pytest.mark.parametrize(
    ("given", "is_on", "told"),
    [
        ({}, False, "LEDGER_CARRY_OUT_REFUNDS=true"),
        ({"stripe_api_key": "rk_test_1"}, False, "LEDGER_CARRY_OUT_REFUNDS=true"),
        ({"ledger_carry_out_refunds": True}, False, "no STRIPE_API_KEY"),
        (
            {"stripe_api_key": "rk_test_1", "ledger_carry_out_refunds": True},
            True,
            "are made at Stripe",
        ),
    ],
)
def test_the_service_makes_them_where_there_are_a_key_and_the_setting(
    engine: ProjectionContext, given: dict[str, Any], told: str, *, is_on: bool
) -> None:
    settings = Settings(**given)
    with closing(Reads(engine)) as reads:
        planned = jobs(settings, CommandHandler(engine.log, reads.money), reads)
    assert ("refunds" in {each.name for each in planned}) == is_on
    assert told in RefundsState.of(settings).told
