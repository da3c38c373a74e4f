"""A shop small enough to add up in the head, many orders at once, and exports of both."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from kpi.exports.declare import export
from kpi.exports.formats import Format
from kpi.exports.transfer import Asked
from kpi.windows import Window
from ledger.domain.events import Line, OrderLinesReturned, OrderPlaced, ProductListed
from tests.kpi.builder import NOON, LedgerBuilder
from tests.webhooks.examples import charge, refund, transaction

MARCH: Final = Window(date(2026, 3, 1), date(2026, 3, 31))

MANY_ORDERS: Final = """
insert into orders (
    order_id, email, currency, state, refund_state, dispute_state, total_minor, refunded_minor,
    placed_at, paid_at, payment_id
)
select
    'A' || n, 'ann@example.com', 'gbp', 'paid', 'none', 'none', n, 0, t, t, 'pi_' || n
from generate_series(1, %s) as n
cross join lateral (select timestamptz '2026-03-01' + n * interval '1 s' as t) as times
"""
MANY_SALES: Final = """
insert into order_sales (
    order_id, period, kind, day, currency, at, customer, email, orders, total_minor
)
select order_id, 1, 'paid', paid_at::date, currency, paid_at, email, email, 1, total_minor
from orders
"""


def asked(
    name: str = "orders",
    chosen: Format = Format.CSV,
    window: Window = MARCH,
    *,
    by_length: bool = False,
    filters: Mapping[str, str] | None = None,
) -> Asked:
    return Asked(export(name), window, chosen, dict(filters or {}), by_length)


def many_orders(builder: LedgerBuilder, count: int) -> None:
    """Paid orders straight in the tables, of 1, 2, 3 … pence; Stripe would take too long."""
    builder.follow()
    with builder.engine.database.connect("projector") as conn:
        conn.execute("set search_path = read_models")
        conn.execute(MANY_ORDERS, [count])
        conn.execute(MANY_SALES)


def sell(
    builder: LedgerBuilder,
    order_id: str,
    amount_minor: int,
    currency: str = "gbp",
    *,
    units: int = 1,
    sku: str = "MUG",
    **of_order: Any,
) -> None:
    """An order of so many units that is paid at once."""
    line = Line(sku=sku, name=sku.title(), quantity=units, unit_minor=amount_minor // units)
    placed = OrderPlaced(
        order_id=order_id,
        currency=currency,
        lines=(line,),
        total_minor=amount_minor,
        expires_at=builder.at,
        **of_order,
    )
    builder.shop(placed)
    paid = charge(
        id=f"ch_{order_id}",
        payment_intent=f"pi_{order_id}",
        amount=amount_minor,
        amount_captured=amount_minor,
        currency=currency,
        created=int(builder.at.timestamp()),
        customer=None,
        billing_details=None,
        metadata={"order_id": order_id},
    )
    builder.stripe("charge.succeeded", paid)


def give_back(
    builder: LedgerBuilder, order_id: str, amount_minor: int, currency: str = "gbp"
) -> None:
    """A refund."""
    thing = refund(
        id=f"re_{order_id}",
        charge=f"ch_{order_id}",
        payment_intent=f"pi_{order_id}",
        amount=amount_minor,
        currency=currency,
        created=int(builder.at.timestamp()),
    )
    builder.stripe("refund.created", thing)


def book_a_charge(builder: LedgerBuilder) -> None:
    """The balance at Stripe has the thirty pounds of Ann's mugs, less a fee."""
    builder.observe(
        "balance_transaction",
        transaction(
            id="txn_A1",
            source="ch_A1",
            amount=3000,
            fee=70,
            net=2930,
            created=int(NOON.timestamp()),
            type="charge",
        ),
    )
    builder.follow()


def keep_shop(builder: LedgerBuilder) -> None:
    """On 1 March Ann buys three mugs and Bob one, a day later Ann a lamp and Bob a coat in yen.

    Ann's mugs are refunded in part, on the day after her lamp; of Bob's, which is refunded in
    full, the mug comes back. A customer in Kuwait, of whom nothing is known, pays for a dinar of
    tea, and nobody pays for the last order.
    """
    builder.shop(ProductListed(sku="MUG", name="Mug, blue", prices={"gbp": 1000}))
    sell(builder, "A1", 3000, units=3, email="Ann@example.com")  # 12:01, paid 12:02
    sell(builder, "A2", 1000, email="bob@example.com", customer_id="bob")  # 12:03, paid 12:04
    builder.wait(days=1)
    sell(builder, "A3", 9050, sku="LAMP", email="ann@example.com")
    sell(builder, "A4", 17600, "jpy", sku="COAT", email="bob@example.com", customer_id="bob")
    sell(builder, "A5", 1250, "kwd", sku="TEA")
    builder.wait(days=1)
    give_back(builder, "A1", 500)
    give_back(builder, "A2", 1000)
    builder.shop(OrderLinesReturned(order_id="A2", quantities={"MUG": 1}))
    builder.place("A6")
    builder.follow()
