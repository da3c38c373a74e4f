"""Ninety days of a busy shop: orders, what Stripe says of each, some refunds, many customers."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from benchmarks.logs import received
from ledger.domain.events import (
    Event,
    Line,
    Metadata,
    NewEvent,
    OrderPlaced,
    ProductListed,
    StockReceived,
    StockReserved,
)
from simulator import SimulatedStripe

DAYS: Final = 90
PRODUCTS: Final = 500
REFUNDED_OF_100: Final = 6
_SHOP: Final = Metadata(actor="shop", address="127.0.0.1", user_agent="ledger-bench")


class Trading:
    """A shop's log: about five events an order, the last one shortly before `ends_at`.

    Two thirds of the customers order once; the rest come again, some of them often.
    """

    def __init__(self, orders: int, ends_at: datetime) -> None:
        self._orders = orders
        self._began_at = ends_at - timedelta(days=DAYS)
        self._step = timedelta(days=DAYS) / (orders + 1)
        self._random = Random("trading")
        self._stripe = SimulatedStripe("trading", start=int(self._began_at.timestamp()))
        self._versions = Counter[str]()

    def entries(self) -> Iterator[NewEvent]:
        """All of it."""
        for number in range(PRODUCTS):
            sku = f"SKU-{number}"
            listed = ProductListed(sku=sku, name=f"Product {sku}", prices={"gbp": 1000})
            yield self._entry(f"stock/{sku}", listed, self._began_at)
            arrived = StockReceived(sku=sku, quantity=1_000_000)
            yield self._entry(f"stock/{sku}", arrived, self._began_at)
        for number in range(1, self._orders + 1):
            yield from self._order(number, self._began_at + number * self._step)

    def _order(self, number: int, at: datetime) -> Iterator[NewEvent]:
        order_id, sku = f"T{number}", f"SKU-{self._random.randrange(PRODUCTS)}"
        customer = f"c{int(self._orders * self._random.random() ** 2)}"
        line = Line(sku=sku, name=f"Product {sku}", quantity=1 + number % 3, unit_minor=1000)
        goods_minor = line.quantity * line.unit_minor
        placed = OrderPlaced(
            order_id=order_id,
            currency="gbp",
            lines=(line,),
            total_minor=goods_minor + 395,
            shipping_minor=395,
            expires_at=at + timedelta(minutes=30),
            customer_id=customer,
            email=f"{customer}@example.com",
        )
        yield self._entry(f"order/{order_id}", placed, at)
        held = StockReserved(sku=sku, order_id=order_id, quantity=line.quantity)
        yield self._entry(f"stock/{sku}", held, at)
        self._stripe.now = int(at.timestamp()) + 30
        payment, started = self._stripe.create_payment(placed.total_minor, "gbp", order_id=order_id)
        paid = self._stripe.pay_by_card(payment)
        refunded = (
            self._stripe.refund(payment, 500)[1]
            if self._random.randrange(100) < REFUNDED_OF_100
            else []
        )
        yield from map(received, (*started, *paid, *refunded))

    def _entry(self, stream: str, event: Event, at: datetime) -> NewEvent:
        self._versions[stream] += 1
        return NewEvent(stream, self._versions[stream], event, at, _SHOP)


class PaidLater:
    """Orders of today, one by one, each placed and paid in one append."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._stripe = SimulatedStripe("paid later", start=int(datetime.now(UTC).timestamp()))

    def each(self) -> Iterator[list[NewEvent]]:
        """The entries of one order after the other."""
        for number in range(self._count):
            order_id, now = f"L{number}", datetime.now(UTC)
            line = Line(sku="SKU-1", name="Product SKU-1", quantity=1, unit_minor=1000)
            placed = OrderPlaced(
                order_id=order_id,
                currency="gbp",
                lines=(line,),
                total_minor=1000,
                expires_at=now + timedelta(minutes=30),
            )
            self._stripe.now = int(now.timestamp())
            payment, started = self._stripe.create_payment(1000, "gbp", order_id=order_id)
            paid = self._stripe.pay_by_card(payment)
            yield [
                NewEvent(f"order/{order_id}", 1, placed, now, _SHOP),
                *map(received, (*started, *paid)),
            ]


def trading_log(orders: int, ends_at: datetime | None = None) -> Iterator[NewEvent]:
    """The log of so many orders over the ninety days before a time, now if none is said."""
    return Trading(orders, ends_at or datetime.now(UTC)).entries()
