"""Group commit: deliveries that wait at the same time are appended in one transaction."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Event
from types import TracebackType
from typing import NamedTuple, Self, get_args

import structlog
from prometheus_client import Counter, Histogram

from api.rate_limit import RateLimit
from ledger import waits
from ledger.domain.events import Metadata, StripeEventReceived
from ledger.errors import SameIdOtherContent, Stopped, StoreUnavailable
from ledger.group_commit import sparing
from ledger.log import APPEND_BYTES, APPEND_EVENTS, Log
from webhooks.ingest.append import Outcome, Taken, append_events
from webhooks.rejections import Rejections
from webhooks.translate.objects import event_id_of

MAX_WAITING_EVENTS = 4096
MAX_WAITING_BYTES = 64 * 1024 * 1024

EVENTS = Counter("ledger_webhook_events", "Signed events by what became of them.", ["outcome"])
BATCH_EVENTS = Histogram(
    "ledger_webhook_batch_events",
    "Deliveries in one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
COMMIT_SECONDS = Histogram("ledger_webhook_commit_seconds", "Time of one transaction.")

_COUNTED = {outcome: EVENTS.labels(outcome) for outcome in get_args(Outcome)}
_META = Metadata(actor="stripe")
_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Receipt(NamedTuple):
    """`position` is where the event stands in the log, whether this delivery brought it or not."""

    position: int
    duplicate: bool


class _Delivery(NamedTuple):
    event: StripeEventReceived
    receipt: asyncio.Future[Receipt]


class Receiver:
    """Appends signed deliveries to the log; an async context manager, for one event loop.

    While one batch commits, in a separate thread, the next one gathers: there is no timer, so a
    lone delivery waits for nothing. Leaving the context commits what waits and refuses new calls.
    `rejections` is what may still be said to callers who are turned away, `turned_away` warns of
    them.
    """

    def __init__(self, log: Log, stop: Event | None = None) -> None:
        """`stop` ends an append that waits; its caller does not learn whether it was stored."""
        self.rejections = RateLimit("1000 per 10 seconds")
        self.turned_away = Rejections()
        self._log = log
        self._stop = stop or Event()
        self._waiting: deque[_Delivery] = deque()
        self._waiting_bytes = 0
        self._committer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="webhook-commit")
        self._stopping = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping = True
        self.turned_away.close()
        if self._committer is not None:
            await self._committer
        self._thread.shutdown()

    async def receive(
        self,
        body: bytes,
        signature_header: str | None,
        received_at: datetime,
        signed_by: str | None = None,
    ) -> Receipt:
        """Append a body whose signature was verified; returns after its commit.

        Whatever Stripe signed is stored, under its own id or the SHA-256 of its bytes: what cannot
        be read is listed. A refusal would make Stripe send it for three days, and lose it then.

        An id that is in the log already is not stored again. Where its content differs (the same
        id, but another type, time or data) the first one stays, the alarm `SameIdOtherContent` is
        logged and counted, and the delivery is a duplicate all the same: an error would only make
        Stripe send the same bytes again for three days.

        Raises `StoreUnavailable` when the database cannot be reached, when too many deliveries wait
        for it, or while the service stops. A delivery that timed out may still be stored: Stripe
        sends it again, and is answered that it is a duplicate.
        """
        event_id = event_id_of(body)
        event = StripeEventReceived(
            event_id=event_id,
            body=body,
            received_at=received_at,
            source="webhook",
            signature=signature_header,
            signed_by=signed_by,
        )
        try:
            return await asyncio.wait_for(self._enqueue(event), self._log.limits.write)
        except TimeoutError:
            raise StoreUnavailable("The database did not answer in time.") from None

    def _enqueue(self, event: StripeEventReceived) -> asyncio.Future[Receipt]:
        if self._stopping:
            raise StoreUnavailable("The service is stopping; send the event again.")
        if (
            len(self._waiting) >= MAX_WAITING_EVENTS
            or self._waiting_bytes + len(event.body) > MAX_WAITING_BYTES
        ):
            raise StoreUnavailable("Too many deliveries wait for the database; send it again.")
        loop = asyncio.get_running_loop()
        delivery = _Delivery(event, loop.create_future())
        ticket = self._log.pending.come_in()
        delivery.receipt.add_done_callback(lambda _: self._log.pending.go_out(ticket))
        self._waiting.append(delivery)
        self._waiting_bytes += len(event.body)
        if self._committer is None:
            self._committer = loop.create_task(self._commit_waiting())
        return delivery.receipt

    async def _commit_waiting(self) -> None:
        """Commit batch after batch until nothing waits."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch = self._next_batch()
                events = [delivery.event for delivery in batch]
                answers = await loop.run_in_executor(self._thread, sparing, self._commit, events)
                for delivery, answer in zip(batch, answers, strict=True):
                    _answer(delivery.receipt, answer)
                if self._stopping and isinstance(answers[0], StoreUnavailable | Stopped):
                    self._turn_away()
        finally:
            self._committer = None

    def _turn_away(self) -> None:
        """The service ends, and so would not wait for each of them in turn."""
        while self._waiting:
            error = StoreUnavailable("The service is stopping; send the event again.")
            _answer(self._waiting.popleft().receipt, error)
        self._waiting_bytes = 0

    def _next_batch(self) -> list[_Delivery]:
        batch = [self._waiting.popleft()]
        size = len(batch[0].event.body)
        while self._waiting and len(batch) < APPEND_EVENTS:
            size += len(self._waiting[0].event.body)
            if size > APPEND_BYTES:
                break
            batch.append(self._waiting.popleft())
        self._waiting_bytes -= sum(len(delivery.event.body) for delivery in batch)
        return batch

    def _commit(self, events: Sequence[StripeEventReceived]) -> Sequence[Taken]:
        """One transaction."""
        with COMMIT_SECONDS.time(), waits.within(self._log.limits.write), waits.until(self._stop):
            answers = append_events(self._log, events, _META)
        BATCH_EVENTS.observe(len(events))
        _report(events, answers)
        return answers


def _answer(receipt: asyncio.Future[Receipt], answer: Taken | BaseException) -> None:
    """Answer a caller, unless it has gone away."""
    if receipt.done():
        return
    if isinstance(answer, Taken):
        receipt.set_result(Receipt(answer.position, duplicate=answer.outcome != "appended"))
    else:
        receipt.set_exception(answer)


def _report(events: Sequence[StripeEventReceived], answers: Sequence[Taken]) -> None:
    for event, taken in zip(events, answers, strict=True):
        _COUNTED[taken.outcome].inc()
        if taken.outcome == "conflict":
            _logger.error(
                SameIdOtherContent.__name__, event_id=event.event_id, stored_position=taken.position
            )
