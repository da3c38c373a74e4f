"""What happens to events on their way: duplicates, delays, swaps, and Stripe's signature."""

from collections.abc import Callable, Iterable
from random import Random
from typing import cast

from stripe import WebhookSignature

from simulator.sent import Events, SimulatedEvent

_LATE_BY_AT_MOST = 100


def deliver(
    events: Iterable[SimulatedEvent],
    rng: Random,
    *,
    duplicates_percent: int = 5,
    late_percent: int = 5,
    swaps_percent: int = 10,
) -> Events:
    """The events in an order in which they may arrive: all of them, some twice, some too late.

    A late event or a second delivery comes after up to 100 later ones; a swapped event changes
    places with its successor.
    """
    arrivals: list[tuple[int, int, SimulatedEvent]] = []
    for index, event in enumerate(events):
        due = 2 * index
        if rng.randrange(100) < late_percent:
            due += 2 * rng.randint(2, _LATE_BY_AT_MOST)
        elif rng.randrange(100) < swaps_percent:
            due += 3
        arrivals.append((due, index, event))
        if rng.randrange(100) < duplicates_percent:
            again = due + 2 * rng.randint(1, _LATE_BY_AT_MOST)
            arrivals.append((again, index, event))
    arrivals.sort(key=lambda arrival: arrival[:2])
    return [event for _, _, event in arrivals]


def sign(body: bytes, secret: str, timestamp: int) -> str:
    """The `Stripe-Signature` header of one delivery; `timestamp` in seconds since 1970."""
    header = cast(
        "Callable[[str, str, int], str]",
        WebhookSignature.generate_signature_header,  # pyright: ignore[reportUnknownMemberType] - the timestamp is untyped
    )
    return header(body.decode(), secret, timestamp)
