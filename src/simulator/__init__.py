"""A simulator of a shop's life at Stripe: the demo, the laws and the benchmarks play it.

It is deterministic and pure: a seed in, events out, each with the exact bytes of its body.

    stripe     SimulatedStripe: everything that shop, customers and banks do there
    api        Stripe's API over it: lists, single objects, errors, limits, refunds
    past       past_shop: years of a shop's life at one go, and the truth about its figures
    memory     the objects of one that remembers; balance, payouts: the money that they move
    stories    whole payments from start to end; traffic: any number of them, side by side
    subscriber_stories   the lives of subscribers
    delivery   duplicates, delays and swaps on the way; Stripe's signature
    layout     how each API version writes the objects down (versions, …_fields: their fields);
               billing_layout: those of subscriptions, invoices and payouts
"""

from simulator.delivery import deliver, sign
from simulator.layout import API_VERSIONS
from simulator.past import PastShop, Truth, past_shop
from simulator.sent import Events, SimulatedEvent
from simulator.stories import CHECKOUT_STORIES, STORIES, Purchase, Story, stories_for
from simulator.stripe import SimulatedStripe
from simulator.subscriber_stories import SUBSCRIBER_STORIES
from simulator.traffic import some_traffic, traffic

__all__ = [
    "API_VERSIONS",
    "CHECKOUT_STORIES",
    "STORIES",
    "SUBSCRIBER_STORIES",
    "Events",
    "PastShop",
    "Purchase",
    "SimulatedEvent",
    "SimulatedStripe",
    "Story",
    "Truth",
    "deliver",
    "past_shop",
    "sign",
    "some_traffic",
    "stories_for",
    "traffic",
]
