"""The reactor: where what Stripe reported calls for a decision, it issues the command for it.

It looks at the state of the read models, not at events one by one: it has no position to keep, a
rebuild sets nothing off, and it does not matter whether payment, expiry or link came last.
"""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Event
from typing import Any, Final

import structlog

from ledger import waits
from ledger.command_handler import CommandHandler
from ledger.domain.events import Metadata
from ledger.domain.reactions import react
from ledger.errors import LedgerError, Refused, Stopped
from ledger.postgres.failures import told
from projections.engine.reads import Reads

POLL_SECONDS: Final = 0.5
READS: Final = ("orders", "links")
CALLING: Final = """
select o.order_id, (
    select max(position)
    from links
    where kind = 'payment' and id = o.payment_id
) as position
from orders as o
join order_actions as a using (order_id)
where o.unallocated and a.status = 'expired'
order by o.order_id
limit 100
"""
"""Orders that are paid, have no goods, and for which nothing was tried yet."""

logger = structlog.get_logger(__name__)


class Reactor:
    """Looks for orders that call for a decision, again and again."""

    def __init__(self, command_handler: CommandHandler, reads: Reads) -> None:
        self._command_handler = command_handler
        self._reads = reads

    def run(self, stop: Event) -> None:
        """React until told to stop; what could not be done now is tried again."""
        with waits.ending_with(stop):
            while not stop.wait(POLL_SECONDS):
                self._try_to_react()

    def _try_to_react(self) -> None:
        try:
            self.react()
        except Stopped:
            raise
        except LedgerError as error:
            logger.warning("reaction_failed", error=told(error))

    def react(self) -> int:
        """Issue what is called for now; how many commands that were."""
        with self._reads.snapshot(READS) as cursor:
            calling = cursor.execute(CALLING).fetchall()
        return sum(self._decide(**each) for each in calling)

    def _decide(self, order_id: str, position: int | None) -> bool:
        order, money = self._command_handler.order(order_id), self._command_handler.money(order_id)
        command = react(order, money, datetime.now(UTC))
        if command is None:
            return False
        try:
            self._command_handler.execute(command, self._meta(position))
        except Refused as refusal:  # a person decided in the meantime
            logger.info("reaction_refused", order_id=order_id, refusal=type(refusal).__name__)
            return False
        return True

    def _meta(self, position: int | None) -> Metadata:
        caused: list[Any] = self._reads.engine.log.at([position]) if position else []
        return Metadata(
            actor="system",
            reason="paid after its reservation expired",
            causation=caused[0].stream if caused else None,
        )
