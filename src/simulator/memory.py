"""What the simulated Stripe remembers: its objects by kind, in the order in which they were made.

An object is remembered as it lives (a small Struct that later actions change), not as JSON: a
layout writes it down when it is asked for, so that it always says how things stand now.
"""

from bisect import bisect_left
from operator import attrgetter
from typing import Any, Protocol

from simulator.sent import SimulatedEvent

EVENT_SECONDS = 30 * 86_400  # https://docs.stripe.com/api/events: kept for 30 days


class Made(Protocol):
    """Anything that Stripe made."""

    @property
    def id(self) -> str:
        """Stripe's id."""
        ...

    @property
    def created(self) -> int:
        """When it was made, in seconds since 1970."""
        ...


class Shelf:
    """The objects of one kind, oldest first; `created` never decreases along it."""

    def __init__(self) -> None:
        self.things: list[Any] = []
        self._places: dict[str, int] = {}

    def add(self, thing: Made) -> None:
        """Remember a new object."""
        assert not self.things or self.things[-1].created <= thing.created, "time goes back"
        self._places[thing.id] = len(self.things)
        self.things.append(thing)

    def get(self, thing_id: str) -> Any | None:
        """The object of an id."""
        place = self.place(thing_id)
        return None if place is None else self.things[place]

    def place(self, thing_id: str) -> int | None:
        """Where an object stands: 0 is the oldest one's."""
        return self._places.get(thing_id)

    def first_since(self, created: int) -> int:
        """The place of the first object that was made at or after a time."""
        return bisect_left(self.things, created, key=attrgetter("created"))

    def since(self, created: int) -> "Shelf":
        """The objects that were made at or after a time: this shelf, if those are all."""
        first = self.first_since(created)
        if not first:
            return self
        later = Shelf()
        for thing in self.things[first:]:
            later.add(thing)
        return later

    def __len__(self) -> int:
        return len(self.things)


class Memory:
    """All objects by kind (Stripe's word in `object`), and the events of at least 30 days."""

    def __init__(self) -> None:
        self._shelves: dict[str, Shelf] = {}
        self.events = Shelf()
        self.discounts_of_customers: dict[str, Any] = {}

    def shelf(self, kind: str) -> Shelf:
        """The objects of a kind; empty where there are none yet."""
        return self._shelves.setdefault(kind, Shelf())

    def keep(self, kind: str, thing: Made) -> None:
        """Remember a new object."""
        self.shelf(kind).add(thing)

    def keep_event(self, event: SimulatedEvent) -> None:
        """Remember an event; forget those that are too old once they are most of all."""
        self.events.add(event)
        old = self.events.first_since(event.created - EVENT_SECONDS)
        if old > max(1000, len(self.events) // 2):
            self.events = self.events.since(event.created - EVENT_SECONDS)

    def counts(self) -> dict[str, int]:
        """How many objects there are of each kind that has a list."""
        kinds = (kind for kind in self._shelves if kind != "discount")
        return {kind: len(self._shelves[kind]) for kind in kinds if self._shelves[kind].things}

    def __len__(self) -> int:
        return sum(self.counts().values())
