"""Stock: what may happen to a product and its units, and what is left of them."""

from collections.abc import Mapping
from typing import ClassVar, assert_never

from msgspec import Struct
from msgspec.structs import replace

from ledger.domain.aggregate import Aggregate, Command
from ledger.domain.events import (
    Line,
    ProductListed,
    StockAdjusted,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSold,
)
from ledger.domain.limits import (
    MAX_MINOR,
    MAX_STOCK_UNITS,
    check_between,
    check_currency,
    check_id,
    check_text,
)
from ledger.domain.money import format_money, step_minor
from ledger.errors import FieldError, InvalidCommand, OutOfStock, UnknownProduct, WrongPrice

# ── Commands ────────────────────────────────────────────────────────────────────────────────────


class _OfProduct(Command, frozen=True, kw_only=True):
    sku: str


class ListProduct(_OfProduct, frozen=True, kw_only=True):
    """Offer a product, or change its name, prices (minor units by currency) or pre-order flag."""

    name: str
    prices: dict[str, int]
    preorder: bool = False


class ReceiveStock(_OfProduct, frozen=True, kw_only=True):
    """Count in units that arrived."""

    quantity: int


class AdjustStock(_OfProduct, frozen=True, kw_only=True):
    """Correct a count by `change` units (negative: fewer)."""

    NEEDS_REASON: ClassVar = True

    change: int


StockCommand = ListProduct | ReceiveStock | AdjustStock

# ── State ───────────────────────────────────────────────────────────────────────────────────────


class Levels(Struct, frozen=True):
    """Sums of an item's movements: `on_hand` are on the shelf, of them orders hold `held`.

    Units leave the shelf when their order is fulfilled, and are back on it when they are returned.
    """

    on_hand: int = 0
    held: int = 0

    @property
    def available(self) -> int:
        """What can be sold now; below zero only where a pre-order was taken."""
        return self.on_hand - self.held


class Unlisted(Struct, frozen=True):
    """This SKU was not listed yet."""

    levels: Levels = Levels()


class Listed(Struct, frozen=True, kw_only=True):
    """A product on offer; `prices` are in minor units by currency."""

    levels: Levels
    name: str
    prices: Mapping[str, int]
    preorder: bool

    def missing(self, units: int) -> int:
        """How many of these units are not there; a pre-order lacks none."""
        return 0 if self.preorder else max(0, units - max(0, self.levels.available))


Item = Unlisted | Listed
StockEvent = (
    ProductListed
    | StockReceived
    | StockAdjusted
    | StockReserved
    | StockReleased
    | StockSold
    | StockReturned
)


def evolve(item: Item, event: StockEvent) -> Item:
    """The item after an event of its stream."""
    if isinstance(event, ProductListed):
        return Listed(
            levels=item.levels, name=event.name, prices=event.prices, preorder=event.preorder
        )
    return replace(item, levels=_moved(item.levels, event))


Movement = StockReceived | StockAdjusted | StockReserved | StockReleased | StockSold | StockReturned


def _moved(levels: Levels, event: Movement) -> Levels:
    on_hand, held = levels.on_hand, levels.held
    match event:
        case StockReceived(quantity=units) | StockAdjusted(change=units):
            return Levels(on_hand + units, held)
        case StockReserved(quantity=units):
            return Levels(on_hand, held + units)
        case StockReleased(quantity=units):
            return Levels(on_hand, held - units)
        case StockSold(quantity=units):
            return Levels(on_hand - units, held - units)
        case StockReturned(quantity=units):
            return Levels(on_hand + units, held)
        case _:
            assert_never(event)


# ── Decisions ───────────────────────────────────────────────────────────────────────────────────


def decide(command: StockCommand, item: Item) -> list[StockEvent]:
    """What a command does to its item; raises a `Refused`."""
    match command:
        case ListProduct():
            return _list(command, item)
        case ReceiveStock():
            check_listed(command.sku, item)
            check_between("quantity", command.quantity, 1, MAX_STOCK_UNITS)
            return [StockReceived(sku=command.sku, quantity=command.quantity)]
        case AdjustStock():
            return _adjust(command, item)
        case _:
            assert_never(command)


def _list(command: ListProduct, item: Item) -> list[StockEvent]:
    check_id("SKU", command.sku, field="sku")
    check_text("name", command.name)
    if not command.prices:
        must = "A listed product has a price in at least one currency."
        raise InvalidCommand(must, FieldError("prices", "missing", must))
    for currency, amount_minor in command.prices.items():
        check_currency(currency)
        price, field = f"the price in {currency}", f"prices.{currency}"
        check_between(price, amount_minor, 0, MAX_MINOR, field=field, currency=currency)
        if amount_minor % (step := step_minor(currency)):
            must = f"must be a multiple of {step}: {currency} is charged in such steps."
            raise InvalidCommand(f"{price}: it {must}", FieldError(field, "invalid", must))
    listed = ProductListed(
        sku=command.sku, name=command.name, prices=command.prices, preorder=command.preorder
    )
    return [] if evolve(item, listed) == item else [listed]


def _adjust(command: AdjustStock, item: Item) -> list[StockEvent]:
    """A count may not fall below what orders hold; that of a pre-order may."""
    listed = check_listed(command.sku, item)
    check_between("change", command.change, -MAX_STOCK_UNITS, MAX_STOCK_UNITS)
    if command.change == 0:
        must = "must be the units to add or (negative) to remove."
        raise InvalidCommand(f"change is 0; it {must}", FieldError("change", "invalid", must))
    if command.change < 0 and listed.missing(-command.change):
        told = (
            f"Only {listed.levels.available} of {command.sku} are available, so"
            f" {-command.change} cannot be taken away; cancel orders that hold them first."
        )
        raise OutOfStock(told, FieldError("change", "out_of_stock", told, command.change))
    return [StockAdjusted(sku=command.sku, change=command.change)]


def check_listed(sku: str, item: Item) -> Listed:
    """The product on offer; raises UnknownProduct where there is none."""
    if isinstance(item, Unlisted):
        told = (
            f"No product {sku[:100]!r} is listed; list it first, with `ledger stock define` or"
            " `PUT /products/{sku}`."
        )
        raise UnknownProduct(told, FieldError("sku", "unknown", told))
    return item


def check_price(line: Line, currency: str, item: Item) -> None:
    """Raise UnknownProduct or WrongPrice unless the line asks what the product is listed for."""
    price_minor = check_listed(line.sku, item).prices.get(currency)
    if price_minor is None:
        told = f"{line.sku} has no price in {currency}; list one first."
        raise WrongPrice(told, FieldError("currency", "unknown", told))
    if price_minor != line.unit_minor:
        cure = "order it at the listed price, or list the new one first."
        asked = line.unit_minor, price_minor, price_minor, currency
        raise WrongPrice(
            f"{line.sku} is listed for {format_money(price_minor, currency)}, not for"
            f" {format_money(line.unit_minor, currency)}; {cure}",
            FieldError("unit_minor", "out_of_range", cure, *asked),
        )


def missing(units: Mapping[str, int], items: Mapping[str, Item]) -> dict[str, int]:
    """The units by SKU that are not there; empty means that all can be reserved."""
    short = {sku: check_listed(sku, items[sku]).missing(wanted) for sku, wanted in units.items()}
    return {sku: lack for sku, lack in short.items() if lack}


# ── The aggregate ───────────────────────────────────────────────────────────────────────────────

AGGREGATE = Aggregate(
    initial=Unlisted(),
    events=StockEvent,
    evolve=evolve,
    stream_id=lambda event: event.sku,
    commands=StockCommand,
    key="sku",
    decide=lambda command, item, _: decide(command, item),
    check=lambda command: check_id("SKU", command.sku),
    answer=lambda command: {"sku": command.sku},
)
