"""How often calls that are no signed Stripe events are told what is wrong with them."""


class Allowance:
    """A bucket of `size` calls that refills by `per_second`.

    Only rejected calls take from it: whoever floods the webhook can use it up, and a call that
    Stripe signed is accepted all the same.
    """

    def __init__(self, size: int = 1000, per_second: int = 100) -> None:
        self._size = size
        self._per_second = per_second
        self._left: float = size
        self._seen_at = 0.0

    def take(self, now: float) -> bool:
        """Take one call, at `now` in seconds of a clock that never goes back; False: none left."""
        refilled = self._left + (now - self._seen_at) * self._per_second
        self._left, self._seen_at = min(self._size, refilled), now
        if self._left < 1:
            return False
        self._left -= 1
        return True
