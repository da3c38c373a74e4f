"""What this version does not know hides nothing else: words, and fields that may be lost."""

import json
from itertools import chain
from typing import Any, get_args

import msgspec
import pytest
import stripe

from ledger.domain.facts import (
    DisputeState,
    PartNotUnderstood,
    StatefulFact,
    StripeEventUnreadable,
)
from tests.webhooks.billing_examples import (
    coupon,
    invoice,
    invoice_payment,
    old_discount,
    payout,
    subscription,
)
from tests.webhooks.examples import (
    Json,
    charge,
    customer,
    dispute,
    event,
    facts_of,
    intent,
    name_of,
    refund,
    session,
    transaction,
    translated,
    without_purchases,
)
from webhooks.translate.objects import StripeObject
from webhooks.translate.translator import READINGS

WORD = "levitating"


def understood(type_: str, obj: Json) -> tuple[list[Any], list[PartNotUnderstood]]:
    """What an event says, and what of it nobody understands; it counts as read."""
    _, note, facts = translated(event(type_, obj))
    assert note.outcome == "projected"
    strange = [fact for fact in facts if isinstance(fact, PartNotUnderstood)]
    return [fact for fact in facts if not isinstance(fact, PartNotUnderstood)], strange


def money_and_times(fact: Any) -> dict[str, Any]:
    """All that a fact says beside its state."""
    return {
        name: getattr(fact, name)
        for name in fact.__struct_fields__
        if name not in {"state", "word"}
    }


STATUSES = [
    ("payment_intent.processing", intent(status="processing"), "payment", "pi_1"),
    ("charge.succeeded", charge(), "charge", "ch_1"),
    ("refund.updated", refund(status="pending"), "refund", "re_1"),
    ("charge.dispute.updated", dispute(balance_transactions=[transaction()]), "dispute", "dp_1"),
    ("checkout.session.completed", session(payment_status="unpaid"), "checkout", "cs_1"),
    ("customer.subscription.updated", subscription(), "subscription", "sub_1"),
    ("invoice.updated", invoice(status="open"), "invoice", "in_1"),
    ("payout.updated", payout(status="pending"), "payout", "po_1"),
]


@pytest.mark.parametrize(("type_", "obj", "kind", "own_id"), STATUSES)
def test_an_unknown_status_hides_nothing_else(
    type_: str, obj: Json, kind: str, own_id: str
) -> None:
    """The state is Stripe's word, flagged; amounts, times and ids are as with a known one."""
    known, fact = facts_of(type_, obj)[0], facts_of(type_, obj | {"status": WORD})[0]
    assert isinstance(known, StatefulFact)
    assert isinstance(fact, StatefulFact)
    assert (fact.state_name, fact.state_known, known.state_known) == (WORD, False, True)
    assert money_and_times(fact) == money_and_times(known)
    _, strange = understood(type_, obj | {"status": WORD})
    assert strange == [PartNotUnderstood(kind=kind, part="status", subject_id=own_id, word=WORD)]


@pytest.mark.parametrize(
    ("fields", "captured_minor"),
    [({}, 1000), ({"captured": False}, 0), ({"paid": False}, 0), ({"paid": None}, 0)],
)
def test_a_charge_of_an_unknown_status_has_the_money_that_it_says_it_has(
    fields: Json, captured_minor: int
) -> None:
    fact: Any = facts_of("charge.updated", charge(status=WORD, **fields))[0]
    assert (fact.state_name, fact.captured_minor, fact.amount_minor) == (WORD, captured_minor, 1000)


def test_what_stands_in_another_object_is_no_more_hidden() -> None:
    """A list of refunds, and a list of charges that hold them."""
    listed = charge(amount_refunded=400, refunds={"data": [refund(status=WORD)]})
    facts, strange = understood("payment_intent.succeeded", intent(charges={"data": [listed]}))
    assert [name_of(fact) for fact in without_purchases(facts)] == [
        "PaymentState.SUCCEEDED",
        "ChargeState.CAPTURED",
        "RefundState.UNKNOWN",
    ]
    assert [(each.kind, each.subject_id) for each in strange] == [("refund", "re_1")]


@pytest.mark.parametrize(
    ("type_", "obj", "kind", "part"),
    [
        ("checkout.session.completed", session(payment_status=WORD), "checkout", "payment_status"),
        ("coupon.created", coupon(duration=WORD), "coupon", "duration"),
        ("checkout.session.completed", session(mode=WORD), "checkout", "mode"),
        ("invoice.paid", invoice(billing_reason=WORD), "invoice", "billing_reason"),
        (
            "invoice.paid",
            invoice(lines={"data": [{"type": WORD, "amount": 1200}]}),
            "invoice",
            "lines.type",
        ),
        (
            "customer.discount.created",
            old_discount(coupon=coupon(duration=WORD)),
            "coupon",
            "duration",
        ),
        ("invoice_payment.paid", invoice_payment(status=WORD), "invoice", "payments.status"),
    ],
)
def test_other_words(type_: str, obj: Json, kind: str, part: str) -> None:
    facts, strange = understood(type_, obj)
    assert facts
    assert [(each.kind, each.part, each.word) for each in strange] == [(kind, part, WORD)]


@pytest.mark.parametrize(
    ("type_", "obj", "kind"),
    [
        ("payment_intent.succeeded", intent(currency="XYZ"), "payment"),
        ("charge.succeeded", charge(currency="xyz"), "charge"),
        ("refund.updated", refund(currency="xyz"), "refund"),
        ("charge.dispute.created", dispute(currency="xyz"), "dispute"),
        ("checkout.session.completed", session(currency="xyz"), "checkout"),
        ("invoice.paid", invoice(currency="xyz"), "invoice"),
        ("payout.paid", payout(currency="xyz"), "payout"),
    ],
)
def test_a_currency_that_is_not_known_is_named_and_read_as_it_is(
    type_: str, obj: Json, kind: str
) -> None:
    facts, strange = understood(type_, obj)
    assert next(fact.currency for fact in facts if hasattr(fact, "currency")) == "xyz"
    assert [(each.kind, each.part, each.word) for each in strange] == [(kind, "currency", "xyz")]


@pytest.mark.parametrize("paying", ["paid", "no_payment_required"])
def test_a_page_of_an_unknown_mode_settles_nothing(paying: str) -> None:
    """Nothing says that it sold anything; a page without a mode is one of before there were any."""
    free = session(payment_status=paying, amount_total=0)
    facts = {
        mode: facts_of("checkout.session.completed", free | {"mode": mode})[0]
        for mode in ("payment", "subscription", None, "setup", WORD)
    }
    nothing_due = [mode for mode, fact in facts.items() if getattr(fact, "nothing_due", None)]
    assert nothing_due == ["payment", "subscription", None]


@pytest.mark.parametrize("reason", [WORD, "subscription_cycle", None])
def test_an_invoice_of_another_reason_opens_no_subscription(reason: str | None) -> None:
    fact: Any = facts_of("invoice.paid", invoice(billing_reason=reason))[0]
    assert fact.opens_subscription is False


@pytest.mark.parametrize(("type_", "lines"), [(None, 1), ("subscription", 1), (WORD, 0)])
def test_a_line_of_an_unknown_type_says_no_price_of_a_period(type_: str | None, lines: int) -> None:
    price = {"id": "price_1", "currency": "gbp", "unit_amount": 1200}
    line = {"type": type_, "amount": 1200, "quantity": 1, "currency": "gbp", "price": price}
    obj = invoice(lines={"data": [line]}, subscription="sub_1")
    fact: Any = facts_of("invoice.paid", obj)[0]
    assert len(fact.lines) == lines


@pytest.mark.parametrize(
    ("type_", "obj"),
    [
        ("coupon.created", coupon(duration=None)),
        ("customer.discount.created", old_discount(coupon=coupon(duration=None))),
    ],
)
def test_a_coupon_without_a_duration_is_named(type_: str, obj: Json) -> None:
    facts, (strange,) = understood(type_, obj)
    assert (strange.kind, strange.part, strange.word) == ("coupon", "duration", None)
    assert all(getattr(fact, "terms", None) is None for fact in facts)


def test_a_coupon_that_is_gone_need_not_say_how_long_it_lasts() -> None:
    _, note, facts = translated(event("coupon.deleted", coupon(duration=None)))
    assert (note.outcome, list(facts)) == ("unprojected", [])


def test_an_event_whose_name_decides_says_a_known_state() -> None:
    facts, strange = understood("refund.failed", refund(status=WORD))
    assert (facts[0].state_name, strange) == ("failed", [])


LOST = [
    ("charge.succeeded", charge(receipt_email="x" * 513), "charge", "receipt_email"),
    ("charge.succeeded", charge(billing_details=5), "charge", "billing_details"),
    ("payment_intent.succeeded", intent(last_payment_error="no"), "payment", "last_payment_error"),
    ("refund.created", refund(failure_reason=7), "refund", "failure_reason"),
    ("charge.dispute.created", dispute(evidence_details=5), "dispute", "evidence_details"),
    (
        "charge.dispute.created",
        dispute(evidence_details={"due_by": -1}),
        "dispute",
        "evidence_details",
    ),
    ("charge.dispute.created", dispute(reason=[]), "dispute", "reason"),
    ("checkout.session.completed", session(customer_email={}), "checkout", "customer_email"),
    ("customer.updated", customer(email=["ann@example.com"]), "customer", "email"),
    ("coupon.created", coupon(name=5), "coupon", "name"),
    ("invoice.paid", invoice(period_start="soon"), "invoice", "period_start"),
    ("payout.paid", payout(arrival_date="soon"), "payout", "arrival_date"),
]


@pytest.mark.parametrize(("type_", "obj", "kind", "part"), LOST)
def test_a_field_that_may_be_lost_hides_only_itself(
    type_: str, obj: Json, kind: str, part: str
) -> None:
    facts, (strange,) = understood(type_, obj)
    without, none = understood(type_, {k: v for k, v in obj.items() if k != part})
    assert (facts, none) == (without, [])
    assert (strange.kind, strange.part, strange.word) == (kind, part, None)
    assert strange.cause


def test_two_fields_can_be_lost() -> None:
    facts, strange = understood("charge.dispute.created", dispute(reason=1, evidence_details=2))
    assert facts[0].state is DisputeState.OPEN
    assert {each.part for each in strange} == {"reason", "evidence_details"}


def test_a_field_that_counts_is_never_lost() -> None:
    """However many others may be."""
    fact = facts_of("charge.dispute.created", dispute(reason=1, amount="1000"))[0]
    assert isinstance(fact, StripeEventUnreadable)
    assert fact.cause == "Expected `int`, got `str` - at `$.amount`"


def test_numbers_keep_their_digits_where_a_field_is_lost() -> None:
    body = json.dumps(event("coupon.created", coupon(name=5, percent_off=0.5)))
    fact: Any = translated(body.replace("0.5", "33.333333333333").encode())[2][0]
    assert fact.terms.percent_off == "33.333333333333"


COUNTED = {"amount", "currency", "status", "id", "paid", "captured", "charge", "intent", "created"}


def test_nothing_that_money_rests_on_may_be_lost() -> None:
    shapes: set[type[StripeObject]] = {r.shape for _, r in READINGS if r is not None}
    lost = set(chain.from_iterable(shape.MAY_BE_LOST for shape in shapes))
    assert lost
    about_the_bank = {"reconciliation_status", "trace_id"}  # of a payout, whatever it comes to
    assert {name for name in lost if COUNTED & set(name.split("_"))} == about_the_bank
    for shape in shapes:
        optional = {f.name for f in msgspec.structs.fields(shape) if f.default is None}
        assert optional >= shape.MAY_BE_LOST


def words_of(hint: Any) -> set[str]:
    """The literals in a type."""
    inner = get_args(hint)
    return (
        {hint} if isinstance(hint, str) else set().union(*map(words_of, inner)) if inner else set()
    )


@pytest.mark.parametrize(
    ("type_", "obj", "resource"),
    [
        ("charge.updated", charge(), stripe.Charge),
        ("payment_intent.created", intent(), stripe.PaymentIntent),
        ("charge.dispute.updated", dispute(), stripe.Dispute),
        ("checkout.session.completed", session(), stripe.checkout.Session),
        ("customer.subscription.updated", subscription(), stripe.Subscription),
        ("invoice.updated", invoice(), stripe.Invoice),
    ],
)
def test_every_status_of_the_librarys_version_is_known(
    type_: str, obj: Json, resource: Any
) -> None:
    """A new version of Stripe's library that brings a new word fails here."""
    words = words_of(resource.__annotations__["status"])
    assert len(words) > 2
    states = {
        word: facts_of(type_, obj | {"status": word, "payment_status": "unpaid"})[0]
        for word in words
    }
    assert [w for w, s in states.items() if isinstance(s, StatefulFact) and not s.state_known] == []
