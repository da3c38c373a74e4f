"""Commands decided one after the other in memory: nothing here waits for anything."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ledger.domain import claim, issue, order, stock, wishlist
from ledger.domain.claim import Claim, ClaimCommand, ClaimEvent
from ledger.domain.events import CommandAccepted, Event, Metadata, NewEvent, UnreadableEvent
from ledger.domain.issue import Issue, IssueCommand, IssueEvent, NoIssue, ReopenIssue, ResolveIssue
from ledger.domain.limits import check_customer_id, check_id, check_payment_id, check_text
from ledger.domain.order import KnownOrder, NoOrder, Order, OrderEvent
from ledger.domain.order_commands import OrderCommand, PlaceOrder, ReturnLines
from ledger.domain.stock import AdjustStock, Item, StockCommand, StockEvent, Unlisted
from ledger.domain.wishlist import Wishlist, WishlistCommand, WishlistEvent, wish_id
from ledger.errors import FieldError, IdempotencyMismatch, InvalidCommand, UnknownTopic

Command = OrderCommand | StockCommand | IssueCommand | WishlistCommand
State = Order | Item | Issue | Wishlist | Claim | CommandAccepted | None

EXPLAINED = AdjustStock | ReturnLines | ResolveIssue | ReopenIssue
"""Commands that nobody gives without a reason."""

MAX_KEY = 255


class StreamState(Struct, frozen=True):
    """A stream folded up to `version`; its last event stands at `position` (0 while it is new)."""

    name: str
    state: State
    version: int = 0
    position: int = 0

    @classmethod
    def new(cls, name: str) -> "StreamState":
        """A stream that nothing was appended to."""
        kind, _, _ = name.partition("/")
        return cls(name, _INITIAL[kind])

    def then(self, event: Event, position: int = 0) -> "StreamState":
        """The stream with one more event; raises `UnknownTopic` for one that cannot be read."""
        if isinstance(event, UnreadableEvent):
            raise UnknownTopic(f"{self.name} has an event that cannot be read: {event.cause}")
        return StreamState(self.name, _evolve(self.state, event), self.version + 1, position)


_INITIAL: dict[str, State] = {
    "order": NoOrder(),
    "stock": Unlisted(),
    "issue": NoIssue(),
    "wishlist": Wishlist(),
    "payment": Claim(),
    "command": None,
    "customer_command": None,
}


def _evolve(state: State, event: Event) -> State:
    if isinstance(event, CommandAccepted):
        return event
    if isinstance(event, OrderEvent):
        assert isinstance(state, Order), "an order's events stand in its stream"
        return order.evolve(state, event)
    if isinstance(event, IssueEvent):
        assert isinstance(state, Issue), "an issue's events stand in its stream"
        return issue.evolve(state, event)
    if isinstance(event, WishlistEvent):
        assert isinstance(state, Wishlist), "a wishlist's events stand in its stream"
        return wishlist.evolve(state, event)
    if isinstance(event, ClaimEvent):
        assert isinstance(state, Claim), "a payment's claims stand in its stream"
        return claim.evolve(state, event)
    assert isinstance(event, StockEvent), "the streams of commands hold the shop's events only"
    assert isinstance(state, Item), "a product's events stand in its stream"
    return stock.evolve(state, event)


def _stream_of(event: Event) -> str:
    if isinstance(event, OrderEvent):
        return f"order/{event.order_id}"
    if isinstance(event, IssueEvent):
        return f"issue/{event.finding.issue_id}"
    if isinstance(event, WishlistEvent):
        return f"wishlist/{event.customer_id}"
    if isinstance(event, ClaimEvent):
        return f"payment/{event.payment_id}"
    assert isinstance(event, StockEvent), "commands make the shop's events only"
    return f"stock/{event.sku}"


class CommandRequest(Struct, frozen=True):
    """A command that somebody waits for, with an idempotency key or without.

    A key is its owner's: two customers, or a customer and the shop, may use the same one.
    `key_owner` is the customer's id; None is the shop, whose programs and people share theirs.
    """

    command: Command
    meta: Metadata
    key: str | None
    request_sha256: str
    key_owner: str | None = None

    def check(self) -> None:
        """Raise InvalidCommand for names that no stream can have, and where a reason is due."""
        for noun, name in self._names():
            check_id(noun, name)
        if isinstance(self.command, IssueCommand):
            check_text("issue id", self.command.issue_id)
        if isinstance(self.command, WishlistCommand):
            check_customer_id(self.command.customer_id)
        if isinstance(self.command, ClaimCommand):
            check_payment_id(self.command.payment_id)
        check_text("reason", self.meta.reason)
        if isinstance(self.command, EXPLAINED) and self.meta.reason is None:
            needed = "A reason is needed: the audit log will be asked why."
            raise InvalidCommand(needed, FieldError("reason", "missing", needed))
        if self.key is not None and not (self.key.isprintable() and 1 <= len(self.key) <= MAX_KEY):
            raise InvalidCommand(f"An idempotency key has 1 to {MAX_KEY} printable characters.")

    def _names(self) -> Iterable[tuple[str, str]]:
        if isinstance(self.command, IssueCommand):
            return  # an issue is called as a check decided, after what Stripe may have named
        if isinstance(self.command, StockCommand | WishlistCommand):
            yield "SKU", self.command.sku
            return
        yield "order id", self.command.order_id
        if isinstance(self.command, PlaceOrder):
            yield from (("SKU", line.sku) for line in self.command.lines)

    @property
    def home(self) -> str:
        """The stream that the command is about."""
        if isinstance(self.command, StockCommand):
            return f"stock/{self.command.sku}"
        if isinstance(self.command, IssueCommand):
            return f"issue/{self.command.issue_id}"
        if isinstance(self.command, WishlistCommand):
            return f"wishlist/{self.command.customer_id}"
        return f"order/{self.command.order_id}"

    @property
    def memory(self) -> str | None:
        """The stream that remembers its key; a customer's id may be long, and may hold a slash."""
        if self.key is None or self.key_owner is None:
            return None if self.key is None else f"command/{self.key}"
        owner = sha256(self.key_owner.encode()).hexdigest()
        return f"customer_command/{owner}/{self.key}"

    def needs(self) -> set[str]:
        """The streams that it needs whatever they hold."""
        needed = {self.home}
        if self.memory is not None:
            needed.add(self.memory)
        if isinstance(self.command, PlaceOrder):
            needed.update(f"stock/{line.sku}" for line in self.command.lines)
        if isinstance(self.command, ClaimCommand):
            needed.add(f"payment/{self.command.payment_id}")
        if isinstance(self.command, WishlistCommand):
            needed.add(f"stock/{self.command.sku}")
        return needed

    def value(self) -> dict[str, str]:
        """What its caller is told."""
        if isinstance(self.command, StockCommand):
            return {"sku": self.command.sku}
        if isinstance(self.command, IssueCommand):
            return {"id": self.command.issue_id}
        if isinstance(self.command, WishlistCommand):
            return {"id": wish_id(self.command.customer_id, self.command.sku)}
        return {"id": self.command.order_id}

    def stamp(self) -> Metadata:
        """The meta of its events: those of an order and of its stock belong together."""
        alone = not isinstance(self.command, OrderCommand)
        if self.meta.correlation is not None or alone:
            return self.meta
        return replace(self.meta, correlation=self.home)


class Result(Struct, frozen=True):
    """What a command came to: `value` names its object; a read from `position` on shows it."""

    position: int
    value: Mapping[str, str]


class Accepted(Struct, frozen=True):
    """A decided call, answered with the position of an entry of its batch, or an older one."""

    value: Mapping[str, str]
    entry: int | None
    position: int

    def result(self, positions: Sequence[int]) -> Result:
        """The answer, once the batch's entries have their positions."""
        return Result(self.position if self.entry is None else positions[self.entry], self.value)


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
        made = [(_stream_of(event), event) for event in self._decided(call)]
        made += _remembered(call)
        if len(self.entries) + len(made) > self._limit:
            assert self.entries, "the events of one command always fit in"
            return None
        meta = call.stamp()
        for name, event in made:
            self._add(name, event, call.command.at, meta)
        return self._answer(call.value(), made[-1][0] if made else call.home)

    def streams(self, positions: Sequence[int]) -> Iterable[StreamState]:
        """The streams as they stand once the entries have their positions."""
        for name, stream in self._streams.items():
            entry = self._last_entry.get(name)
            yield stream if entry is None else replace(stream, position=positions[entry])

    def _decided(self, call: CommandRequest) -> Sequence[Event]:
        state, command = self._streams[call.home].state, call.command
        if isinstance(command, StockCommand):
            assert isinstance(state, Item)
            return stock.decide(command, state)
        if isinstance(command, IssueCommand):
            assert isinstance(state, Issue)
            return issue.decide(command, state)
        if isinstance(command, WishlistCommand):
            item = self._streams[f"stock/{command.sku}"].state
            assert isinstance(state, Wishlist)
            assert isinstance(item, Item)
            return wishlist.decide(command, state, item)
        assert isinstance(state, Order)
        decided = order.decide(command, state, self._items(call, state))
        if not isinstance(command, ClaimCommand):
            return decided
        held = self._streams[f"payment/{command.payment_id}"].state
        assert isinstance(held, Claim)
        return [*claim.decide(command, held, decided), *decided]

    def _items(self, call: CommandRequest, state: Order) -> dict[str, Item]:
        items: dict[str, Item] = {}
        for name in call.needs() | goods(state):
            item = self._streams[name].state
            if isinstance(item, Item):
                items[name.removeprefix("stock/")] = item
        return items

    def _add(self, name: str, event: Event, at: datetime, meta: Metadata) -> None:
        stream = self._streams[name].then(event)
        self._streams[stream.name] = stream
        self._last_entry[stream.name] = len(self.entries)
        self.entries.append(NewEvent(stream.name, stream.version, event, at, meta))

    def _repeat(self, call: CommandRequest, accepted: CommandAccepted) -> Accepted:
        if accepted.request_sha256 != call.request_sha256:
            raise IdempotencyMismatch(
                f"Idempotency key {accepted.key!r} was used with another request; use a new key."
            )
        value = msgspec.json.decode(accepted.result, type=dict[str, str])
        return self._answer(value, call.memory or call.home)

    def _answer(self, value: Mapping[str, str], stream: str) -> Accepted:
        return Accepted(value, self._last_entry.get(stream), self._streams[stream].position)


def goods(state: State) -> set[str]:
    """The stock streams of an order's lines."""
    if not isinstance(state, KnownOrder):
        return set()
    return {f"stock/{sku}" for sku in state.sale.units}


def _remembered(call: CommandRequest) -> list[tuple[str, Event]]:
    """What keeps the answer to a call with a key, and the stream that it stands in."""
    if call.key is None or call.memory is None:
        return []
    result = Raw(msgspec.json.encode(call.value()))
    accepted = CommandAccepted(key=call.key, request_sha256=call.request_sha256, result=result)
    return [(call.memory, accepted)]
