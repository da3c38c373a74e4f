"""Orders from purchases: makes orders of what was sold at Stripe's, where a setting asks for it.

It asks the read models which purchases wait, and keeps no position of its own, as the reactor does
(docs/decisions/0004). What it asks for is decided on the log: a purchase makes one order, whoever
asks, and however often. Why none can be made goes on record, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from threading import Event
from typing import Final

import structlog

from app.pauses import Pauses
from ledger.command_handler import CommandHandler
from ledger.domain.events import Metadata
from ledger.domain.purchase import PURCHASE_KINDS, OrderPurchase, PurchaseKind, RefusePurchase
from projections import purchases
from projections.engine.reads import Reads

LOOK_SECONDS: Final = 2
SETTLED: Final = timedelta(minutes=10)
"""For how long a payment or an invoice waits for a page or an invoice that may know more."""
NAMED: Final = timedelta(hours=1)
"""For how long a purchase waits for the order that it names (docs/decisions/0048)."""

WHOLE: Final = timedelta(minutes=40)
"""For how long one waits whose lines Stripe cut, where the service reads the rest (every quarter
of an hour as a rule)."""

logger = structlog.get_logger(__name__)


class PurchaseOrders:
    """Looks for purchases of the `kinds` that no order was made of, and makes it by commands."""

    def __init__(
        self,
        command_handler: CommandHandler,
        reads: Reads,
        kinds: Sequence[PurchaseKind],
        reservation: timedelta,
        *,
        settled: timedelta = SETTLED,
        whole: timedelta = WHOLE,
        named: timedelta = NAMED,
        pauses: Pauses | None = None,
    ) -> None:
        self._command_handler = command_handler
        self._reads = reads
        self._kinds: list[PurchaseKind] = [kind for kind in PURCHASE_KINDS if kind in kinds]
        self._reservation = reservation
        self._settled = settled
        self._whole = whole
        self._named = named
        self._pauses = pauses or Pauses()

    def run(self, stop: Event) -> None:
        """Make orders of all that wait now, unless told to stop."""
        for kind in self._kinds:
            self._take(kind, stop)

    def make(self) -> int:
        """Make orders of all that wait now; how many that were."""
        return sum(self._take(kind, Event()) for kind in self._kinds)

    def _take(self, kind: PurchaseKind, stop: Event) -> int:
        better = self._kinds[: self._kinds.index(kind)]
        now = self._reads.engine.log.now()
        until = now - (self._settled if better else timedelta(days=-1))
        made, after = 0, ""
        while after is not None and not stop.is_set():
            with self._reads.snapshot(purchases.READS) as cursor:
                due, after = purchases.waiting(
                    cursor,
                    kind,
                    better=better,
                    after=after,
                    until=until,
                    whole_until=now - self._whole,
                    named_until=min(until, now - self._named),
                    reservation=self._reservation,
                )
            made += self._execute(kind, due)
        return made

    def _execute(self, kind: PurchaseKind, due: Sequence[OrderPurchase]) -> int:
        """Make the orders; what cannot become one is left alone for a while: the cause may go."""
        meta = Metadata(actor="system", reason=f"made of a {kind} without an order")
        commands = [each for each in due if not self._pauses.is_on(_attempt(each))]
        refused: list[RefusePurchase] = []
        made = 0
        for command, outcome in self._command_handler.execute_all(commands, meta):
            if isinstance(outcome, Exception):
                self._pauses.failed(_attempt(command))
                refused.append(
                    RefusePurchase(
                        kind=kind,
                        object_id=command.object_id,
                        message=str(outcome),
                        at=self._reads.engine.log.now(),
                    )
                )
            else:
                made += bool(outcome.recorded)
        self._note(refused, Metadata(actor="system", reason="no order can be made of it"))
        return made

    def _note(self, refused: Sequence[RefusePurchase], meta: Metadata) -> None:
        """Say on record why no order is made, each reason once."""
        for command, outcome in self._command_handler.execute_all(refused, meta):
            if not isinstance(outcome, Exception) and outcome.recorded:
                logger.warning(
                    "purchase_not_ordered", kind=command.kind, object_id=command.object_id
                )


def _attempt(command: OrderPurchase) -> str:
    """What is paused after it failed: this order of this purchase; one that was mended is not."""
    return f"{command.object_id} {hash(command)}"
