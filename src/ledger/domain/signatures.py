"""What a check of a stored event's signature can say."""

from typing import Literal, NamedTuple

Signature = Literal["right", "wrong", "unsigned", "unknown_secret"]


class Recheck(NamedTuple):
    """`wrong` says what in `detail`; `unknown_secret` the secret's fingerprint, if one is stored.

    `unsigned` are events that came without a signature: from a file, or from Stripe's list.
    """

    signature: Signature
    detail: str = ""
