"""Whether Stripe signed a call to the webhook, with one of our secrets and just now.

https://docs.stripe.com/webhooks#verify-manually
"""

from collections.abc import Iterable
from datetime import datetime

from stripe import SignatureVerificationError, WebhookSignature

from ledger.errors import BadSignature

MAX_PAST_SECONDS = 300
MAX_FUTURE_SECONDS = 60
MAX_HEADER_LENGTH = 4096
_SCHEME = "v1"


def verify_signature(body: bytes, header: str | None, secrets: Iterable[str], now: datetime) -> str:
    """The secret that signed these bytes; raises `BadSignature`, which says what is wrong.

    `header` is `Stripe-Signature` as it came; its time may be up to 300 s before `now` and 60 s
    after it. Costs one HMAC a secret until one fits. Stripe's own check refuses no time in the
    future and lets go of other exceptions than its own for odd headers and bodies.
    """
    if not header:
        raise BadSignature("The call has no Stripe-Signature header.")
    _check_time(_timestamp(header), int(now.timestamp()))
    text = _text(body)
    for secret in secrets:
        if _is_signed(text, header, secret):
            return secret
    raise BadSignature(
        "No signature fits the body and this endpoint's secrets; is STRIPE_WEBHOOK_SECRETS "
        "the one of this endpoint, and does a proxy change bodies?"
    )


def is_signed(body: bytes, header: str, secrets: Iterable[str]) -> bool:
    """Whether one secret signed these bytes, whenever that was; `header` as it came then."""
    try:
        _timestamp(header)
        text = _text(body)
    except BadSignature:
        return False
    return any(_is_signed(text, header, secret) for secret in secrets)


def _timestamp(header: str) -> int:
    """The header's time, in seconds since 1970; like Stripe, the first one counts."""
    if len(header) > MAX_HEADER_LENGTH or not header.isascii():
        raise _malformed()
    items = [item.partition("=")[::2] for item in header.split(",")]
    times = [value for name, value in items if name == "t"]
    if not times or not times[0].isdecimal() or not any(name == _SCHEME for name, _ in items):
        raise _malformed()
    return int(times[0])


def _malformed() -> BadSignature:
    return BadSignature("The Stripe-Signature header is malformed; it looks like t=…,v1=….")


def _check_time(timestamp: int, now: int) -> None:
    if now - timestamp > MAX_PAST_SECONDS:
        raise BadSignature(
            f"The signature is too old: more than {MAX_PAST_SECONDS} seconds. Stripe signs every "
            "retry anew, so this is a replay, or this machine's clock is fast."
        )
    if timestamp - now > MAX_FUTURE_SECONDS:
        raise BadSignature(
            f"The signature is from the future: more than {MAX_FUTURE_SECONDS} seconds ahead of "
            "this machine's clock, which may be slow."
        )


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise BadSignature("The body is not UTF-8, so Stripe did not sign it.") from None


def _is_signed(text: str, header: str, secret: str) -> bool:
    """The comparison is Stripe's, in constant time; the age is checked by us."""
    try:
        return WebhookSignature.verify_header(text, header, secret)  # pyright: ignore[reportUnknownMemberType] - its tolerance has no type
    except SignatureVerificationError:
        return False
