"""An event as the simulated Stripe sends it."""

from msgspec import Struct


class SimulatedEvent(Struct, frozen=True):
    """An event as Stripe sends it: `body` is the exact JSON, `created` in seconds since 1970."""

    id: str
    type: str
    created: int
    body: bytes


Events = list[SimulatedEvent]
