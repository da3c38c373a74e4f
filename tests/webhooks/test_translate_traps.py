"""What other systems got wrong (docs/stripe.md lists it), as far as translation decides it."""

import json
from typing import Any

import pytest

from ledger.domain.facts import RefundFact, RefundState, StatefulFact
from tests.webhooks.examples import (
    TEST,
    charge,
    dispute,
    event,
    facts_of,
    intent,
    refund,
    session,
    state_of,
    stored,
    translated,
)
from webhooks.translate.objects import account_of


def test_a_failed_refund_outranks_the_success_before_it_and_after_it() -> None:
    """dj-stripe, Pay and Medusa kept the money as refunded."""
    moment = translated(event("refund.created", refund()))[0]
    ranks = [
        moment.ranked(state.rank)
        for state in (
            RefundState.PENDING,
            RefundState.SUCCEEDED,
            RefundState.FAILED,
            RefundState.CANCELED,
        )
    ]
    assert ranks == sorted(ranks)
    assert RefundState.FAILED.rank == RefundState.CANCELED.rank > RefundState.SUCCEEDED.rank


def test_each_partial_refund_is_its_own() -> None:
    """flowglad#1176 overwrote the first with the second."""
    obj = charge(amount_refunded=700, refunds={"data": [refund(id="re_2", amount=300), refund()]})
    _, *refunds = facts_of("charge.refunded", obj)
    amounts = {
        each.refund_id: each.amount_minor
        for each in refunds
        if isinstance(each, RefundFact) and each.state is RefundState.SUCCEEDED
    }
    assert amounts == {"re_1": 400, "re_2": 300}


@pytest.mark.parametrize("currency", ["jpy", "kwd", "usd", "ugx"])
def test_amounts_stay_what_stripe_sent(currency: str) -> None:
    """stripe-sfcc-b2c-connector#31 multiplied yen by a hundred."""
    fact: Any = facts_of("charge.succeeded", charge(currency=currency))[0]
    assert (fact.amount_minor, fact.captured_minor, fact.currency) == (1000, 1000, currency)


def test_an_opened_dispute_moves_only_what_its_transactions_move() -> None:
    """eliza#10997 clawed money back on opening and never returned it."""
    fact: Any = facts_of("charge.dispute.created", dispute())[0]
    assert (fact.movements, fact.withdrawn) == ((), False)


@pytest.mark.parametrize(
    ("name", "status", "state"),
    [
        ("funds_withdrawn", "needs_response", "DisputeState.OPEN"),
        ("funds_reinstated", "under_review", "DisputeState.UNDER_REVIEW"),
        ("closed", "under_review", "DisputeState.UNDER_REVIEW"),
    ],
)
def test_a_disputes_end_is_its_status(name: str, status: str, state: str) -> None:
    """Withdrawn is not lost, reinstated is not won, and closed alone is neither."""
    assert state_of(f"charge.dispute.{name}", dispute(status=status)) == state


def test_a_completed_checkout_is_not_yet_paid() -> None:
    """Bank debits complete unpaid and may still fail."""
    unpaid = session(payment_status="unpaid")
    states = [
        state_of(f"checkout.session.{name}", unpaid)
        for name in ("completed", "async_payment_succeeded", "async_payment_failed")
    ]
    assert states == ["CheckoutState.COMPLETED", "CheckoutState.PAID", "CheckoutState.FAILED"]


def test_a_failed_attempt_does_not_end_a_payment() -> None:
    failed, succeeded = (
        facts_of(f"payment_intent.{name}", intent(status=status))[0]
        for name, status in (("payment_failed", "requires_payment_method"), ("succeeded",) * 2)
    )
    assert isinstance(failed, StatefulFact)
    assert isinstance(succeeded, StatefulFact)
    assert failed.state.rank < succeeded.state.rank


def test_reports_of_one_second_are_ordered_by_their_ids() -> None:
    """stripe/sync-engine#268 lost one of two; `created` has a resolution of one second."""
    body = json.dumps(event("charge.updated", charge())).encode()
    first, second = (TEST(stored(body, event_id))[0] for event_id in ("evt_1", "evt_2"))
    assert first.effective_at == second.effective_at
    assert first.newest(0) < second.newest(0) < first.newest(1)
    assert first.ranked(0) < second.ranked(0) < first.ranked(1)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("customer.subscription.created", "customer.subscription.updated"),
        ("customer.subscription.updated", "customer.subscription.deleted"),
        ("charge.dispute.created", "charge.dispute.funds_withdrawn"),
        ("charge.dispute.updated", "charge.dispute.closed"),
    ],
)
def test_in_one_second_what_makes_an_object_comes_first_and_its_end_last(
    earlier: str, later: str
) -> None:
    """Whatever letters their ids have, and whatever states they report."""
    first, last = (
        TEST(stored(json.dumps(event(type_, {})).encode(), event_id))[0]
        for type_, event_id in ((earlier, "evt_z9"), (later, "evt_a1"))
    )
    assert first.newest(60) < last.newest(0)
    assert first.ranked(25) < last.ranked(20)


def test_an_id_is_the_same_however_json_writes_it() -> None:
    """One of ours that looks like another account's, its characters escaped."""
    plain = json.dumps(event("charge.succeeded", charge(id="ch_1@acct_1")))
    written = ("@acct", "\\u0040acct", "@\\u0061cct", "\\u0040\\u0061\\u0063ct")
    for each in written:
        fact: Any = translated(plain.replace("@acct", each).encode())[2][0]
        assert fact.charge_id == "ch_1@acct_1@"


def test_the_account_is_the_same_however_json_writes_its_name() -> None:
    body = json.dumps(event("charge.succeeded", charge(), account="acct_1"))
    assert account_of(body.replace('"account"', '"acc\\u006funt"').encode()) == "acct_1"
