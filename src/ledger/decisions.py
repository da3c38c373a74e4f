"""Commands decided one after the other in memory: nothing here waits for anything."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ledger.domain.aggregate import Command
from ledger.domain.events import CommandAccepted, Event, Metadata, NewEvent, UnreadableEvent
from ledger.domain.limits import check_reason
from ledger.domain.streams import AGGREGATES, decider_of, home_of, stream_of
from ledger.errors import FieldError, IdempotencyMismatch, InvalidCommand, UnknownTopic

MAX_KEY = 255
RECORDED = "recorded"
"""Beside what an answer names: the topics of the events that the call made, spaces between."""


class StreamState(Struct, frozen=True):
    """A stream folded up to `version`; its last event stands at `position` (0 while it is new)."""

    name: str
    state: Any
    version: int = 0
    position: int = 0

    @classmethod
    def new(cls, name: str) -> "StreamState":
        """A stream that nothing was appended to."""
        return cls(name, AGGREGATES[name.partition("/")[0]].initial)

    def needs(self) -> set[str]:
        """The other streams that a decision about what it holds may need."""
        return AGGREGATES[self.name.partition("/")[0]].state_needs(self.state)

    def then(self, event: Event, position: int = 0) -> "StreamState":
        """The stream with one more event; raises `UnknownTopic` for one that cannot be read."""
        if isinstance(event, UnreadableEvent):
            raise UnknownTopic(f"{self.name} has an event that cannot be read: {event.cause}")
        aggregate = AGGREGATES[self.name.partition("/")[0]]
        assert isinstance(event, aggregate.events), f"{self.name} holds events of its kind only"
        state = aggregate.evolve(self.state, event)
        return StreamState(self.name, state, self.version + 1, position)


class CommandRequest(Struct, frozen=True):
    """A command whose caller waits for the answer, with an idempotency key or without.

    A key is its owner's: two customers, or a customer and the shop, may use the same one.
    `key_owner` is the customer's id; None is the shop, whose programs and people share theirs.
    """

    command: Command
    meta: Metadata
    key: str | None
    request_sha256: str
    key_owner: str | None = None

    def check(self, *, needs_reason: bool = True) -> None:
        """Raise InvalidCommand for names that no stream can have, and where a reason is due."""
        decider_of(self.command).check(self.command)
        check_reason(self.meta.reason)
        if needs_reason and self.command.NEEDS_REASON and self.meta.reason is None:
            needed = "A reason is needed: the audit log will be asked why."
            raise InvalidCommand(needed, FieldError("reason", "missing", needed))
        if self.key is not None:
            check_key(self.key)

    @property
    def home(self) -> str:
        """The stream that the command is about."""
        return home_of(self.command)

    @property
    def memory(self) -> str | None:
        """The stream that remembers its key."""
        return None if self.key is None else memory_of(self.key, self.key_owner)

    def needs(self) -> set[str]:
        """The streams that it needs whatever they hold."""
        needed = {self.home} | decider_of(self.command).needs(self.command)
        return needed if self.memory is None else needed | {self.memory}

    def value(self) -> dict[str, str]:
        """What its caller is told."""
        answer = decider_of(self.command).answer
        return answer(self.command) if answer else {"id": self.home.partition("/")[2]}

    def stamp(self) -> Metadata:
        """The meta of its events: those of an order and of its stock belong together."""
        if self.meta.correlation is not None or not decider_of(self.command).correlated:
            return self.meta
        return replace(self.meta, correlation=self.home)


class Result(Struct, frozen=True):
    """What a command came to: `value` names its object; a read from `position` on shows it.

    `recorded` has the topics of the events that it made, none where everything was so already. The
    repeat of a key is answered with those of the first call; they are None, not known, where that
    was answered by a version that did not keep them.
    """

    position: int
    value: Mapping[str, str]
    recorded: Sequence[str] | None = ()

    def document(self) -> dict[str, Any]:
        """What a caller is shown."""
        return {**self.value, "position": self.position, "recorded": self.recorded}


class Accepted(Struct, frozen=True):
    """A decided call, answered with the position of an entry of its batch, or an older one."""

    value: Mapping[str, str]
    recorded: Sequence[str] | None
    entry: int | None
    position: int

    def result(self, positions: Sequence[int]) -> Result:
        """The answer, once the batch's entries have their positions."""
        position = self.position if self.entry is None else positions[self.entry]
        return Result(position, self.value, self.recorded)


class Batch:
    """Decisions on loaded streams, each seeing what those before it did.

    `entries` is what they append, all at once and never more than `limit`.
    """

    def __init__(self, streams: dict[str, StreamState], limit: int) -> None:
        self._streams = streams
        self._limit = limit
        self._last_entry: dict[str, int] = {}
        self.entries: list[NewEvent] = []

    def decide(self, call: CommandRequest) -> Accepted | None:
        """Decide a call; None where its events do not fit in. Raises a `Refused`."""
        if call.memory is not None:
            accepted = self._streams[call.memory].state
            if isinstance(accepted, CommandAccepted):
                return self._repeat(call, accepted)
        made = [(_home(event), event) for event in self._decided(call)]
        recorded = tuple(event.TOPIC for _, event in made)
        made += _remembered(call, recorded)
        if len(self.entries) + len(made) > self._limit:
            assert self.entries, "the events of one command always fit in"
            return None
        meta = call.stamp()
        for name, event in made:
            self._add(name, event, call.command.time_of(event), meta)
        return self._answer(call.value(), recorded, made[-1][0] if made else call.home)

    def streams(self, positions: Sequence[int]) -> Iterable[StreamState]:
        """The streams as they stand once the entries have their positions."""
        for name, stream in self._streams.items():
            entry = self._last_entry.get(name)
            yield stream if entry is None else replace(stream, position=positions[entry])

    def _decided(self, call: CommandRequest) -> Sequence[Event]:
        decide = decider_of(call.command).decide
        assert decide is not None, "an aggregate that has commands decides them"
        state = self._streams[call.home].state
        return decide(call.command, state, lambda name: self._streams[name].state)

    def _add(self, name: str, event: Event, at: datetime, meta: Metadata) -> None:
        stream = self._streams[name].then(event)
        self._streams[stream.name] = stream
        self._last_entry[stream.name] = len(self.entries)
        self.entries.append(NewEvent(stream.name, stream.version, event, at, meta))

    def _repeat(self, call: CommandRequest, accepted: CommandAccepted) -> Accepted:
        value = answer_of(accepted, call.request_sha256)
        kept = value.pop(RECORDED, None)
        recorded = None if kept is None else tuple(kept.split())
        return self._answer(value, recorded, call.memory or call.home)

    def _answer(
        self, value: Mapping[str, str], recorded: Sequence[str] | None, stream: str
    ) -> Accepted:
        position = self._streams[stream].position
        return Accepted(value, recorded, self._last_entry.get(stream), position)


def check_key(key: str) -> None:
    """Raise InvalidCommand for what is no idempotency key."""
    if not (key.isprintable() and 1 <= len(key) <= MAX_KEY):
        raise InvalidCommand(f"An idempotency key has 1 to {MAX_KEY} printable characters.")


def memory_of(key: str, key_owner: str | None) -> str:
    """The stream that remembers a key; a customer's id may be long, and may hold a slash."""
    if key_owner is None:
        return f"command/{key}"
    return f"customer_command/{sha256(key_owner.encode()).hexdigest()}/{key}"


def answer_of(accepted: CommandAccepted, request_sha256: str) -> dict[str, str]:
    """What a request was answered; raises `IdempotencyMismatch` for another one."""
    if accepted.request_sha256 != request_sha256:
        raise IdempotencyMismatch(
            f"Idempotency key {accepted.key!r} was used with another request; use a new key."
        )
    return msgspec.json.decode(accepted.result, type=dict[str, str])


def _home(event: Event) -> str:
    name = stream_of(event)
    assert name is not None, "commands make events that name their stream"
    return name


def _remembered(call: CommandRequest, recorded: Sequence[str]) -> list[tuple[str, Event]]:
    """What keeps the answer to a call with a key, and the stream that it stands in."""
    if call.key is None or call.memory is None:
        return []
    result = Raw(msgspec.json.encode(call.value() | {RECORDED: " ".join(recorded)}))
    accepted = CommandAccepted(key=call.key, request_sha256=call.request_sha256, result=result)
    return [(call.memory, accepted)]
