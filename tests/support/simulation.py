"""A shop and the Stripes that send it events, under one clock."""

from collections.abc import Iterator
from random import Random

import msgspec

from simulator import (
    API_VERSIONS,
    CHECKOUT_STORIES,
    STORIES,
    Events,
    Purchase,
    SimulatedEvent,
    SimulatedStripe,
    Story,
)
from tests.support.shop import Shop

_ALL = STORIES | CHECKOUT_STORIES


class Simulation:
    """A shop and the Stripes of all API versions that send it events; one clock for all.

    `kinds` collects what was played: lives, stories, twins, unreadable events.
    """

    def __init__(self, seed: int | str) -> None:
        self.random = Random(f"town {seed}")
        self.kinds: set[str] = set()
        self._untold: list[str] = []
        self.stripes = [SimulatedStripe(f"{seed} {v}", v) for v in API_VERSIONS]
        self.live = SimulatedStripe(f"{seed} live", livemode=True)
        self.connected = SimulatedStripe(f"{seed} connected", account="acct_1Kq0connected0")
        self.shop = Shop(self.random, self.live.now)

    def any_stripe(self, *, intents: bool = False) -> SimulatedStripe:
        """Of any API version, or of any that knows payment intents."""
        fit = [stripe for stripe in self.stripes if stripe.layout.has_intents or not intents]
        return self.on_time(self.random.choice(fit))

    def on_time(self, stripe: SimulatedStripe) -> SimulatedStripe:
        """The same, with its clock not behind the shop's."""
        stripe.advance(max(0, self.shop.now - stripe.now))
        return stripe

    def receive(self, events: Events) -> None:
        """The shop gets these events; here and there a twin, or one that nobody can read."""
        stripe = self.stripes[-1]
        for event in events:
            self.shop.receive(event)
            if self.random.randrange(25) == 0:
                self.kinds.add("twin")
                self.shop.receive(stripe.twin(event))
            if self.random.randrange(40) == 0:
                self.kinds.add("unreadable")
                self.shop.receive(unreadable(stripe.twin(event), self.random))

    def tell(self, story: Story, purchase: Purchase, stripe: SimulatedStripe) -> Iterator[Events]:
        """Play a story and receive its events, step by step."""
        self.kinds.add(story.__name__)
        steps = story(self.on_time(stripe), purchase)
        while (events := next(steps, None)) is not None:
            self.receive(events)
            yield events
            self.on_time(stripe)

    def tell_any(self, purchase: Purchase) -> Iterator[Events]:
        """A story that was not told lately."""
        if not self._untold:
            self._untold = self.random.sample(sorted(_ALL), len(_ALL))
        name = self._untold.pop()
        yield from self.tell(
            _ALL[name], purchase, self.any_stripe(intents=name in CHECKOUT_STORIES)
        )


def unreadable(event: SimulatedEvent, random: Random) -> SimulatedEvent:
    """The same event with a wrong type in one of its known fields."""
    content = msgspec.json.decode(event.body)
    thing = content["data"]["object"]
    known = [name for name in ("amount", "currency", "status", "email", "id") if name in thing]
    thing[random.choice(known or ["id"])] = {"unexpected": [1, 2]}
    body = msgspec.json.format(msgspec.json.encode(content), indent=2)
    return SimulatedEvent(event.id, event.type, event.created, body)
