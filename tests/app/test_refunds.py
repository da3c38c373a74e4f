"""Requested refunds are made at Stripe, each exactly once, whatever happens on the way."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from threading import Thread
from typing import Any

import pytest

from app.pauses import Pauses
from app.refunds import RefundsState
from app.wiring import jobs
from ledger.command_handler import CommandHandler
from ledger.domain.events import RefundRefused
from ledger.errors import PermissionMissing, StripeDeclined, StripeUnavailable, WrongState
from ledger.settings import Settings
from projections.engine.build import ProjectionContext
from projections.engine.reads import Reads
from simulator import SimulatedStripe
from simulator.api.faults import Fault
from tests.app.test_stripe_pull import engine, rows
from tests.simulator.api.shop import CHARGES_ONLY, SECRET, shop
from tests.support.refunding import World, refunding
from webhooks import stripe_client
from webhooks.ingest.observe import append_observed
from webhooks.refund_calls import made_of, make_refund, missing_permission
from webhooks.stripe_client import StripeClient

__all__ = ["engine"]


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that fail are tried again without a pause."""
    monkeypatch.setattr(stripe_client, "FIRST_PAUSE_SECONDS", 0.0)


@pytest.fixture
def world(engine: ProjectionContext) -> Iterator[World]:
    with shop(SimulatedStripe(7, remembers=True)) as served, refunding(engine, served) as made:
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


def test_what_another_service_learns_meanwhile_is_not_given_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refund by hand answers most of a request; the service that heard of it cannot pay."""
    (payment,) = world.order("A1", 1000)
    world.ask("A1", 700, at=datetime.fromtimestamp(world.stripe.now - 5, UTC))
    world.stripe.refund(payment, 600)
    calls = count()

    def cut_off(*_: Any, **__: Any) -> Any:
        raise StripeUnavailable("cut off")

    def told_meanwhile(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == 0:
            with pytest.MonkeyPatch.context() as other:
                other.setattr("app.refunds.make_refund", cut_off)
                world.look()
            assert world.known() == [600]
        return made_of(*args, **kwargs)

    monkeypatch.setattr("app.refunds.made_of", told_meanwhile)
    world.look()
    assert (world.made(), world.known()) == ([100, 600], [100, 600])
    assert world.requests() == [("answered", 0)]


def refusals(engine: ProjectionContext) -> list[RefundRefused]:
    events = [each.event for each in engine.log.read(limit=10_000)]
    return [event for event in events if isinstance(event, RefundRefused)]


def test_what_stripe_refuses_for_good_is_on_record_once_and_may_be_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (payment,) = world.order("A1", 1000)
    world.ask("A1", 800)

    def too_late(*args: Any, **kwargs: Any) -> Any:
        world.stripe.refund(payment, 700)  # in the dashboard, between the look and the call
        return make_refund(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr("app.refunds.make_refund", too_late)
        world.look()
    calls = len(world.served.api.calls)
    world.look()
    assert len(world.served.api.calls) == calls
    (refused,) = refusals(world.engine)
    assert (refused.amount_minor, refused.code) == (800, "amount_too_large")
    assert world.requests() == [("refused", 800)]
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


def test_a_refund_by_hand_that_nobody_told_of_is_seen_before_more_is_made(world: World) -> None:
    (payment,) = world.order("A1", 1000)
    world.ask("A1", 400, at=datetime.fromtimestamp(world.stripe.now - 5, UTC))
    world.stripe.refund(payment, 300)
    world.look()
    assert (world.made(), world.known()) == ([100, 300], [100, 300])
    assert world.requests() == [("answered", 0)]


def test_a_refund_that_cannot_be_read_stops_what_would_be_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (payment,) = world.order("A1", 1000)
    world.ask("A1", 400)
    world.stripe.refund(payment, 300)
    monkeypatch.setattr("app.refunds.KNOWN", "select '' as refund_id where %(ids)s::text[] is null")
    world.look()
    assert (world.made(), world.requests()) == ([300], [("requested", 400)])


def withdraw(world: World, request_id: str | None = None) -> list[str]:
    """Take the one request back."""
    (found,) = rows(world.engine, "select request_id, order_id from refund_requests limit 1")
    return world.withdraw(found[1], request_id or found[0])


def test_a_withdrawn_request_is_not_made_and_may_be_asked_again(world: World) -> None:
    world.order("A1", 1000)
    world.ask("A1", 800)
    assert withdraw(world) == ["refund_request.withdrawn.v1"]
    assert withdraw(world) == []
    assert world.requests() == [("withdrawn", 0)]
    assert rows(world.engine, "select to_refund, refund_requested_minor from orders") == [
        (False, 0)
    ]
    world.look()
    assert (world.made(), world.posts()) == ([], 0)
    world.ask("A1", 1000)
    world.look()
    assert world.made() == [1000]


def test_a_request_that_is_not_the_orders_cannot_be_withdrawn(world: World) -> None:
    world.order("A1", 1000)
    world.ask("A1", 800)
    for request_id in ("A1:9", "B1:2", "A2:2"):
        with pytest.raises(WrongState, match="has no request"):
            withdraw(world, request_id)


@pytest.mark.parametrize("at", ["list", "make", "answer"])
def test_a_withdrawal_that_races_with_the_refund_loses_or_is_first(
    world: World, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """It comes while Stripe is looked at, while it is asked, or after the answer was lost."""
    world.order("A1", 1000)
    world.ask("A1", 800)
    said: list[str] = []

    def during(call: Callable[..., Any], *, first: bool) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            answer = None if first else call(*args, **kwargs)
            with suppress(WrongState):
                said.extend(withdraw(world))
            if at == "answer":
                raise Killed
            return call(*args, **kwargs) if first else answer

        return wrapped

    name = "made_of" if at == "list" else "make_refund"
    call = made_of if at == "list" else make_refund
    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(f"app.refunds.{name}", during(call, first=at != "answer"))
        world.look()
    world.look()
    if at == "list":
        assert (said, world.made()) == (["refund_request.withdrawn.v1"], [])
        assert world.requests() == [("withdrawn", 0)]
    else:
        assert (said, world.made()) == ([], [800])
        assert world.requests() == [("answered", 0)]
        with pytest.raises(WrongState, match="was asked"):
            withdraw(world)


def test_a_refused_request_may_be_withdrawn_and_is_off_the_list(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.order("A1", 1000)
    world.ask("A1", 800)

    def refuses(*_args: Any, **_kwargs: Any) -> Any:
        raise StripeDeclined("Charge ch_1 has been charged back.", "charge_disputed")

    with monkeypatch.context() as patch:
        patch.setattr("app.refunds.make_refund", refuses)
        world.look()
    assert world.requests() == [("refused", 800)]
    assert withdraw(world) == ["refund_request.withdrawn.v1"]
    assert world.requests() == [("withdrawn", 0)]
    assert rows(world.engine, "select to_refund from orders") == [(False,)]
    world.look()
    assert world.made() == []


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
    assert withdraw(world) == ["refund_request.withdrawn.v1"], "Stripe was not asked for it"
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
