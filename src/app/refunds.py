"""Refunds: makes at Stripe what the shop asked for to go back, each exactly once.

It asks the read models which requests wait and keeps no position of its own, as the reactor does
(docs/decisions/0004). What was made is looked for at Stripe before anything more is made: see
docs/decisions/0047.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from threading import Event
from typing import Any, Final, Literal, cast

import structlog
from msgspec import Struct

from app.pauses import Pauses
from app.stripe_pull import check_mode
from ledger.command_handler import CommandHandler
from ledger.domain.accounts import name_of, qualified_id
from ledger.domain.events import Metadata, RefundRefused, StripeObjectObserved
from ledger.domain.refund_request import BeginRefund, RefuseRefund
from ledger.errors import (
    PermissionMissing,
    StripeDeclined,
    StripeRefused,
    StripeUnavailable,
    WrongState,
)
from ledger.settings import Settings
from projections.engine.reads import Reads, rows
from projections.engine.tables import AnyCursor
from webhooks.ingest.observe import append_observed
from webhooks.refund_calls import MadeRefund, is_final, made_of, make_refund, missing_permission
from webhooks.stripe_client import StripeClient

LOOK_SECONDS: Final = 10.0
MOST_PARTS: Final = 50
"""More refunds than these are not made for one request in one look."""
SYSTEM: Final = Metadata(actor="system", reason="a refund was requested")
READS: Final = ("refund_requests", "payments", "refunds")
WAITING: Final = """
select request_id, order_id, open_minor, currency
from refund_requests
where state = 'requested'
order by requested_at, request_id
"""
REQUEST: Final = """
select state, order_id, open_minor, currency
from refund_requests
where request_id = %(id)s
"""
PAYMENTS: Final = """
select
    payment_id,
    greatest(0, received_minor - refunded_minor - refund_pending_minor)::bigint as left_minor,
    coalesce(dispute_state in ('open', 'under_review', 'lost', 'unknown'), false) as is_disputed
from payments
where order_id = %(order_id)s and currency = %(currency)s and received_minor > 0
order by payment_id
"""
MADE: Final = "select refund_id from refunds where request_id = %(id)s"
KNOWN: Final = "select refund_id from refunds where refund_id = any(%(ids)s)"

Step = Literal["done", "refused", "withdrawn", "goes on", "waits"]
ClientOf = Callable[[str | None], StripeClient]
"""Stripe's API for a connected account, or (None) for the key's own."""

logger = structlog.get_logger(__name__)


class Waiting(Struct, frozen=True, kw_only=True):
    """A request of which something is still to go back, in minor units of its currency."""

    request_id: str
    order_id: str
    open_minor: int
    currency: str


class _Payment(Struct, frozen=True, kw_only=True):
    payment_id: str
    left_minor: int
    is_disputed: bool


class _Wanted(Struct, frozen=True, kw_only=True):
    """What is known of a request that waits: its order's payments, the refunds made for it.

    All of it at one position, `new` too: what Stripe showed that is not known at that position.
    """

    request_id: str
    order_id: str
    open_minor: int
    currency: str
    payments: tuple[_Payment, ...]
    made: frozenset[str]
    new: tuple[StripeObjectObserved, ...]

    def part(self) -> _Payment | None:
        """The payment to give the next part back: one that has all, else the one with the most.

        One without a dispute goes before; None where no money is left.
        """
        payments = [each for each in self.payments if each.left_minor > 0]
        if not payments:
            return None
        return min(
            payments,
            key=lambda p: (
                p.is_disputed,
                -min(p.left_minor, self.open_minor),
                p.left_minor,
                p.payment_id,
            ),
        )

    def key(self, number: int) -> str:
        """Stripe's idempotency key of the request's refund of this number, from 1.

        The same whoever asks and whenever: stream and version of the request's event.
        """
        version = self.request_id.rpartition(":")[2]
        first = f"ledger-order/{self.order_id}-{version}"
        return first if number == 1 else f"{first}/{number}"


class Refunder:
    """Looks for requests that wait, and makes their refunds at Stripe.

    Several processes may do this at once, and each may end at any point. `follow` brings the read
    models up to date where no other thread does.
    """

    def __init__(
        self,
        reads: Reads,
        client_of: ClientOf,
        mode: str,
        pauses: Pauses | None = None,
        follow: Callable[[], object] = lambda: None,
    ) -> None:
        self._reads = reads
        self._log = reads.engine.log
        self._commands = CommandHandler(self._log, reads.money)
        self._client_of = cache(client_of)
        self._mode = mode
        self._pauses = pauses or Pauses()
        self._follow = follow
        self._is_checked = False
        """Whether the key is known to be of the mode, and to write."""

    def run(self, stop: Event) -> None:
        """One look. What Stripe does not do now is tried again in a later one, after a pause."""
        if self._pauses.is_on(""):
            return
        for waiting in self.waiting():
            if stop.is_set():
                return
            if not self._pauses.is_on(waiting.request_id) and not self._try(waiting.request_id):
                return

    def waiting(self) -> list[Waiting]:
        """The requests that wait for a refund, as known at the head of the log, oldest first."""
        with self._current() as cursor:
            return [Waiting(**row) for row in rows(cursor, WAITING)]

    def carry_out(self, request_id: str) -> Step:
        """Make what is open of a request: `done`, `refused` for good, or it `waits`.

        A request that a person takes back before Stripe is asked is `withdrawn`.

        Where it waits, another call for it is at work at Stripe, or was and said something else.
        Raises what the client raises: then it is not known what was made, and trying again is safe.
        """
        self._check_key()
        shown: set[str] = set()
        for _ in range(MOST_PARTS):
            step = self._step(request_id, shown)
            if step != "goes on":
                return step
        return "waits"

    def _check_key(self) -> None:
        """Check it before the first refund.

        Money of the other mode is none of ours, and no request is begun that cannot be made.
        """
        if self._is_checked:
            return
        client = self._client_of(None)
        check_mode(client, self._mode)
        if permission := missing_permission(client):
            raise PermissionMissing(
                f"The key may not make refunds: it lacks {permission}. Give it that permission in"
                " Stripe's dashboard, Developers, API keys.",
                permission,
            )
        self._is_checked = True

    def _try(self, request_id: str) -> bool:
        """Whether to go on with others."""
        try:
            step = self.carry_out(request_id)
        except (StripeUnavailable, StripeRefused) as error:
            pause = self._pauses.failed(request_id)
            if isinstance(error, StripeUnavailable):
                pause = self._pauses.failed("")
            logger.warning(
                "refund_waits",
                request_id=request_id,
                error=type(error).__name__,
                permission=getattr(error, "permission", None),
                seconds=pause,
            )
            return not isinstance(error, StripeUnavailable)
        self._pauses.succeeded("")
        if step == "waits":
            self._pauses.failed(request_id)
        else:
            self._pauses.succeeded(request_id)
        return True

    def _step(self, request_id: str, shown: set[str]) -> Step:
        """One refund at most, after a look at Stripe for those that are not known here.

        What is to be made is worked out of what is known after that look: each refund that Stripe
        showed is counted in it or is new, whichever service took it in. `shown` are those that
        Stripe showed in earlier steps. One that is not known all the same cannot be read: what it
        gave back is not known, so nothing more is made.
        """
        before = self._wanted(request_id)
        if not isinstance(before, _Wanted):
            return before
        wanted = before
        try:
            now = self._wanted(request_id, list(self._found(before)))
            if not isinstance(now, _Wanted):
                return now
            wanted = now
            if wanted.new:
                return self._take_in(wanted.new, shown)
            if not _ids_of(wanted.payments) <= _ids_of(before.payments):
                return "goes on"
            return self._give(wanted)
        except StripeDeclined as declined:
            if not is_final(declined):
                return "waits"
            part = wanted.part()
            amount_minor = min(wanted.open_minor, part.left_minor if part else wanted.open_minor)
            return self._refuse(wanted, part, amount_minor, str(declined), declined.code)

    def _take_in(self, new: Sequence[StripeObjectObserved], shown: set[str]) -> Step:
        is_read = shown.isdisjoint(map(_id_of, new))
        shown.update(map(_id_of, new))
        append_observed(self._log, new, SYSTEM)
        return "goes on" if is_read else "waits"

    def _give(self, wanted: _Wanted) -> Step:
        """Make the next refund. Raises what the client raises."""
        part = wanted.part()
        if part is None:
            told = f"No payment of order {wanted.order_id} has money left in its currency."
            return self._refuse(wanted, None, wanted.open_minor, told)
        begin = BeginRefund(
            request_id=wanted.request_id, order_id=wanted.order_id, at=datetime.now(UTC)
        )
        try:
            self._commands.execute(begin, SYSTEM)
        except WrongState:  # it was withdrawn meanwhile, or another service heard a refusal
            return "goes on"
        refund = self._make(wanted, part)
        if _id_of(refund) in wanted.made:
            return "waits"
        append_observed(self._log, [refund], SYSTEM)
        return "goes on"

    @contextmanager
    def _current(self) -> Generator[AnyCursor]:
        """The read models at the head of the log."""
        self._follow()
        with self._reads.snapshot(READS, self._log.head(), current=True) as cursor:
            yield cursor

    def _wanted(self, request_id: str, found: Sequence[MadeRefund] = ()) -> _Wanted | Step:
        """What is known of a request that waits, or what became of another one.

        New of `found` is what the read models do not have, or not as refunds of the request.
        """
        with self._current() as cursor:
            requests = rows(cursor, REQUEST, id=request_id)
            request: dict[str, Any] = requests[0] if requests else {"state": "answered"}
            state = request.pop("state")
            if state != "requested":
                return state if state in {"refused", "withdrawn"} else "done"
            paid = rows(
                cursor, PAYMENTS, order_id=request["order_id"], currency=request["currency"]
            )
            made = _refunds(cursor, MADE, id=request_id)
            known = _refunds(cursor, KNOWN, ids=[_id_of(each.observed) for each in found])
        known -= {_id_of(each.observed) for each in found if each.request_id == request_id}
        known |= made
        return _Wanted(
            request_id=request_id,
            payments=tuple(_Payment(**row) for row in paid),
            made=made,
            new=tuple(each.observed for each in found if _id_of(each.observed) not in known),
            **request,
        )

    def _found(self, wanted: _Wanted) -> Iterator[MadeRefund]:
        """Stripe's refunds of the order's payments, whoever made them."""
        for payment in wanted.payments:
            client = self._client_of(name_of(payment.payment_id).account)
            yield from made_of(client, payment.payment_id, livemode=self._mode == "live")

    def _make(self, wanted: _Wanted, part: _Payment) -> StripeObjectObserved:
        return make_refund(
            self._client_of(name_of(part.payment_id).account),
            part.payment_id,
            min(wanted.open_minor, part.left_minor),
            request_id=wanted.request_id,
            key=wanted.key(len(wanted.made) + 1),
            livemode=self._mode == "live",
        )

    def _refuse(
        self,
        wanted: _Wanted,
        part: _Payment | None,
        amount_minor: int,
        told: str,
        code: str | None = None,
    ) -> Step:
        """On record once a request, whoever hears of it first."""
        refused = RefundRefused(
            request_id=wanted.request_id,
            order_id=wanted.order_id,
            payment_id=part and part.payment_id,
            amount_minor=amount_minor,
            currency=wanted.currency,
            code=code,
            message=told,
        )
        try:
            self._commands.execute(RefuseRefund(refused=refused, at=datetime.now(UTC)), SYSTEM)
        except WrongState:  # it was withdrawn meanwhile
            return "goes on"
        return "refused"


def _refunds(cursor: AnyCursor, query: str, **parameters: Any) -> frozenset[str]:
    return frozenset(cast("str", row["refund_id"]) for row in rows(cursor, query, **parameters))


def _ids_of(payments: Iterable[_Payment]) -> set[str]:
    return {each.payment_id for each in payments}


def _id_of(observed: StripeObjectObserved) -> str:
    return qualified_id(observed.object_id, observed.account)


class RefundsState(Struct, frozen=True, kw_only=True):
    """Whether requested refunds are made at Stripe by the service, by its settings."""

    carried_out: bool
    has_key: bool

    @classmethod
    def of(cls, settings: Settings) -> RefundsState:
        """By these settings."""
        return cls(
            carried_out=settings.ledger_carry_out_refunds,
            has_key=settings.stripe_api_key is not None,
        )

    @property
    def is_on(self) -> bool:
        """Whether the service makes them."""
        return self.carried_out and self.has_key

    @property
    def told(self) -> str:
        """It in one line, with the cure."""
        if not self.carried_out:
            return "requests stay on the list; LEDGER_CARRY_OUT_REFUNDS=true makes them at Stripe"
        if not self.has_key:
            return "no STRIPE_API_KEY: requests stay on the list; `ledger connect`"
        return "requested ones are made at Stripe"
