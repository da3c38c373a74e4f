"""A payment is linked to one order at a time, however many services link it at once."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from ledger.command_handler import CommandHandler
from ledger.domain.events import Line, Metadata, PaymentClaimed, PaymentLinked, PaymentReleased
from ledger.domain.order_commands import (
    KnownPayment,
    LinkPayment,
    OrderMoney,
    PlaceOrder,
    UnlinkPayment,
)
from ledger.domain.stock import ListProduct, ReceiveStock
from ledger.errors import InvalidCommand, LinkedElsewhere
from ledger.log import Log
from ledger.postgres.database import Database

NOW = datetime(2026, 3, 1, tzinfo=UTC)
META = Metadata(actor="shop")
ORDERS = ("A", "B", "C", "D")
FREE = KnownPayment(exists=True)
UNPAID = OrderMoney(
    paid_minor=0, refunded_minor=0, pending_refund_minor=0, currency="eur", fully_paid=False,
    position=0,
)  # fmt: skip


@pytest.fixture
def handlers(database: Database) -> Iterator[list[CommandHandler]]:
    """Two services on one database, and four orders."""
    with ExitStack() as stack:
        logs = [stack.enter_context(Log(database.conninfo("app"))) for _ in range(2)]
        made = [CommandHandler(log, lambda _: UNPAID) for log in logs]
        made[0].execute(ListProduct(sku="MUG", at=NOW, name="Mug", prices={"eur": 500}), META)
        made[0].execute(ReceiveStock(sku="MUG", at=NOW, quantity=9), META)
        for each in ORDERS:
            line = Line(sku="MUG", name="Mug", quantity=1, unit_minor=500)
            made[0].execute(
                PlaceOrder(
                    order_id=each, at=NOW, currency="eur", lines=(line,),
                    expires_at=NOW + timedelta(minutes=30),
                ),
                META,
            )  # fmt: skip
        yield made


def link(order_id: str, payment_id: str) -> LinkPayment:
    """A link that was decided when the payment was free."""
    return LinkPayment(order_id=order_id, at=NOW, payment_id=payment_id, known=FREE)


def unlink(order_id: str, payment_id: str) -> UnlinkPayment:
    return UnlinkPayment(order_id=order_id, at=NOW, payment_id=payment_id, known=FREE)


def test_of_links_at_the_same_time_exactly_one_wins(
    handlers: list[CommandHandler], database: Database
) -> None:
    start = Barrier(len(ORDERS))

    def race(number: int, payment_id: str) -> str:
        start.wait()
        try:
            handlers[number % 2].execute(link(ORDERS[number], payment_id), META)
        except LinkedElsewhere:
            return "elsewhere"
        return "linked"

    payments = [f"pi_{n}" for n in range(20)]
    with ThreadPoolExecutor(len(ORDERS)) as pool:
        for payment_id in payments:
            came = Counter(pool.map(race, range(len(ORDERS)), [payment_id] * len(ORDERS)))
            assert came == {"linked": 1, "elsewhere": len(ORDERS) - 1}
    with Log(database.conninfo("app")) as log:
        linked = [e.event.payment_id for e in log.read() if isinstance(e.event, PaymentLinked)]
    assert sorted(linked) == sorted(payments)


def test_what_is_released_can_be_claimed_again(
    handlers: list[CommandHandler], database: Database
) -> None:
    one, two = handlers
    one.execute(link("A", "pi_1"), META)
    one.execute(link("A", "pi_1"), META)  # is so already
    with pytest.raises(LinkedElsewhere, match="order A"):
        two.execute(link("B", "pi_1"), META)
    one.execute(unlink("A", "pi_1"), META)
    two.execute(link("B", "pi_1"), META)
    with pytest.raises(LinkedElsewhere, match="order B"):
        one.execute(link("A", "pi_1"), META)
    with Log(database.conninfo("app")) as log:
        claims = [e.event for e in log.read() if e.stream == "payment/pi_1"]
    assert claims == [
        PaymentClaimed(payment_id="pi_1", order_id="A"),
        PaymentReleased(payment_id="pi_1", order_id="A"),
        PaymentClaimed(payment_id="pi_1", order_id="B"),
    ]


def test_a_name_that_no_stream_can_have_is_refused(handlers: list[CommandHandler]) -> None:
    with pytest.raises(InvalidCommand, match="payment_id"):
        handlers[0].execute(link("A", "pi/1"), META)
