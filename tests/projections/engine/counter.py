"""A shop with its read endpoints, and nothing between what it does and what they show."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from random import Random
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from api.auth import Auth
from api.operations import problem
from app.wiring import known_words
from ledger.disclosures import DisclosureLog
from ledger.domain.events import NewEvent
from ledger.errors import (
    Ambiguous,
    Forbidden,
    InvalidRequest,
    LedgerError,
    NotCaughtUp,
    NotFound,
    ProjectionStopped,
)
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import positions
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.reads import Reads
from projections.engine.registry import discover
from projections.queries.http import routes
from simulator import STORIES, Purchase, SimulatedStripe
from tests.support.callers import let_in
from tests.support.following import steady_follower
from tests.support.judged import JudgedClient
from tests.support.shop import SECRET, Order, Shop
from webhooks.ingest.signature import is_signed
from webhooks.translate.translator import Translator

STATUSES: dict[type[LedgerError], int] = {
    NotFound: 404,
    Ambiguous: 409,
    InvalidRequest: 422,
    Forbidden: 403,
    NotCaughtUp: 503,
    ProjectionStopped: 503,
}


class Counter:
    """A shop with a follower and read endpoints; it appends what it does at once."""

    def __init__(self, database: Database, log: Log) -> None:
        reader = Translator(mode="test", order_metadata_key="order_id")
        self.engine = ProjectionContext(database, log, discover(), reader, words=known_words())
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), self.engine.registry, reader, log.head())
        self.stripe = SimulatedStripe("counter")
        self.shop = Shop(Random(7), self.stripe.now)
        self.shop.open()
        self.follower: Follower
        self.client: TestClient
        self.actor: str

    def append(self) -> int:
        """Into the log, what the shop did since; answers the last position."""
        entries: list[NewEvent] = self.shop.entries[self.engine.log.head() :]
        self.engine.log.append(entries)
        return self.engine.log.head()

    def sell(self, story: str = "paid_by_card") -> Order:
        """An order, and a story of its payment."""
        order = self.shop.place()
        self.stripe.advance(max(0, self.shop.now - self.stripe.now))
        for events in STORIES[story](
            self.stripe, Purchase(order.total_minor, order.currency, order.id)
        ):
            for event in events:
                self.shop.receive(event)
        return order

    def follow(self) -> int:
        self.append()
        return self.follower.catch_up()

    def get(self, path: str, status: int = 200, /, **query: Any) -> Any:
        answer = self.client.get(path, params=query)
        assert answer.status_code == status, answer.text
        return answer.json()


def refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, LedgerError)
    return problem(error, STATUSES[type(error)])


@contextmanager
def opened(database: Database) -> Iterator[Counter]:
    """A counter with its endpoints, for an administrator."""
    with Log(database.conninfo("app")) as log:
        counter = Counter(database, log)

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
            with closing(Reads(counter.engine)) as opened:
                yield {
                    "reads": opened,
                    "auth": Auth(log),
                    "disclosure_log": DisclosureLog(log),
                    "is_signed": partial(is_signed, secrets=[SECRET]),
                }

        app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={LedgerError: refuse})
        with (
            steady_follower(counter.engine) as counter.follower,
            JudgedClient(app, client=("127.0.0.1", 1)) as counter.client,
        ):
            counter.actor = let_in(counter.client)
            yield counter
