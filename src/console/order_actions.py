"""What can be done to an order: for whom, when not and why, and what the API is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from console.forms import minor_units, number
from ledger.domain.money import format_money

Order = Mapping[str, Any]
"""One order, as `GET /orders/{id}` answers it."""

Fields = Mapping[str, str]
"""What a person wrote in a form."""

UNITS: Final = "units of line "
"""How the fields of a return begin; the rest is the line's id."""


class Action(NamedTuple):
    """A form below an order; `refuses` says why it is not for an order as it stands, if so.

    That is a hint for the person: the API decides, and may refuse for other reasons.
    """

    name: str
    label: str
    icon: str
    about: str
    permission: str
    told: str
    refuses: Callable[[Order], str | None]
    body: Callable[[Order, Fields], dict[str, Any]]


class Refund(NamedTuple):
    """What of an order's money is left to give back, in minor units of the currency it came in."""

    amount_minor: int
    currency: str


def left_to_refund(order: Order) -> Refund:
    """What was paid, and neither went back, is on its way, nor was asked for already.

    The order's own currency comes first.
    """
    lefts: dict[str, int] = {order["currency"]: 0}
    for each in order["refund_requests"]:
        if each["state"] == "refused":
            continue  # it may be asked for again
        lefts[each["currency"]] = lefts.get(each["currency"], 0) - each["open_minor"]
    for each in order["payments"]:
        back_minor = each["refunded_minor"] + each["refund_pending_minor"]
        left_minor = each["received_minor"] - back_minor
        lefts[each["currency"]] = lefts.get(each["currency"], 0) + left_minor
    currency = next((c for c, left_minor in lefts.items() if left_minor > 0), order["currency"])
    return Refund(lefts[currency], currency)


def overpaid(order: Order) -> str:
    """What an order that stands holds beyond what is due, as its form says it; empty for nothing.

    In its own currency: what goes back in another one, or of an order that ended, a person says.
    """
    left, due_minor = left_to_refund(order), order["total_minor"] - order["waived_minor"]
    beyond_minor = left.amount_minor - due_minor if left.currency == order["currency"] else 0
    if order["state"] not in {"paid", "fulfilled"} or beyond_minor <= 0:
        return ""
    return format_money(beyond_minor, left.currency).partition(" ")[0]


# ── When not, and why ───────────────────────────────────────────────────────────────────────────


def _holds_money(order: Order) -> bool:
    return any(each["received_minor"] > each["refunded_minor"] for each in order["payments"])


def _not_to_fulfil(order: Order) -> str | None:
    match order["state"]:
        case "paid" if _went_back(order):
            return "Its money went back in full; cancel it instead."
        case "paid":
            return None
        case "fulfilled":
            return "Its goods left already."
        case "pending":
            return "It is not paid in full."
        case _:
            return "Its stock is not held any more."


def _went_back(order: Order) -> bool:
    """Whether what paid it did, in full; where a page left nothing due it was paid by none."""
    return order["refund_state"] == "full" and order["waived_minor"] < order["total_minor"]


def _not_to_cancel(order: Order) -> str | None:
    match order["state"]:
        case "pending" if order["waiting_at"] is not None:
            return (
                "A payment for it is under way; cancel that first, at Stripe, or expire the order."
            )
        case "pending" | "paid":
            return _held(order)
        case "expired" if order["paid_at"] is not None:
            return _held(order)
        case state:
            return f"It is {state}."


def _not_to_expire(order: Order) -> str | None:
    if order["state"] == "pending":
        return _held(order)
    return "It was paid; cancel it instead." if _went_back(order) else f"It is {order['state']}."


def _held(order: Order) -> str | None:
    return "Money is held for it; refund that first." if _holds_money(order) else None


def _not_to_return(order: Order) -> str | None:
    if order["state"] != "fulfilled":
        return "Only goods that left can come back."
    is_out = any(line["quantity"] > line["returned"] for line in order["lines"])
    return None if is_out else "All its goods came back."


def _not_to_refund(order: Order) -> str | None:
    is_left = left_to_refund(order).amount_minor > 0
    return None if is_left else "Nothing that was paid is left to refund."


def _not_to_link(_order: Order) -> str | None:
    return None


def _not_to_reallocate(order: Order) -> str | None:
    return None if order["unallocated"] else "Only for an order that was paid after it expired."


# ── What the API is asked for ───────────────────────────────────────────────────────────────────


def _reason(_order: Order, fields: Fields) -> dict[str, Any]:
    return {"reason": fields.get("reason", "")}


def _returned(order: Order, fields: Fields) -> dict[str, Any]:
    given = {name.removeprefix(UNITS): text for name, text in fields.items() if UNITS in name}
    lines = {line_id: number(text) for line_id, text in given.items() if text not in {"", "0"}}
    return {"line_quantities": lines} | _reason(order, fields)


def _refunded(order: Order, fields: Fields) -> dict[str, Any]:
    currency = left_to_refund(order).currency
    amount_minor = minor_units(fields.get("amount", ""), currency)
    return {"amount_minor": amount_minor} | _reason(order, fields)


def _linked(order: Order, fields: Fields) -> dict[str, Any]:
    return {"payment_id": fields.get("payment_id", "").strip()} | _reason(order, fields)


ACTIONS: Final = (
    Action(
        "fulfil",
        "Fulfil",
        "truck",
        "Say that the goods left: their units count as sold.",
        "manage_order",
        "The order is fulfilled.",
        _not_to_fulfil,
        _reason,
    ),
    Action(
        "cancel",
        "Cancel",
        "ban",
        "Call the order off for good, and release the stock that it holds.",
        "cancel_order",
        "The order is canceled, its stock released.",
        _not_to_cancel,
        _reason,
    ),
    Action(
        "expire",
        "Expire",
        "clock",
        "End its reservation now, and release its stock.",
        "manage_order",
        "The order is expired, its stock released.",
        _not_to_expire,
        _reason,
    ),
    Action(
        "reallocate",
        "Reallocate",
        "package",
        "Reserve stock again for this order, which was paid after it expired.",
        "manage_order",
        "Asked for: the order holds its stock again if there was enough.",
        _not_to_reallocate,
        _reason,
    ),
    Action(
        "return",
        "Return lines",
        "arrow-back-up",
        "Take units back into stock. This moves no money.",
        "manage_order",
        "The units are back in stock.",
        _not_to_return,
        _returned,
    ),
    Action(
        "refunds",
        "Request a refund",
        "receipt-refund",
        "Record that money shall go back; that it did is known when Stripe says so.",
        "manage_order",
        "The refund is requested.",
        _not_to_refund,
        _refunded,
    ),
    Action(
        "payments",
        "Link a payment",
        "link",
        "Say that a payment is for this order, where its own metadata does not.",
        "manage_order",
        "The payment is linked.",
        _not_to_link,
        _linked,
    ),
)
"""In the order of an order's life."""
