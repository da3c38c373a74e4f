"""All read models in a scratch schema, to give facts to and to look at."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from psycopg import Connection, Cursor
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from ledger.domain.accounts import qualified_id
from ledger.domain.events import Line, Metadata, OrderPlaced, RecordedEvent, StripeEventReceived
from ledger.domain.facts import (
    AnyFact,
    ChargeFact,
    ChargeState,
    EventContext,
    RefundFact,
    RefundState,
    order_key,
)
from projections.engine.build import ReadModelTables
from projections.engine.fold import Fold
from projections.engine.registry import discover
from projections.engine.tables import PROOF
from webhooks.translate.translator import Translator

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(minutes: int) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


class Models:
    """Read models that take facts one event at a time, as the follower does; `said` keeps them."""

    def __init__(self, conn: Connection) -> None:
        self.position = 0
        self.said: list[tuple[EventContext, AnyFact]] = []
        self.cursor = conn.cursor()
        reader = Translator(mode="test", order_metadata_key="order_id")
        self.copy = ReadModelTables(self.cursor, discover(), reader, PROOF)
        self.copy.create()
        self.copy.finish()
        self.copy.follow_durably()

    def forget(self) -> None:
        """Empty all tables."""
        self.position = 0
        self.said.clear()
        emptied = [SQL("delete from {}").format(Identifier(t)) for t in self.copy.registry.tables]
        self.cursor.execute(SQL("; ").join(emptied), prepare=False)

    def take(
        self, *facts: AnyFact, minutes: int | None = None, meta: Metadata | None = None
    ) -> "Models":
        """One event that says these facts, by default a minute after the one before."""
        return self._fold(self.moment(minutes, meta), facts)

    def moment(self, minutes: int | None = None, meta: Metadata | None = None) -> EventContext:
        """The next event's, so many minutes after noon."""
        self.position += 1
        seconds = 60 * (self.position if minutes is None else minutes)
        return EventContext(
            position=self.position,
            source=f"test/{self.position}",
            version=self.position,
            topic="test.event.v1",
            recorded_at=at(self.position),
            effective_at=NOON + timedelta(seconds=seconds),
            order_key=order_key(seconds, 1, f"evt_{self.position}"),
            meta=meta or Metadata(),
            account=None,
        )

    def hear(self, *documents: Mapping[str, Any]) -> "Models":
        """Events as Stripe sends them, one after the other."""
        for document in documents:
            self.position += 1
            stream = f"stripe/{qualified_id(document['id'], document.get('account'))}"
            event = StripeEventReceived(
                event_id=document["id"],
                body=json.dumps(document).encode(),
                received_at=at(self.position),
                source="webhook",
            )
            moment, facts = self.copy.reader(
                RecordedEvent(
                    self.position,
                    stream,
                    1,
                    at(self.position),
                    event.received_at,
                    event,
                    Metadata(),
                )
            )
            self._fold(moment, facts)
        return self

    def _fold(self, moment: EventContext, facts: Sequence[AnyFact]) -> "Models":
        self.said += [(moment, fact) for fact in facts]
        fold = Fold(self.copy.registry)
        fold.add(moment, facts)
        with self.cursor.connection.transaction():
            self.copy.flush(fold)
        return self

    def rows(self, query: LiteralString) -> list[tuple[Any, ...]]:
        return self.cursor.execute(query).fetchall()

    def one(self, table: str, *columns: str) -> Any:
        """The columns of the table's only row; the value itself for one column."""
        found = self._all(table)
        assert len(found) == 1, found
        values = tuple(found[0][column] for column in columns)
        return values[0] if len(columns) == 1 else values

    def dicts(self) -> Cursor[dict[str, Any]]:
        return self.cursor.connection.cursor(row_factory=dict_row)

    def _all(self, table: str) -> list[dict[str, Any]]:
        with self.dicts() as cursor:
            return cursor.execute(SQL("select * from {}").format(Identifier(table))).fetchall()


def order(total_minor: int = 1000, order_id: str = "A1", **more: Any) -> OrderPlaced:
    line = Line(sku="MUG", name="Mug", quantity=1, unit_minor=total_minor)
    return OrderPlaced(
        order_id=order_id,
        currency="gbp",
        lines=(line,),
        total_minor=total_minor,
        expires_at=at(30),
        **more,
    )


def charge(
    captured_minor: int = 1000,
    *,
    charge_id: str = "ch_1",
    state: ChargeState = ChargeState.CAPTURED,
    currency: str = "gbp",
    payment_id: str | None = "pi_1",
    order_id: str | None = "A1",
    refunded_minor: int = 0,
    minutes: int = 0,
) -> ChargeFact:
    return ChargeFact(
        state=state,
        charge_id=charge_id,
        amount_minor=captured_minor or 1000,
        captured_minor=captured_minor,
        refunded_minor=refunded_minor,
        currency=currency,
        created_at=at(minutes),
        captured_at=at(minutes) if captured_minor else None,
        payment_id=payment_id,
        order_id=order_id,
    )


def refund(
    state: RefundState,
    amount_minor: int = 400,
    *,
    refund_id: str = "re_1",
    charge_id: str | None = "ch_1",
    payment_id: str | None = "pi_1",
    currency: str = "gbp",
    minutes: int = 0,
    request_id: str | None = None,
) -> RefundFact:
    return RefundFact(
        state=state,
        refund_id=refund_id,
        amount_minor=amount_minor,
        currency=currency,
        created_at=at(minutes),
        charge_id=charge_id,
        payment_id=payment_id,
        request_id=request_id,
    )
