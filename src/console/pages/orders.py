"""Orders: a list with filters, and shipping several of them at once."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from console.api import new_key, part
from console.bulk import Deed, outcomes_of, report_page
from console.lists import IN_TABLES, listed, shown_of
from console.order_words import STATE_WORDS
from console.page import PageRequest, view
from console.writing import places

LIST: Final = "/console/orders"
STATES: Final = {
    "state": ("pending", "paid", "fulfilled", "canceled", "expired"),
    "payment_state": ("unpaid", "partially_paid", "paid", "overpaid"),
    "refund_state": ("none", "partial", "full"),
    "dispute_state": (
        "none",
        "open",
        "under_review",
        "inquiry",
        "lost",
        "won",
        "closed",
        "inquiry_closed",
    ),
    "unallocated": ("true", "false"),
    "to_ship": ("true", "false"),
    "to_refund": ("true", "false"),
}
TEXTS: Final = ("currency", "customer_id", "email")
HEADS: Final = {
    "order_id": "Order",
    "email": "Customer",
    "state": "Status",
    "payment_state": "Payment",
    "refund_state": "Refund",
    "dispute_state": "Dispute",
    "total_minor": "Total",
    "received_minor": "Captured",
    "refunded_minor": "Refunded",
    "outstanding_minor": "Outstanding",
    "net_minor": "Net",
    "origin": "Comes from",
    "paid_at": "Paid",
    "placed_at": "Placed",
}
USUAL: Final = (
    "order_id", "email", "state", "payment_state", "total_minor", "net_minor", "placed_at",
)  # fmt: skip
VIEWS: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    ("All", {}),
    ("Unpaid", {"state": "pending"}),
    ("To ship", {"to_ship": "true"}),
    ("Out of stock", {"unallocated": "true"}),
    ("To refund", {"to_refund": "true"}),
    ("Disputed", {"dispute_state": "open"}),
)
"""What people look for most, as filters."""
CHOSEN: Final = "order."
"""How the name of a box begins that chooses an order."""


async def orders(request: PageRequest) -> Response:
    """The orders that fit the filters."""
    asked = {name: request.query.get(name, "").strip() for name in (*STATES, *TEXTS)}
    found = await listed(request, "/orders", asked, totals=True)
    columns = shown_of(request.query, [*HEADS], USUAL)
    given = {name: value for name, value in asked.items() if value}
    return request.page(
        "orders.html",
        found.status,
        asked=asked,
        choices=STATES,
        columns=columns,
        column_choices=found.choices([*HEADS], columns),
        heads=HEADS,
        key=new_key(),
        list=found,
        numbers=[each for each in HEADS if each.endswith(("_minor", "_at"))],
        order_states=STATE_WORDS,
        places=places([*HEADS]),
        views=[(label, _address(filters), filters == given) for label, filters in VIEWS],
    )


async def fulfil(request: PageRequest) -> Response:
    """Ship those that were chosen, one by one, with one reason; and report on each."""
    fields = await request.form()
    chosen = [name.removeprefix(CHOSEN) for name in fields if name.startswith(CHOSEN)]
    asked = [Deed(name, f"/orders/{part(name)}/fulfil") for name in chosen]
    report = await outcomes_of(request, asked, fields, "/orders")
    return report_page(
        request, report, fields, title="Orders shipped", noun="order", back=("Orders", LIST)
    )


def _address(filters: dict[str, str]) -> str:
    (word, *_) = [f"?{name}={value}" for name, value in filters.items()] or [""]
    return f"{LIST}{word}"


routes = [
    view(LIST, orders, takes=(*STATES, *TEXTS, *IN_TABLES)),
    view(f"{LIST}/fulfil", fulfil, methods=("POST",)),
]
