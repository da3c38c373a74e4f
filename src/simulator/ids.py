"""Ids that look like Stripe's: unique within one simulator, the same for the same seed."""

from random import Random
from string import ascii_letters, digits

_ALPHABET = digits + ascii_letters
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_SERIALS = len(_PAIRS) ** 2
_SCATTER = 9_176_263  # shares no factor with 62, so that no two counts meet


class Ids:
    """Makes ids such as `pi_3k7Qz0LkdIwHu7ix28a3tqPa`: a scattered count, the account, chance."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._count = 0
        self._account = self.chance(10)

    def new(self, prefix: str, generation: int = 1) -> str:
        """A new id of 24 characters after its prefix; Stripe's newest objects are generation 3."""
        self._count += 1
        high, low = divmod(self._count * _SCATTER % _SERIALS, len(_PAIRS))
        return f"{prefix}_{generation}{_PAIRS[high]}{_PAIRS[low]}0{self._account}{self.chance(8)}"

    def chance(self, length: int) -> str:
        """Letters and digits by chance; `length` is even."""
        pick = self._random.randrange
        return "".join([_PAIRS[pick(len(_PAIRS))] for _ in range(length // 2)])
