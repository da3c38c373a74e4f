"""Expiry: ends the reservations of orders that were not paid in time.

It asks the read models which orders are due and keeps no position of its own, as the reactor does
(docs/decisions/0004).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event
from typing import Final

import structlog

from ledger.command_handler import MAX_CALLS, CommandHandler
from ledger.domain.events import Metadata
from ledger.domain.order_commands import ExpireOrder
from ledger.errors import Refused
from ledger.settings import PENDING_PAYMENT
from projections.engine.reads import Reads
from projections.orders import projection

BATCH: Final = MAX_CALLS
REASON: Final = "not paid before its reservation ended"
SYSTEM: Final = Metadata(actor="system", reason=REASON)
OVERDUE: Final = """
select o.order_id
from orders as o
where o.state = 'pending' and o.expires_at <= %(now)s
    and (o.reserves_stock or o.origin not in ('shop', 'import'))
    and (o.waiting_at is null or o.waiting_at <= %(since)s)
    and not exists (
        select from payments as p
        where p.order_id = o.order_id and p.received_minor > p.refunded_minor
    )
order by o.expires_at, o.order_id
limit %(limit)s
"""
"""Orders whose reservation is over, no money is held in any currency, and none is under way.

What was last said to be under way before `since` is waited for no longer. What was placed or paid
elsewhere and is written down here has no reservation that could end; an order that was made of
Stripe's payment and has lost it (the bank took it back, it names another order) is over.
"""

logger = structlog.get_logger(__name__)


class Expiry:
    """Looks for orders that are due, and expires them by commands.

    The faster one is right: an order that was paid, canceled or expired in the meantime is
    left as it is. Several processes may do this at once. A payment that is under way keeps the
    reservation until it ends, or for `longest_payment` since Stripe last spoke of it.
    """

    def __init__(
        self,
        command_handler: CommandHandler,
        reads: Reads,
        meta: Metadata = SYSTEM,
        *,
        longest_payment: timedelta = PENDING_PAYMENT,
    ) -> None:
        self._command_handler = command_handler
        self._reads = reads
        self._meta = meta
        self._longest_payment = longest_payment

    def run(self, stop: Event) -> None:
        """Expire all that are due now, unless told to stop.

        Due is what both the service's clock and the database's say is due: one that is fast ends
        no reservation early.
        """
        while not stop.is_set() and self.expire(self._reads.engine.log.now()):
            pass

    def overdue(self, now: datetime, limit: int) -> list[str]:
        """Ids of the orders that are due, as known at the head of the log, longest due first."""
        head = self._reads.engine.log.head()
        with self._reads.snapshot([projection.name], head) as cursor:
            asked = {"now": now, "since": now - self._longest_payment, "limit": limit}
            rows = cursor.execute(OVERDUE, asked).fetchall()
        return [row["order_id"] for row in rows]

    def expire(self, now: datetime) -> list[str]:
        """Expire the `BATCH` that are due longest; answers the ids of those that were.

        Their money is read before the first of them is expired: the head does not move meanwhile,
        so this needs no follower between one and the next.
        """
        due = [
            ExpireOrder(
                order_id=order_id,
                at=now,
                money=self._command_handler.money(order_id),
                waits_since=now - self._longest_payment,
            )
            for order_id in self.overdue(now, BATCH)
        ]
        return self._execute(due) if due else []

    def _execute(self, commands: Sequence[ExpireOrder]) -> list[str]:
        """All at the same time: they share one append."""
        with ThreadPoolExecutor(len(commands), "expiry") as threads:
            expired = threads.map(self._is_expired, commands)
            return [c.order_id for c, done in zip(commands, expired, strict=True) if done]

    def _is_expired(self, command: ExpireOrder) -> bool:
        try:
            self._command_handler.execute(command, self._meta)
        except Refused as refusal:  # a person decided or a payment came in the meantime
            logger.info("expiry_refused", order_id=command.order_id, refusal=type(refusal).__name__)
            return False
        return True
