"""Dense worlds: few objects, few seconds, and every word wherever a word may stand.

Real logs are wide: a repeated key, two reports of one second or a state that is called like one of
ours comes up once in months. Here they come up in every hundred events: there are two ids of a
kind, two accounts, and all of it is told within two seconds.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from ledger.domain.billing_facts import InvoiceState, PayoutState, SubscriptionState
from ledger.domain.events import (
    AddedToWishlist,
    Event,
    Line,
    Metadata,
    NewEvent,
    OrderCanceled,
    OrderExpired,
    OrderFulfilled,
    OrderLinesReturned,
    OrderPlaced,
    OrderReinstated,
    PaymentLinked,
    PaymentUnlinked,
    PurchaseOrdered,
    PurchaseRefused,
    RefundBegun,
    RefundRefused,
    RefundRequested,
    RefundWithdrawn,
    RemovedFromWishlist,
    ReturnedLine,
    StockReceived,
    StockReserved,
    StockSold,
    StripeEventReceived,
)
from ledger.domain.facts import (
    ChargeState,
    CheckoutState,
    DisputeState,
    PaymentState,
    RefundState,
)
from tests.support.worlds import World
from tests.webhooks import billing_examples as billing
from tests.webhooks import examples
from tests.webhooks.examples import MADE, TOLD, Json

STATES = (
    ChargeState,
    CheckoutState,
    DisputeState,
    InvoiceState,
    PaymentState,
    PayoutState,
    RefundState,
    SubscriptionState,
)
# Our own words for states and turns, which Stripe may come to use for something else.
OUR_WORDS = sorted(
    {state.word for kind in STATES for state in kind}
    | {"withdrawn", "reinstated", "taken_back", "refund_stand_in", "sold", "returned", ""}
)
THEIR_WORDS: dict[str, tuple[str, ...]] = {
    "charge": ("succeeded", "succeeded", "pending", "failed"),
    "checkout.session": ("open", "complete", "complete", "expired"),
    "dispute": ("needs_response", "won", "won", "lost", "lost", "warning_needs_response"),
    "invoice": ("draft", "open", "paid", "void", "uncollectible"),
    "invoice_payment": ("open", "paid", "canceled"),
    "payment_intent": ("succeeded", "processing", "requires_capture", "canceled"),
    "payout": ("pending", "in_transit", "paid", "failed", "canceled"),
    "refund": ("succeeded", "succeeded", "pending", "requires_action", "failed", "canceled"),
    "subscription": ("active", "active", "past_due", "trialing", "canceled", "unpaid", "paused"),
}
NEW_WORDS = ("levitating", "warning_levitating", "Won", "won ", "won'", 'lo"st', "%s", "ünder")
ACCOUNT = "acct_twin"
AMOUNTS = (0, 1, 333, 500, 1000)
# Without these an event can only be put aside; all else may be missing.
_NEEDED = {
    *(
        "id",
        "object",
        "amount",
        "amount_due",
        "currency",
        "created",
        "customer",
        "data",
        "duration",
    ),
    *("fee", "interval", "interval_count", "invoice", "items", "payment", "price", "recurring"),
}
_NAMED = re.compile(r"[a-z]+_\d+|QUARTER|A1")
_TIMES = re.compile(r"created|start|end|.*_(at|start|end|by|date)")

Made = tuple[tuple[str, ...], Callable[[], Json]]
KINDS: tuple[Made, ...] = (
    (
        ("charge.succeeded", "charge.captured", "charge.updated", "charge.expired"),
        examples.charge,
    ),
    (("charge.succeeded", "charge.captured", "charge.refunded"), examples.held),
    (
        ("charge.refunded", "charge.updated"),
        lambda: examples.charge(refunds=billing.listed(examples.refund(), examples.refund())),
    ),
    (("payment_intent.succeeded", "payment_intent.payment_failed"), examples.intent),
    (("payment_intent.created", "payment_intent.canceled"), examples.waiting),
    (("refund.created", "refund.updated", "refund.failed"), examples.refund),
    (("charge.dispute.created", "charge.dispute.updated"), examples.dispute),
    (
        (
            "charge.dispute.closed",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.funds_reinstated",
        ),
        examples.dispute,
    ),
    (
        ("charge.dispute.closed", "charge.dispute.funds_withdrawn"),
        lambda: examples.dispute(
            balance_transactions=[examples.transaction(), examples.transaction()]
        ),
    ),
    (
        ("checkout.session.completed", "checkout.session.async_payment_failed"),
        lambda: examples.session(
            mode="payment", invoice="in_1", subscription="sub_1", client_reference_id="A1"
        ),
    ),
    (("customer.updated", "customer.deleted"), examples.customer),
    (
        ("customer.subscription.created", "customer.subscription.updated"),
        lambda: billing.subscription(
            billing.item(discounts=["di_1"]), billing.item(), discounts=["di_1", "di_2"]
        ),
    ),
    (
        ("customer.subscription.updated", "customer.subscription.deleted"),
        lambda: billing.subscription(canceled_at=TOLD, ended_at=TOLD, trial_end=TOLD),
    ),
    (("customer.discount.created", "customer.discount.deleted"), billing.discount),
    (("customer.discount.updated",), billing.old_discount),
    (("coupon.created", "coupon.deleted"), billing.coupon),
    (
        ("price.created", "price.updated"),
        lambda: billing.price(
            None,
            billing_scheme="tiered",
            tiers_mode="graduated",
            tiers=[{"up_to": 1, "unit_amount": 9}, {"up_to": None, "flat_amount": 500}],
        ),
    ),
    (("invoice.paid", "invoice.updated"), billing.invoice),
    (
        ("invoice.created", "invoice.voided"),
        lambda: billing.old_invoice(
            billing_reason="subscription_create",
            lines=billing.listed(
                {
                    "id": "il_1",
                    "type": "subscription",
                    "amount": 1200,
                    "currency": "gbp",
                    "quantity": 1,
                    "subscription": "sub_1",
                    "price": billing.price(),
                }
            ),
        ),
    ),
    (("invoice_payment.paid", "invoice_payment.updated"), billing.invoice_payment),
    (("payout.paid", "payout.failed"), billing.payout),
    (("transfer.created",), lambda: {"object": "transfer", "id": "tr_1", "amount": 5}),
)


def dense_world(seed: int, events: int = 300) -> World:
    """So many events of few objects, in the order of their arrival; the same for a seed."""
    random = Random(f"dense {seed}")
    shop = _Shop(random)
    entries = [
        shop.acts() if random.randrange(4) == 0 else _received(random, number)
        for number in range(events)
    ]
    return World(f"dense_world({seed}, {events})", tuple(entries), frozenset())


def _received(random: Random, number: int) -> NewEvent:
    types, make = random.choice(KINDS)
    thing = _varied(make(), random)
    document = examples.event(
        random.choice(types), thing, id=f"evt_{number}", created=_second(random)
    )
    stream = f"stripe/evt_{number}"
    if random.randrange(6) == 0:
        document["account"] = ACCOUNT
        stream = f"{stream}@{ACCOUNT}"
    received = StripeEventReceived(
        event_id=document["id"],
        body=json.dumps(document).encode(),
        received_at=examples.RECORDED_AT,
        source="webhook",
    )
    return NewEvent(stream, 1, received, examples.RECORDED_AT, Metadata(actor="stripe"))


def _varied(value: Any, random: Random, name: str = "", kind: str = "") -> Any:
    """The same value with other ids, words, times and amounts, here and there with nothing."""
    if name and name not in _NEEDED and random.randrange(8) == 0:
        return None
    if isinstance(value, dict):
        fields: Json = value
        kind = fields.get("object", kind)
        return {key: _varied(each, random, key, kind) for key, each in fields.items()}
    if isinstance(value, list):
        kept: list[Any] = [each for each in value if random.randrange(4)]
        return [_varied(each, random, "", kind) for each in kept]
    return (
        _word(value, random, name, kind) if isinstance(value, str) else _number(value, random, name)
    )


def _word(value: str, random: Random, name: str, kind: str) -> str:
    if name in ("status", "payment_status", "mode", "duration", "billing_reason"):
        theirs = THEIR_WORDS.get(kind, [value]) if name == "status" else [value]
        return random.choice(random.choice([theirs, theirs, theirs, OUR_WORDS, NEW_WORDS]))
    if name == "currency":
        return random.choice(["gbp", "gbp", "gbp", "jpy"])
    return f"{value[:-1]}{random.choice('12')}" if _NAMED.fullmatch(value) else value


def _number(value: Any, random: Random, name: str) -> Any:
    if isinstance(value, bool):
        return random.choice([value, value, not value])
    if isinstance(value, int) and _TIMES.fullmatch(name):
        return _second(random)
    if isinstance(value, int) and name.startswith("amount"):
        return random.choice([1, 1 if value >= 0 else -1]) * random.choice(AMOUNTS)
    return value


def _second(random: Random) -> int:
    """Nearly always one of two; sometimes a month before."""
    return random.choice([TOLD, TOLD, TOLD + 1, TOLD + 1, MADE - 30 * 86400])


class _Shop:
    """Two orders of one product and what becomes of them, each action as good as any other."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._placed: dict[str, str] = {}
        self._versions: Counter[str] = Counter()

    def acts(self) -> NewEvent:
        order_id = self._random.choice(["A1", "A2"])
        if order_id not in self._placed:
            return self._said(f"order/{order_id}", self._order(order_id))
        stream, event = self._random.choice(self._actions(order_id))
        return self._said(stream, event)

    def _order(self, order_id: str) -> OrderPlaced:
        currency = self._placed[order_id] = self._random.choice(["gbp", "gbp", "jpy"])
        unit_minor = self._random.choice([0, 333, 500])
        line = Line(sku="MUG", name="Mug", quantity=2, unit_minor=unit_minor)
        return OrderPlaced(
            order_id=order_id,
            currency=currency,
            lines=(line, Line(sku="MUG", name="Mug", quantity=1, unit_minor=0)),
            total_minor=2 * unit_minor,
            expires_at=_at(TOLD + 1),
            customer_id=self._random.choice([None, "cus_1"]),
            email=self._random.choice([None, "ann@example.com"]),
        )

    def _actions(self, order_id: str) -> list[tuple[str, Event]]:
        order, stock, wishes = f"order/{order_id}", "stock/MUG", "wishlist/cus_1"
        payment_id = self._random.choice(["pi_1", "pi_2", "ch_1", f"pi_1@{ACCOUNT}"])
        amount_minor = self._random.choice(AMOUNTS[1:])
        line_id = self._random.choice(["MUG", "MUG-2", "MUG:2"])
        request_id = f"{order_id}:{self._random.randint(2, 6)}"
        request = f"refund_request/{request_id}"
        return [
            (order, PaymentLinked(order_id=order_id, payment_id=payment_id)),
            (order, PaymentUnlinked(order_id=order_id, payment_id=payment_id)),
            (order, OrderCanceled(order_id=order_id)),
            (order, OrderExpired(order_id=order_id)),
            (order, OrderReinstated(order_id=order_id)),
            (order, OrderFulfilled(order_id=order_id, based_on_position=1)),
            (order, OrderLinesReturned(order_id=order_id, quantities={"MUG": 1})),
            (
                order,
                OrderLinesReturned(
                    order_id=order_id,
                    quantities={"MUG": 1},
                    lines=(ReturnedLine(line_id=line_id, sku="MUG", quantity=1),),
                ),
            ),
            (
                order,
                RefundRequested(
                    order_id=order_id,
                    amount_minor=amount_minor,
                    currency=self._placed[order_id],
                    based_on_position=1,
                ),
            ),
            (
                f"purchase/{payment_id}",
                PurchaseOrdered(kind="payment", object_id=payment_id, order_id=order_id),
            ),
            (
                "purchase/cs_1",
                PurchaseRefused(kind="checkout", object_id="cs_1", message="It names no order."),
            ),
            (request, RefundBegun(request_id=request_id, order_id=order_id)),
            (
                request,
                RefundRefused(
                    request_id=request_id,
                    order_id=order_id,
                    payment_id=self._random.choice([None, payment_id]),
                    amount_minor=amount_minor,
                    currency=self._placed[order_id],
                    code=None,
                    message="No payment has money left.",
                ),
            ),
            (
                request,
                RefundWithdrawn(
                    request_id=request_id,
                    order_id=order_id,
                    amount_minor=amount_minor,
                    based_on_position=1,
                ),
            ),
            (stock, StockReceived(sku="MUG", quantity=5)),
            (stock, StockReserved(sku="MUG", order_id=order_id, quantity=1)),
            (stock, StockSold(sku="MUG", order_id=order_id, quantity=1)),
            (wishes, AddedToWishlist(customer_id="cus_1", sku="MUG")),
            (wishes, RemovedFromWishlist(customer_id="cus_1", sku="MUG")),
        ]

    def _said(self, stream: str, event: Event) -> NewEvent:
        self._versions[stream] += 1
        at = _at(_second(self._random)) + timedelta(milliseconds=self._random.choice([0, 0, 1]))
        return NewEvent(stream, self._versions[stream], event, at, Metadata(actor="ops:olga"))


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
