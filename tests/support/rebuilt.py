"""A shop's log with its read models, rebuilt."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.logs import filled, shop_log
from ledger.log import Log
from projections.engine import positions
from projections.engine.build import ProjectionContext
from projections.engine.rebuild import rebuild
from projections.engine.registry import discover
from tests.support.servers import Server
from webhooks.translate.translator import Translator


@contextmanager
def rebuilt_shop(
    servers: Callable[[str], Server], name: str, events: int
) -> Iterator[ProjectionContext]:
    """The engine of a database of its own, with so many events; the name says which."""
    server = servers("embedded")
    database = server.create()
    with Log(database.conninfo("app")) as log:
        filled(log, shop_log(name, events))
        engine = ProjectionContext(database, log, discover(), Translator("test", "order_id"))
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), engine.registry, engine.reader, 0)
        rebuild(engine)
        yield engine
    server.drop(database)
