"""What an aggregate is made of: its events and state, and how its commands are decided."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar

from msgspec import Struct

from ledger.domain.events import Event


class Command(Struct, frozen=True, kw_only=True):
    """Something that is asked of an aggregate, and when."""

    NEEDS_REASON: ClassVar[bool] = False
    """Whether it is refused without a reason for the audit log."""

    at: datetime

    def time_of(self, _event: Event) -> datetime:
        """When one of its events happened: as a rule all at once."""
        return self.at


StateOf = Callable[[str], Any]
"""The state of a stream by its name: one of those that a command needs."""


def _anything(_command: Any) -> None:
    """No name of the command can be wrong."""


def _nothing(_: Any) -> set[str]:
    return set()


class Aggregate(Struct, frozen=True, kw_only=True):
    """A kind of stream: its `events` make its state by `evolve`, from the `initial` one on.

    `stream_id` is what an event says of its stream: the name without the kind before it.

    Its `commands` are a union; `key` is their field that says which stream a command is about.
    `check` raises InvalidCommand for names that no stream can have. `decide` gets a command, the
    state, and the states of other streams: those that the command `needs` whatever they hold, and
    those that the `state_needs`. It answers with events, of its own stream or of those, or raises a
    `Refused`. `answer` names the object for the caller, by `id` where nothing else is said; events
    of a call are `correlated` where they belong together in the audit log.
    """

    initial: Any
    events: Any
    evolve: Callable[[Any, Any], Any]
    stream_id: Callable[[Any], str]
    commands: Any = ()
    key: str = ""
    decide: Callable[[Any, Any, StateOf], Sequence[Event]] | None = None
    check: Callable[[Any], None] = _anything
    needs: Callable[[Any], set[str]] = _nothing
    state_needs: Callable[[Any], set[str]] = _nothing
    answer: Callable[[Any], dict[str, str]] | None = None
    correlated: bool = False
