"""An id alone: our own object's, or the only connected account's; several are named."""

import json
from typing import Any

import pytest

from ledger.domain.events import Metadata, StripeEventReceived
from projections.engine.follow import Follower
from tests.projections.engine.counter import Counter
from tests.projections.models import NOON
from tests.webhooks.examples import charge, event, intent, refund
from webhooks.ingest.append import append_events

PATHS = ("", "/history", "/explain", "/history?changes=true")


def hear(counter: Counter, type_: str, obj: dict[str, Any], account: str | None = None) -> None:
    """Stripe's event of an object of an account."""
    more = {} if account is None else {"account": account}
    document = event(type_, obj, id=f"evt_{type_}", **more)
    body = json.dumps(document).encode()
    received = StripeEventReceived(
        event_id=document["id"], body=body, received_at=NOON, source="import"
    )
    append_events(counter.engine.log, [received], Metadata(actor="stripe"))
    Follower(counter.engine).catch_up()


@pytest.mark.parametrize("path", PATHS)
def test_the_only_one_is_found_by_its_id_alone(counter: Counter, path: str):
    hear(counter, "payment_intent.succeeded", intent(), "acct_1")
    assert counter.get(f"/payments/pi_1{path}") == counter.get(f"/payments/pi_1@acct_1{path}")
    row = counter.get("/payments/pi_1")
    assert (row["payment_id"], row["account"]) == ("pi_1@acct_1", "acct_1")


@pytest.mark.parametrize("path", PATHS)
def test_our_own_comes_first(counter: Counter, path: str):
    hear(counter, "payment_intent.succeeded", intent(), "acct_1")
    hear(counter, "payment_intent.succeeded", intent(amount=700, amount_received=700))
    shown = counter.get(f"/payments/pi_1{path}")
    assert "acct_1" not in json.dumps(shown)


@pytest.mark.parametrize("path", PATHS)
def test_several_are_named(counter: Counter, path: str):
    for account in ("acct_1", "acct_2"):
        hear(counter, "payment_intent.succeeded", intent(), account)
    problem = counter.get(f"/payments/pi_1{path}", 409)
    assert "pi_1@acct_1, pi_1@acct_2" in problem["detail"]
    assert counter.get("/payments/pi_1@acct_2")["account"] == "acct_2"


def test_what_is_longer_is_another_one(counter: Counter):
    """Nor is what an account of a connected account's owner calls so."""
    hear(counter, "payment_intent.succeeded", intent(id="pi_12"), "acct_1")
    hear(counter, "payment_intent.succeeded", intent(id="pi_1@acct_9"), "acct_2")
    counter.get("/payments/pi_1", 404)
    assert counter.get("/payments/pi_1@acct_9")["payment_id"] == "pi_1@acct_9@acct_2"


def test_as_of_an_earlier_position(counter: Counter):
    hear(counter, "charge.succeeded", charge(), "acct_1")
    before = counter.engine.log.head()
    hear(counter, "refund.created", refund(), "acct_1")
    assert counter.get("/payments/pi_1")["refunded_minor"] == 400
    assert counter.get("/payments/pi_1", as_of=before)["refunded_minor"] == 0


def test_parts_are_those_of_the_account(counter: Counter):
    hear(counter, "charge.succeeded", charge(), "acct_1")
    (part,) = counter.get("/payments/pi_1")["charges"]
    assert part["charge_id"] == "ch_1@acct_1"
