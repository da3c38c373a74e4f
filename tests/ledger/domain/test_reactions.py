"""Reactions: what the system decides by itself, and what it leaves to a person."""

from datetime import UTC, datetime
from functools import reduce

import pytest
from msgspec.structs import replace

from ledger.domain.events import (
    Line,
    OrderAllocationFailed,
    OrderCanceled,
    OrderExpired,
    OrderFulfilled,
    OrderPlaced,
    OrderReinstated,
)
from ledger.domain.order import NoOrder, OrderEvent, decide, evolve
from ledger.domain.order_commands import OrderMoney, ReallocateOrder
from ledger.domain.reactions import react
from ledger.domain.stock import Item, Levels, Listed

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACED = OrderPlaced(
    order_id="A1",
    currency="eur",
    lines=(Line(sku="MUG", name="Mug", quantity=2, unit_minor=1500),),
    total_minor=3000,
    expires_at=NOW,
)
CANCELED, EXPIRED = OrderCanceled(order_id="A1"), OrderExpired(order_id="A1")
REINSTATED = OrderReinstated(order_id="A1")
FAILED = OrderAllocationFailed(order_id="A1", missing={"MUG": 2})
FULFILLED = OrderFulfilled(order_id="A1", based_on_position=7)


def money(paid: int, refunded: int = 0) -> OrderMoney:
    return OrderMoney(
        paid_minor=paid,
        refunded_minor=refunded,
        pending_refund_minor=0,
        currency="eur",
        fully_paid=paid >= 3000,
        position=7,
    )


PAID = money(3000)
FREE = replace(money(0), fully_paid=True, nothing_due=True)


@pytest.mark.parametrize(
    ("given", "known", "reacts"),
    [
        ([PLACED, EXPIRED], PAID, True),
        ([PLACED, EXPIRED], money(4000), True),
        ([PLACED, EXPIRED], FREE, True),
        ([PLACED, EXPIRED], money(2999), False),
        ([PLACED, EXPIRED], money(3000, refunded=3000), False),
        ([PLACED, CANCELED], PAID, False),
        ([PLACED], PAID, False),
        ([], PAID, False),
        ([PLACED, EXPIRED, REINSTATED], PAID, False),
        ([PLACED, EXPIRED, FAILED], PAID, False),
        ([PLACED, FULFILLED], PAID, False),
    ],
)
def test_only_an_expired_order_that_is_paid_calls_for_a_decision(
    given: list[OrderEvent], known: OrderMoney, reacts: bool
) -> None:
    command = ReallocateOrder(order_id="A1", at=NOW, money=known) if reacts else None
    assert react(reduce(evolve, given, NoOrder()), known, NOW) == command


@pytest.mark.parametrize("mugs", [0, 2])
def test_a_reaction_that_is_repeated_changes_nothing(mugs: int) -> None:
    """A reactor that stops between deciding and noting its position decides again: harmless."""
    item: Item = Listed(levels=Levels(mugs), name="Mug", prices={"eur": 1500}, preorder=False)
    order = reduce(evolve, [PLACED, EXPIRED], NoOrder())
    command = react(order, PAID, NOW)
    assert command is not None
    outcome, *_ = decide(command, order, {"MUG": item})
    assert isinstance(outcome, OrderReinstated | OrderAllocationFailed)
    after = evolve(order, outcome)
    assert react(after, PAID, NOW) is None
    assert decide(command, after, {"MUG": item}) == []
