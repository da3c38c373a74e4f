"""The endless traffic of a busy shop: random stories, side by side."""

from collections.abc import Iterator
from itertools import islice

from simulator.sent import Events, SimulatedEvent
from simulator.stories import Purchase, stories_for
from simulator.stripe import SimulatedStripe

_SIDE_BY_SIDE = 20
_CURRENCIES = ("gbp", "gbp", "usd", "jpy", "kwd", "bhd")


def traffic(stripe: SimulatedStripe, *, orders: str = "order") -> Iterator[SimulatedEvent]:
    """Events of random stories without end, about twenty side by side, for orders `order-1` …."""
    open_stories: list[Iterator[Events]] = []
    collection = list(stories_for(stripe).values())
    started = 0
    while True:
        while len(open_stories) < _SIDE_BY_SIDE:
            started += 1
            story = stripe.random.choice(collection)
            open_stories.append(story(stripe, _random_purchase(stripe, f"{orders}-{started}")))
        chosen = stripe.random.randrange(len(open_stories))
        events = next(open_stories[chosen], None)
        if events is None:
            open_stories[chosen] = open_stories[-1]
            open_stories.pop()
        else:
            yield from events


def some_traffic(seed: int | str, count: int, *, compact: bool = False) -> Iterator[SimulatedEvent]:
    """The first `count` events of one shop's random life."""
    return islice(traffic(SimulatedStripe(seed, compact=compact)), count)


def _random_purchase(stripe: SimulatedStripe, order_id: str) -> Purchase:
    amount_minor = stripe.random.randint(20, 2000) * 10
    linked = stripe.random.randrange(20) > 0
    currency = stripe.random.choice(_CURRENCIES)
    return Purchase(amount_minor, currency, order_id if linked else None)
