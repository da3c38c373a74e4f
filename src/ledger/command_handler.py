"""Carries out commands: load what they rest on, let the domain decide, append its events."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Final, NamedTuple, TypeVar, cast

import msgspec
from msgspec import Raw

from ledger.decisions import (
    Accepted,
    Batch,
    CommandRequest,
    Result,
    StreamState,
    answer_of,
    check_key,
    memory_of,
)
from ledger.domain.aggregate import Command
from ledger.domain.events import CommandAccepted, Metadata, NewEvent
from ledger.domain.order import Order
from ledger.domain.order_commands import KnownPayment, OrderMoney
from ledger.errors import LogReplaced, Refused
from ledger.group_commit import GroupCommit, sparing
from ledger.log import APPEND_EVENTS, Log, LogWatch
from ledger.races import until_fastest
from ledger.waits import for_all

AnyCommand = TypeVar("AnyCommand", bound=Command)
MAX_CALLS: Final = 64
MAX_AT_ONCE: Final = 256
MAX_REMEMBERED: Final = 10_000


class CommandHandler:
    """Carries out commands, for any number of threads and beside any number of other processes.

    Calls that come at the same time share one load and one append, decided one after the other:
    64 buyers of one product cost one transaction, and none waits for a lock of another.
    `money` answers what Stripe is known to have done for an order id (zeros for one without
    payments, or unknown); commands that rest on it are made with its answer.
    `payment` answers what is known of a payment's id; where it is not given, none is known.
    """

    def __init__(
        self,
        log: Log,
        money: Callable[[str], OrderMoney],
        payment: Callable[[str], KnownPayment] = lambda _: KnownPayment(),
    ) -> None:
        self.money = money
        self.payment = payment
        self._log = log
        self._remembered: OrderedDict[str, StreamState] = OrderedDict()
        self._watch = LogWatch(log)
        self._alone = Lock()
        self._combiner = GroupCommit[CommandRequest, Result](self._carry_out, MAX_CALLS)

    def execute(
        self,
        command: Command,
        meta: Metadata,
        *,
        key: str | None = None,
        key_owner: str | None = None,
        request_sha256: str = "",
    ) -> Result:
        """Carry out a command, or raise a `Refused`, and then nothing was stored.

        With an idempotency `key`, a second call of the same `key_owner` (a customer's id; None is
        the shop) with the same `request_sha256` gets the first one's result and changes nothing.
        Raises `Conflict` when other processes were faster again and again, `Unstorable` where the
        log cannot hold it, `StoreUnavailable` when it is not known what was stored: use a key, and
        repeat.
        """
        assert (key is None) == (not request_sha256), "a key stands for a request"
        call = CommandRequest(command, meta, key, request_sha256, key_owner)
        call.check()
        with self._log.pending.one():
            return self._combiner.submit(call)

    def try_out(self, command: Command, meta: Metadata) -> None:
        """Raise what `execute` would raise for a command, as the log stands; nothing is stored.

        A reason may be missing: who looks first has not decided yet.
        """
        call = CommandRequest(command, meta, None, "")
        call.check(needs_reason=False)
        with self._alone:
            Batch(self._load([call]), APPEND_EVENTS).decide(call)

    def execute_all(
        self, commands: Sequence[AnyCommand], meta: Metadata
    ) -> Iterator[tuple[AnyCommand, Result | Refused]]:
        """Carry out many commands, each by itself: with its result, or why it was refused.

        They are decided in their order and appended some hundred at once. Raises what `execute`
        raises beside a `Refused`; then what comes before is stored.
        """
        for start in range(0, len(commands), MAX_AT_ONCE):
            some = commands[start : start + MAX_AT_ONCE]
            with self._log.pending.one():
                outcomes = self._of_all([CommandRequest(each, meta, None, "") for each in some])
            yield from zip(some, outcomes, strict=True)

    def _of_all(self, calls: Sequence[CommandRequest]) -> list[Result | Refused]:
        refused = [_refusal(call) for call in calls]
        sound = [call for call, refusal in zip(calls, refused, strict=True) if refusal is None]
        answers = iter(self._carry_out(sound))
        outcomes = [next(answers) if refusal is None else refusal for refusal in refused]
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, Refused):
                raise outcome
        return cast("list[Result | Refused]", outcomes)

    def answered(
        self, key: str, request_sha256: str, *, key_owner: str | None = None
    ) -> Mapping[str, str] | None:
        """What a request with this idempotency key was answered, if it was; see `remember`.

        Raises `IdempotencyMismatch` for another request, `InvalidCommand` for what is no key.
        """
        check_key(key)
        for recorded in self._log.stream(memory_of(key, key_owner)):
            assert isinstance(recorded.event, CommandAccepted), "such a stream holds nothing else"
            return answer_of(recorded.event, request_sha256)
        return None

    def remember(
        self,
        key: str,
        request_sha256: str,
        answer: Mapping[str, str],
        meta: Metadata,
        *,
        key_owner: str | None = None,
    ) -> None:
        """Keep the answer to a request of many commands; the first one that was kept stays."""
        accepted = CommandAccepted(
            key=key, request_sha256=request_sha256, result=Raw(msgspec.json.encode(answer))
        )
        name = memory_of(key, key_owner)
        self._log.append_new([NewEvent(name, 1, accepted, datetime.now(UTC), meta)])

    def order(self, order_id: str) -> Order:
        """An order's state, for who must choose a command (`ledger.domain.reactions`)."""
        stream = StreamState.new(f"order/{order_id}")
        for recorded in self._log.stream(stream.name):
            stream = stream.then(recorded.event)
        assert isinstance(stream.state, Order)
        return stream.state

    def _carry_out(self, calls: Sequence[CommandRequest]) -> list[Result | BaseException]:
        answers: list[Result | BaseException] = []
        with self._alone, for_all(self._log.limits.write):
            while len(answers) < len(calls):
                answers += sparing(self._together, calls[len(answers) :])
        return answers

    def _together(self, calls: Sequence[CommandRequest]) -> Sequence[Result | Refused]:
        """Decide and append as many of the calls as fit into one append, the first ones."""
        made = until_fastest(self._attempt, calls)
        self._remember(made.streams)
        return made.answers

    def _attempt(self, calls: Sequence[CommandRequest]) -> _Made:
        batch = Batch(self._load(calls), APPEND_EVENTS)
        outcomes: list[Accepted | Refused] = []
        for call in calls:
            outcome = _decide(batch, call)
            if outcome is None:
                break
            outcomes.append(outcome)
        positions = self._append(batch.entries) if batch.entries else []
        return _Made(
            [o if isinstance(o, Refused) else o.result(positions) for o in outcomes],
            list(batch.streams(positions)),
        )

    def _append(self, entries: Sequence[NewEvent]) -> list[int]:
        """Append; where the streams are not what is remembered of them, forget it for the next."""
        try:
            return self._log.append(entries)
        except LogReplaced:
            self._remembered.clear()
            raise

    def _load(self, calls: Sequence[CommandRequest]) -> dict[str, StreamState]:
        """Every stream that the calls need; the goods of an order are known when it is.

        What is remembered is dropped where the log is not the one that it was read from.
        """
        if self._watch.was_replaced():
            self._remembered.clear()
        streams = self._fetch(set[str]().union(*(call.needs() for call in calls)))
        more = set[str]().union(*(streams[call.home].needs() for call in calls))
        return streams | self._fetch(more - streams.keys())

    def _fetch(self, names: Iterable[str]) -> dict[str, StreamState]:
        streams = {name: self._remembered.get(name) or StreamState.new(name) for name in names}
        if streams:
            for recorded in self._log.streams({s.name: s.version for s in streams.values()}):
                stream = streams[recorded.stream]
                streams[recorded.stream] = stream.then(recorded.event, recorded.position)
        return streams

    def _remember(self, streams: Iterable[StreamState]) -> None:
        for stream in streams:
            self._watch.reached(stream.position)
            if stream.version:
                self._remembered[stream.name] = stream
                self._remembered.move_to_end(stream.name)
        while len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)


class _Made(NamedTuple):
    """What an append came to: an answer for each call, and the streams as they stand now."""

    answers: Sequence[Result | Refused]
    streams: Sequence[StreamState]


def _refusal(call: CommandRequest) -> Refused | None:
    try:
        call.check()
    except Refused as refusal:
        return refusal
    return None


def _decide(batch: Batch, call: CommandRequest) -> Accepted | Refused | None:
    try:
        return batch.decide(call)
    except Refused as refusal:
        return refusal
