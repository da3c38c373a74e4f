"""The simulated Stripe: what it sends, in which order, and how each API version writes it."""

import re
from collections import Counter
from itertools import islice
from random import Random
from typing import Any

import msgspec
import pytest
import stripe as stripe_library

from simulator import (
    API_VERSIONS,
    CHECKOUT_STORIES,
    STORIES,
    Events,
    Purchase,
    SimulatedEvent,
    SimulatedStripe,
    deliver,
    sign,
    some_traffic,
    stories_for,
    traffic,
)

LATEST = "2026-10-28.endive"
PURCHASE = Purchase(3000, "gbp", "A1")


def content(event: SimulatedEvent) -> dict[str, Any]:
    return msgspec.json.decode(event.body)


def thing(event: SimulatedEvent) -> dict[str, Any]:
    return content(event)["data"]["object"]


def told(name: str, api_version: str = LATEST, purchase: Purchase = PURCHASE) -> Events:
    """All events of one story."""
    steps = (STORIES | CHECKOUT_STORIES)[name](SimulatedStripe(1, api_version), purchase)
    return [event for events in steps for event in events]


def last(kind: str, events: Events) -> dict[str, Any]:
    """The object of the last event of this type."""
    return thing([event for event in events if event.type == kind][-1])


# ── Determinism, time, ids ──────────────────────────────────────────────────────────────────────


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert list(some_traffic(5, 500)) == list(some_traffic(5, 500))
    assert list(some_traffic(5, 500)) != list(some_traffic(6, 500))


@pytest.mark.parametrize("api_version", API_VERSIONS)
def test_time_never_goes_back_and_ids_are_unique(api_version: str) -> None:
    events = list(islice(traffic(SimulatedStripe(3, api_version)), 2000))
    times = [event.created for event in events]
    assert times == sorted(times)
    assert len({event.id for event in events}) == len(events)
    for event in events:
        envelope = content(event)
        assert (envelope["id"], envelope["type"]) == (event.id, event.type)
        assert (envelope["created"], envelope["api_version"]) == (event.created, api_version)


@pytest.mark.parametrize(
    ("story", "kind", "pattern"),
    [
        ("paid_by_card", "payment_intent.created", r"pi_3\w{23}"),
        ("paid_by_card", "charge.succeeded", r"ch_3\w{23}"),
        ("paid_by_debit", "charge.succeeded", r"py_3\w{23}"),
        ("refund_failed", "refund.created", r"re_3\w{23}"),
        ("paid_by_debit", "refund.created", r"pyr_3\w{23}"),
        ("dispute_won", "charge.dispute.created", r"du_1\w{23}"),
        ("checkout_paid", "checkout.session.completed", r"cs_test_a1\w{56}"),
    ],
)
def test_ids_look_like_stripes(story: str, kind: str, pattern: str) -> None:
    assert re.fullmatch(pattern, last(kind, told(story))["id"])


# ── What happens, in order ──────────────────────────────────────────────────────────────────────

PAID = "charge.succeeded payment_intent.succeeded charge.updated"
DECLINED = "charge.failed payment_intent.payment_failed"
HELD = "charge.succeeded payment_intent.amount_capturable_updated"
CAPTURED = "charge.captured payment_intent.succeeded charge.updated"
PENDING = "payment_intent.processing charge.pending"
REFUNDED = "refund.created charge.refunded"
CHANGED = "charge.refund.updated refund.updated"
WITHDRAWN = "charge.dispute.created charge.dispute.funds_withdrawn"
WON = "charge.dispute.closed charge.dispute.funds_reinstated"
WARNED = "radar.early_fraud_warning.created"

SEQUENCES = [
    ("paid_by_card", PAID),
    ("paid_at_the_third_try", DECLINED, DECLINED, PAID),
    ("given_up", DECLINED, "payment_intent.canceled"),
    ("captured", HELD, CAPTURED),
    ("captured_in_part", HELD, CAPTURED, REFUNDED),
    ("hold_expired", HELD, "charge.expired payment_intent.canceled"),
    ("hold_let_go", HELD, "charge.refunded payment_intent.canceled"),
    ("paid_by_debit", PENDING, PAID, REFUNDED, CHANGED),
    ("debit_refused", PENDING, DECLINED, PAID),
    ("debit_reversed", PENDING, PAID, DECLINED),
    ("refunded_in_parts", PAID, REFUNDED, REFUNDED, CHANGED),
    ("refund_failed", PAID, REFUNDED, CHANGED, "refund.failed", REFUNDED),
    ("dispute_won", PAID, WITHDRAWN, "charge.dispute.updated", WON),
    ("dispute_lost", PAID, WARNED, WITHDRAWN, "charge.dispute.closed"),
    (
        "dispute_lost_in_part",
        PAID,
        WITHDRAWN,
        "charge.dispute.funds_reinstated charge.dispute.closed",
    ),
    (
        "dispute_to_and_fro",
        PAID,
        WITHDRAWN,
        "charge.dispute.funds_reinstated charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated charge.dispute.closed",
    ),
    (
        "inquiry_closed",
        PAID,
        "charge.dispute.created charge.dispute.updated charge.dispute.closed",
    ),
    (
        "inquiry_escalated",
        PAID,
        "charge.dispute.created",
        "charge.dispute.updated charge.dispute.funds_withdrawn",
        "charge.dispute.closed",
    ),
    (
        "inquiry_refunded",
        PAID,
        "charge.dispute.created",
        REFUNDED,
        "charge.dispute.closed",
    ),
    (
        "much_trouble",
        DECLINED,
        PAID,
        REFUNDED,
        REFUNDED,
        CHANGED,
        "refund.failed",
        CHANGED,
        REFUNDED,
        WITHDRAWN,
        WON,
    ),
    ("checkout_paid", PAID, "checkout.session.completed"),
    (
        "checkout_paid_later",
        PENDING,
        "checkout.session.completed",
        PAID,
        "checkout.session.async_payment_succeeded",
    ),
    (
        "checkout_refused_later",
        PENDING,
        "checkout.session.completed",
        DECLINED,
        "checkout.session.async_payment_failed",
    ),
]


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence[0])
def test_stories_send_their_events_in_order(sequence: tuple[str, ...]) -> None:
    story, *steps = sequence
    expected = ["payment_intent.created", *" ".join(steps).split()]
    assert [event.type for event in told(story)] == expected


def test_an_expired_page_has_no_payment_intent_since_2022() -> None:
    assert [e.type for e in told("checkout_expired")] == ["checkout.session.expired"]
    assert [e.type for e in told("checkout_expired", "2020-08-27")] == [
        "payment_intent.created",
        "checkout.session.expired",
        "payment_intent.canceled",
    ]


def test_every_story_has_a_sequence_above() -> None:
    named = {sequence[0] for sequence in SEQUENCES} | {"checkout_expired"}
    assert named == {*STORIES, *CHECKOUT_STORIES}


@pytest.mark.parametrize("api_version", API_VERSIONS)
def test_every_version_tells_its_stories_in_every_currency(api_version: str) -> None:
    for currency in ("gbp", "usd", "jpy", "kwd", "bhd"):
        stripe = SimulatedStripe(1, api_version)
        for story in stories_for(stripe).values():
            events = [e for step in story(stripe, Purchase(90, currency, "A1")) for e in step]
            charges = [thing(e) for e in events if e.type.startswith("charge.")]
            assert {charge["currency"] for charge in charges} <= {currency}
            if currency in {"kwd", "bhd"}:
                assert all(charge["amount"] % 10 == 0 for charge in charges)


# ── What the events say ─────────────────────────────────────────────────────────────────────────


def test_a_refund_that_fails_lowers_the_cumulative_figure() -> None:
    """1000 refunded and failed, then 1000 refunded again: never 2000."""
    figures = [
        thing(e)["amount_refunded"] for e in told("refund_failed") if e.type == "charge.refunded"
    ]
    assert figures == [1000, 1000]


def test_refunds_in_parts_add_up() -> None:
    events = told("refunded_in_parts")
    charges = [thing(e) for e in events if e.type == "charge.refunded"]
    assert [charge["amount_refunded"] for charge in charges] == [1000, 3000]
    assert [charge["refunded"] for charge in charges] == [False, True]
    assert [thing(e)["status"] for e in events if "refund." in e.type] == [
        "succeeded",
        "pending",
        "succeeded",
        "succeeded",
    ]


def test_a_partial_capture_shows_the_rest_as_refunded() -> None:
    charge = last("charge.captured", told("captured_in_part"))
    assert (charge["amount_captured"], charge["amount_refunded"]) == (1000, 2000)
    assert charge["refunded"] is False
    assert last("payment_intent.succeeded", told("captured_in_part"))["amount_received"] == 1000


@pytest.mark.parametrize("story", ["hold_expired", "hold_let_go"])
def test_money_that_was_held_and_let_go_was_never_captured(story: str) -> None:
    charge = thing(told(story)[-2])
    assert (charge["captured"], charge["amount_captured"]) == (False, 0)
    assert (charge["amount_refunded"], charge["refunded"]) == (3000, True)


def test_a_debit_that_bounces_after_it_settled_reverses() -> None:
    charge = last("charge.failed", told("debit_reversed"))
    assert (charge["status"], charge["amount_captured"]) == ("failed", 0)
    assert charge["failure_balance_transaction"].startswith("txn_")
    assert last("charge.failed", told("debit_refused"))["failure_balance_transaction"] is None


@pytest.mark.parametrize(
    ("story", "status", "amounts"),
    [
        ("dispute_won", "won", [(-3000, 2000), (3000, -2000)]),
        ("dispute_lost", "lost", [(-1000, 2000)]),
        ("inquiry_escalated", "lost", [(-3000, 2000)]),
        ("dispute_lost_in_part", "lost", [(-33007, 0), (11002, 0)]),
        ("dispute_to_and_fro", "won", [(-33007, 0), (32347, 0), (-33007, 0), (33667, 0)]),
        ("inquiry_closed", "warning_closed", []),
        ("inquiry_refunded", "charge_refunded", []),
    ],
)
def test_disputes_move_money(story: str, status: str, amounts: list[tuple[int, int]]) -> None:
    dispute = thing(told(story)[-1])
    moved = [(m["amount"], m["fee"]) for m in dispute["balance_transactions"]]
    assert (dispute["status"], moved) == (status, amounts)


@pytest.mark.parametrize(
    ("story", "statuses"),
    [
        ("checkout_paid", ["paid"]),
        ("checkout_paid_later", ["unpaid", "paid"]),
        ("checkout_refused_later", ["unpaid", "unpaid"]),
    ],
)
def test_a_completed_page_is_not_a_paid_page(story: str, statuses: list[str]) -> None:
    sessions = [thing(e) for e in told(story) if e.type.startswith("checkout.")]
    assert [session["payment_status"] for session in sessions] == statuses


@pytest.mark.parametrize(
    ("story", "kind", "metadata", "reference"),
    [
        ("paid_by_card", "payment_intent.created", {"order_id": "A1"}, None),
        ("paid_by_card", "charge.succeeded", {"order_id": "A1"}, None),
        ("checkout_paid", "checkout.session.completed", {"order_id": "A1"}, None),
        ("checkout_paid", "charge.succeeded", {}, None),
        ("checkout_paid_later", "checkout.session.completed", {}, "A1"),
    ],
)
def test_links_to_the_order(
    story: str, kind: str, metadata: dict[str, str], reference: str | None
) -> None:
    linking = last(kind, told(story))
    assert linking["metadata"] == metadata
    assert linking.get("client_reference_id") == reference
    unlinked = last(kind, told(story, purchase=Purchase(3000, "gbp")))
    assert (unlinked["metadata"], unlinked.get("client_reference_id")) == ({}, None)


def test_stripe_refuses_what_the_real_one_refuses() -> None:
    stripe = SimulatedStripe(1)
    payment, _ = stripe.create_payment(3000, "gbp")
    stripe.pay_by_card(payment)
    with pytest.raises(AssertionError, match="refuses to refund 3001 of 3000"):
        stripe.refund(payment, 3001)
    with pytest.raises(AssertionError, match="tens"):
        stripe.create_payment(1001, "kwd")


# ── Versions ────────────────────────────────────────────────────────────────────────────────────

OLDEST = "2016-07-06"
MOVED = [
    # event, field, first version with it, first version without it
    ("payment_intent.succeeded", "charges", "2019-02-19", "2022-11-15"),
    ("payment_intent.succeeded", "latest_charge", "2022-11-15", None),
    ("payment_intent.succeeded", "invoice", "2019-02-19", "2025-03-31.basil"),
    ("charge.refunded", "refunds", OLDEST, "2022-11-15"),
    ("charge.refunded", "payment_intent", "2019-02-19", None),
    ("charge.refunded", "amount_captured", "2020-08-27", None),
    ("charge.refunded", "failure_balance_transaction", "2020-08-27", None),
    ("charge.refunded", "invoice", OLDEST, "2025-03-31.basil"),
    ("charge.refunded", "source", OLDEST, "2019-02-19"),
    ("refund.created", "payment_intent", "2020-08-27", None),
    ("charge.dispute.created", "payment_intent", "2020-08-27", None),
    ("charge.dispute.created", "balance_transaction", OLDEST, "2020-08-27"),
]


@pytest.mark.parametrize("api_version", API_VERSIONS)
@pytest.mark.parametrize(("kind", "field", "first", "gone"), MOVED)
def test_fields_come_and_go_with_versions(
    api_version: str, kind: str, field: str, first: str, gone: str | None
) -> None:
    events = [e for e in told("much_trouble", api_version) if e.type == kind]
    expected = first <= api_version and (gone is None or api_version < gone)
    assert [field in thing(event) for event in events] == [expected] * len(events)
    assert events or kind.startswith(("payment_intent.", "refund."))


def test_a_charge_knows_its_balance_transaction_later_since_2024() -> None:
    for api_version in API_VERSIONS:
        events = told("paid_by_card", api_version)
        known = last("charge.succeeded", events)["balance_transaction"] is not None
        assert known is (api_version < "2024-04-10")
        assert ("charge.updated" in {e.type for e in events}) is not known
    assert last("charge.updated", told("paid_by_card"))["balance_transaction"]


def test_before_payment_intents_a_charge_is_all_there_is() -> None:
    events = told("much_trouble", OLDEST)
    assert {event.type for event in events} == {
        "charge.failed",
        "charge.succeeded",
        "charge.refunded",
        "charge.refund.updated",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    }
    refunds = last("charge.refunded", events)["refunds"]["data"]
    assert [(r["amount"], r["status"]) for r in refunds] == [
        (1000, "succeeded"),
        (1000, "canceled"),
        (1000, "failed"),
    ]


def test_before_the_end_of_2024_a_failed_refund_is_an_update() -> None:
    for api_version in API_VERSIONS:
        kinds = {event.type for event in told("refund_failed", api_version)}
        assert ("refund.failed" in kinds) is (api_version >= "2024-10-28")
        assert last("charge.refund.updated", told("refund_failed", api_version))["status"] == (
            "failed"
        )


def test_an_intent_shows_all_attempts_or_the_latest() -> None:
    old = last("payment_intent.succeeded", told("paid_at_the_third_try", "2020-08-27"))
    assert [charge["status"] for charge in old["charges"]["data"]] == [
        "succeeded",
        "failed",
        "failed",
    ]
    events = told("paid_at_the_third_try")
    charge_id = last("charge.succeeded", events)["id"]
    assert last("payment_intent.succeeded", events)["latest_charge"] == charge_id


def test_a_request_is_a_string_before_2017() -> None:
    old, new = content(told("paid_by_card", OLDEST)[0]), content(told("paid_by_card")[0])
    assert re.fullmatch(r"req_\w{14}", old["request"])
    assert re.fullmatch(r"req_\w{14}", new["request"]["id"])
    automatic = content(told("paid_by_card")[-1])
    assert automatic["request"] == {"id": None, "idempotency_key": None}


# ── The envelope ────────────────────────────────────────────────────────────────────────────────


def test_bodies_have_stripes_key_order_and_indentation() -> None:
    event = told("refund_failed")[-1]
    assert list(content(event)) == [
        "id",
        "object",
        "api_version",
        "created",
        "data",
        "livemode",
        "pending_webhooks",
        "request",
        "type",
    ]
    assert list(thing(event))[:2] == ["id", "object"]
    assert list(thing(event))[2:] == sorted(list(thing(event))[2:])
    assert event.body.startswith(b'{\n  "id": "evt_1')
    assert content(event)["data"]["previous_attributes"] == {
        "amount_refunded": 0,
        "refunded": False,
    }


def test_mode_and_account_stand_in_the_event() -> None:
    stripe = SimulatedStripe(1, livemode=True, account="acct_1A")
    session, _ = stripe.open_checkout(500, "usd")
    event = stripe.complete_checkout(session)[-1]
    assert content(event)["account"] == "acct_1A"
    assert content(event)["livemode"] is thing(event)["livemode"] is True
    assert thing(event)["id"].startswith("cs_live_")
    assert "account" not in content(told("paid_by_card")[0])


def test_compact_bodies_say_the_same() -> None:
    indented, compact = list(some_traffic(2, 100)), list(some_traffic(2, 100, compact=True))
    assert [content(event) for event in indented] == [content(event) for event in compact]
    assert all(b"\n" not in event.body for event in compact)


def test_bodies_have_the_size_of_real_ones() -> None:
    sizes = [len(event.body) for event in some_traffic(1, 2000)]
    assert 1_800 < sum(sizes) / len(sizes) < 3_000
    assert min(sizes) > 300
    assert max(sizes) < 10_000


def test_a_twin_differs_in_its_id_only() -> None:
    stripe = SimulatedStripe(1)
    _, [event] = stripe.create_payment(500, "usd")
    twin = stripe.twin(event)
    assert twin.id != event.id
    assert content(twin) | {"id": event.id} == content(event)


def test_types_that_nobody_knows() -> None:
    stripe = SimulatedStripe(1)
    [balance] = stripe.report_balance(1200, "gbp")
    assert balance.type == "balance.available"
    assert "id" not in thing(balance)
    [new] = stripe.do_something_new()
    assert (new.type, thing(new)["object"]) == ("quantum.transfer.created", "quantum.transfer")


@pytest.mark.parametrize("api_version", API_VERSIONS)
def test_a_customer_is_made_changed_and_deleted(api_version: str) -> None:
    stripe = SimulatedStripe(1, api_version)
    customer, [created] = stripe.create_customer("ada@example.com", "Ada")
    [changed] = stripe.change_email(customer, "ada@example.org")
    [deleted] = stripe.delete_customer(customer)
    assert [e.type for e in (created, changed, deleted)] == [
        "customer.created",
        "customer.updated",
        "customer.deleted",
    ]
    assert content(changed)["data"]["previous_attributes"] == {"email": "ada@example.com"}
    assert thing(changed)["email"] == thing(deleted)["email"] == "ada@example.org"
    payment, events = stripe.create_payment(500, "gbp", customer=customer)
    events += stripe.pay_by_card(payment)
    assert {thing(event)["customer"] for event in events} == {customer.id}


# ── On the way ──────────────────────────────────────────────────────────────────────────────────


def test_delivery_loses_nothing_and_keeps_bytes() -> None:
    events = list(some_traffic(1, 1000))
    arrived = deliver(events, Random(1))
    assert set(arrived) == set(events)
    assert arrived != events
    assert arrived == deliver(events, Random(1))
    repeats = Counter(event.id for event in arrived)
    assert 20 < len(arrived) - len(events) < 80
    assert max(repeats.values()) == 2


@pytest.mark.parametrize(
    ("duplicates", "late", "swaps"), [(100, 0, 0), (0, 100, 0), (0, 0, 50), (0, 0, 0)]
)
def test_each_trouble_can_be_had_alone(duplicates: int, late: int, swaps: int) -> None:
    events = list(some_traffic(1, 200))
    arrived = deliver(
        events,
        Random(1),
        duplicates_percent=duplicates,
        late_percent=late,
        swaps_percent=swaps,
    )
    assert len(arrived) == len(events) * (2 if duplicates else 1)
    assert (arrived == events) is (duplicates == late == swaps == 0)
    places = {event.id: place for place, event in enumerate(events)}
    if swaps:
        assert all(abs(places[event.id] - place) <= 1 for place, event in enumerate(arrived))


def test_a_signature_convinces_stripes_own_library() -> None:
    event = told("paid_by_card")[0]
    header = sign(event.body, "whsec_a", 1_767_600_000)
    verify = stripe_library.WebhookSignature.verify_header
    assert header.startswith("t=1767600000,v1=")
    assert verify(event.body, header, "whsec_a")
    with pytest.raises(stripe_library.SignatureVerificationError):
        verify(event.body, header, "whsec_b")
    with pytest.raises(stripe_library.SignatureVerificationError):
        verify(event.body + b" ", header, "whsec_a")
