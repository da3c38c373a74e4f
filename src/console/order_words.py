"""How orders are written: where one stands in two badges, and the stages of its life."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from console.glossary import AMBER, GREEN, GREY, LINE, RED

Order = Mapping[str, Any]
"""An order as `GET /orders` lists it."""


class Said(NamedTuple):
    """A badge: its words and its tone."""

    text: str
    tone: str


_STATES: Final = {
    "pending": Said("Waiting", GREY),
    "paid": Said("Paid, not shipped", GREY),
    "fulfilled": Said("Shipped", LINE),
    "canceled": Said("Canceled", GREY),
    "expired": Said("Expired", GREY),
}
_PAYMENTS: Final = {
    "unpaid": Said("Unpaid", AMBER),
    "partially_paid": Said("Part paid", AMBER),
    "paid": Said("Paid", GREEN),
    "overpaid": Said("Overpaid", AMBER),
}
_REFUNDS: Final = {"partial": Said("Part refunded", AMBER), "full": Said("Refunded", GREY)}
_DISPUTES: Final = {
    "open": Said("Disputed", RED),
    "under_review": Said("Dispute under review", AMBER),
    "inquiry": Said("Inquiry", AMBER),
    "lost": Said("Dispute lost", GREY),
}


def status(order: Order) -> Said:
    """What is to be done with its goods."""
    if order["unallocated"]:
        return Said("Out of stock", RED)
    if order["state"] == "paid":
        return Said("To ship", GREY) if order["to_ship"] else Said("To cancel", AMBER)
    return _STATES[order["state"]]


def payment(order: Order) -> Said:
    """Where its money stands, in one badge: the most recent trouble first."""
    disputed, refunded = _DISPUTES.get(order["dispute_state"]), _REFUNDS.get(order["refund_state"])
    if disputed or refunded:
        return disputed or refunded or _PAYMENTS["paid"]
    if order["payment_state"] == "unpaid" and order["state"] in {"canceled", "expired"}:
        return Said("Not paid", GREY)
    return _PAYMENTS[order["payment_state"]]


def badges(order: Order) -> list[Said]:
    """All that its page says of where it stands."""
    found = [status(order), _PAYMENTS[order["payment_state"]]]
    if order["payment_state"] == "unpaid":
        found[1] = payment(order)
    found += [words[order[name]] for name, words in _MORE.items() if order[name] in words]
    return [*found, Said("To refund", AMBER)] if order["to_refund"] else found


_MORE: Final = {"refund_state": _REFUNDS, "dispute_state": _DISPUTES}
STATE_WORDS: Final = {state: said.text for state, said in _STATES.items()}


class Stage(NamedTuple):
    """A stage of its life: when it came to it, else why not yet; `look` is that of its bar."""

    name: str
    at: str | None
    note: str
    look: str


def stages(order: Order) -> list[Stage]:
    """From placed to shipped, and what ended it before, or came back after."""
    held = order["reserves_stock"] and order["state"] in {"pending", "paid"}
    is_open = order["state"] in {"pending", "paid"}
    found = [
        Stage("Placed", order["placed_at"], "", "is-done"),
        Stage(
            "Paid",
            order["paid_at"],
            "not yet",
            _look(order["paid_at"], order["state"] == "pending"),
        ),
    ]
    for name, at in (("Canceled", order["canceled_at"]), ("Expired", order["expired_at"])):
        if at and order["state"] in {"canceled", "expired"} and order["state"] == name.lower():
            found.append(Stage(name, at, "", "is-over"))
    if order["fulfilled_at"] or is_open:
        now = "To ship" if order["to_ship"] else "Shipped"
        note = "stock reserved" if held else "not yet"
        look = _look(order["fulfilled_at"], order["to_ship"])
        found.append(Stage(now, order["fulfilled_at"], note, look))
    if order["refunded_at"]:
        found.append(Stage("Last refund", order["refunded_at"], "", "is-done"))
    return found


def _look(at: str | None, is_next: bool) -> str:
    return "is-done" if at else "is-now" if is_next else ""
