"""Whether Stripe signed a call to the webhook, with one of our secrets and just now.

https://docs.stripe.com/webhooks#verify-manually
"""

import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from ledger.errors import BadSignature

MAX_PAST_SECONDS = 300
MAX_FUTURE_SECONDS = 60
MAX_HEADER_LENGTH = 4096
_SCHEME = "v1"


def verify_signature(body: bytes, header: str | None, secrets: Iterable[str], now: datetime) -> str:
    """The secret that signed these bytes; raises `BadSignature`, which says what is wrong.

    `header` is `Stripe-Signature` as it came; its time may be up to 300 s before `now` and 60 s
    after it. Costs one HMAC a secret until one fits. The body may be any bytes: what is signed is
    stored. Stripe's own check takes text only, refuses no time in the future, and lets go of other
    exceptions than its own for odd headers.
    """
    if not header:
        raise BadSignature("The call has no Stripe-Signature header.")
    signed = read_header(header)
    _check_time(int(signed.time), int(now.timestamp()))
    for secret in secrets:
        if signed.fits(body, secret):
            return secret
    raise BadSignature(
        "No signature fits the body and this endpoint's secrets; is STRIPE_WEBHOOK_SECRETS "
        "the one of this endpoint, and does a proxy change bodies?"
    )


def is_signed(body: bytes, header: str, secrets: Iterable[str]) -> bool:
    """Whether one secret signed these bytes, whenever that was; `header` as it came then."""
    try:
        signed = read_header(header)
    except BadSignature:
        return False
    return any(signed.fits(body, secret) for secret in secrets)


class SignatureHeader(NamedTuple):
    """When a call was signed, as it is written there (seconds since 1970), and the signatures."""

    time: str
    signatures: list[str]

    def fits(self, body: bytes, secret: str) -> bool:
        """Whether the secret made one of the signatures; compared in constant time."""
        text = f"{self.time}.".encode() + body
        expected = hmac.digest(secret.encode(), text, "sha256").hex()
        found = any(hmac.compare_digest(expected, value) for value in self.signatures)
        return found and secret != ""


def read_header(header: str) -> SignatureHeader:
    """What a header says, the first of several times as with Stripe; raises `BadSignature`."""
    if len(header) > MAX_HEADER_LENGTH or not header.isascii():
        raise _malformed()
    items = [item.partition("=")[::2] for item in header.split(",")]
    times = [value for name, value in items if name == "t"]
    signatures = [value for name, value in items if name == _SCHEME]
    if not times or not times[0].isdecimal() or not signatures:
        raise _malformed()
    return SignatureHeader(times[0], signatures)


def _malformed() -> BadSignature:
    return BadSignature("The Stripe-Signature header is malformed; it looks like t=…,v1=….")


def _check_time(timestamp: int, now: int) -> None:
    if now - timestamp > MAX_PAST_SECONDS:
        raise BadSignature(
            f"The signature is too old: more than {MAX_PAST_SECONDS} seconds. Stripe signs every "
            "retry again, so this is a replay, or this machine's clock is fast."
        )
    if timestamp - now > MAX_FUTURE_SECONDS:
        raise BadSignature(
            f"The signature is from the future: more than {MAX_FUTURE_SECONDS} seconds ahead of "
            "this machine's clock, which may be slow."
        )
