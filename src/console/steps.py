"""The first steps of a ledger: a key, an event, an order, a proof; done when the ledger says so."""

from __future__ import annotations

from asyncio import gather
from typing import NamedTuple

from console.page import PageRequest


class Step(NamedTuple):
    """A step towards a ledger that holds something: whether it is done, and how to do it."""

    title: str
    is_done: bool
    told: str
    how: str


async def first_steps(request: PageRequest) -> list[Step]:
    """What is done of them, as the ledger itself says it."""
    status, has_orders, has_payments = await gather(
        request.api.get("/status"),
        _any(request, "see_order", "/orders"),
        _any(request, "see_records", "/payments"),
    )
    stripe, proof = status["stripe"], status["last_proof"]
    return [
        Step(
            "Connect Stripe",
            stripe["has_key"],
            "A restricted key is set.",
            "`ledger connect` asks for a restricted key, and says which permissions it needs.",
        ),
        Step(
            "Receive the first event",
            has_payments,
            "Payments are known.",
            "Point a webhook of Stripe's to /webhooks/stripe and set its signing secret in"
            " STRIPE_WEBHOOK_SECRETS; `ledger stripe pull` brings what was before.",
        ),
        Step(
            "Place the first order",
            has_orders,
            "Orders are known.",
            "Your shop calls `POST /orders`; `ledger import-orders` brings those of the past.",
        ),
        Step(
            "Prove the read models",
            proof is not None and bool(proof["holds"]),
            "The last proof held.",
            "An auditor proves them under Projections, or `ledger verify` in a terminal.",
        ),
    ]


async def _any(request: PageRequest, permission: str, path: str) -> bool:
    """Whether a list has anything, for who may see it."""
    if not request.may(permission):
        return False
    return bool((await request.api.get(path, limit=1))["items"])
