"""Reactions: where what a provider reported calls for a decision, the command that makes it."""

from datetime import datetime

from ledger.domain.order import Expired, Order
from ledger.domain.order_commands import OrderMoney, ReallocateOrder


def react(order: Order, money: OrderMoney, at: datetime) -> ReallocateOrder | None:
    """The command that an order calls for, or None.

    Money for an order that was canceled calls for a person, not for a decision of the system.
    Asking twice does no harm: the order's decider has nothing to add.
    """
    if isinstance(order, Expired) and money.covers:
        return ReallocateOrder(order_id=order.sale.order_id, at=at, money=money)
    return None
