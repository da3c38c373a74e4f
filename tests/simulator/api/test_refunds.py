"""Refunds by way of the API: as much as is left, and each of them once."""

from collections.abc import Generator
from typing import Any

import msgspec
import pytest
import stripe

from simulator.api import Fault, at
from simulator.objects import Payment
from tests.simulator.api.shop import CHARGES_ONLY, Shop, shop


@pytest.fixture(scope="module")
def running() -> Generator[Shop]:
    with shop() as each:
        yield each


def paid(running: Shop, amount_minor: int = 3000) -> Payment:
    with running.account.lock:
        payment, _ = running.stripe.create_payment(amount_minor, "eur")
        running.stripe.pay_by_card(payment)
    return payment


def refund(running: Shop, key: str | None = None, **params: Any) -> stripe.StripeResponse:
    options = {"idempotency_key": key} if key else {}
    return running.client().raw_request("post", "/v1/refunds", **params, **options)


def test_a_refund_is_made_and_its_events_come_out(running: Shop) -> None:
    payment = paid(running)
    made: Any = refund(
        running,
        payment_intent=payment.id,
        amount=1000,
        reason="duplicate",
        metadata={"request": "r-1"},
    ).data
    assert (made["amount"], made["status"], made["reason"]) == (1000, "succeeded", "duplicate")
    assert made["metadata"] == {"request": "r-1"}
    assert made == running.get(f"/v1/refunds/{made['id']}")
    transaction = running.get(f"/v1/balance_transactions/{made['balance_transaction']}")
    assert (transaction["net"], transaction["source"]) == (-1000, made["id"])
    charge = running.get(f"/v1/charges/{payment.charge.id}")
    assert (charge["amount_refunded"], charge["refunded"]) == (1000, False)
    created, refunded = running.account.sent[-2:]
    assert (created.type, refunded.type) == ("refund.created", "charge.refunded")
    assert msgspec.json.decode(created.body)["data"]["object"]["metadata"] == {"request": "r-1"}
    told = running.get("/v1/events", limit=2)["data"]
    assert [event["id"] for event in told] == [refunded.id, created.id]


def test_without_an_amount_all_that_is_left_goes_back(running: Shop) -> None:
    payment = paid(running)
    refund(running, charge=payment.charge.id, amount=1000)
    rest: Any = refund(running, charge=payment.charge.id).data
    assert rest["amount"] == 2000


def test_stripes_own_client_makes_refunds(running: Shop) -> None:
    payment = paid(running)
    made = running.client().v1.refunds.create({"payment_intent": payment.id})
    assert made.amount == 3000


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"amount": 3001}, "amount_too_large", "amount"),
        ({"amount": 0}, "parameter_invalid_integer", "amount"),
        ({"amount": "ten"}, "parameter_invalid_integer", "amount"),
        ({"reason": "mood"}, None, "reason"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
    ],
)
def test_what_cannot_be_refunded_is_refused(
    running: Shop, params: dict[str, Any], code: str | None, param: str
) -> None:
    payment = paid(running)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        refund(running, payment_intent=payment.id, **params)
    assert (caught.value.http_status, caught.value.code, caught.value.param) == (400, code, param)
    assert payment.charge.refunds == []


def test_refunds_of_nothing_are_refused(running: Shop) -> None:
    payment = paid(running)
    refund(running, payment_intent=payment.id)
    with running.account.lock:
        unpaid, _ = running.stripe.create_payment(3000, "eur")
        disputed, _ = running.stripe.create_payment(3000, "eur")
        running.stripe.pay_by_card(disputed)
        running.stripe.open_dispute(disputed)
    for params, code in (
        ({"payment_intent": payment.id}, "charge_already_refunded"),
        ({"payment_intent": unpaid.id}, "payment_intent_unexpected_state"),
        ({"payment_intent": disputed.id}, "charge_disputed"),
        ({"payment_intent": "pi_gone"}, "resource_missing"),
        ({"charge": "ch_gone"}, "resource_missing"),
        ({}, None),
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            refund(running, **params)
        assert caught.value.code == code


def test_a_key_that_only_reads_makes_no_refund(running: Shop) -> None:
    payment = paid(running)
    with pytest.raises(stripe.PermissionError, match="'rak_charge_write' permission"):
        running.client(CHARGES_ONLY).raw_request("post", "/v1/refunds", payment_intent=payment.id)
    assert payment.charge.refunds == []


def test_the_same_key_and_parameters_get_the_same_bytes(running: Shop) -> None:
    payment = paid(running)
    first = refund(running, "request-1", payment_intent=payment.id, amount=1000)
    again = refund(running, "request-1", payment_intent=payment.id, amount=1000)
    assert again.body == first.body
    headers: Any = again.headers
    before: Any = first.headers
    assert headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in before
    assert len(payment.charge.refunds) == 1


def test_the_same_key_with_other_parameters_is_an_idempotency_error(running: Shop) -> None:
    payment = paid(running)
    refund(running, "request-2", payment_intent=payment.id, amount=1000)
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        refund(running, "request-2", payment_intent=payment.id, amount=2000)
    assert len(payment.charge.refunds) == 1


def test_a_refusal_is_repeated_for_its_key_but_not_one_of_parameters(running: Shop) -> None:
    payment = paid(running)
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
            refund(running, "request-3", payment_intent=payment.id, amount=4000)
    with pytest.raises(stripe.IdempotencyError):
        refund(running, "request-3", payment_intent=payment.id, amount=1000)
    with pytest.raises(stripe.InvalidRequestError, match="unknown parameter"):
        refund(running, "request-4", payment_intent=payment.id, colour="red")
    refund(running, "request-4", payment_intent=payment.id)


def test_keys_are_forgotten_after_a_day(running: Shop) -> None:
    payment = paid(running)
    refund(running, "request-5", payment_intent=payment.id, amount=1000)
    with running.account.lock:
        running.stripe.advance(86_401)
    refund(running, "request-5", payment_intent=payment.id, amount=1000)
    assert len(payment.charge.refunds) == 2


def test_a_refund_whose_answer_was_lost_is_made_once() -> None:
    with shop(plan=at({1: Fault.LOST, 2: Fault.CUT})) as running:
        payment = paid(running)
        for _ in range(2):
            with pytest.raises(stripe.APIConnectionError):
                refund(running, "request-6", payment_intent=payment.id)
        answer: Any = refund(running, "request-6", payment_intent=payment.id)
        assert answer.headers["idempotent-replayed"] == "true"
        assert [each.id for each in payment.charge.refunds] == [answer.data["id"]]
