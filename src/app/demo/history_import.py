"""Imports a shop's history into an empty log, in its own name and with its own times."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from typing import Final

from app.demo.history import ShopHistory
from app.demo.runner import Track
from app.demo.timeline import Week
from ledger.command_handler import MAX_CALLS, CommandHandler
from ledger.domain.aggregate import Command
from ledger.domain.events import Metadata, StripeEventReceived
from ledger.domain.order_commands import (
    CancelOrder,
    ExpireOrder,
    FulfilOrder,
    PlaceOrder,
    ReallocateOrder,
    ReturnLines,
)
from ledger.domain.stock import ListProduct, ReceiveStock
from ledger.domain.wishlist import AddToWishlist, RemoveFromWishlist
from ledger.log import Log
from projections.engine.build import ProjectionContext
from projections.engine.follow import Leader
from projections.engine.reads import Reads
from simulator import Events
from webhooks.ingest.append import IngestReport, Offer, append_all

IMPORTER: Final = Metadata(actor="demo", reason="history brought along")
WAVES: Final[tuple[type[Command], ...]] = (
    ListProduct,
    ReceiveStock,
    AddToWishlist,
    PlaceOrder,
    RemoveFromWishlist,
    ReturnLines,
    CancelOrder,
    ExpireOrder,
    ReallocateOrder,
    FulfilOrder,
)
"""Commands of one kind do not rest on each other, only on those of the kinds before it."""


def import_history(engine: ProjectionContext, history: ShopHistory, track: Track) -> None:
    """Import all of it, week by week; the read models still have to take in the last answers.

    What happened and when it was recorded are two times: history keeps its own, and the log says
    that it heard of it today. A payment is imported before the order is placed that it is for, so
    that no order waits for its money. Nothing else may write to the log meanwhile.
    """
    with (
        closing(Reads(engine)) as reads,
        engine.database.connect("projector", autocommit=True) as conn,
        conn.cursor() as cursor,
        ThreadPoolExecutor(MAX_CALLS, "import") as threads,
    ):
        importer = _Importer(
            CommandHandler(engine.log, reads.money), engine, Leader(cursor, engine), threads
        )
        for week in track("90 days before", list(history.timeline.weeks())):
            importer.bring(week)


def is_of_a_demo(log: Log) -> bool:
    """Whether a log that holds something began as a demo's: its first event says so."""
    return [first.meta for first in log.at([1])] == [IMPORTER]


class _Importer:
    """Imports week after week into the log."""

    def __init__(
        self,
        command_handler: CommandHandler,
        engine: ProjectionContext,
        leader: Leader,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._command_handler = command_handler
        self._log = engine.log
        self._leader = leader
        self._threads = threads

    def bring(self, week: Week) -> None:
        """Stripe's events first, then what the shop did, then what it did once it knew of both."""
        self._import(week.events)
        self._execute(week.commands)
        self._catch_up()
        orders = [answer.order_id for answer in week.answers]
        known = self._threads.map(self._command_handler.money, orders)
        answers = zip(week.answers, known, strict=True)
        self._execute([answer.command(money) for answer, money in answers])

    def _import(self, events: Events) -> None:
        """Take Stripe's events in, as `ledger import` does."""
        received_at = datetime.now(UTC)
        offers = [
            Offer(
                "demo",
                StripeEventReceived(
                    event_id=event.id, body=event.body, received_at=received_at, source="import"
                ),
            )
            for event in events
        ]
        report = IngestReport()
        for _ in append_all(self._log, offers, IMPORTER, report):
            pass
        assert report.appended == len(events), "ids are new in an empty log"

    def _execute(self, commands: Sequence[Command]) -> None:
        """All of a kind at the same time: many share one append."""
        for kind in WAVES:
            alike = [command for command in commands if isinstance(command, kind)]
            for _ in self._threads.map(self._carry_out, alike):
                pass

    def _carry_out(self, command: Command) -> None:
        self._command_handler.execute(command, IMPORTER)

    def _catch_up(self) -> None:
        while self._leader.step():
            pass
