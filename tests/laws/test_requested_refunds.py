"""Requested refunds: each is made once at Stripe, and what the read models say, Stripe says.

A world is a list of steps: requests, withdrawals, refunds by hand, webhooks, and looks of the
service, one or two at once, that end anywhere, while Stripe's answers fail in every way, and days
go by. The simulator's own refunds are the truth.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from random import Random
from threading import Thread
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec import Struct, field

import app.refunds
from ledger.domain.events import RefundBegun, RefundRefused, RefundRequested, RefundWithdrawn
from ledger.errors import Refused
from projections.engine.build import ProjectionContext
from simulator import SimulatedStripe
from simulator.api.faults import Fault
from simulator.objects import Payment
from tests.app.test_stripe_pull import engine, rows
from tests.simulator.api.shop import shop
from tests.support.refunding import World, refunding
from webhooks import stripe_client
from webhooks.refund_calls import made_of, make_refund

__all__ = ["engine"]
FAULTS = (Fault.ERROR, Fault.CUT, Fault.LOST, Fault.LIMITED, Fault.BUSY)
CURRENCIES = {"eur": 1, "jpy": 1, "kwd": 10}
"""By what amounts are divisible."""
DAY = 86_400


class Killed(BaseException):
    """The process ends here."""


class Order(Struct, kw_only=True):
    """An order of a world; what is open is what Stripe's own refunds leave of its requests."""

    order_id: str
    step: int
    payments: list[Payment]
    asked: dict[str, int] = field(default_factory=dict[str, int])
    withdrawn: set[str] = field(default_factory=set[str])
    by_hand_minor: int = 0
    answered_by_hand_minor: int = 0
    is_crossed: bool = False
    """Whether a refund was made by hand, or a request withdrawn, within a look."""

    @property
    def captured_minor(self) -> int:
        return sum(each.amount_minor for each in self.payments)


class Life:
    """What happens to some orders; `random` chooses what the steps leave open."""

    def __init__(self, world: World, random: Random, names: Iterator[int]) -> None:
        self.world = world
        self.random = random
        self.stripe = world.stripe
        self.orders: list[Order] = []
        for currency, step in CURRENCIES.items():
            paid = [step * random.randint(5, 90) for _ in range(random.choice([1, 1, 2, 3]))]
            name = f"{currency}{next(names)}"
            payments = world.order(name, *paid, currency=currency)
            self.orders.append(Order(order_id=name, step=step, payments=payments))

    # ── Steps ──────────────────────────────────────────────────────────────────────────────────

    def ask(self) -> None:
        order = self.random.choice(self.orders)
        most = self.world.commands.money(order.order_id)
        left = order.captured_minor - most.refunded_minor - most.requested_minor
        amount = order.step * self.random.randint(1, max(1, left // order.step))
        with suppress(Refused):
            self.world.ask(order.order_id, amount, at=datetime.fromtimestamp(self.stripe.now, UTC))
            found = [e for e in self._events() if isinstance(e[1], RefundRequested)]
            stream, event, version = found[-1]
            assert stream == f"order/{order.order_id}"
            order.asked[f"{order.order_id}:{version}"] = event.amount_minor

    def withdraw(self, order: Order | None = None) -> None:
        order = order or self.random.choice(self.orders)
        if order.asked:
            with suppress(Refused):
                request_id = self.random.choice([*order.asked])
                if self.world.withdraw(order.order_id, request_id):
                    order.withdrawn.add(request_id)

    def by_hand(self, order: Order | None = None) -> None:
        """In Stripe's dashboard, of anything that is left."""
        order = order or self.random.choice(self.orders)
        payment = self.random.choice(order.payments)
        left = payment.charge.refundable_minor // order.step
        if left < 1:
            return
        amount = order.step * self.random.randint(1, left)
        named = sum(each.amount_minor for each in self.refunds(order) if _request_of(each))
        open_minor = sum(order.asked.values()) - named - order.answered_by_hand_minor
        self.stripe.refund(payment, amount)
        order.by_hand_minor += amount
        order.answered_by_hand_minor += min(amount, max(0, open_minor))

    def hear(self) -> None:
        self.world.hear()

    def day(self) -> None:
        """Stripe forgets idempotency keys."""
        self.stripe.advance(2 * DAY)

    def look(self) -> None:
        """Of one service or two, of which Stripe's answers fail for a while, or that are killed."""
        begun = len(self.world.served.api.calls)
        first = begun + self.random.randint(1, 12)
        last = first + self.random.choice([-1, 0, 3, 4, 9])
        fault = self.random.choice(FAULTS)
        self.world.served.api.plan = lambda number: fault if first <= number <= last else None
        try:
            with self._crossed():
                services = [Thread(target=self._service) for _ in range(self.random.choice([1, 2]))]
                for each in services:
                    each.start()
                for each in services:
                    each.join()
        finally:
            self.world.served.api.plan = lambda _: None
        self.world.follow()

    def _service(self) -> None:
        with suppress(Killed):
            self.world.look()

    @contextmanager
    def _crossed(self) -> Iterator[None]:
        """Somewhere in the look the process ends, or somebody does something else."""
        at, calls = self.random.choice([0, 0, 0, 1, 2, 3, 4, 5, 6]), count(1)
        crossing = self.random.choice([self._kill, self._kill, self.withdraw, self.by_hand])

        def crossed(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                if next(calls) == at:
                    if crossing != self._kill:
                        order = self.random.choice(self.orders)
                        order.is_crossed = True
                        crossing(order)
                    else:
                        raise Killed
                return call(*args, **kwargs)

            return wrapped

        with pytest.MonkeyPatch.context() as patch:
            for call in (made_of, make_refund):
                patch.setattr(app.refunds, call.__name__, crossed(call))
            append = app.refunds.append_observed
            patch.setattr(app.refunds, "append_observed", crossed(append))
            yield

    def _kill(self, _order: Order | None = None) -> None:
        raise Killed

    def finish(self) -> None:
        """All is well again."""
        for _ in range(3):
            self.stripe.advance(5)
            self.world.look()
            self.world.hear()

    # ── Truth ──────────────────────────────────────────────────────────────────────────────────

    def refunds(self, order: Order) -> list[Any]:
        assert self.stripe.memory is not None
        own = {each.id for each in order.payments}
        things = self.stripe.memory.shelf("refund").things
        return [each for each in things if each.charge.payment.id in own]

    def check(self) -> None:
        events = defaultdict[str, list[Any]](list)
        for _, event, _ in self._events():
            if isinstance(event, RefundBegun | RefundRefused | RefundWithdrawn):
                events[event.request_id].append(event)
        for order in self.orders:
            self._check(order, events)

    def _check(self, order: Order, events: dict[str, list[Any]]) -> None:
        truth = self.refunds(order)
        for payment in order.payments:
            back = sum(e.amount_minor for e in truth if e.charge.payment is payment)
            assert back <= payment.amount_minor
        given = sum(each.amount_minor for each in truth)
        self._check_read_models(order, {e.id: e.amount_minor for e in truth})
        named = Counter[str]()
        parts = Counter[tuple[str, str]]()
        for each in truth:
            if request_id := _request_of(each):
                named[request_id] += each.amount_minor
                parts[request_id, each.charge.payment.id] += 1
        assert set(named) <= set(order.asked)
        assert set(parts.values()) <= {1}, "no payment gives back twice for one request"
        refused = False
        for request_id, amount_minor in order.asked.items():
            assert named[request_id] <= amount_minor
            (found,) = rows_of(self.world, "refund_requests", "request_id", request_id)
            kinds = [type(event) for event in events[request_id]]
            assert kinds == [k for k in (RefundBegun, RefundRefused, RefundWithdrawn) if k in kinds]
            if RefundBegun in kinds and RefundWithdrawn in kinds:
                assert RefundRefused in kinds, "begun or withdrawn, never both"
            if named[request_id]:
                assert RefundBegun in kinds
            match found["state"]:
                case "answered":
                    assert found["answered_minor"] == amount_minor
                case "withdrawn":
                    assert request_id in order.withdrawn
                    assert found["open_minor"] == 0
                case "refused":
                    refused = True
                    assert RefundRefused in kinds
                    if not order.is_crossed:
                        assert given == order.captured_minor, "nothing was left to give"
                case state:
                    raise AssertionError(f"{request_id} is {state} in the end")
        wanted = sum(order.asked.values()) + order.by_hand_minor - order.answered_by_hand_minor
        if not (refused or order.withdrawn or order.is_crossed):
            assert given == wanted, "neither too much nor too little"
        assert given <= sum(order.asked.values()) + order.by_hand_minor

    def _check_read_models(self, order: Order, truth: dict[str, int]) -> None:
        """They say what Stripe says."""
        known: dict[str, int] = {}
        for payment in order.payments:
            (row,) = rows_of(self.world, "payments", "payment_id", payment.id)
            of_it = [refund for refund in self.refunds(order) if refund.charge.payment is payment]
            assert row["refunded_minor"] == sum(each.amount_minor for each in of_it)
            for refund in of_it:
                (found,) = rows_of(self.world, "refunds", "refund_id", refund.id)
                known[refund.id] = found["amount_minor"]
                assert found["request_id"] == _request_of(refund)
        assert known == truth
        (found,) = rows_of(self.world, "orders", "order_id", order.order_id)
        assert found["refunded_minor"] == sum(truth.values())

    def _events(self) -> list[tuple[str, Any, int]]:
        own = {order.order_id for order in self.orders}
        return [
            (each.stream, each.event, each.version)
            for each in self.world.engine.log.read(self.world.begun, limit=10_000)
            if getattr(each.event, "order_id", None) in own
        ]


def _request_of(refund: Any) -> str | None:
    return (refund.metadata or {}).get("ledger_request")


def rows_of(world: World, table: str, key: str, value: str) -> list[dict[str, Any]]:
    with world.reads.snapshot([table], world.engine.log.head(), current=True) as cursor:
        found = cursor.execute(f"select * from {table} where {key} = %s".encode(), [value])  # noqa: S608
        return found.fetchall()


STEPS = ("ask", "ask", "look", "look", "look", "by_hand", "withdraw", "hear", "day")


@pytest.fixture
def world(engine: ProjectionContext, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(stripe_client, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(stripe_client, "_asked_pause", lambda _: 0.0)
    with shop(SimulatedStripe(7, remembers=True)) as served, refunding(engine, served) as made:
        yield made


def test_each_request_is_made_once_and_the_read_models_say_what_stripe_says(world: World) -> None:
    names = count(1)

    @settings(max_examples=10, phases=[Phase.explicit, Phase.generate])
    @given(st.lists(st.sampled_from(STEPS), min_size=4, max_size=14), st.integers(0, 2**32))
    def lives(steps: list[str], seed: int) -> None:
        world.begun = world.engine.log.head()
        life = Life(world, Random(seed), names)
        life.ask()
        for each in steps:
            life.stripe.advance(5)
            getattr(life, each)()
        life.finish()
        life.check()

    lives()
    assert rows(world.engine, "select count(*) > 10 from refunds where request_id is not null") == [
        (True,)
    ]
