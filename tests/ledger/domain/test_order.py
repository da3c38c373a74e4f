"""Orders: given what happened, when somebody asks, then this happens, or nothing does."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from ledger.decisions import Batch, CommandRequest, StreamState
from ledger.domain.events import (
    Address,
    Line,
    Metadata,
    OrderAllocationFailed,
    OrderCanceled,
    OrderExpired,
    OrderFulfilled,
    OrderLinesReturned,
    OrderPlaced,
    OrderReinstated,
    PaymentLinked,
    PaymentUnlinked,
    ProductListed,
    RefundRequested,
    ReturnedLine,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSold,
)
from ledger.domain.order import Change, Fulfilled, NoOrder, Order, OrderEvent, decide, evolve
from ledger.domain.order_commands import (
    RULES_OF_THE_PAST,
    CancelOrder,
    ExpireOrder,
    FulfilOrder,
    KnownPayment,
    LinkPayment,
    OrderCommand,
    OrderMoney,
    PlaceOrder,
    ReallocateOrder,
    RequestRefund,
    ReturnLines,
    Rules,
    UnlinkPayment,
)
from ledger.domain.stock import Item, Levels, Listed, StockEvent, Unlisted
from ledger.domain.stock import evolve as evolve_item
from ledger.errors import (
    AlreadyExists,
    InvalidCommand,
    LinkedElsewhere,
    OutOfStock,
    Refused,
    UnknownOrder,
    UnknownPayment,
    UnknownProduct,
    WrongPrice,
    WrongState,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=30)
MUG = Line(sku="MUG", name="Mug", quantity=2, unit_minor=1200)
TEA = Line(sku="TEA", name="Tea", quantity=1, unit_minor=600)
PLACE = PlaceOrder(order_id="A1", at=NOW, currency="eur", lines=(MUG, TEA), expires_at=LATER)

PLACED = OrderPlaced(
    order_id="A1", currency="eur", lines=(MUG, TEA), total_minor=3000, expires_at=LATER
)
FOR_ADA = Line(sku="MUG", name="Mug for Ada", quantity=1, unit_minor=1500, line_id="ada")
ENGRAVED = replace(PLACED, lines=(MUG, TEA, FOR_ADA), total_minor=4500)
CANCELED, EXPIRED = OrderCanceled(order_id="A1"), OrderExpired(order_id="A1")
FULFILLED = OrderFulfilled(order_id="A1", based_on_position=7)
REINSTATED = OrderReinstated(order_id="A1")
FAILED = OrderAllocationFailed(order_id="A1", missing={"MUG": 2})


def both(movement: type[StockReserved | StockReleased | StockSold]) -> list[Change]:
    return [
        movement(sku="MUG", order_id="A1", quantity=2),
        movement(sku="TEA", order_id="A1", quantity=1),
    ]


def money(
    paid: int = 0, refunded: int = 0, pending: int = 0, failed: int = 0, due: int = 3000
) -> OrderMoney:
    return OrderMoney(
        paid_minor=paid,
        refunded_minor=refunded,
        pending_refund_minor=pending,
        failed_refund_minor=failed,
        currency="eur",
        fully_paid=paid >= due,
        position=7,
    )


def answered(known: OrderMoney) -> OrderMoney:
    """The order's first request is known, and a refund answered it."""
    return replace(known, requests=1)


UNPAID, PAID, GIVEN_BACK = money(), money(3000), money(3000, refunded=3000)
FREE = replace(money(due=0), nothing_due=True)
FREE_AND_GIVEN_BACK = replace(money(3000, refunded=3000, due=0), nothing_due=True)
UNDER_WAY = replace(UNPAID, waiting_at=NOW - timedelta(days=2))


def item(available: int, unit_minor: int, *, preorder: bool = False) -> Item:
    prices = {"eur": unit_minor}
    return Listed(levels=Levels(available), name="Mug", prices=prices, preorder=preorder)


def stock(mugs: int = 10, teas: int = 10, *, preorder: bool = False) -> dict[str, Item]:
    return {"MUG": item(mugs, 1200, preorder=preorder), "TEA": item(teas, 600)}


def order(events: Sequence[OrderEvent]) -> Order:
    return reduce(evolve, events, NoOrder())


def cancel(known: OrderMoney = UNPAID) -> CancelOrder:
    return CancelOrder(order_id="A1", at=NOW, money=known)


def expire(known: OrderMoney = UNPAID, waits: int | None = None) -> ExpireOrder:
    """By a person, or by the timer, which waits so many days for what is under way."""
    since = None if waits is None else NOW - timedelta(days=waits)
    return ExpireOrder(order_id="A1", at=NOW, money=known, waits_since=since)


def fulfil(known: OrderMoney = PAID) -> FulfilOrder:
    return FulfilOrder(order_id="A1", at=NOW, money=known)


def take_back(**quantities: int) -> ReturnLines:
    return ReturnLines(order_id="A1", at=NOW, quantities=quantities)


def take_back_lines(lines: dict[str, int], **quantities: int) -> ReturnLines:
    return ReturnLines(order_id="A1", at=NOW, quantities=quantities, line_quantities=lines)


def link(
    payment_id: str = "pi_1", *, exists: bool = True, expected: bool = False, **known: str
) -> LinkPayment:
    stands = KnownPayment(exists=exists, **known)
    return LinkPayment(
        order_id="A1", at=NOW, payment_id=payment_id, known=stands, expected=expected
    )


def unlink(**known: str) -> UnlinkPayment:
    stands = KnownPayment(exists=True, **known)
    return UnlinkPayment(order_id="A1", at=NOW, payment_id="pi_1", known=stands)


def refund(amount_minor: int, known: OrderMoney = PAID) -> RequestRefund:
    return RequestRefund(order_id="A1", at=NOW, amount_minor=amount_minor, money=known)


def reallocate(known: OrderMoney = PAID) -> ReallocateOrder:
    return ReallocateOrder(order_id="A1", at=NOW, money=known)


def returned(**quantities: int) -> OrderLinesReturned:
    ids = {"MUG": "1", "TEA": "2"}
    lines = (ReturnedLine(line_id=ids[s], sku=s, quantity=n) for s, n in quantities.items())
    return OrderLinesReturned(order_id="A1", quantities=quantities, lines=tuple(lines))


def returned_before_lines_had_ids(**quantities: int) -> OrderLinesReturned:
    return OrderLinesReturned(order_id="A1", quantities=quantities)


def linked(payment_id: str = "pi_1") -> PaymentLinked:
    return PaymentLinked(order_id="A1", payment_id=payment_id)


UNLINKED = PaymentUnlinked(order_id="A1", payment_id="pi_1")


def asked(amount_minor: int) -> RefundRequested:
    return RefundRequested(
        order_id="A1", amount_minor=amount_minor, currency="eur", based_on_position=7
    )


@pytest.mark.parametrize(
    ("given", "when", "then"),
    [
        ([], PLACE, [PLACED, *both(StockReserved)]),
        ([PLACED], cancel(), [CANCELED, *both(StockReleased)]),
        ([PLACED], cancel(GIVEN_BACK), [CANCELED, *both(StockReleased)]),
        ([PLACED, EXPIRED], cancel(GIVEN_BACK), [CANCELED]),
        ([PLACED, EXPIRED, FAILED], cancel(GIVEN_BACK), [CANCELED]),
        ([PLACED, EXPIRED, FAILED], cancel(FREE), [CANCELED]),
        ([PLACED, EXPIRED, REINSTATED], cancel(GIVEN_BACK), [CANCELED, *both(StockReleased)]),
        ([PLACED, CANCELED], cancel(), []),
        ([PLACED, CANCELED], cancel(PAID), []),
        ([PLACED], expire(), [EXPIRED, *both(StockReleased)]),
        ([PLACED], expire(UNDER_WAY), [EXPIRED, *both(StockReleased)]),
        ([PLACED], expire(UNDER_WAY, waits=2), [EXPIRED, *both(StockReleased)]),
        ([PLACED], expire(UNPAID, waits=3), [EXPIRED, *both(StockReleased)]),
        ([PLACED], fulfil(), [FULFILLED, *both(StockSold)]),
        ([PLACED], fulfil(replace(FREE, position=PAID.position)), [FULFILLED, *both(StockSold)]),
        ([PLACED], fulfil(FREE_AND_GIVEN_BACK), [FULFILLED, *both(StockSold)]),
        ([PLACED], fulfil(money(3000, refunded=2999)), [FULFILLED, *both(StockSold)]),
        ([PLACED, EXPIRED, REINSTATED], fulfil(), [FULFILLED, *both(StockSold)]),
        ([PLACED, FULFILLED], fulfil(), []),
        ([PLACED, FULFILLED], fulfil(GIVEN_BACK), []),
        (
            [PLACED, FULFILLED],
            take_back(MUG=1),
            [returned(MUG=1), StockReturned(sku="MUG", order_id="A1", quantity=1)],
        ),
        (
            [PLACED, FULFILLED, returned(MUG=1)],
            take_back(TEA=1, MUG=1),
            [
                returned(TEA=1, MUG=1),
                StockReturned(sku="TEA", order_id="A1", quantity=1),
                StockReturned(sku="MUG", order_id="A1", quantity=1),
            ],
        ),
        ([PLACED], link(), [linked()]),
        ([PLACED, CANCELED], link(), [linked()]),
        ([PLACED, linked()], link(), []),
        ([PLACED, linked()], link("pi_2"), [linked("pi_2")]),
        ([PLACED], link("pi_1@acct_1"), [linked("pi_1@acct_1")]),
        ([PLACED], link("ch_1"), [linked("ch_1")]),
        ([PLACED], link(order_id="A1", linked_by="metadata"), []),
        ([PLACED], link(exists=False, expected=True), [linked()]),
        ([PLACED, linked()], unlink(order_id="A1", linked_by="shop"), [UNLINKED]),
        ([PLACED, linked()], unlink(), [UNLINKED]),
        ([PLACED, linked()], unlink(order_id="B2", linked_by="metadata"), [UNLINKED]),
        ([PLACED, linked(), UNLINKED], link(), [linked()]),
        ([PLACED], refund(3000), [asked(3000)]),
        ([PLACED, FULFILLED], refund(1), [asked(1)]),
        ([PLACED, CANCELED], refund(3000), [asked(3000)]),
        ([PLACED], refund(500, money(500)), [asked(500)]),
        ([PLACED, asked(1000)], refund(2000), [asked(2000)]),
        ([PLACED, asked(1000)], refund(2000, answered(money(3000, refunded=1000))), [asked(2000)]),
        ([PLACED, asked(1000)], refund(2000, answered(money(3000, pending=1000))), [asked(2000)]),
        ([PLACED, asked(3000)], refund(3000, answered(money(3000, failed=3000))), [asked(3000)]),
        ([PLACED, EXPIRED], reallocate(), [REINSTATED, *both(StockReserved)]),
        ([PLACED, EXPIRED], reallocate(FREE), [REINSTATED, *both(StockReserved)]),
        ([PLACED, EXPIRED], reallocate(FREE_AND_GIVEN_BACK), [REINSTATED, *both(StockReserved)]),
        ([PLACED], cancel(FREE), [CANCELED, *both(StockReleased)]),
        ([PLACED, CANCELED], cancel(UNDER_WAY), []),
        ([PLACED, EXPIRED, REINSTATED], reallocate(), []),
        ([PLACED, EXPIRED, REINSTATED, FULFILLED], reallocate(), []),
        ([PLACED, EXPIRED, FAILED], reallocate(), [REINSTATED, *both(StockReserved)]),
    ],
)
def test_decided(given: list[OrderEvent], when: OrderCommand, then: list[Change]) -> None:
    assert decide(when, order(given), stock()) == then


@pytest.mark.parametrize(
    ("given", "when", "refusal", "says"),
    [
        ([], cancel(), UnknownOrder, "A1"),
        ([], reallocate(), UnknownOrder, "A1"),
        ([PLACED], PLACE, AlreadyExists, "A1"),
        ([PLACED, CANCELED], PLACE, AlreadyExists, "A1"),
        ([PLACED], cancel(PAID), WrongState, "is paid"),
        ([PLACED], cancel(money(1)), WrongState, "is partially paid"),
        ([PLACED], cancel(money(3000, pending=3000)), WrongState, "is paid"),
        ([PLACED, FULFILLED], cancel(GIVEN_BACK), WrongState, "is fulfilled"),
        ([PLACED, EXPIRED], cancel(), WrongState, "is expired"),
        ([PLACED, EXPIRED, FAILED], cancel(PAID), WrongState, "is paid; refund its money first"),
        ([PLACED, EXPIRED], cancel(money(1)), WrongState, "is expired"),
        ([PLACED], cancel(UNDER_WAY), WrongState, "under way; cancel that first"),
        ([PLACED, EXPIRED], cancel(UNDER_WAY), WrongState, "is expired"),
        ([PLACED], expire(money(1)), WrongState, "is partially paid"),
        ([PLACED], expire(FREE), WrongState, "nothing is due"),
        ([PLACED], expire(money(due=0)), WrongState, "nothing is due"),
        ([PLACED], expire(FREE_AND_GIVEN_BACK), WrongState, "nothing is due"),
        ([PLACED], expire(GIVEN_BACK), WrongState, "is refunded in full; cancel it"),
        ([PLACED], expire(GIVEN_BACK, waits=3), WrongState, "is refunded in full; cancel it"),
        ([PLACED], expire(UNDER_WAY, waits=3), WrongState, "under way"),
        ([PLACED, EXPIRED], expire(), WrongState, "is expired"),
        ([PLACED, CANCELED], expire(), WrongState, "is canceled"),
        ([PLACED], fulfil(UNPAID), WrongState, "is pending; 0 of 3000"),
        ([PLACED], fulfil(money(2999)), WrongState, "is pending; 2999 of 3000"),
        ([PLACED], fulfil(GIVEN_BACK), WrongState, "is refunded in full"),
        ([PLACED, CANCELED], fulfil(), WrongState, "is canceled"),
        ([PLACED, EXPIRED], fulfil(), WrongState, "is expired"),
        ([PLACED, EXPIRED, FAILED], fulfil(), WrongState, "is paid, unallocated"),
        ([PLACED], take_back(MUG=1), WrongState, "is pending"),
        ([PLACED, FULFILLED], take_back(), InvalidCommand, "empty"),
        ([PLACED, FULFILLED], take_back(MUG=3), InvalidCommand, "quantity of MUG"),
        ([PLACED, FULFILLED], take_back(MUG=0), InvalidCommand, "quantity of MUG"),
        ([PLACED, FULFILLED], take_back(CUP=1), InvalidCommand, "CUP"),
        ([PLACED, FULFILLED, returned(MUG=1)], take_back(MUG=2), InvalidCommand, "MUG"),
        ([PLACED, FULFILLED, returned(MUG=2)], take_back(MUG=1), InvalidCommand, "still out"),
        (
            [PLACED, FULFILLED, returned_before_lines_had_ids(MUG=2)],
            take_back(MUG=1),
            InvalidCommand,
            "still out",
        ),
        ([PLACED, FULFILLED], take_back_lines({"3": 1}), InvalidCommand, "No line '3'"),
        ([PLACED, FULFILLED], take_back_lines({"1": 3}), InvalidCommand, "quantity of MUG"),
        ([PLACED, FULFILLED], take_back_lines({"1": 1}, MUG=2), InvalidCommand, "quantity of MUG"),
        ([ENGRAVED, FULFILLED], take_back(MUG=1), InvalidCommand, "in the lines 1, ada; say by"),
        ([PLACED], link("pi/1"), InvalidCommand, "payment_id"),
        ([PLACED], link(exists=False), UnknownPayment, "as expected"),
        ([PLACED], link("ch_1", exists=False), InvalidCommand, "no payment"),
        ([PLACED], link("ch_1", exists=False, expected=True), InvalidCommand, "no payment"),
        (
            [PLACED],
            link("ch_1", exists=False, charge_of="pi_9"),
            InvalidCommand,
            "of payment pi_9",
        ),
        ([PLACED], link(order_id="B2", linked_by="shop"), LinkedElsewhere, "order B2"),
        ([PLACED], unlink(order_id="B2", linked_by="shop"), LinkedElsewhere, "order B2"),
        ([PLACED], unlink(), UnknownPayment, "not linked to order A1"),
        ([PLACED, linked(), UNLINKED], unlink(), UnknownPayment, "not linked"),
        ([PLACED, linked()], unlink(order_id="A1", linked_by="metadata"), WrongState, "at Stripe"),
        ([PLACED, linked()], unlink(order_id="A1", linked_by="invoice"), WrongState, "its invoice"),
        ([PLACED], refund(1, UNPAID), WrongState, "is pending"),
        ([PLACED], refund(0), InvalidCommand, "amount_minor"),
        ([PLACED], refund(3001), InvalidCommand, "amount_minor"),
        ([PLACED], refund(2001, money(3000, refunded=1000)), InvalidCommand, "amount_minor"),
        ([PLACED], refund(2001, money(3000, pending=1000)), InvalidCommand, "amount_minor"),
        ([PLACED, asked(1000)], refund(2001), InvalidCommand, "amount_minor"),
        # a refund before the request answers nothing
        (
            [PLACED, asked(1000)],
            refund(1001, replace(money(3000, refunded=1000), requests=1, requested_minor=1000)),
            InvalidCommand,
            "amount_minor",
        ),
        # the second request came after the money was read
        (
            [PLACED, asked(1000), asked(500)],
            refund(1501, replace(PAID, requests=1, requested_minor=1000)),
            InvalidCommand,
            "amount_minor",
        ),
        ([PLACED, asked(3000)], refund(1), WrongState, "nothing"),
        ([PLACED, FULFILLED], refund(1, GIVEN_BACK), WrongState, "is fulfilled"),
        ([PLACED, EXPIRED], reallocate(UNPAID), WrongState, "is expired"),
        ([PLACED, EXPIRED], reallocate(money(2999)), WrongState, "is expired"),
        ([PLACED, EXPIRED], reallocate(GIVEN_BACK), WrongState, "is expired"),
        ([PLACED, CANCELED], reallocate(), WrongState, "is canceled"),
    ],
)
def test_refused(
    given: list[OrderEvent], when: OrderCommand, refusal: type[Refused], says: str
) -> None:
    """A refusal names the state that stands in the way."""
    with pytest.raises(refusal, match=says):
        decide(when, order(given), stock())


@pytest.mark.parametrize(
    ("changes", "total_minor"),
    [
        ({}, 3000),
        ({"shipping_minor": 500, "tax_minor": 70, "discount_minor": 570}, 3000),
        ({"discount_minor": 3000}, 0),
        ({"total_minor": 3000}, 3000),
        ({"lines": (replace(MUG, quantity=50),), "shipping_minor": 1}, 60001),
    ],
)
def test_the_total_is_computed(changes: dict[str, Any], total_minor: int) -> None:
    placed, *_ = decide(replace(PLACE, **changes), NoOrder(), stock(mugs=50))
    assert isinstance(placed, OrderPlaced)
    assert placed.total_minor == total_minor


def test_a_free_order_needs_no_payment() -> None:
    given = order([replace(PLACED, total_minor=0, discount_minor=3000)])
    assert decide(fulfil(UNPAID), given, stock()) == [FULFILLED, *both(StockSold)]


def test_an_order_keeps_what_it_was_placed_with() -> None:
    sent: dict[str, Any] = {
        "customer_id": "cus_1",
        "email": "ada@example.com",
        "shipping_minor": 3,
        "tax_minor": 2,
        "discount_minor": 1,
        "shipping_address": Address(name="Ada", city="London", country="GB"),
    }
    placed, *_ = decide(replace(PLACE, **sent), NoOrder(), stock())
    assert placed == replace(PLACED, total_minor=3004, **sent)


@pytest.mark.parametrize(
    ("changes", "refusal", "says"),
    [
        ({"order_id": "a/b"}, InvalidCommand, "order id"),
        ({"order_id": ".."}, InvalidCommand, "order id"),
        ({"currency": "EUR"}, InvalidCommand, "Currency"),
        ({"currency": "euro"}, InvalidCommand, "Currency"),
        ({"currency": "usd"}, WrongPrice, "no price in usd"),
        ({"lines": ()}, InvalidCommand, "number of lines is 0"),
        ({"lines": (MUG,) * 101}, InvalidCommand, "number of lines is 101"),
        ({"lines": (MUG, MUG)}, InvalidCommand, "two lines"),
        ({"lines": (replace(MUG, quantity=0),)}, InvalidCommand, "quantity of MUG is 0"),
        ({"lines": (replace(MUG, quantity=51),)}, InvalidCommand, "quantity of MUG is 51"),
        ({"lines": (replace(MUG, unit_minor=-1),)}, InvalidCommand, "unit_minor of MUG"),
        ({"lines": (replace(MUG, unit_minor=1),)}, WrongPrice, r"12\.00 EUR"),
        ({"lines": (replace(MUG, name=""),)}, InvalidCommand, "name of MUG"),
        ({"lines": (replace(MUG, sku="CUP"),)}, UnknownProduct, "CUP"),
        ({"shipping_minor": -1}, InvalidCommand, "shipping_minor"),
        ({"tax_minor": -1}, InvalidCommand, "tax_minor"),
        ({"discount_minor": -1}, InvalidCommand, "discount_minor"),
        ({"discount_minor": 3001}, InvalidCommand, r"discount is more than the 30\.00"),
        ({"shipping_minor": 10**12}, InvalidCommand, "total"),
        ({"total_minor": 2999}, InvalidCommand, r"the sum is 30\.00 EUR"),
        ({"expires_at": NOW}, InvalidCommand, "expires_at"),
        ({"email": "a\nb"}, InvalidCommand, "email"),
        ({"customer_id": "x" * 501}, InvalidCommand, "customer_id"),
        ({"shipping_address": Address(city="\0")}, InvalidCommand, "shipping_address.city"),
    ],
)
def test_an_order_that_contradicts_itself_or_the_list_is_refused(
    changes: dict[str, Any], refusal: type[Refused], says: str
) -> None:
    items = stock() | {"CUP": Unlisted()}
    with pytest.raises(refusal, match=says):
        decide(replace(PLACE, **changes), NoOrder(), items)


PERSONALISED = Rules(repeated_skus=True, listed_prices_only=False)


def test_a_sku_in_several_lines_is_one_reservation_and_several_prices() -> None:
    given = replace(PLACE, lines=ENGRAVED.lines, rules=PERSONALISED)
    placed, *held = decide(given, NoOrder(), stock())
    assert placed == ENGRAVED
    assert held == [
        StockReserved(sku="MUG", order_id="A1", quantity=3),
        StockReserved(sku="TEA", order_id="A1", quantity=1),
    ]
    with pytest.raises(OutOfStock, match="1 of MUG missing"):
        decide(given, NoOrder(), stock(mugs=2))


@pytest.mark.parametrize(
    ("lines", "rules", "says"),
    [
        ((MUG, FOR_ADA), replace(PERSONALISED, repeated_skus=False), "LEDGER_REPEATED_SKUS"),
        ((replace(TEA, line_id="ada"), FOR_ADA), PERSONALISED, "one id"),
        ((replace(TEA, line_id="2"), MUG), PERSONALISED, "one id; .* called by its place"),
        ((replace(TEA, line_id="a/b"),), PERSONALISED, "line id"),
    ],
)
def test_what_does_not_tell_lines_apart_is_refused(
    lines: tuple[Line, ...], rules: Rules, says: str
) -> None:
    with pytest.raises(InvalidCommand, match=says):
        decide(replace(PLACE, lines=lines, rules=rules), NoOrder(), stock())


def test_lines_of_one_sku_come_back_each_by_its_id() -> None:
    """By SKU too, once it is out in one line only; the stock is told the units of both."""
    both_back, moved = decide(take_back_lines({"ada": 1, "1": 1}), order([ENGRAVED, FULFILLED]), {})
    assert isinstance(both_back, OrderLinesReturned)
    assert both_back.quantities == {"MUG": 2}
    assert [(line.line_id, line.quantity) for line in both_back.lines] == [("ada", 1), ("1", 1)]
    assert moved == StockReturned(sku="MUG", order_id="A1", quantity=2)
    rest, _ = decide(take_back(MUG=1), order([ENGRAVED, FULFILLED, both_back]), {})
    assert isinstance(rest, OrderLinesReturned)
    assert rest.lines == (ReturnedLine(line_id="1", sku="MUG", quantity=1),)


WHOLESALE = Rules(max_units_per_line=5000, listed_prices_only=False)


def test_a_shops_rules_allow_more_units_and_other_prices() -> None:
    line = replace(MUG, quantity=5000, unit_minor=777)
    given = replace(PLACE, lines=(line,), rules=WHOLESALE)
    placed, *held = decide(given, NoOrder(), stock(mugs=5000))
    assert isinstance(placed, OrderPlaced)
    assert (placed.lines, placed.total_minor) == ((line,), 5000 * 777)
    assert held == [StockReserved(sku="MUG", order_id="A1", quantity=5000)]
    in_dollars, *_ = decide(replace(given, currency="usd"), NoOrder(), stock(mugs=5000))
    assert isinstance(in_dollars, OrderPlaced)  # agreed on, so no listed price is needed


@pytest.mark.parametrize(
    ("line", "rules", "refusal", "says"),
    [
        (replace(MUG, quantity=5001), WHOLESALE, InvalidCommand, "is 5001; .* from 1 to 5000"),
        (replace(MUG, quantity=2), Rules(max_units_per_line=1), InvalidCommand, "from 1 to 1"),
        (replace(MUG, unit_minor=-1), WHOLESALE, InvalidCommand, "unit_minor of MUG"),
        (replace(MUG, sku="CUP"), WHOLESALE, UnknownProduct, "CUP"),
        (replace(MUG, quantity=51), Rules(listed_prices_only=False), InvalidCommand, "to 50"),
        (replace(MUG, unit_minor=1), Rules(max_units_per_line=9), WrongPrice, r"12\.00 EUR"),
    ],
)
def test_what_a_shops_rules_do_not_allow_is_refused(
    line: Line, rules: Rules, refusal: type[Refused], says: str
) -> None:
    items = stock(mugs=9000) | {"CUP": Unlisted()}
    with pytest.raises(refusal, match=says):
        decide(replace(PLACE, lines=(line,), rules=rules), NoOrder(), items)


def test_all_lines_are_reserved_or_none() -> None:
    with pytest.raises(OutOfStock, match="1 of MUG missing, 1 of TEA missing"):
        decide(PLACE, NoOrder(), stock(mugs=1, teas=0))


def test_a_preorder_may_go_below_zero() -> None:
    decided = decide(PLACE, NoOrder(), stock(mugs=0, preorder=True))
    assert decided == [PLACED, *both(StockReserved)]


def test_a_late_payment_without_stock_says_what_is_missing_and_says_it_once() -> None:
    """The first failure is recorded; as long as stock is missing, a retry adds nothing."""
    failed = decide(reallocate(), order([PLACED, EXPIRED]), stock(mugs=0))
    assert failed == [FAILED]
    assert decide(reallocate(), order([PLACED, EXPIRED, FAILED]), stock(mugs=1)) == []


class Shop(RuleBasedStateMachine):
    """Any sequence of commands on one order and its stock, whatever Stripe says in between."""

    def __init__(self) -> None:
        super().__init__()
        self.order: Order = NoOrder()
        self.items: dict[str, Item] = {
            sku: evolve_item(Unlisted(), ProductListed(sku=sku, name=sku, prices={"eur": price}))
            for sku, price in (("MUG", 1200), ("TEA", 600))
        }
        self.received = Counter[str]()
        self.paid = self.refunded = 0

    def _do(self, command: OrderCommand) -> None:
        before = self.order, dict(self.items)
        try:
            events = decide(command, self.order, self.items)
        except Refused:
            assert before == (self.order, self.items)
            return
        for event in events:
            if isinstance(event, StockEvent):
                self.items[event.sku] = evolve_item(self.items[event.sku], event)
            else:
                self.order = evolve(self.order, event)

    @property
    def money(self) -> OrderMoney:
        return money(self.paid, self.refunded)

    @rule(amount=st.sampled_from([1000, 3000]))
    def stripe_takes(self, amount: int) -> None:
        self.paid += amount

    @precondition(lambda self: self.paid > self.refunded)
    @rule(data=st.data())
    def stripe_gives_back(self, data: st.DataObject) -> None:
        self.refunded += data.draw(st.integers(1, self.paid - self.refunded))

    @rule(sku=st.sampled_from(["MUG", "TEA"]), quantity=st.integers(1, 3))
    def receive(self, sku: str, quantity: int) -> None:
        self.items[sku] = evolve_item(self.items[sku], StockReceived(sku=sku, quantity=quantity))
        self.received[sku] += quantity

    @rule(mugs=st.integers(1, 3), more=st.booleans())
    def place(self, mugs: int, *, more: bool) -> None:
        lines = (replace(MUG, quantity=mugs), TEA, *([FOR_ADA] if more else []))
        self._do(replace(PLACE, lines=lines, rules=PERSONALISED))

    @rule(command=st.sampled_from([CancelOrder, ExpireOrder, FulfilOrder, ReallocateOrder]))
    def settle(self, command: type[CancelOrder | ExpireOrder | FulfilOrder]) -> None:
        self._do(command(order_id="A1", at=NOW, money=self.money))

    @rule(amount_minor=st.integers(1, 4000))
    def refund(self, amount_minor: int) -> None:
        self._do(refund(amount_minor, self.money))

    @rule(quantities=st.dictionaries(st.sampled_from(["MUG", "TEA"]), st.integers(1, 3)))
    def take_back(self, quantities: dict[str, int]) -> None:
        self._do(take_back(**quantities))

    @rule(lines=st.dictionaries(st.sampled_from(["1", "2", "ada"]), st.integers(1, 3)))
    def take_back_lines(self, lines: dict[str, int]) -> None:
        self._do(take_back_lines(lines))

    @invariant()
    def the_order_and_its_stock_agree(self) -> None:
        """What is held of an item, and what left the shelf, is what the order says."""
        for sku, stocked in self.items.items():
            assert stocked.levels.held == _held(self.order).get(sku, 0)
            left = self.received[sku] - stocked.levels.on_hand
            assert left == _out(self.order).get(sku, 0)
            assert stocked.levels.available >= 0

    @invariant()
    def no_more_is_asked_back_than_was_paid(self) -> None:
        if not isinstance(self.order, NoOrder):
            assert sum(self.order.sale.refunds_requested) <= self.paid


def _held(state: Order) -> Mapping[str, int]:
    return state.sale.units if not isinstance(state, NoOrder) and state.NAME == "pending" else {}


def _out(state: Order) -> Mapping[str, int]:
    if not isinstance(state, Fulfilled):
        return {}
    out = Counter[str]()
    for line_id, line in state.sale.lines.items():
        out[line.sku] += line.quantity - state.returned.get(line_id, 0)
    return out


TestShop = Shop.TestCase


OF_THE_PAST = replace(
    PLACE,
    lines=(MUG, replace(MUG, unit_minor=1, name="Mug, 2019"), replace(TEA, sku="price_1Abc")),
    rules=RULES_OF_THE_PAST,
    origin="import",
    reserves_stock=False,
)


def test_an_order_of_the_past_asks_for_no_product_and_moves_no_stock() -> None:
    placed, *nothing = decide(OF_THE_PAST, NoOrder(), {})
    assert isinstance(placed, OrderPlaced)
    assert (placed.origin, placed.reserves_stock, nothing) == ("import", False, [])
    assert placed.total_minor == 2400 + 2 + 600
    pending = evolve(NoOrder(), placed)
    paid = money(3002, due=3002)
    (fulfilled,) = decide(fulfil(paid), pending, {})
    assert isinstance(fulfilled, OrderFulfilled)
    back = decide(take_back_lines({"1": 1}), evolve(pending, fulfilled), {})
    assert [type(event) for event in back] == [OrderLinesReturned]
    assert decide(cancel(), pending, {}) == [CANCELED]
    assert decide(expire(), pending, {}) == [EXPIRED]
    late = ReallocateOrder(order_id="A1", at=NOW, money=paid)
    assert decide(late, evolve(pending, EXPIRED), {}) == [REINSTATED]


def test_an_order_of_the_past_needs_no_stream_of_stock() -> None:
    batch = Batch({"order/A1": StreamState.new("order/A1")}, limit=10)
    for command in (OF_THE_PAST, cancel()):
        call = CommandRequest(command, Metadata(), None, "")
        assert call.needs() == {"order/A1"}
        assert batch.decide(call) is not None
    assert {entry.originator_id for entry in batch.entries} == {"order/A1"}


def test_the_limits_of_an_order_hold_for_the_past_too() -> None:
    with pytest.raises(InvalidCommand, match=r"total is 0\.01 EUR"):
        decide(replace(OF_THE_PAST, total_minor=1), NoOrder(), {})
    with pytest.raises(InvalidCommand, match="SKU"):
        decide(replace(OF_THE_PAST, lines=(replace(MUG, sku="a b"),)), NoOrder(), {})
    with pytest.raises(AlreadyExists):
        decide(OF_THE_PAST, order([PLACED]), {})
