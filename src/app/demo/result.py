"""What came out of the play, as the read endpoints say."""

from collections import Counter
from typing import Any, Final, NamedTuple

from msgspec import Struct

from app.demo.client import Client
from app.demo.months import close_months
from app.demo.runner import Played
from app.demo.script import Script
from kpi.windows import LENGTHS

MONEY: Final = ("received_minor", "refunded_minor", "disputed_minor", "net_minor")

Row = dict[str, Any]


class Past(NamedTuple):
    """What an empty log was given: objects of a Stripe account, and orders."""

    objects: int
    orders: int


class Outcome(Struct, frozen=True):
    """What was played; counts by state, money by currency in minor units; `notable` orders.

    `figures` are those of `GET /kpi`, by the window's days; `closed_months` of the books are those
    that were closed.
    """

    played: dict[str, int]
    orders: dict[str, int]
    payments: dict[str, int]
    refunds: dict[str, int]
    disputes: dict[str, int]
    subscriptions: dict[str, int]
    money: dict[str, dict[str, int]]
    stock: list[Row]
    notable: dict[str, str]
    figures: dict[str, Row]
    closed_months: list[str]


def collect(client: Client, script: Script, play: Played, past: Past) -> Outcome:
    """Read it, once the read models show all that was played; a new shop's books are closed."""
    position = play.position
    played = {
        "pulled_objects": past.objects,
        "past_orders": past.orders,
        "orders": len(script.orders),
        "deliveries": play.deliveries,
        "duplicates": play.duplicates,
    }
    orders = list(client.everything("/orders", after=position))
    ours = {placed.body["id"] for placed in script.orders}
    return Outcome(
        played=played,
        orders=_count(orders),
        payments=_count(client.everything("/payments", after=position)),
        refunds=_count(client.everything("/refunds", after=position)),
        disputes=_count(client.everything("/disputes", after=position)),
        subscriptions=_count(client.everything("/subscriptions", after=position)),
        money=_money(orders),
        stock=list(client.everything("/stock", after=position)),
        notable={
            why: row["order_id"]
            for row in sorted(orders, key=lambda row: row["order_id"] in ours)
            for why in _why(row)
        },
        figures={str(n): client.get("/kpi", window=n, after=position) for n in LENGTHS},
        closed_months=close_months(client) if past.objects else [],
    )


def _count(rows: Any) -> dict[str, int]:
    return dict(Counter(str(row["state"]) for row in rows).most_common())


def _money(orders: list[Row]) -> dict[str, dict[str, int]]:
    sums: dict[str, Counter[str]] = {}
    for row in orders:
        sums.setdefault(row["currency"], Counter()).update({name: row[name] for name in MONEY})
    return {currency: {name: sums[currency][name] for name in MONEY} for currency in sorted(sums)}


def _why(row: Row) -> list[str]:
    """What makes an order worth a look."""
    reasons = {
        "paid after it expired, sold out meanwhile": row["unallocated"],
        "paid twice": row["payment_state"] == "overpaid",
        "refunded in part": row["refund_state"] == "partial",
        "dispute lost": row["dispute_state"] == "lost",
    }
    return [why for why, holds in reasons.items() if holds]
