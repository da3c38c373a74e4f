"""A ledger of a shop's money at Stripe as its API shows it, which a test tells it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from psycopg import Cursor

from ledger.domain.events import (
    Metadata,
    NewEvent,
    PullFinished,
    PullStarted,
    StripeObjectObserved,
    WindowListed,
)
from ledger.domain.limits import FIRST_DAY
from ledger.domain.streams import stream_of
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import positions
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.reads import Reads
from projections.engine.registry import discover
from webhooks.ingest.observe import append_observed
from webhooks.ingest.pull import record
from webhooks.translate.translator import Translator

META = Metadata(actor="operator", reason="a test")
LISTED = (FIRST_DAY, datetime(2024, 11, 1, tzinfo=UTC))


def on(month: int, day: int = 1, hour: int = 12) -> datetime:
    """A time of 2024, which is past."""
    return datetime(2024, month, day, hour, tzinfo=UTC)


class Money:
    """What a log knows of the money of an account at Stripe, which a test tells it."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._count = 0

    def moved(
        self,
        at: datetime,
        amount: int,
        category: str = "charge",
        *,
        fee: int = 0,
        details: int | None = None,
        net: int | None = None,
        currency: str = "eur",
        kind: str | None = None,
        source: str | None = None,
        account: str | None = None,
        description: str | None = None,
        balance: str = "payments",
    ) -> str:
        """A balance transaction, which is available two days later; its id."""
        self._count += 1
        name = f"txn_{self._count}"
        parts = fee if details is None else details
        shown = {
            "id": name,
            "object": "balance_transaction",
            "amount": amount,
            "fee": fee,
            "net": amount - fee if net is None else net,
            "currency": currency,
            "type": kind or category,
            "reporting_category": category,
            "created": int(at.timestamp()),
            "available_on": int((at + timedelta(days=2)).timestamp()),
            "source": source or f"ch_{self._count}",
            "balance_type": balance,
            "status": "available",
            "description": description,
            "fee_details": [
                {"amount": parts, "currency": currency, "type": "stripe_fee", "application": None}
            ]
            if parts
            else [],
        }
        fetched = StripeObjectObserved(
            kind="balance_transaction",
            object_id=name,
            body=json.dumps(shown).encode(),
            fetched_at=at,
            path="/v1/balance_transactions",
            livemode=False,
            account=account,
        )
        append_observed(self.log, [fetched], META)
        return name

    def holds(self, at: datetime, **others: Any) -> None:
        """Stripe's answer of what it holds: nothing in the payments balance, and others."""
        shown = {"object": "balance", "available": [], "pending": [], "livemode": False, **others}
        answer = StripeObjectObserved(
            kind="balance",
            object_id="balance",
            body=json.dumps(shown).encode(),
            fetched_at=at,
            path="/v1/balance",
            livemode=False,
        )
        append_observed(self.log, [answer], META)

    def listed(self, span: tuple[datetime, datetime] = LISTED, account: str | None = None) -> None:
        """Stripe's list of transactions of a time was read to its end, by a pull."""
        since, until = span
        pull_id = uuid4().hex[:12]
        started = PullStarted(pull_id=pull_id, since=since, until=until, account=account)
        record(self.log, started, META)
        window = WindowListed(
            pull_id=pull_id,
            kind="balance_transaction",
            since=since,
            until=until,
            objects=1,
            new=1,
            changed=0,
        )
        self.log.append([NewEvent(str(stream_of(window)), 1, window, self.log.now(), META)])
        record(self.log, PullFinished(pull_id=pull_id, objects={}, account=account), META)


class Account(Money):
    """The same, with read models of it."""

    def __init__(self, database: Database, log: Log) -> None:
        super().__init__(log)
        reader = Translator(mode="test", order_metadata_key="order_id")
        self.engine = ProjectionContext(database, log, discover(), reader)
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), self.engine.registry, reader, head=0)
        self.follower = Follower(self.engine)

    def follow(self) -> int:
        """Bring the read models up to date."""
        return self.follower.catch_up()

    @contextmanager
    def reading(self) -> Iterator[Cursor[dict[str, Any]]]:
        """A cursor on read models that are up to date."""
        self.follow()
        reads = Reads(self.engine)
        try:
            with reads.snapshot() as cursor:
                yield cursor
        finally:
            reads.close()


def quiet_shop(account: Money) -> None:
    """August and September of a shop, all listed: sales, a refund, fees, a payout."""
    account.moved(on(8, 3), 10_000, fee=320)
    account.moved(on(8, 20), 4_000, fee=145, currency="gbp")
    account.moved(on(9, 5), 25_000, fee=755)
    account.moved(on(9, 8), -2_500, "refund", source="re_1")
    account.moved(on(9, 12), -199, "fee", kind="stripe_fee", source="fee_1")
    account.moved(on(9, 20), -9_680, "payout", source="po_1")
    account.listed()
