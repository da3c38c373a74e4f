"""Purchases: what was sold becomes an order that adds up exactly, and only one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.decisions import Batch, CommandRequest, StreamState
from ledger.domain.events import (
    Line,
    Metadata,
    OrderPlaced,
    PaymentClaimed,
    PaymentLinked,
    PurchaseOrdered,
    PurchaseRefused,
)
from ledger.domain.facts import Sale, SoldLine
from ledger.domain.limits import MAX_LINE_UNITS, MAX_LINES, is_id
from ledger.domain.order_commands import KnownPayment, LinkPayment, PlaceOrder
from ledger.domain.placing import place
from ledger.domain.purchase import (
    OrderPurchase,
    PurchaseObject,
    RefusePurchase,
    bare_name,
    order_of,
)
from ledger.errors import AlreadyExists, LinkedElsewhere

AT = datetime(2019, 3, 31, 12, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)


def made(sale: Sale, *lines: SoldLine, purchase_id: str = "cs_1") -> PlaceOrder:
    return order_of(purchase_id, "checkout", sale, lines, placed_at=AT, reservation=HALF_AN_HOUR)


def sold(amount_minor: int, quantity: int = 1, **more: str) -> SoldLine:
    return SoldLine(name="Tea", quantity=quantity, amount_minor=amount_minor, **more)


AMOUNTS = st.integers(0, 10**9)
SALES = st.builds(
    Sale,
    currency=st.sampled_from(["eur", "jpy", "kwd"]),
    total_minor=AMOUNTS,
    shipping_minor=st.integers(0, 5000),
    tax_minor=st.integers(0, 5000),
    discount_minor=st.integers(0, 5000),
)
LINES = st.lists(
    st.builds(sold, st.integers(-(10**6), 10**8), st.integers(0, 2 * 10**6)), max_size=150
)


@given(SALES, LINES)
def test_an_order_adds_up_to_what_was_paid_whatever_its_lines_say(
    sale: Sale, lines: list[SoldLine]
) -> None:
    placed, reserved = place(made(sale, *lines), {})
    assert reserved == []
    assert (placed.total_minor, placed.currency) == (sale.total_minor, sale.currency)
    assert 1 <= len(placed.lines) <= MAX_LINES
    credit_minor = -sum(min(0, line.amount_minor) for line in lines)
    taken = (placed.shipping_minor, placed.tax_minor, placed.discount_minor)
    if sum((sale.total_minor, sale.discount_minor, credit_minor)) >= 10_000:
        assert taken == (
            sale.shipping_minor,
            sale.tax_minor,
            sale.discount_minor + credit_minor,
        )


def test_lines_that_add_up_are_kept_as_they_are() -> None:
    sale = Sale(currency="eur", total_minor=3550, shipping_minor=500, tax_minor=50)
    placed = made(sale, sold(2400, 2, sku="MUG"), sold(600, product_id="prod_1@acct_two"))
    assert placed.lines == (
        Line(sku="MUG", name="Tea", quantity=2, unit_minor=1200),
        Line(sku="prod_1.acct_two", name="Tea", quantity=1, unit_minor=600),
    )
    assert (placed.order_id, placed.origin, placed.reserves_stock) == ("cs_1", "checkout", False)
    assert (placed.at, placed.expires_at) == (AT, AT + HALF_AN_HOUR)


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        (sold(1000, 3), [(2, 333), (1, 334)]),
        (sold(1000, 0), [(1, 1000)]),
        (sold(0, 3), [(3, 0)]),
        (sold(1000, MAX_LINE_UNITS + 1), [(1, 1000)]),
    ],
)
def test_units_of_which_none_fits_cost_one_minor_unit_more(
    line: SoldLine, lines: list[tuple[int, int]]
) -> None:
    sale = Sale(currency="jpy", total_minor=line.amount_minor)
    assert [(each.quantity, each.unit_minor) for each in made(sale, line).lines] == lines


def test_what_no_line_shows_is_one_more_and_what_is_too_much_is_shared() -> None:
    sale = Sale(currency="eur", total_minor=1000, name="Rest")
    some = made(sale, sold(700))
    assert [(each.name, each.unit_minor) for each in some.lines] == [("Tea", 700), ("Rest", 300)]
    assert [each.unit_minor for each in made(sale, sold(1500), sold(500)).lines] == [750, 250]
    assert [(each.sku, each.unit_minor) for each in made(sale).lines] == [("other", 1000)]


def test_a_credit_among_the_lines_is_a_discount() -> None:
    sale = Sale(currency="eur", total_minor=700, discount_minor=100)
    placed = made(sale, sold(1000), sold(-200))
    assert ([each.unit_minor for each in placed.lines], placed.discount_minor) == ([1000], 300)


@pytest.mark.parametrize(
    "other", ["cs_1@acct_two", "cs_1.acct_two", "cs 1", "c" * 200, ".cs", "cs_1@", "ü"]
)
def test_every_object_has_an_order_id_of_its_own(other: str) -> None:
    names = {bare_name(each) for each in ("cs_1", other, "cs_1@acct_one")}
    assert len(names) == 3
    assert all(map(is_id, names))


# ── One order a purchase ────────────────────────────────────────────────────────────────────────

META = Metadata()
TAKEN = made(Sale(currency="eur", total_minor=1000))


def command(
    *ids: str, payments: tuple[str, ...] = ("pi_1",), order_id: str = "cs_1"
) -> OrderPurchase:
    sale = Sale(currency="eur", total_minor=1000)
    objects = tuple(PurchaseObject("checkout", each) for each in (*ids, *payments))
    placed = made(sale, purchase_id=order_id)
    return OrderPurchase(
        at=AT, placed=placed, object_id=order_id, objects=objects, payments=payments
    )


class Streams:
    """Streams in memory, as a command handler holds them."""

    def __init__(self) -> None:
        self.known: dict[str, StreamState] = {}

    def decide(
        self, asked: OrderPurchase | RefusePurchase | LinkPayment | PlaceOrder
    ) -> list[object]:
        call = CommandRequest(asked, META, None, "")
        call.check()
        names = call.needs()
        batch = Batch({n: self.known.get(n) or StreamState.new(n) for n in names}, limit=50)
        batch.decide(call)
        self.known |= {each.name: each for each in batch.streams(range(1, 51))}
        return [entry.event for entry in batch.entries]


def test_the_order_is_placed_with_its_payment_and_remembered_by_each_object() -> None:
    streams = Streams()
    assert streams.decide(command("cs_1")) == [
        place(TAKEN, {})[0],
        PaymentLinked(order_id="cs_1", payment_id="pi_1"),
        PaymentClaimed(order_id="cs_1", payment_id="pi_1"),
        PurchaseOrdered(kind="checkout", object_id="cs_1", order_id="cs_1"),
        PurchaseOrdered(kind="checkout", object_id="pi_1", order_id="cs_1"),
    ]
    assert streams.decide(command("cs_1")) == []
    assert streams.decide(command("cs_1", "in_1")) == []


@pytest.mark.parametrize("ids", [("in_1", "cs_1"), ("in_2",)])
def test_of_one_purchase_there_is_no_second_order(ids: tuple[str, ...]) -> None:
    streams = Streams()
    streams.decide(command("cs_1"))
    with pytest.raises(LinkedElsewhere, match="cs_1 was made of this purchase"):
        streams.decide(command(*ids, order_id="in_9"))
    free = command("cs_1", "sub_1", payments=(), order_id="in_9")
    with pytest.raises(LinkedElsewhere):
        streams.decide(free)


def test_what_the_shop_did_before_stands() -> None:
    streams = Streams()
    streams.decide(TAKEN)
    with pytest.raises(AlreadyExists, match="was not made of this purchase"):
        streams.decide(command("cs_1"))
    known = KnownPayment(exists=True)
    link = LinkPayment(order_id="cs_1", at=AT, payment_id="pi_7", known=known)
    streams.decide(link)
    with pytest.raises(LinkedElsewhere, match="pi_7 belongs to order cs_1"):
        streams.decide(command("cs_7", payments=("pi_7",), order_id="cs_7"))
    assert isinstance(streams.decide(command("cs_8", payments=(), order_id="cs_8"))[0], OrderPlaced)


def test_why_no_order_can_be_made_is_on_record_once_a_reason() -> None:
    streams = Streams()

    def refuse(message: str) -> list[object]:
        command = RefusePurchase(kind="payment", object_id="pi_1", message=message, at=AT)
        return streams.decide(command)

    assert refuse("no") == [PurchaseRefused(kind="payment", object_id="pi_1", message="no")]
    assert refuse("no") == []
    assert len(refuse("still not")) == 1
    streams.decide(command("pi_1", payments=(), order_id="pi_1"))
    assert refuse("no") == []
