"""A shop that keeps the rules, for random worlds: its actions, and what Stripe sends it."""

from collections import Counter
from datetime import UTC, datetime
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from ledger.domain.events import (
    AddedToWishlist,
    Address,
    Event,
    ExportMade,
    Line,
    Metadata,
    NewEvent,
    OrderAllocationFailed,
    OrderCanceled,
    OrderExpired,
    OrderFulfilled,
    OrderLinesReturned,
    OrderPlaced,
    OrderReinstated,
    PaymentLinked,
    ProductListed,
    RefundRequested,
    RemovedFromWishlist,
    ReturnedLine,
    StockAdjusted,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSold,
    StripeEventReceived,
    lines_by_id,
)
from simulator import SimulatedEvent, sign
from webhooks.recheck import fingerprint

SECRET = "whsec_of_the_worlds"
RESERVED_SECONDS = 1800
PRICES = {
    "MUG": {"gbp": 1250, "usd": 1599, "jpy": 2200, "kwd": 4250, "bhd": 5120},
    "TEE": {"gbp": 2400, "usd": 2900, "jpy": 4100, "kwd": 8800, "bhd": 10750},
    "POSTER": {"gbp": 899, "usd": 1099, "jpy": 1500, "kwd": 3120, "bhd": 3990},
    "LAMP": {"gbp": 8950, "usd": 10900, "jpy": 16800, "kwd": 33500, "bhd": 41200},
    "STAMP": {"gbp": 135, "usd": 160, "jpy": 220, "kwd": 500, "bhd": 520},
}  # three-decimal prices end in 0, as Stripe wants it
_ADDRESS = Address(name="Ada", line1="1 High Street", city="York", postal_code="YO1", country="GB")


class Order(Struct, frozen=True):
    """An order as the shop knows it."""

    id: str
    currency: str
    lines: tuple[Line, ...]
    total_minor: int

    @property
    def units(self) -> dict[str, int]:
        units = Counter[str]()
        for line in self.lines:
            units[line.sku] += line.quantity
        return units


class Shop:
    """Appends what it does and receives to `entries`; `now` (seconds since 1970) only grows.

    One action is one transaction: its entries share an `effective_at` that no other action has.
    """

    def __init__(self, random: Random, start: int) -> None:
        self.random = random
        self.now = start
        self.entries: list[NewEvent] = []
        self._versions: Counter[str] = Counter()
        self._free: Counter[str] = Counter()
        self._wishes: set[tuple[str, str]] = set()
        self._orders = 0

    def open(self) -> None:
        """List the products and receive the first stock."""
        for sku, prices in PRICES.items():
            listed = ProductListed(sku=sku, name=sku.title(), prices=prices)
            self._act("ops:olga", (f"stock/{sku}", listed))
            self.replenish(sku, self.random.randint(20, 80))

    def replenish(self, sku: str, quantity: int) -> None:
        self._free[sku] += quantity
        received = StockReceived(sku=sku, quantity=quantity)
        self._act("ops:olga", (f"stock/{sku}", received), reason="delivery note")

    def count_again(self, sku: str, *, free: int) -> None:
        """A person counts: so many units of the product are free."""
        change = free - self._free[sku]
        if change:
            self._free[sku] = free
            adjusted = StockAdjusted(sku=sku, change=change)
            self._act("ops:olga", (f"stock/{sku}", adjusted), reason="counted again")

    def wish(self) -> None:
        """A customer puts a product on the wishlist, or strikes off one that stands there."""
        wish = self.random.choice(["ada", "bob"]), self.random.choice(sorted(PRICES))
        said = RemovedFromWishlist if wish in self._wishes else AddedToWishlist
        self._wishes ^= {wish}
        customer_id, sku = wish
        event = said(customer_id=customer_id, sku=sku)
        self._act(f"customer:{customer_id}", (f"wishlist/{customer_id}", event))

    def export(self) -> None:
        """An analyst downloads the orders; now and then the line breaks before the end."""
        made = ExportMade(
            name="orders",
            format=self.random.choice(["csv", "jsonl"]),
            filter={"window": self.random.choice(["7", "30", "90"])},
            rows=self._orders,
            sha256=f"{self.random.getrandbits(256):064x}",
            position=len(self.entries),
            contract_version=1,
            columns=("OrderID", "Email", "Total"),
            complete=self.random.randrange(4) > 0,
        )
        export_id = f"{self.random.getrandbits(128):032x}"
        self._act("analyst:anna", (f"export/{export_id}", made), reason="monthly report")

    def next_order_id(self) -> str:
        self._orders += 1
        return f"W{self._orders:04d}"

    def place(self, order_id: str | None = None) -> Order:
        """A customer orders one to three products; what is short is received before."""
        currency = self.random.choice(["gbp", "usd", "jpy", "kwd", "bhd"])
        skus = self.random.sample(sorted(PRICES), self.random.randint(1, 3))
        lines = tuple(self._line(sku, currency) for sku in skus)
        if self._orders % 4 == 0:
            lines += (self._personal(lines[0]),)
        for line in lines:
            if self._free[line.sku] < line.quantity + 1:
                self.replenish(line.sku, 50)
        placed = self._placed(order_id or self.next_order_id(), currency, lines)
        order = Order(placed.order_id, currency, lines, placed.total_minor)
        actor = self.random.choice(["customer:ada", "ops:olga"])
        self._act(actor, (f"order/{order.id}", placed), *self._reserved(order))
        return order

    def cancel(self, order: Order) -> None:
        canceled = OrderCanceled(order_id=order.id)
        stock = self._released(order)
        self._act("customer:ada", (f"order/{order.id}", canceled), *stock, reason="changed my mind")

    def expire(self, order: Order) -> None:
        self.now += RESERVED_SECONDS
        expired = OrderExpired(order_id=order.id)
        self._act("system", (f"order/{order.id}", expired), *self._released(order))

    def allocate(self, order: Order, cause: str) -> bool:
        """The reaction to a payment after the expiry: hold the stock again, if it is there."""
        short = {sku: n - self._free[sku] for sku, n in order.units.items() if n > self._free[sku]}
        if short:
            failed = OrderAllocationFailed(order_id=order.id, missing=short)
            self._act("system", (f"order/{order.id}", failed), causation=cause)
            return False
        held = OrderReinstated(order_id=order.id)
        stock = self._reserved(order)
        self._act("system", (f"order/{order.id}", held), *stock, causation=cause)
        return True

    def fulfil(self, order: Order) -> None:
        fulfilled = OrderFulfilled(order_id=order.id, based_on_position=len(self.entries))
        sold = [
            (f"stock/{sku}", StockSold(sku=sku, order_id=order.id, quantity=quantity))
            for sku, quantity in order.units.items()
        ]
        self._act("ops:olga", (f"order/{order.id}", fulfilled), *sold)

    def take_back(self, order: Order) -> None:
        """The last line of a fulfilled order comes back; at most once for an order.

        Most are told as they were before lines had ids.
        """
        line_id, line = list(lines_by_id(order.lines).items())[-1]
        sku, quantity = line.sku, line.quantity
        self._free[sku] += quantity
        returned = OrderLinesReturned(order_id=order.id, quantities={sku: quantity})
        if order.units[sku] > quantity:
            came_back = ReturnedLine(line_id=line_id, sku=sku, quantity=quantity)
            returned = replace(returned, lines=(came_back,))
        stock = StockReturned(sku=sku, order_id=order.id, quantity=quantity)
        self._act(
            "ops:omar", (f"order/{order.id}", returned), (f"stock/{sku}", stock), reason="too big"
        )

    def link(self, order: Order, payment_id: str) -> None:
        linked = PaymentLinked(order_id=order.id, payment_id=payment_id)
        self._act("ops:omar", (f"order/{order.id}", linked), reason="customer wrote to us")

    def request_refund(self, order: Order, amount_minor: int) -> None:
        requested = RefundRequested(
            order_id=order.id,
            amount_minor=amount_minor,
            currency=order.currency,
            based_on_position=len(self.entries),
        )
        self._act("ops:omar", (f"order/{order.id}", requested), reason="goodwill")

    def receive(self, event: SimulatedEvent) -> None:
        """Store what Stripe sends, at once or a little later; most comes by webhook."""
        self.now = max(self.now, event.created) + self.random.randint(1, 3)
        source = self.random.choice(["webhook"] * 8 + ["import", "backfill"])
        signature = sign(event.body, SECRET, self.now) if source == "webhook" else None
        received = StripeEventReceived(
            event_id=event.id,
            body=event.body,
            received_at=self._time(),
            source=source,
            signature=signature,
            signed_by=fingerprint(SECRET) if signature else None,
        )
        self._append(f"stripe/{event.id}", received, Metadata(actor="stripe"))

    def _line(self, sku: str, currency: str) -> Line:
        quantity = self.random.randint(1, 5)
        unit_minor = PRICES[sku][currency]
        return Line(sku=sku, name=sku.title(), quantity=quantity, unit_minor=unit_minor)

    def _personal(self, line: Line) -> Line:
        """One more of a product, made for somebody, at another price."""
        line_id = None if self._orders % 8 else "ada"
        name, unit_minor = f"{line.name} for Ada", line.unit_minor + 10
        return replace(line, line_id=line_id, name=name, quantity=1, unit_minor=unit_minor)

    def _placed(self, order_id: str, currency: str, lines: tuple[Line, ...]) -> OrderPlaced:
        shipping_minor, tax_minor = self.random.choice([(0, 0), (500, 0), (500, 130)])
        discount_minor = self.random.choice([0, 0, 30])
        goods_minor = sum(line.quantity * line.unit_minor for line in lines)
        return OrderPlaced(
            order_id=order_id,
            currency=currency,
            lines=lines,
            total_minor=goods_minor + shipping_minor + tax_minor - discount_minor,
            expires_at=datetime.fromtimestamp(self.now + RESERVED_SECONDS, UTC),
            customer_id=self.random.choice([None, "ada", "bob"]),
            email=self.random.choice([None, "ada@example.com"]),
            shipping_minor=shipping_minor,
            tax_minor=tax_minor,
            discount_minor=discount_minor,
            shipping_address=self.random.choice([None, _ADDRESS]),
        )

    def _reserved(self, order: Order) -> list[tuple[str, Event]]:
        self._free.subtract(order.units)
        return [
            (f"stock/{sku}", StockReserved(sku=sku, order_id=order.id, quantity=quantity))
            for sku, quantity in order.units.items()
        ]

    def _released(self, order: Order) -> list[tuple[str, Event]]:
        self._free.update(order.units)
        return [
            (f"stock/{sku}", StockReleased(sku=sku, order_id=order.id, quantity=quantity))
            for sku, quantity in order.units.items()
        ]

    def _act(
        self,
        actor: str,
        *happened: tuple[str, Event],
        reason: str | None = None,
        causation: str | None = None,
    ) -> None:
        self.now += self.random.randint(1, 30)
        meta = Metadata(
            actor=actor,
            address="203.0.113.7" if actor != "system" else None,
            request_id=f"r{len(self.entries)}",
            reason=reason,
            correlation=happened[0][0],
            causation=causation,
        )
        for stream, event in happened:
            self._append(stream, event, meta)

    def _append(self, stream: str, event: Event, meta: Metadata) -> None:
        self._versions[stream] += 1
        self.entries.append(NewEvent(stream, self._versions[stream], event, self._time(), meta))

    def _time(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)
