"""Builds a ledger of any events of the shop's and Stripe's, which a test can spoil."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from psycopg.rows import dict_row

from kpi.checks.declare import Check, catalogue
from kpi.checks.run import Outcome, run_checks
from ledger.domain.events import (
    ConflictFound,
    Event,
    Line,
    Metadata,
    NewEvent,
    OrderPlaced,
    StockReserved,
    StripeEventReceived,
    StripeObjectObserved,
)
from ledger.domain.streams import stream_of
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import positions, tables
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.registry import discover
from tests.support.unlinked import Unlinked, unlinked_payments
from tests.webhooks.examples import event
from webhooks.translate.translator import Translator

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHECKS = {check.name: check for check in catalogue()}


class LedgerBuilder:
    """Log and read models, a minute passing with every event; `now` is a day later."""

    def __init__(self, database: Database, log: Log) -> None:
        self.engine = ProjectionContext(database, log, discover(), Translator("test", "order_id"))
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), self.engine.registry, self.engine.reader, head=0)
        self.follower = Follower(self.engine)
        self._minutes = 0
        self._versions = Counter[str]()

    @property
    def at(self) -> datetime:
        """The time of the next event."""
        return NOON + timedelta(minutes=self._minutes)

    @property
    def now(self) -> datetime:
        """When the checks are run."""
        return self.at + timedelta(days=1)

    def shop(self, *events: Event) -> None:
        """The shop's events, whether or not anything would have decided on them."""
        for each in events:
            stream = _stream(each)
            self._versions[stream] += 1
            self._append(stream, self._versions[stream], each, Metadata(actor="shop"))

    def place(self, order_id: str = "A1", total_minor: int = 1000, sku: str = "MUG") -> None:
        line = Line(sku=sku, name="Mug", quantity=1, unit_minor=total_minor)
        expires_at = self.at + timedelta(minutes=30)
        placed = OrderPlaced(
            order_id=order_id,
            currency="gbp",
            lines=(line,),
            total_minor=total_minor,
            expires_at=expires_at,
        )
        self.shop(placed, StockReserved(sku=sku, order_id=order_id, quantity=1))

    def stripe(
        self, kind: str, thing: dict[str, Any], minutes: int | None = None, **fields: Any
    ) -> None:
        """An event of Stripe's, by its clock now, or so many minutes after noon."""
        at = self.at if minutes is None else NOON + timedelta(minutes=minutes)
        event_id = f"evt_{self._minutes}"
        body = event(kind, thing, id=event_id, created=int(at.timestamp()), **fields)
        received = StripeEventReceived(
            event_id=event_id, body=json.dumps(body).encode(), received_at=at, source="import"
        )
        self._append(f"stripe/{event_id}", 1, received, Metadata(actor="stripe"))

    def observe(self, kind: str, thing: dict[str, Any]) -> None:
        """An object as Stripe's API shows it now, for each time that it is asked for."""
        observed = StripeObjectObserved(
            kind=kind,
            object_id=thing["id"],
            body=json.dumps(thing).encode(),
            fetched_at=self.at,
            path=f"/v1/{kind}s",
            livemode=False,
        )
        self.shop(observed)

    def wait(self, days: int) -> None:
        """Let time pass in which nothing happens."""
        self._minutes += days * 24 * 60

    def follow(self) -> int:
        return self.follower.catch_up()

    def run(self, check: Check | str) -> Outcome:
        """Run one check on read models that are up to date, and take in what it appended."""
        chosen = CHECKS[check] if isinstance(check, str) else check
        self.follow()
        (outcome,) = run_checks(self.engine, self.now, checks=[chosen]).outcomes
        self.follow()
        return outcome

    def tamper(self, statement: LiteralString) -> None:
        """Change the read models behind the follower's back, as a bug or a person might."""
        self.follow()
        with self.engine.database.connect("projector") as conn:
            conn.execute("set search_path = read_models")
            assert conn.execute(statement).rowcount == 1

    def issues(self) -> list[dict[str, Any]]:
        with (
            self.engine.database.connect("reader") as conn,
            conn.cursor(row_factory=dict_row) as cursor,
        ):
            query = "select * from read_models.issues order by opened_at, issue_id"
            return cursor.execute(query).fetchall()

    def unlinked(self) -> list[Unlinked]:
        """The payments behind the issues of `unlinked_payments`."""
        with (
            self.engine.database.connect("reader") as conn,
            conn.cursor(row_factory=dict_row) as cursor,
        ):
            tables.use(cursor, tables.LIVE)
            return unlinked_payments(cursor, self.now)

    def _append(self, stream: str, version: int, happened: Event, meta: Metadata) -> None:
        self.engine.log.append([NewEvent(stream, version, happened, self.at, meta)])
        self._minutes += 1


def _stream(happened: Any) -> str:
    if isinstance(happened, ConflictFound):
        return f"conflict/{happened.other_sha256}"
    return str(stream_of(happened))
