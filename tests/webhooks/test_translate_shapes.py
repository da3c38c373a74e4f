"""Old and new shapes ("Fields that moved" of docs/stripe.md), and fields of a wrong type."""

import json
from typing import Any

import pytest

from ledger.domain.facts import StripeEventUnreadable
from ledger.domain.money import MAX_MINOR
from tests.webhooks.examples import (
    MADE,
    TOLD,
    Json,
    charge,
    customer,
    dispute,
    event,
    facts_of,
    held,
    intent,
    name_of,
    refund,
    session,
    state_of,
    transaction,
    translated,
    waiting,
    without_purchases,
)


def without(obj: Json, *names: str) -> Json:
    return {name: value for name, value in obj.items() if name not in names}


def listed(*items: Json) -> Json:
    return {"object": "list", "data": list(items), "has_more": False, "total_count": len(items)}


def ids(facts: Any) -> list[str]:
    """`Class:id` of each fact."""
    return [f"{name_of(fact)}:{id_of(fact)}" for fact in facts]


def id_of(fact: Any) -> str:
    """An object's own id is the first that its fact names."""
    return getattr(fact, next(name for name in fact.__struct_fields__ if name.endswith("_id")))


ONE = refund(id="re_1", amount=400)
TWO = refund(id="re_2", amount=100, created=MADE + 1, status="pending")
REFUNDED = charge(amount_refunded=500)
HALF = charge(amount_captured=600, amount_refunded=650)
RELEASE = refund(id="re_9", amount=400, created=MADE - 1, balance_transaction=None)
AFTER_RELEASE = refund(id="re_1", amount=250)
OLD_INTENT = without(intent(), "latest_charge")
OLD_HOLD = without(held(), "amount_captured")
NO_SOURCE = waiting(status="requires_source")

SEVERAL = [
    # charge.refunds: a list in payloads until 2022-11-15, a bare array long before, absent since
    (REFUNDED, ["ChargeState.CAPTURED:ch_1"]),
    (REFUNDED | {"refunds": None}, ["ChargeState.CAPTURED:ch_1"]),
    (REFUNDED | {"refunds": {}}, ["ChargeState.CAPTURED:ch_1"]),
    (REFUNDED | {"refunds": listed()}, ["ChargeState.CAPTURED:ch_1"]),
    (
        REFUNDED | {"refunds": listed(TWO, ONE)},
        ["ChargeState.CAPTURED:ch_1", "RefundState.PENDING:re_2", "RefundState.SUCCEEDED:re_1"],
    ),
    (REFUNDED | {"refunds": [ONE]}, ["ChargeState.CAPTURED:ch_1", "RefundState.SUCCEEDED:re_1"]),
    (
        REFUNDED | {"refunds": listed(without(ONE, "status"))},
        ["ChargeState.CAPTURED:ch_1", "RefundState.SUCCEEDED:re_1"],
    ),
    # a hold that was let go lists a refund, although nothing was taken
    (held(refunded=True, amount_refunded=1000, refunds=listed(ONE)), ["ChargeState.EXPIRED:ch_1"]),
    # so does the part that a partial capture lets go; it comes first
    (
        charge(amount_captured=600, amount_refunded=400, refunds=listed(RELEASE)),
        ["ChargeState.CAPTURED:ch_1"],
    ),
    (
        HALF | {"refunds": listed(AFTER_RELEASE, RELEASE)},
        ["ChargeState.CAPTURED:ch_1", "RefundState.SUCCEEDED:re_1"],
    ),
    (
        HALF | {"refunds": listed(refund(id="re_2", status="failed"), AFTER_RELEASE, RELEASE)},
        ["ChargeState.CAPTURED:ch_1", "RefundState.FAILED:re_2", "RefundState.SUCCEEDED:re_1"],
    ),
    (
        HALF | {"refunds": listed(refund(amount=650))},
        ["ChargeState.CAPTURED:ch_1", "RefundState.SUCCEEDED:re_1"],
    ),
    # of one second a customer's refund may have the lesser id
    (
        charge(
            amount_captured=700,
            amount_refunded=350,
            refunds=listed(refund(id="re_a", amount=50), refund(id="re_z", amount=300)),
        ),
        ["ChargeState.CAPTURED:ch_1", "RefundState.SUCCEEDED:re_a"],
    ),
    # where the list does not hold the release, a refund of the same amount is a customer's
    (
        charge(amount_captured=600, amount_refunded=800, refunds=listed(ONE)),
        ["ChargeState.CAPTURED:ch_1", "RefundState.SUCCEEDED:re_1"],
    ),
    (
        HALF | {"refunds": listed(AFTER_RELEASE)},
        ["ChargeState.CAPTURED:ch_1", "RefundState.SUCCEEDED:re_1"],
    ),
]


@pytest.mark.parametrize(("obj", "expected"), SEVERAL)
def test_refunds_listed_with_a_charge(obj: Json, expected: list[str]) -> None:
    """Each listed refund is a fact of its own, unless it only let a hold go."""
    assert ids(facts_of("charge.refunded", obj, api_version="2020-03-02")) == expected


def test_a_listed_refund_belongs_to_its_charge() -> None:
    """`refund.payment_intent` exists since 2019-11-05; the charge around it knows its own."""
    bare = without(ONE, "charge", "payment_intent")
    fact: Any = facts_of("charge.refunded", charge(refunds=listed(bare)))[1]
    assert (fact.charge_id, fact.payment_id) == ("ch_1", "pi_1")


@pytest.mark.parametrize(
    ("obj", "charge_id", "expected"),
    [
        (intent(), "ch_1", ["PaymentState.SUCCEEDED:pi_1"]),
        (intent(latest_charge=charge()), "ch_1", ["PaymentState.SUCCEEDED:pi_1"]),
        (intent(latest_charge=None), None, ["PaymentState.SUCCEEDED:pi_1"]),
        (OLD_INTENT, None, ["PaymentState.SUCCEEDED:pi_1"]),
        (
            OLD_INTENT | {"charges": listed(charge(id="ch_2"), held(status="failed"))},
            "ch_2",
            ["PaymentState.SUCCEEDED:pi_1", "ChargeState.CAPTURED:ch_2", "ChargeState.FAILED:ch_1"],
        ),
        (OLD_INTENT | {"charges": listed()}, None, ["PaymentState.SUCCEEDED:pi_1"]),
        (
            intent(charges=listed(REFUNDED | {"refunds": listed(ONE)})),
            "ch_1",
            [
                "PaymentState.SUCCEEDED:pi_1",
                "ChargeState.CAPTURED:ch_1",
                "RefundState.SUCCEEDED:re_1",
            ],
        ),
    ],
)
def test_the_charges_of_a_payment(obj: Json, charge_id: str | None, expected: list[str]) -> None:
    """`charges` until 2022-11-15, then `latest_charge`."""
    facts = without_purchases(facts_of("payment_intent.succeeded", obj))
    payment: Any = facts[0]
    assert (payment.charge_id, ids(facts)) == (charge_id, expected)


@pytest.mark.parametrize("value", ["x_1", {"id": "x_1", "object": "y", "amount": 1.5}])
@pytest.mark.parametrize(
    ("type_", "obj", "field", "name"),
    [
        ("charge.succeeded", charge(), "payment_intent", "payment_id"),
        ("charge.succeeded", charge(), "customer", "customer_id"),
        ("charge.succeeded", charge(), "balance_transaction", "transaction_id"),
        ("payment_intent.created", waiting(), "customer", "customer_id"),
        ("payment_intent.created", waiting(), "latest_charge", "charge_id"),
        ("refund.created", refund(), "charge", "charge_id"),
        ("refund.created", refund(), "payment_intent", "payment_id"),
        ("refund.created", refund(), "balance_transaction", "transaction_id"),
        ("charge.dispute.created", dispute(), "charge", "charge_id"),
        ("charge.dispute.created", dispute(), "payment_intent", "payment_id"),
        ("checkout.session.completed", session(), "payment_intent", "payment_id"),
        ("checkout.session.completed", session(), "customer", "customer_id"),
    ],
)
def test_an_expandable_field_is_an_id_an_object_or_nothing(
    type_: str, obj: Json, field: str, name: str, value: object
) -> None:
    assert getattr(facts_of(type_, obj | {field: value})[0], name) == "x_1"
    assert getattr(facts_of(type_, obj | {field: None})[0], name) is None
    assert getattr(facts_of(type_, without(obj, field))[0], name) is None


@pytest.mark.parametrize(
    ("obj", "state", "captured", "refunded"),
    [
        (
            without(charge(amount_refunded=400), "amount_captured"),
            "ChargeState.CAPTURED",
            1000,
            400,
        ),
        (OLD_HOLD, "ChargeState.AUTHORIZED", 0, 0),
        (OLD_HOLD | {"refunded": True, "amount_refunded": 1000}, "ChargeState.EXPIRED", 0, 0),
        (without(charge(), "amount_refunded"), "ChargeState.CAPTURED", 1000, 0),
        (charge(status="paid"), "ChargeState.CAPTURED", 1000, 0),
        (without(charge(), "status"), "ChargeState.CAPTURED", 1000, 0),
        (without(charge(paid=False), "status"), "ChargeState.FAILED", 0, 0),
        (without(charge(), "status", "captured", "paid"), "ChargeState.CAPTURED", 1000, 0),
    ],
)
def test_charges_of_before(obj: Json, state: str, captured: int, refunded: int) -> None:
    """No `amount_captured` before 2020-08-27, no `status` before 2014, no holds before that."""
    fact: Any = facts_of("charge.updated", obj)[0]
    seen = (name_of(fact), fact.captured_minor, fact.refunded_minor)
    assert seen == (state, captured, refunded)


@pytest.mark.parametrize(
    ("type_", "obj", "state"),
    [
        ("payment_intent.created", NO_SOURCE, "PaymentState.PENDING"),
        ("payment_intent.payment_failed", NO_SOURCE, "PaymentState.FAILED"),
        ("payment_intent.x", waiting(status="requires_source_action"), "PaymentState.PENDING"),
        ("checkout.session.completed", without(session(), "status"), "CheckoutState.PAID"),
        (
            "checkout.session.completed",
            without(session(), "payment_status"),
            "CheckoutState.COMPLETED",
        ),
        ("checkout.session.expired", without(session(), "status"), "CheckoutState.EXPIRED"),
    ],
)
def test_names_of_before(type_: str, obj: Json, state: str) -> None:
    assert state_of(type_, obj) == state


@pytest.mark.parametrize(
    ("fields", "received"),
    [({}, 1000), ({"amount_received": 700}, 700), ({"status": "processing"}, 0)],
)
def test_a_payment_that_does_not_say_what_it_received(fields: Json, received: int) -> None:
    """What succeeded received its amount, and what did not received nothing."""
    fact: Any = facts_of("payment_intent.x", without(intent(), "amount_received") | fields)[0]
    assert fact.received_minor == received


@pytest.mark.parametrize(
    ("type_", "obj"),
    [
        ("charge.succeeded", charge()),
        ("payment_intent.succeeded", intent()),
        ("refund.created", refund()),
        ("charge.dispute.created", dispute()),
        ("checkout.session.completed", session()),
    ],
)
def test_an_object_without_a_time_has_its_events(type_: str, obj: Json) -> None:
    """Checkout sessions have `created` since 2021 only."""
    fact: Any = facts_of(type_, without(obj, "created"))[0]
    assert fact.created_at.timestamp() == TOLD


@pytest.mark.parametrize(
    "fields",
    [
        {"request": None},
        {"request": "req_1"},
        {"request": {"id": None, "idempotency_key": "k"}},
        {"request": 7, "pending_webhooks": "many"},
        {"api_version": None},
        {"api_version": "2016-07-06"},
        {"api_version": "2031-01-01.zinnia"},
        {"account": None},
        {"context": "acct_1", "data": {"object": charge(), "previous_attributes": {"amount": "x"}}},
        {"data": {"object": without(charge(), "object")}},
        {"data": {"object": charge(dispute={"object": "dispute"}, order="or_1", new={"a": []})}},
    ],
)
def test_what_is_not_used_may_be_of_any_shape(fields: Json) -> None:
    document = event("charge.succeeded", charge()) | fields
    assert ids(translated(document)[2]) == ["ChargeState.CAPTURED:ch_1"]


@pytest.mark.parametrize("gone", ["object", "livemode", "api_version", "request"])
def test_what_an_event_may_lack(gone: str) -> None:
    """An event that does not say its mode is a test event."""
    document = without(event("charge.succeeded", charge()), gone)
    assert ids(translated(document)[2]) == ["ChargeState.CAPTURED:ch_1"]


@pytest.mark.parametrize(
    ("metadata", "order_id"),
    [
        ({"order_id": "A1"}, "A1"),
        ({"order_id": " A1\n"}, "A1"),
        ({"order_id": "x" * 200}, "x" * 200),
        ({"order_id": "x" * 201}, None),
        ({"order_id": " "}, None),
        ({"order_id": ""}, None),
        ({"order_id": 7}, None),
        ({"order_id": None}, None),
        ({"order_id": {"a": 1}}, None),
        ({"Order_ID": "A1"}, None),
        ({}, None),
        (None, None),
        ([], None),
        ("order_id", None),
        (7, None),
    ],
)
@pytest.mark.parametrize(
    ("type_", "obj"),
    [
        ("charge.succeeded", charge()),
        ("payment_intent.succeeded", intent()),
        ("checkout.session.completed", session()),
    ],
)
def test_the_order_that_metadata_names(
    type_: str, obj: Json, metadata: object, order_id: str | None
) -> None:
    fact: Any = facts_of(type_, obj | {"metadata": metadata})[0]
    assert fact.order_id == order_id


@pytest.mark.parametrize(
    ("type_", "obj", "email"),
    [
        ("charge.succeeded", charge(), "ann@example.com"),
        ("charge.succeeded", charge(receipt_email="bob@example.com"), "bob@example.com"),
        ("charge.succeeded", charge(billing_details=None), None),
        ("checkout.session.completed", session(), "ann@example.com"),
        (
            "checkout.session.completed",
            session(customer_email="bob@example.com"),
            "ann@example.com",
        ),
        (
            "checkout.session.completed",
            session(customer_details=None, customer_email="bob@example.com"),
            "bob@example.com",
        ),
    ],
)
def test_whose_payment_it_is(type_: str, obj: Json, email: str | None) -> None:
    """What the customer wrote on the payment page is newer than what the shop passed to it."""
    fact: Any = facts_of(type_, obj)[0]
    assert fact.email == email


@pytest.mark.parametrize(
    ("value", "reference"), [("cart", "cart"), (" cart ", "cart"), ("", None), ("x" * 201, None)]
)
def test_the_reference_of_a_session(value: str, reference: str | None) -> None:
    fact: Any = facts_of("checkout.session.completed", session(client_reference_id=value))[0]
    assert fact.reference == reference


WRONG = [
    *[
        ("charge.succeeded", charge(amount=amount))
        for amount in (100.0, 100.5, "100", True, None, [], -1, 2**63, 10**400, MAX_MINOR + 1)
    ],
    *[
        ("charge.succeeded", charge(created=created))
        for created in (-1, 2**40, 1e9, "2024-01-01", MADE * 1000, True)
    ],
    *[("charge.succeeded", charge(currency=currency)) for currency in ("", "gb", "x" * 9, None, 1)],
    *[("charge.succeeded", charge(id=id_)) for id_ in (None, 1, "", "x" * 256)],
    ("charge.succeeded", charge(captured="yes")),
    ("charge.succeeded", charge(payment_intent=7)),
    ("charge.succeeded", charge(customer={"object": "customer"})),
    ("charge.succeeded", charge(refunds={"data": [refund(amount="4")]})),
    ("charge.succeeded", without(charge(), "id")),
    ("charge.succeeded", None),
    ("payment_intent.succeeded", intent(status=None)),
    ("payment_intent.succeeded", intent(amount_received="1000")),
    ("payment_intent.succeeded", intent(charges={"data": [charge(amount=1.0)]})),
    ("refund.created", refund(amount=None)),
    ("charge.dispute.created", without(dispute(), "id")),
    ("charge.dispute.created", dispute(balance_transactions=[transaction(amount=-(2**63))])),
    ("charge.dispute.created", dispute(balance_transactions=[transaction(fee=1.5)])),
    ("checkout.session.completed", session(amount_total="10")),
    ("checkout.session.completed", session(client_reference_id=7)),
]


@pytest.mark.parametrize(("type_", "obj"), WRONG)
def test_a_known_field_of_a_wrong_type_is_unreadable(type_: str, obj: Json) -> None:
    """Such an event says that it was recorded, and why it says nothing more."""
    moment, note, facts = translated(event(type_, obj))
    (problem,) = facts
    assert isinstance(problem, StripeEventUnreadable)
    assert (note.outcome, note.type, problem.event_id) == ("unreadable", type_, "evt_1")
    assert problem.cause
    assert moment.effective_at.timestamp() == TOLD


HALF_OF_MOST = MAX_MINOR // 2 + 1
TWO_TOO_MUCH: list[tuple[str, Json, str]] = [
    (
        "charge.dispute.created",
        dispute(
            balance_transactions=[
                transaction(id=i, amount=-HALF_OF_MOST) for i in ("txn_1", "txn_2")
            ]
        ),
        "balance_transactions",
    ),
    (
        "charge.refunded",
        charge(refunds=listed(*[refund(id=i, amount=HALF_OF_MOST) for i in ("re_1", "re_2")])),
        "refunds",
    ),
    (
        "payment_intent.succeeded",
        intent(charges=listed(*[charge(id=i, amount=HALF_OF_MOST) for i in ("ch_1", "ch_2")])),
        "charges",
    ),
]


@pytest.mark.parametrize(("type_", "obj", "part"), TWO_TOO_MUCH)
def test_a_list_whose_sum_is_beyond_the_limits_is_unreadable(type_: str, obj: Json, part: str):
    """Each amount is allowed, but no book could hold enough of them."""
    _, note, (problem,) = translated(event(type_, obj))
    assert isinstance(problem, StripeEventUnreadable)
    assert (note.outcome, f"`{part}`" in problem.cause) == ("unreadable", True)


def test_the_cause_names_the_field() -> None:
    problem: Any = facts_of("charge.succeeded", charge(amount="100"))[0]
    assert problem.cause == "Expected `int`, got `str` - at `$.amount`"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\xff", b"\xef\xbb\xbf{}", b'{"type": "charge.x"}', b"[" * 9999]
)
def test_bytes_that_are_no_event_are_unreadable(body: bytes) -> None:
    """The receiver refuses them; should the log hold some, they still stop nothing."""
    moment, note, facts = translated(body)
    assert (note.outcome, note.event_id, len(facts)) == ("unreadable", "evt_1", 1)
    assert moment.order_key == "000000000000.1.evt_1"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"a\u0000b", "a\ufffdb"),
        (r"\ud800", "\ufffd"),
        (r"a\udc00b", "a\ufffdb"),
        (r"\ud83d\ude00", "😀"),
        (r"\\u0000", r"\u0000"),
        ("é", "é"),
    ],
)
def test_text_that_postgresql_cannot_hold_is_replaced(written: str, read: str) -> None:
    body = json.dumps(event("customer.created", customer(name="@@"))).replace("@@", written)
    fact: Any = translated(body.encode())[2][0]
    assert fact.name == read
