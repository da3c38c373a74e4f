"""A refused command leaves log and read models byte-identical."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL, Identifier

from ledger.command_handler import CommandHandler
from ledger.domain.aggregate import Command
from ledger.domain.events import Line, Metadata
from ledger.domain.order_commands import (
    CancelOrder,
    ExpireOrder,
    FulfilOrder,
    OrderMoney,
    PlaceOrder,
    RequestRefund,
    ReturnLines,
)
from ledger.domain.stock import AdjustStock, ReceiveStock
from ledger.domain.wishlist import AddToWishlist
from ledger.errors import Refused
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine.reads import Reads
from projections.engine.tables import LIVE
from tests.laws.test_as_of import live
from tests.support.following import SteadyFollower, steady_follower
from tests.support.worlds import World, worlds

NOW = datetime(2027, 1, 1, tzinfo=UTC)
OPERATOR = Metadata(actor="operator", reason="to try it")


def commands(order_id: str, sku: str, money: OrderMoney) -> list[Command]:
    """What one may ask of an order or a product, sensible or not."""
    line = Line(sku=sku, name="Tea", quantity=1_000, unit_minor=1)
    return [
        PlaceOrder(order_id=order_id, at=NOW, currency="gbp", lines=(line,), expires_at=NOW),
        PlaceOrder(
            order_id=f"{order_id}-again", at=NOW, currency="gbp", lines=(line, line),
            expires_at=NOW + timedelta(minutes=30),
        ),
        CancelOrder(order_id=order_id, at=NOW, money=money),
        ExpireOrder(order_id=order_id, at=NOW, money=money),
        FulfilOrder(order_id=order_id, at=NOW, money=money),
        FulfilOrder(order_id="unknown", at=NOW, money=money),
        ReturnLines(order_id=order_id, at=NOW, quantities={sku: 1_000}),
        RequestRefund(order_id=order_id, at=NOW, amount_minor=10**12, money=money),
        AdjustStock(sku=sku, at=NOW, change=-1_000_000),
        ReceiveStock(sku="unknown", at=NOW, quantity=1),
        AddToWishlist(customer_id="ada", sku="unknown", at=NOW),
    ]  # fmt: skip


def state(follower: SteadyFollower) -> tuple[int, dict[str, str | None]]:
    """The log's head, and what the read models hold once they have taken it in."""
    head, engine = follower.catch_up(), follower.engine
    rows = SQL(
        'select {}, md5(string_agg(t::text, chr(10) order by t::text collate "C")) from {} as t'
    )
    every = [rows.format(name, Identifier(LIVE, name)) for name in engine.registry.tables]
    with engine.database.connect("reader") as conn:
        return head, dict(conn.execute(SQL(" union all ").join(every)).fetchall())


@settings(
    max_examples=5,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(world=worlds(), seed=st.integers(0, 99))
def test_a_refused_command_changes_nothing(
    fresh_database: Callable[[], Database], world: World, seed: int
):
    database, random = fresh_database(), Random(seed)
    with Log(database.conninfo("app")) as log:
        engine = live(database, log, world)
        with closing(Reads(engine)) as reads, steady_follower(engine) as follower:
            command_handler = CommandHandler(log, reads.money)
            with reads.snapshot() as cursor:
                orders = [row["order_id"] for row in cursor.execute("select order_id from orders")]
                skus = [row["sku"] for row in cursor.execute("select sku from stock")]
            refused, before = 0, state(follower)
            for order_id in random.sample(sorted(orders), 5):
                for command in commands(
                    order_id, random.choice(sorted(skus)), reads.money(order_id)
                ):
                    try:
                        command_handler.execute(command, OPERATOR)
                    except Refused:
                        refused += 1
                        assert state(follower) == before
                    else:
                        before = state(follower)
            assert refused >= 20
