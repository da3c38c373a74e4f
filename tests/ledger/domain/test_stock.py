"""Stock: given what happened, when somebody asks, then this happens, or nothing does."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import reduce

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

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
from ledger.domain.stock import (
    AdjustStock,
    Item,
    Levels,
    Listed,
    ListProduct,
    ReceiveStock,
    StockCommand,
    StockEvent,
    Unlisted,
    check_price,
    decide,
    evolve,
    missing,
)
from ledger.errors import InvalidCommand, OutOfStock, Refused, UnknownProduct, WrongPrice

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LISTED = ProductListed(sku="MUG", name="Mug", prices={"eur": 1200})
PREORDER = ProductListed(sku="MUG", name="Mug", prices={"eur": 1200}, preorder=True)
TEN = StockReceived(sku="MUG", quantity=10)


def reserved(units: int) -> StockReserved:
    return StockReserved(sku="MUG", order_id="A1", quantity=units)


def released(units: int) -> StockReleased:
    return StockReleased(sku="MUG", order_id="A1", quantity=units)


def sold(units: int) -> StockSold:
    return StockSold(sku="MUG", order_id="A1", quantity=units)


def returned(units: int) -> StockReturned:
    return StockReturned(sku="MUG", order_id="A1", quantity=units)


def list_(**changes: object) -> ListProduct:
    product = {"sku": "MUG", "at": NOW, "name": "Mug", "prices": {"eur": 1200}} | changes
    return ListProduct(**product)  # pyright: ignore[reportArgumentType]


def receive(quantity: int) -> ReceiveStock:
    return ReceiveStock(sku="MUG", at=NOW, quantity=quantity)


def adjust(change: int) -> AdjustStock:
    return AdjustStock(sku="MUG", at=NOW, change=change)


def item(events: Sequence[StockEvent]) -> Item:
    return reduce(evolve, events, Unlisted())


@pytest.mark.parametrize(
    ("given", "when", "then"),
    [
        ([], list_(), [LISTED]),
        ([LISTED], list_(), []),
        ([LISTED], list_(preorder=True), [PREORDER]),
        ([LISTED, TEN], receive(3), [StockReceived(sku="MUG", quantity=3)]),
        ([LISTED, TEN], adjust(-10), [StockAdjusted(sku="MUG", change=-10)]),
        ([LISTED, TEN, reserved(4)], adjust(-6), [StockAdjusted(sku="MUG", change=-6)]),
        ([LISTED], adjust(5), [StockAdjusted(sku="MUG", change=5)]),
        ([PREORDER, reserved(4)], adjust(-6), [StockAdjusted(sku="MUG", change=-6)]),
        ([PREORDER, reserved(4), LISTED], adjust(1), [StockAdjusted(sku="MUG", change=1)]),
    ],
)
def test_decided(given: list[StockEvent], when: StockCommand, then: list[StockEvent]) -> None:
    assert decide(when, item(given)) == then


@pytest.mark.parametrize(
    ("given", "when", "refusal", "says"),
    [
        ([], receive(1), UnknownProduct, "list it first"),
        ([], adjust(1), UnknownProduct, "list it first"),
        ([LISTED], receive(0), InvalidCommand, "quantity"),
        ([LISTED], receive(10**9 + 1), InvalidCommand, "quantity"),
        ([LISTED], adjust(0), InvalidCommand, "change"),
        ([LISTED], adjust(-1), OutOfStock, "Only 0 of MUG"),
        ([LISTED, TEN, reserved(4)], adjust(-7), OutOfStock, "Only 6 of MUG"),
        ([PREORDER, reserved(4), LISTED], adjust(-1), OutOfStock, "Only -4"),
        ([], list_(sku="../etc"), InvalidCommand, "SKU"),
        ([], list_(sku=""), InvalidCommand, "SKU"),
        ([], list_(sku="A" * 101), InvalidCommand, "SKU"),
        ([], list_(sku="A1\n"), InvalidCommand, "SKU"),
        ([], list_(name=""), InvalidCommand, "name"),
        ([], list_(name="a\0b"), InvalidCommand, "name"),
        ([], list_(name="a\ud800"), InvalidCommand, "name"),
        ([], list_(prices={}), InvalidCommand, "price"),
        ([], list_(prices={"EUR": 1}), InvalidCommand, "Currency"),
        ([], list_(prices={"eur": -1}), InvalidCommand, "price in eur"),
        ([], list_(prices={"eur": 10**12 + 1}), InvalidCommand, "price in eur"),
    ],
)
def test_refused(
    given: list[StockEvent], when: StockCommand, refusal: type[Refused], says: str
) -> None:
    with pytest.raises(refusal, match=says):
        decide(when, item(given))


@pytest.mark.parametrize(
    ("events", "levels", "available"),
    [
        ([TEN, reserved(4)], Levels(10, 4), 6),
        ([TEN, reserved(4), released(4)], Levels(10, 0), 10),
        ([TEN, reserved(4), sold(4)], Levels(6, 0), 6),
        ([TEN, reserved(4), sold(4), returned(1)], Levels(7, 0), 7),
        ([TEN, StockAdjusted(sku="MUG", change=-2)], Levels(8, 0), 8),
        ([reserved(2)], Levels(0, 2), -2),
    ],
)
def test_levels_are_sums_of_movements(
    events: list[StockEvent], levels: Levels, available: int
) -> None:
    """A movement counts the same whether the product was listed before or after it."""
    assert item([LISTED, *events]).levels == item([*events, LISTED]).levels == levels
    assert levels.available == available


@pytest.mark.parametrize(
    ("given", "wanted", "lack"),
    [
        ([LISTED, TEN], 10, {}),
        ([LISTED, TEN], 13, {"MUG": 3}),
        ([LISTED, TEN, reserved(9)], 3, {"MUG": 2}),
        ([PREORDER], 50, {}),
        ([PREORDER, reserved(5), LISTED], 2, {"MUG": 2}),
    ],
)
def test_missing(given: list[StockEvent], wanted: int, lack: dict[str, int]) -> None:
    """What is missing is never more than what is asked for, and never of a pre-order."""
    assert missing({"MUG": wanted}, {"MUG": item(given)}) == lack


@pytest.mark.parametrize(
    ("given", "unit_minor", "currency", "refusal"),
    [
        ([LISTED], 1199, "eur", WrongPrice),
        ([LISTED], 1200, "usd", WrongPrice),
        ([], 1200, "eur", UnknownProduct),
    ],
)
def test_a_line_must_ask_the_listed_price(
    given: list[StockEvent], unit_minor: int, currency: str, refusal: type[Refused]
) -> None:
    line = Line(sku="MUG", name="Mug", quantity=1, unit_minor=unit_minor)
    with pytest.raises(refusal):
        check_price(line, currency, item(given))


class Warehouse(RuleBasedStateMachine):
    """Any sequence of what orders and people do; the item is compared with plain counters."""

    def __init__(self) -> None:
        super().__init__()
        self.item: Item = item([LISTED])
        self.in_ = self.held = self.out = 0

    def _do(self, command: StockCommand) -> bool:
        try:
            events = decide(command, self.item)
        except Refused:
            return False
        self.item = reduce(evolve, events, self.item)
        return True

    @rule(units=st.integers(-3, 9))
    def receive(self, units: int) -> None:
        if self._do(receive(units)):
            self.in_ += units

    @rule(change=st.integers(-9, 9))
    def adjust(self, change: int) -> None:
        if self._do(adjust(change)):
            self.in_ += change

    @rule(units=st.integers(1, 9))
    def reserve(self, units: int) -> None:
        if not missing({"MUG": units}, {"MUG": self.item}):
            self.item = evolve(self.item, reserved(units))
            self.held += units

    @precondition(lambda self: self.held > 0)
    @rule(data=st.data(), sell=st.booleans())
    def settle(self, data: st.DataObject, sell: bool) -> None:
        units = data.draw(st.integers(1, self.held))
        self.item = evolve(self.item, sold(units) if sell else released(units))
        self.held -= units
        self.out += units if sell else 0

    @precondition(lambda self: self.out > 0)
    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        units = data.draw(st.integers(1, self.out))
        self.item = evolve(self.item, returned(units))
        self.out -= units

    @invariant()
    def nothing_is_sold_that_is_not_there(self) -> None:
        assert isinstance(self.item, Listed)
        assert self.item.levels == Levels(self.in_ - self.out, self.held)
        assert self.item.levels.available >= 0


TestWarehouse = Warehouse.TestCase
