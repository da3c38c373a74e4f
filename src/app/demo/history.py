"""The demo shop's history: the ninety days before today, decided beforehand."""

from collections import Counter
from random import Random
from typing import Final

from app.demo.booked import BookedStripe
from app.demo.customers import Person, customer, guest, prospect
from app.demo.order_outcomes import COMMON, HOUR, RARE, OrderOutcome, Sale
from app.demo.seasons import DAYS, SALE_PERCENT, in_sale, midnight, orders_on
from app.demo.shop import PEOPLE, PRODUCTS, SHIPPING_MINOR, Product, choose, email_of, units
from app.demo.subscribers import subscribe_all
from app.demo.timeline import Timeline, time_of
from ledger.domain.events import Address, Line
from ledger.domain.money import step_minor
from ledger.domain.order_commands import PlaceOrder
from ledger.domain.stock import ListProduct, ReceiveStock
from ledger.domain.wishlist import AddToWishlist, RemoveFromWishlist
from simulator.goods import DAY
from simulator.transactions import Transaction

_CURRENCIES: Final = {"gbp": 72, "usd": 21, "jpy": 4, "kwd": 3}
_TAX_PERCENT: Final = {"usd": 8}
_RESERVED_SECONDS: Final = HOUR // 2
_GUESTS_PERCENT: Final = 30
_WISHED_PERCENT: Final = 20
"""How many of the customers' orders are a wish that comes true."""
_DREAMS: Final = 2
"""How many wishes a day brings beside."""
_LAST_UNITS: Final = 12
_DELIVERY: Final = 40
"""So many units of a product arrive when no more than `_LAST_UNITS` would be left."""


class ShopHistory:
    """What happened, as a timeline of `orders` orders; the same for the same `now`.

    `now` is in seconds since 1970; the days are those of UTC.
    """

    def __init__(self, now: int) -> None:
        self.timeline = Timeline(now)
        self.orders = 0
        self._now = now
        self._random = Random("demo past")  # noqa: S311 - a play, not a secret
        self._stripe = BookedStripe("demo past")
        self._guests = 0
        self._units = Counter[str]()
        self._wished = set[tuple[str, str]]()
        self._rare = list(RARE)
        self._open()
        for days_ago in range(DAYS - 1, 0, -1):
            self._live_through(days_ago)
        subscribe_all(self._stripe, self.timeline, now)

    @property
    def booked(self) -> list[Transaction]:
        """What moved Stripe's balance, up to now and later, in no order."""
        return self._stripe.booked

    def _open(self) -> None:
        at = time_of(midnight(self._now, DAYS - 1) + 5 * HOUR)
        for product in PRODUCTS:
            listed = ListProduct(sku=product.sku, at=at, name=product.name, prices=product.prices)
            self.timeline.do(listed)
        self._stripe.now = int(at.timestamp())
        for person in PEOPLE:
            self.timeline.report(self._stripe.create_customer(email_of(person), person)[1])

    def _live_through(self, days_ago: int) -> None:
        morning = midnight(self._now, days_ago) + 6 * HOUR
        count = orders_on(self._now, days_ago, self._random)
        for at in sorted(morning + self._random.randrange(HOUR, 16 * HOUR) for _ in range(count)):
            self._sell(at, days_ago)
        for _ in range(_DREAMS):
            self._dream(morning + self._random.randrange(HOUR, 16 * HOUR))
        if days_ago % 7 == 0:
            self._pay_out(morning + 17 * HOUR)

    def _sell(self, at: int, days_ago: int) -> None:
        order = self._order(at, days_ago)
        outcome = self._outcome(days_ago)
        total_minor = _total_minor(order)
        if order.customer_id and self._random.randrange(100) < _WISHED_PERCENT:
            self._wish_before(order.customer_id, order.lines[0].sku, at)
        outcome(Sale(self._stripe, self.timeline, order, total_minor))

    def _outcome(self, days_ago: int) -> OrderOutcome:
        if self._rare and days_ago <= self._rare[0][0]:
            return self._rare.pop(0)[1]
        return self._random.choices(tuple(COMMON), tuple(COMMON.values()))[0]

    def _order(self, at: int, days_ago: int) -> PlaceOrder:
        self.orders += 1
        person = self._person()
        currency = self._random.choices(tuple(_CURRENCIES), tuple(_CURRENCIES.values()))[0]
        lines = self._basket(currency, midnight(self._now, days_ago) + 6 * HOUR)
        goods_minor = sum(line.quantity * line.unit_minor for line in lines)
        off_minor = _share(goods_minor, SALE_PERCENT, currency) if in_sale(days_ago) else 0
        return PlaceOrder(
            order_id=f"A{1000 + self.orders}",
            at=time_of(at),
            currency=currency,
            lines=lines,
            expires_at=time_of(at + _RESERVED_SECONDS),
            customer_id=person.customer_id,
            email=person.email,
            shipping_minor=SHIPPING_MINOR[currency],
            tax_minor=_share(goods_minor - off_minor, _TAX_PERCENT.get(currency, 0), currency),
            discount_minor=off_minor,
            shipping_address=Address(name=person.name, line1="1 Harbour Street", country="GB"),
        )

    def _person(self) -> Person:
        if self._random.randrange(100) < _GUESTS_PERCENT:
            self._guests += 1
            return guest(self._guests)
        return customer(self._random)

    def _basket(self, currency: str, morning: int) -> tuple[Line, ...]:
        return tuple(self._line(each, currency, morning) for each in choose(self._random))

    def _line(self, product: Product, currency: str, morning: int) -> Line:
        quantity = units(self._random)
        self._take(product.sku, quantity, morning)
        return Line(
            sku=product.sku,
            name=product.name,
            quantity=quantity,
            unit_minor=product.prices[currency],
        )

    def _take(self, sku: str, quantity: int, morning: int) -> None:
        """Units are sold; where that leaves few of them, more had come in the morning."""
        self._units[sku] -= quantity
        if self._units[sku] < _LAST_UNITS:
            self._units[sku] += _DELIVERY
            self.timeline.do(ReceiveStock(sku=sku, at=time_of(morning), quantity=_DELIVERY))

    def _wish_before(self, customer_id: str, sku: str, at: int) -> None:
        """What is ordered had been on a wishlist, for hours or days."""
        earliest = midnight(self._now, DAYS - 1) + 6 * HOUR
        wished_at = max(earliest, at - self._random.randrange(HOUR, 12 * DAY))
        if self._wish(customer_id, sku, wished_at):
            fulfilled = RemoveFromWishlist(customer_id=customer_id, sku=sku, at=time_of(at + 60))
            self.timeline.do(fulfilled)

    def _dream(self, at: int) -> None:
        """A customer wishes for something, whether or not an order follows."""
        product = choose(self._random)[0]
        dreamer = self._random.choice((customer, prospect))(self._random)
        assert dreamer.customer_id is not None, "only who has an account has a wishlist"
        self._wish(dreamer.customer_id, product.sku, at)

    def _wish(self, customer_id: str, sku: str, at: int) -> bool:
        """A customer wishes for something, unless he did before."""
        if (customer_id, sku) in self._wished:
            return False
        self._wished.add((customer_id, sku))
        self.timeline.do(AddToWishlist(customer_id=customer_id, sku=sku, at=time_of(at)))
        return True

    def _pay_out(self, at: int) -> None:
        """What is available goes to the shop's bank."""
        self._stripe.now = at
        available = self._stripe.available_at(at, "gbp")
        if available <= 0:
            return
        payout, created = self._stripe.pay_out(available, "gbp")
        self.timeline.report(created)
        self._stripe.advance(2 * DAY)
        self.timeline.report(self._stripe.finish_payout(payout))


def _share(amount_minor: int, percent: int, currency: str) -> int:
    """A share of an amount, rounded down to what Stripe can charge."""
    step = step_minor(currency)
    return amount_minor * percent // (100 * step) * step


def _total_minor(order: PlaceOrder) -> int:
    goods_minor = sum(line.quantity * line.unit_minor for line in order.lines)
    return goods_minor + order.shipping_minor + order.tax_minor - order.discount_minor
