"""Laws of translation: it is total, pure, blind to the order of keys, and storable."""

import copy
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.facts import StripeEventRecorded, StripeEventUnreadable
from tests.webhooks.billing_examples import (
    coupon,
    discount,
    invoice,
    invoice_payment,
    item,
    old_discount,
    old_invoice,
    old_subscription,
    payout,
    subscription,
)
from tests.webhooks.examples import (
    LIVE,
    TEST,
    Json,
    charge,
    customer,
    dispute,
    event,
    held,
    intent,
    refund,
    session,
    stored,
    transaction,
    waiting,
)

LISTED = charge(amount_refunded=400, refunds={"object": "list", "data": [refund()]})
EVENTS = [
    event("charge.succeeded", charge()),
    event("charge.refunded", LISTED, api_version="2020-03-02", request="req_1"),
    event("charge.expired", held(refunded=True)),
    event("payment_intent.succeeded", intent(charges={"object": "list", "data": [LISTED]})),
    event("payment_intent.payment_failed", waiting(last_payment_error={"code": "card_declined"})),
    event("refund.updated", refund(status="pending")),
    event("charge.dispute.created", dispute(balance_transactions=[transaction()])),
    event("checkout.session.completed", session()),
    event("customer.deleted", customer()),
    event("credit_note.created", {"object": "credit_note", "id": "cn_1", "charge": "ch_1"}),
    event("customer.subscription.updated", subscription(item(discounts=[old_discount()]))),
    event("customer.subscription.created", old_subscription(discount=old_discount(id=None))),
    event("customer.discount.created", discount()),
    event("coupon.created", coupon()),
    event("invoice.paid", invoice()),
    event("invoice.paid", old_invoice()),
    event("invoice_payment.paid", invoice_payment()),
    event("payout.paid", payout()),
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**62, max_value=2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters())
    | st.sampled_from(["", "succeeded", "failed", "charge", "ch_1", "\x00", "\ud800", "x" * 600])
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside a document."""
    fields = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else ()
    for key, child in [*fields, *items]:
        yield (*path, key)
        yield from places(child, (*path, key))


def inside(value: Any, path: Sequence[Any]) -> Any:
    """What stands at a path of a document."""
    return inside(value[path[0]], path[1:]) if path else value


@st.composite
def damaged_events(draw: st.DrawFn) -> bytes:
    """A good event in which a few values were replaced or taken away."""
    document = copy.deepcopy(draw(st.sampled_from(EVENTS)))
    for _ in range(draw(st.integers(0, 3))):
        *way, last = draw(st.sampled_from(list(places(document)) or [("id",)]))
        parent = inside(document, way)
        if isinstance(parent, dict) and draw(st.booleans()):
            del parent[last]
        else:
            parent[last] = draw(JSON)
    return json.dumps(document).encode()


def strings(value: Any) -> Iterator[str]:
    """Every string that a fact would bring into a table."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for child in value.values() for text in strings(child))
    elif isinstance(value, list | tuple):
        yield from (text for child in value for text in strings(child))


def shuffled(value: Any, random: Any) -> Any:
    """The same JSON with its keys in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(child, random)) for key, child in value.items()]
        random.shuffle(items)
        return dict(items)
    return [shuffled(child, random) for child in value] if isinstance(value, list) else value


@given(damaged_events() | st.binary())
def test_translation_is_total_and_pure(body: bytes) -> None:
    """Whatever the log holds, translation says that it was recorded, and always the same."""
    for translator in (TEST, LIVE):
        moment, (note, *facts) = translator(stored(body))
        assert isinstance(note, StripeEventRecorded)
        assert translator(stored(body)) == (moment, (note, *facts))
        unreadable = [fact for fact in facts if isinstance(fact, StripeEventUnreadable)]
        assert len(unreadable) == (note.outcome == "unreadable")
        assert not facts or note.outcome in {"projected", "unreadable"}


@given(damaged_events())
def test_every_fact_can_be_stored(body: bytes) -> None:
    """Text without NUL and lone surrogates, short enough for an index; integers fit a bigint."""
    moment, facts = TEST(stored(body))
    fields = msgspec.to_builtins([moment, *facts], builtin_types=(datetime,))
    for text in strings(fields):
        assert "\x00" not in text
        text.encode()
    for fact in facts[1:]:
        for value in msgspec.structs.asdict(fact).values():
            assert not isinstance(value, int) or abs(value) < 2**63
            assert isinstance(fact, StripeEventUnreadable) or all(
                len(text) <= 512 for text in strings(value)
            )


@given(st.sampled_from(EVENTS), st.randoms(use_true_random=False), st.sampled_from([None, 1]))
def test_the_order_of_keys_and_white_space_say_nothing(
    document: Json, random: Any, indent: int | None
) -> None:
    written = json.dumps(shuffled(document, random), indent=indent).encode()
    assert TEST(stored(written)) == TEST(stored(json.dumps(document).encode()))
