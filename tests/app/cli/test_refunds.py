"""`ledger refund`: what waits is shown, and made at Stripe; status and doctor say who makes it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.domain.events import (
    Metadata,
    NewEvent,
    RefundBegun,
    RefundRefused,
    StripeEventReceived,
)
from ledger.domain.streams import stream_of
from ledger.errors import StripeDeclined
from ledger.log import Log
from ledger.postgres.database import Database
from simulator import SimulatedStripe
from tests.app.cli.conftest import Run
from tests.simulator.api.shop import CHARGES_ONLY, SECRET, Shop, shop

RunJson = Callable[..., Any]


@pytest.fixture
def served(run: Run, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """An order of 25.00 that was paid, and 10.00 of it asked back."""
    run("stock", "define", "MUG", "--name", "Blue mug", "--price", "12.50 gbp")
    run("stock", "receive", "MUG", "9")
    run("order", "place", "--id", "A1", "--currency", "gbp", "--line", "MUG:2")
    stripe = SimulatedStripe(7, remembers=True)
    payment, events = stripe.create_payment(2500, "gbp", order_id="A1")
    now = datetime.now(UTC)
    with Log(database.conninfo("app")) as log:
        for each in [*events, *stripe.pay_by_card(payment)]:
            received = StripeEventReceived(
                event_id=each.id, body=each.body, received_at=now, source="webhook"
            )
            log.append([NewEvent(f"stripe/{each.id}", 1, received, now, Metadata(actor="stripe"))])
    run("order", "refund", "A1", "10.00 gbp")
    with shop(stripe) as served:
        monkeypatch.setenv("STRIPE_API_BASE", served.base)
        monkeypatch.setenv("STRIPE_API_KEY", SECRET.secret)
        yield served


def made(served: Shop) -> list[int]:
    return [each["amount"] for each in served.get("/v1/refunds")["data"]]


def test_a_dry_run_makes_nothing_and_then_each_is_made_once(
    run: Run, run_json: RunJson, served: Shop, run_list: RunJson
) -> None:
    (due,) = run_list("refund", "carry-out", "--dry-run")
    assert (due["order_id"], due["open_minor"], made(served)) == ("A1", 1000, [])
    assert "10.00 GBP" in run("refund", "carry-out", "--dry-run").stdout
    assert run_json("refund", "carry-out", due["request_id"]) == {due["request_id"]: "done"}
    assert run_json("refund", "carry-out") == {}
    assert made(served) == [1000]
    (listed,) = run_list("refund", "list")
    assert (listed["state"], listed["open_minor"]) == ("answered", 0)


def test_a_request_that_does_not_wait_is_named(run: Run, served: Shop) -> None:
    assert "No request 'A1:99' waits" in run("refund", "carry-out", "A1:99", code=2).stderr
    assert made(served) == []


@pytest.mark.usefixtures("served")
def test_doctor_asks_stripe_whether_the_key_may(
    run: Run, run_json: RunJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> tuple[str, str]:
        """The server of the tests has fsync off, so the exit is 1."""
        said = {each["what"]: each for each in run_json("doctor", code=1)}["refunds"]
        return said["verdict"], said["found"]

    assert found()[0] == "note"
    assert "LEDGER_CARRY_OUT_REFUNDS=true" in run("status").stdout
    monkeypatch.setenv("LEDGER_CARRY_OUT_REFUNDS", "true")
    assert found() == ("fine", "requested ones are made at Stripe")
    monkeypatch.setenv("STRIPE_API_KEY", CHARGES_ONLY.secret)
    verdict, told = found()
    assert (verdict, "rak_charge_write" in told) == ("wrong", True)
    monkeypatch.setenv("STRIPE_API_KEY", "")
    verdict, told = found()
    assert (verdict, "STRIPE_API_KEY" in told) == ("wrong", True)


def test_a_request_is_withdrawn_before_stripe_is_asked_and_not_after(
    run: Run, run_json: RunJson, served: Shop, run_list: RunJson
) -> None:
    (due,) = run_list("refund", "carry-out", "--dry-run")
    request_id = due["request_id"]
    done = run_json("refund", "withdraw", request_id, "--reason", "not broken after all")
    assert done["recorded"] == ["refund_request.withdrawn.v1"]
    assert "stands as before" in run("refund", "withdraw", request_id).stdout
    assert run_json("refund", "carry-out") == {}
    assert made(served) == []
    (listed,) = run_list("refund", "list")
    assert (listed["state"], listed["open_minor"]) == ("withdrawn", 0)
    run("order", "refund", "A1", "10.00 gbp")
    (again,) = run_json("refund", "carry-out")
    assert made(served) == [1000]
    assert "cannot be withdrawn" in run("refund", "withdraw", again, code=1).stderr
    assert "no request" in run("refund", "withdraw", "A1:99", code=1).stderr
    assert "'A1' is no request's id" in run("refund", "withdraw", "A1", code=2).stderr


@pytest.mark.usefixtures("served")
def test_the_list_says_why_stripe_refuses_one(
    run: Run, run_list: RunJson, database: Database
) -> None:
    (due,) = run_list("refund", "carry-out", "--dry-run")
    request, now = due["request_id"], datetime.now(UTC)
    begun = RefundBegun(request_id=request, order_id="A1")
    refused = RefundRefused(
        request_id=request,
        order_id="A1",
        payment_id="pi_1",
        amount_minor=1000,
        currency="gbp",
        code=None,
        message="It was charged back.",
    )
    with Log(database.conninfo("app")) as log:
        stream = str(stream_of(begun))
        for version, event in enumerate([begun, refused], 1):
            log.append([NewEvent(stream, version, event, now, Metadata(actor="system"))])
    assert "It was charged back." in run("refund", "list").stdout


@pytest.mark.usefixtures("served")
def test_what_stripe_refuses_says_why_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def declined(*_: Any, **__: Any) -> Any:
        raise StripeDeclined("It was charged back.", "charge_disputed")

    monkeypatch.setattr("app.refunds.make_refund", declined)
    told = run("refund", "carry-out", code=1).stdout
    assert "refused" in told
    assert "It was charged back." in told
