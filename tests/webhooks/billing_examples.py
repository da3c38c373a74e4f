"""Small billing objects of our own making, as the newest API version writes them."""

from typing import Any

from tests.webhooks.examples import MADE, TOLD, Json


def listed(*items: Json) -> Json:
    """A list as Stripe writes it."""
    return {"object": "list", "data": list(items), "has_more": False}


def without(obj: Json, *names: str) -> Json:
    """The object without these fields."""
    return {name: value for name, value in obj.items() if name not in names}


def price(unit_amount: Any = 1200, interval: str = "month", count: int = 1, **fields: Any) -> Json:
    """A price of 12.00 a month."""
    return {
        "id": "price_1",
        "object": "price",
        "billing_scheme": "per_unit",
        "currency": "gbp",
        "product": "prod_1",
        "recurring": {"interval": interval, "interval_count": count, "usage_type": "licensed"},
        "tiers_mode": None,
        "transform_quantity": None,
        "unit_amount": unit_amount,
        "unit_amount_decimal": None if unit_amount is None else str(unit_amount),
    } | fields


def plan(amount: Any = 1200, interval: str = "month", count: int = 1, **fields: Any) -> Json:
    """The plan of before, of 12.00 a month."""
    return {
        "id": "price_1",
        "object": "plan",
        "amount": amount,
        "currency": "gbp",
        "interval": interval,
        "interval_count": count,
        "product": "prod_1",
    } | fields


def item(**fields: Any) -> Json:
    """One unit of it."""
    return {
        "id": "si_1",
        "object": "subscription_item",
        "current_period_end": TOLD,
        "current_period_start": MADE,
        "discounts": [],
        "price": price(),
        "quantity": 1,
    } | fields


def subscription(*items: Json, **fields: Any) -> Json:
    """An active subscription to it."""
    return {
        "id": "sub_1",
        "object": "subscription",
        "cancel_at_period_end": False,
        "canceled_at": None,
        "created": MADE,
        "currency": "gbp",
        "customer": "cus_1",
        "discounts": [],
        "ended_at": None,
        "items": listed(*(items or (item(),))),
        "start_date": MADE,
        "status": "active",
        "trial_end": None,
    } | fields


def old_subscription(**fields: Any) -> Json:
    """The same as API versions until 2025-03-31 write it."""
    one = without(item(), "current_period_start", "current_period_end", "discounts")
    newer = without(subscription(one), "discounts", "currency")
    periods = {"current_period_end": TOLD, "current_period_start": MADE, "discount": None}
    return newer | periods | fields


def coupon(**fields: Any) -> Json:
    """A quarter off, forever."""
    return {
        "id": "QUARTER",
        "object": "coupon",
        "amount_off": None,
        "currency": None,
        "duration": "forever",
        "name": "A quarter off",
        "percent_off": 25.0,
    } | fields


def discount(**fields: Any) -> Json:
    """A discount that only names its coupon."""
    return {
        "id": "di_1",
        "object": "discount",
        "customer": "cus_1",
        "end": None,
        "source": {"coupon": "QUARTER", "type": "coupon"},
        "start": MADE,
        "subscription": "sub_1",
    } | fields


def old_discount(**fields: Any) -> Json:
    """A discount with its coupon, as until 2025-09-30."""
    return without(discount(), "source") | {"coupon": coupon()} | fields


def invoice(**fields: Any) -> Json:
    """An invoice of 12.00 that was paid."""
    return {
        "id": "in_1",
        "object": "invoice",
        "amount_due": 1200,
        "amount_paid": 1200,
        "amount_remaining": 0,
        "created": MADE,
        "currency": "gbp",
        "customer": "cus_1",
        "parent": {
            "type": "subscription_details",
            "subscription_details": {"subscription": "sub_1"},
        },
        "period_end": TOLD,
        "period_start": MADE,
        "status": "paid",
        "status_transitions": {"paid_at": TOLD},
    } | fields


def old_invoice(**fields: Any) -> Json:
    """The same as API versions until 2025-03-31 write it."""
    newer = without(invoice(), "parent")
    return newer | {"charge": "ch_1", "payment_intent": "pi_1", "subscription": "sub_1"} | fields


def invoice_payment(payment_id: str = "pi_1", **fields: Any) -> Json:
    """What paid it, since 2025-03-31."""
    return {
        "id": "inpay_1",
        "object": "invoice_payment",
        "amount_paid": 1200,
        "amount_requested": 1200,
        "created": MADE,
        "currency": "gbp",
        "invoice": "in_1",
        "payment": {"type": "payment_intent", "payment_intent": payment_id},
        "status": "paid",
    } | fields


def payout(**fields: Any) -> Json:
    """A payout of 500.00 on its way."""
    return {
        "id": "po_1",
        "object": "payout",
        "amount": 50000,
        "arrival_date": TOLD,
        "balance_transaction": "txn_1",
        "created": MADE,
        "currency": "gbp",
        "failure_code": None,
        "status": "in_transit",
    } | fields
