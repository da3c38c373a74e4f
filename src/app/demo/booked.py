"""A simulated Stripe whose stories are told each in its own time, and what they move."""

from typing import Any

from simulator import SimulatedStripe
from simulator.transactions import Transaction


class BookedStripe(SimulatedStripe):
    """One that keeps what moves its balance, in the order in which it is told."""

    def __init__(self, seed: int | str) -> None:
        super().__init__(seed)
        self.booked: list[Transaction] = []

    def available_at(self, at: int, currency: str) -> int:
        """What can be paid out at a time (seconds since 1970), in minor units."""
        return sum(
            each.net_minor
            for each in self.booked
            if each.currency == currency and each.created <= at and each.available_on <= at
        )

    def _book(self, *args: Any, **more: Any) -> Transaction:
        booked = super()._book(*args, **more)
        self.booked.append(booked)
        return booked
