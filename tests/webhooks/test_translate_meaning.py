"""What an event means, as docs/stripe.md says it, and what each fact carries."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.domain.billing_facts import InvoicePaymentFact
from ledger.domain.events import Metadata, OrderCanceled, RecordedEvent
from ledger.domain.facts import (
    AmountsNotCounted,
    ChargeFact,
    ChargeState,
    CheckoutFact,
    CheckoutState,
    CustomerFact,
    CustomerState,
    DisputeFact,
    DisputeState,
    EventContext,
    FundsMovement,
    PaymentFact,
    PaymentState,
    RefundFact,
    RefundState,
)
from tests.webhooks.examples import (
    LIVE,
    MADE,
    RECORDED_AT,
    TEST,
    TOLD,
    Json,
    charge,
    customer,
    dispute,
    event,
    facts_of,
    held,
    intent,
    refund,
    session,
    state_of,
    transaction,
    translated,
    waiting,
    without_purchases,
)
from webhooks.translate.translator import Translator

MADE_AT = datetime.fromtimestamp(MADE, UTC)
TOLD_AT = datetime.fromtimestamp(TOLD, UTC)

CHECKOUT = [
    ("completed", session(), "CheckoutState.PAID"),
    ("completed", session(payment_status="no_payment_required"), "CheckoutState.PAID"),
    ("completed", session(payment_status="unpaid"), "CheckoutState.COMPLETED"),
    ("completed", session(payment_status="something_new"), "CheckoutState.COMPLETED"),
    ("async_payment_succeeded", session(), "CheckoutState.PAID"),
    ("async_payment_failed", session(payment_status="unpaid"), "CheckoutState.FAILED"),
    ("expired", session(payment_status="unpaid", status="expired"), "CheckoutState.EXPIRED"),
    (
        "expired",
        session(payment_status="no_payment_required", status="expired"),
        "CheckoutState.EXPIRED",
    ),
    ("something_new", session(payment_status="unpaid", status="expired"), "CheckoutState.EXPIRED"),
    ("something_new", session(payment_status="unpaid", status="open"), "CheckoutState.OPEN"),
    (
        "something_new",
        session(payment_status="no_payment_required", status="open"),
        "CheckoutState.OPEN",
    ),
]
PAYMENT = [
    ("created", waiting(), "PaymentState.PENDING"),
    ("created", waiting(status="requires_confirmation"), "PaymentState.PENDING"),
    ("requires_action", waiting(status="requires_action"), "PaymentState.PENDING"),
    ("partially_funded", waiting(status="requires_action"), "PaymentState.PENDING"),
    ("processing", waiting(status="processing"), "PaymentState.PROCESSING"),
    ("payment_failed", waiting(), "PaymentState.FAILED"),
    ("payment_failed", waiting(status="canceled"), "PaymentState.CANCELED"),
    ("amount_capturable_updated", waiting(status="requires_capture"), "PaymentState.AUTHORIZED"),
    ("succeeded", intent(), "PaymentState.SUCCEEDED"),
    ("canceled", waiting(status="canceled"), "PaymentState.CANCELED"),
]
CHARGE = [
    ("succeeded", charge(), "ChargeState.CAPTURED"),
    ("succeeded", held(), "ChargeState.AUTHORIZED"),
    ("pending", charge(status="pending", paid=False, amount_captured=0), "ChargeState.PENDING"),
    ("captured", charge(), "ChargeState.CAPTURED"),
    ("updated", held(amount_captured=400), "ChargeState.CAPTURED"),  # of several captures the first
    ("updated", charge(), "ChargeState.CAPTURED"),
    ("refunded", charge(amount_refunded=1000, refunded=True), "ChargeState.CAPTURED"),
    ("refunded", held(amount_refunded=1000, refunded=True), "ChargeState.EXPIRED"),
    ("expired", held(amount_refunded=1000, refunded=True), "ChargeState.EXPIRED"),
    ("expired", held(), "ChargeState.EXPIRED"),
    (
        "failed",
        held(status="failed", paid=False, failure_code="card_declined"),
        "ChargeState.FAILED",
    ),
    ("failed", charge(id="py_1", status="failed", paid=False), "ChargeState.FAILED"),
]
REFUND = [
    ("refund.created", refund(), "RefundState.SUCCEEDED"),
    ("refund.created", refund(status="pending"), "RefundState.PENDING"),
    ("refund.updated", refund(status="requires_action"), "RefundState.REQUIRES_ACTION"),
    ("refund.updated", refund(status="failed"), "RefundState.FAILED"),
    ("refund.updated", refund(status="canceled"), "RefundState.CANCELED"),
    ("charge.refund.updated", refund(), "RefundState.SUCCEEDED"),
    ("charge.refund.updated", refund(status="failed"), "RefundState.FAILED"),
    ("refund.failed", refund(status="failed"), "RefundState.FAILED"),
    ("refund.failed", refund(status="succeeded"), "RefundState.FAILED"),
    ("refund.created", refund(status=None), "RefundState.SUCCEEDED"),
    ("refund.updated", refund(id="pyr_1"), "RefundState.SUCCEEDED"),
]
DISPUTE = [
    ("created", dispute(), "DisputeState.OPEN"),
    ("created", dispute(status="warning_needs_response"), "DisputeState.INQUIRY"),
    ("updated", dispute(status="warning_under_review"), "DisputeState.INQUIRY"),
    ("updated", dispute(status="under_review"), "DisputeState.UNDER_REVIEW"),
    ("closed", dispute(status="warning_closed"), "DisputeState.INQUIRY_CLOSED"),
    ("closed", dispute(status="won"), "DisputeState.WON"),
    ("updated", dispute(status="won"), "DisputeState.WON"),
    ("closed", dispute(status="lost"), "DisputeState.LOST"),
    ("closed", dispute(status="under_review"), "DisputeState.UNDER_REVIEW"),
    ("closed", dispute(status="charge_refunded"), "DisputeState.CLOSED"),
    ("closed", dispute(status="prevented"), "DisputeState.CLOSED"),
    ("funds_withdrawn", dispute(), "DisputeState.OPEN"),
    ("funds_reinstated", dispute(status="under_review"), "DisputeState.UNDER_REVIEW"),
]
CUSTOMER = [
    ("customer.created", customer(), "CustomerState.ACTIVE"),
    ("customer.updated", customer(), "CustomerState.ACTIVE"),
    ("customer.deleted", customer(), "CustomerState.DELETED"),
    (
        "customer.deleted",
        {"id": "cus_1", "object": "customer", "deleted": True},
        "CustomerState.DELETED",
    ),
]
ROWS = [
    *[(f"checkout.session.{name}", obj, state) for name, obj, state in CHECKOUT],
    *[(f"payment_intent.{name}", obj, state) for name, obj, state in PAYMENT],
    *[(f"charge.{name}", obj, state) for name, obj, state in CHARGE],
    *REFUND,
    *[(f"charge.dispute.{name}", obj, state) for name, obj, state in DISPUTE],
    *CUSTOMER,
]


@pytest.mark.parametrize(("type_", "obj", "state"), ROWS)
def test_an_event_means_a_state(type_: str, obj: Json, state: str) -> None:
    assert state_of(type_, obj) == state


@pytest.mark.parametrize(
    ("type_", "obj", "fact"),
    [
        (
            "payment_intent.succeeded",
            intent(
                last_payment_error={"code": "card_declined", "type": "card_error"},
                description=" Order  A1,\n for Ann ",
                metadata={"order_id": "A1", "shop": " #12 ", "name": "Ann Lee", "n": 7, "": "x"},
            ),
            PaymentFact(
                state=PaymentState.SUCCEEDED,
                payment_id="pi_1",
                amount_minor=1000,
                received_minor=1000,
                currency="gbp",
                created_at=MADE_AT,
                order_id="A1",
                customer_id="cus_1",
                charge_id="ch_1",
                email="ann@example.com",
                failure_code="card_declined",
                description="Order A1, for Ann",
                labels={"order_id": "A1", "shop": "12"},
            ),
        ),
        (
            "charge.succeeded",
            charge(currency="GBP", receipt_email="bob@example.com", failure_code="odd"),
            ChargeFact(
                state=ChargeState.CAPTURED,
                charge_id="ch_1",
                amount_minor=1000,
                captured_minor=1000,
                refunded_minor=0,
                currency="gbp",
                created_at=MADE_AT,
                captured_at=MADE_AT,
                payment_id="pi_1",
                order_id="A1",
                customer_id="cus_1",
                transaction_id="txn_1",
                email="bob@example.com",
                failure_code="odd",
                labels={"order_id": "A1"},
            ),
        ),
        (
            "refund.created",
            refund(failure_reason="expired_card"),
            RefundFact(
                state=RefundState.SUCCEEDED,
                refund_id="re_1",
                amount_minor=400,
                currency="gbp",
                created_at=MADE_AT,
                charge_id="ch_1",
                payment_id="pi_1",
                transaction_id="txn_2",
                reason="requested_by_customer",
                failure_code="expired_card",
            ),
        ),
        (
            "charge.dispute.funds_withdrawn",
            dispute(balance_transactions=[transaction()]),
            DisputeFact(
                state=DisputeState.OPEN,
                dispute_id="dp_1",
                amount_minor=1000,
                currency="gbp",
                created_at=MADE_AT,
                charge_id="ch_1",
                payment_id="pi_1",
                reason="fraudulent",
                due_at=TOLD_AT,
                movements=(
                    FundsMovement(
                        transaction_id="txn_9",
                        amount_minor=-1000,
                        fee_minor=1500,
                        currency="gbp",
                        created_at=MADE_AT,
                    ),
                ),
                withdrawn=True,
            ),
        ),
        (
            "checkout.session.completed",
            session(),
            CheckoutFact(
                state=CheckoutState.PAID,
                session_id="cs_1",
                created_at=MADE_AT,
                currency="gbp",
                total_minor=1000,
                payment_id="pi_1",
                order_id="A1",
                reference="cart-7",
                customer_id="cus_1",
                email="ann@example.com",
                labels={"order_id": "A1"},
            ),
        ),
        (
            "checkout.session.completed",
            session(
                amount_total=0,
                payment_intent=None,
                payment_status="no_payment_required",
                mode="subscription",
                invoice={"id": "in_1", "object": "invoice"},
                subscription="sub_1",
                total_details={"amount_discount": 1000, "amount_tax": 0},
            ),
            CheckoutFact(
                state=CheckoutState.PAID,
                session_id="cs_1",
                created_at=MADE_AT,
                currency="gbp",
                total_minor=0,
                order_id="A1",
                reference="cart-7",
                customer_id="cus_1",
                email="ann@example.com",
                mode="subscription",
                invoice_id="in_1",
                subscription_id="sub_1",
                discount_minor=1000,
                nothing_due=True,
                labels={"order_id": "A1"},
            ),
        ),
        (
            "customer.created",
            customer(),
            CustomerFact(
                state=CustomerState.ACTIVE,
                customer_id="cus_1",
                created_at=MADE_AT,
                email="ann@example.com",
                name="Ann",
            ),
        ),
    ],
)
def test_everything_that_a_fact_carries(type_: str, obj: Json, fact: object) -> None:
    assert without_purchases(facts_of(type_, obj)) == [fact]


@pytest.mark.parametrize(
    ("status", "amount", "nothing_due"),
    [
        ("paid", 0, True),
        ("no_payment_required", 0, True),
        ("no_payment_required", None, True),
        ("no_payment_required", 1000, False),
        ("paid", 1000, False),
        ("unpaid", 0, False),
    ],
)
def test_a_page_of_nothing_is_settled_by_either_word(
    status: str, amount: int | None, *, nothing_due: bool
) -> None:
    page = session(mode="subscription", payment_status=status, amount_total=amount)
    (fact,) = without_purchases(facts_of("checkout.session.completed", page))
    assert isinstance(fact, CheckoutFact)
    assert fact.nothing_due == nothing_due


def test_a_failed_attempt_is_not_what_paid_an_invoice() -> None:
    attempt = charge(id="ch_9", invoice="in_1", status="failed", paid=False, captured=False)
    (named,) = [f for f in facts_of("charge.failed", attempt) if isinstance(f, InvoicePaymentFact)]
    assert (named.payment_id, named.charge_id) == ("pi_1", None)


def test_a_page_that_keeps_a_card_settles_nothing() -> None:
    page = session(mode="setup", payment_status="no_payment_required", amount_total=None)
    (fact,) = facts_of("checkout.session.completed", page)
    assert isinstance(fact, CheckoutFact)
    assert fact.state is CheckoutState.PAID
    assert (fact.mode, fact.nothing_due) == ("setup", False)


@pytest.mark.parametrize(
    ("type_", "obj", "payment_id"),
    [
        ("payment_intent.succeeded", intent(invoice="in_1"), "pi_1"),
        ("charge.succeeded", charge(invoice={"id": "in_1"}), "pi_1"),
        ("charge.succeeded", charge(invoice="in_1", payment_intent=None), "ch_1"),
    ],
)
def test_until_2025_what_pays_an_invoice_names_it(type_: str, obj: Json, payment_id: str) -> None:
    _, pays = without_purchases(facts_of(type_, obj))
    assert pays == InvoicePaymentFact(invoice_id="in_1", payment_id=payment_id, charge_id="ch_1")


@pytest.mark.parametrize(
    ("type_", "obj", "captured", "refunded", "captured_at"),
    [
        ("charge.succeeded", charge(), 1000, 0, MADE_AT),
        ("charge.succeeded", held(), 0, 0, None),
        ("charge.captured", charge(), 1000, 0, TOLD_AT),
        ("charge.captured", charge(amount_captured=600, amount_refunded=400), 600, 0, TOLD_AT),
        ("charge.captured", charge(amount_captured=600, amount_refunded=0), 600, 0, TOLD_AT),
        ("charge.refunded", charge(amount_captured=600, amount_refunded=650), 600, 250, MADE_AT),
        ("charge.refunded", charge(amount_refunded=300), 1000, 300, MADE_AT),
        ("charge.expired", held(amount_refunded=1000, refunded=True), 0, 0, None),
        ("charge.failed", charge(status="failed"), 0, 0, None),
        ("charge.pending", charge(status="pending"), 0, 0, None),
        ("charge.updated", charge(amount_captured=1200), 1200, 0, MADE_AT),
    ],
)
def test_what_a_charge_took_and_gave_back(
    type_: str, obj: Json, captured: int, refunded: int, captured_at: datetime | None
) -> None:
    """A released part of a hold is neither captured nor refunded."""
    fact: Any = facts_of(type_, obj)[0]
    assert (fact.captured_minor, fact.refunded_minor, fact.captured_at) == (
        captured,
        refunded,
        captured_at,
    )


@pytest.mark.parametrize(
    ("name", "withdrawn", "reinstated"),
    [
        ("created", False, False),
        ("funds_withdrawn", True, False),
        ("funds_reinstated", False, True),
        ("closed", False, False),
    ],
)
def test_funds_move_by_transaction_and_the_name_says_that_they_did(
    name: str, withdrawn: bool, reinstated: bool
) -> None:
    """Both movements are reported whenever Stripe lists them; a reversal gives the fee back."""
    back = transaction(id="txn_10", amount=1000, fee=-1500)
    obj = dispute(balance_transactions=[transaction(), back])
    fact: Any = facts_of(f"charge.dispute.{name}", obj)[0]
    moved = [(m.transaction_id, m.amount_minor, m.fee_minor) for m in fact.movements]
    assert moved == [("txn_9", -1000, 1500), ("txn_10", 1000, -1500)]
    assert (fact.withdrawn, fact.reinstated) == (withdrawn, reinstated)


UNPROJECTED = [
    (
        "invoiceitem.created",
        {"id": "ii_1", "object": "invoiceitem", "customer": "cus_1"},
        ("invoiceitem", "ii_1", None, None, "cus_1"),
    ),
    (
        "credit_note.created",
        charge(id="cn_1", object="credit_note", charge="ch_1"),
        ("credit_note", "cn_1", "pi_1", "ch_1", "cus_1"),
    ),
    (
        "customer.source.created",
        {"id": "card_1", "object": "card", "customer": {"id": "cus_1"}},
        ("card", "card_1", None, None, None),
    ),
    ("cash_balance.held", {"object": "cash_balance"}, ("cash_balance", None, None, None, None)),
    ("invoice.upcoming", {"object": "invoice", "id": ""}, ("invoice", None, None, None, None)),
    ("ping", None, (None, None, None, None, None)),
    ("a.type.of.tomorrow", {"id": 7, "object": []}, (None, None, None, None, None)),
    ("test.charge", charge(), ("charge", "ch_1", "pi_1", "ch_1", "cus_1")),
    ("test.intent", intent(), ("payment_intent", "pi_1", "pi_1", None, "cus_1")),
    ("test.customer", customer(), ("customer", "cus_1", None, None, "cus_1")),
    (
        "refund.created",
        refund(reason="expired_uncaptured_charge"),
        ("refund", "re_1", "pi_1", "ch_1", None),
    ),
    ("charge.tomorrow", {"id": "x_1", "object": "x"}, ("x", "x_1", None, None, None)),
    ("charge.tomorrow", refund(), ("refund", "re_1", "pi_1", "ch_1", None)),
    ("test.long", {"id": "x" * 256, "object": "x"}, ("x", None, None, None, None)),
]


@pytest.mark.parametrize(("type_", "obj", "subject"), UNPROJECTED)
def test_anything_else_is_kept_and_named(type_: str, obj: object, subject: tuple[Any, ...]) -> None:
    _, note, facts = translated(event(type_, obj))
    named = (note.payment_id, note.charge_id, note.customer_id)
    assert (note.subject_kind, note.subject_id, *named) == subject
    said = [fact for fact in facts if not isinstance(fact, AmountsNotCounted)]
    assert (note.outcome, note.type, said) == ("unprojected", type_, [])


@pytest.mark.parametrize(
    ("translator", "livemode", "outcome"),
    [
        (TEST, False, "projected"),
        (TEST, True, "other_mode"),
        (LIVE, True, "projected"),
        (LIVE, False, "other_mode"),
    ],
)
def test_the_other_mode_touches_nothing(
    translator: Translator, livemode: bool, outcome: str
) -> None:
    """An event of the other mode is counted and says nothing else, not even an id."""
    _, note, facts = translated(event("charge.succeeded", charge(), livemode=livemode), translator)
    assert (note.outcome, note.livemode) == (outcome, livemode)
    assert (len(facts) == 1) == (outcome == "projected")
    assert (note.subject_id, note.charge_id, note.payment_id, note.customer_id) == (None,) * 4


def test_a_moment_has_stripes_time_and_the_logs_place() -> None:
    moment, note, _ = translated(event("charge.succeeded", charge(), account="acct_1"))
    assert moment == EventContext(
        position=7,
        source="stripe/evt_1",
        version=1,
        topic="stripe.event_received.v1",
        recorded_at=RECORDED_AT,
        effective_at=TOLD_AT,
        order_key=f"00{TOLD}.1.evt_1",
        meta=Metadata(),
        account="acct_1",
    )
    assert (note.event_id, note.api_version) == ("evt_1@acct_1", "2026-10-28.endive")


def test_the_shops_own_events_are_facts_as_they_are() -> None:
    """They are ordered by their version, at the time of their command."""
    canceled = OrderCanceled(order_id="A1")
    recorded = RecordedEvent(
        9, "order/A1", 2, RECORDED_AT, TOLD_AT, canceled, Metadata(actor="ann")
    )
    moment, facts = TEST(recorded)
    assert list(facts) == [canceled]
    assert moment == EventContext(
        position=9,
        source="order/A1",
        version=2,
        topic="order.canceled.v1",
        recorded_at=RECORDED_AT,
        effective_at=TOLD_AT,
        order_key="000000000002.1.order/A1",
        meta=Metadata(actor="ann"),
    )


def test_a_fingerprint_names_the_settings() -> None:
    """Translators with other settings have other fingerprints."""
    made = [Translator(mode, key) for mode in ("test", "live") for key in ("order_id", "order")]
    assert len({each.fingerprint for each in made}) == 4
    assert Translator("test", "order_id").fingerprint == TEST.fingerprint
