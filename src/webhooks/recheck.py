"""Re-checking what is stored: whether Stripe signed it, by the secrets that are known here.

The webhook's tolerance does not apply: the header belongs to the stored bytes, whenever they came.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from msgspec import Struct

from ledger.domain.events import StripeEventReceived
from ledger.domain.signatures import Recheck
from ledger.errors import BadSignature, NotAStripeEvent
from webhooks.ingest.signature import read_header
from webhooks.translate.objects import parse_event

FINGERPRINT_DIGITS: Final = 12


def fingerprint(secret: str) -> str:
    """By what a signing secret is called where it must not be told: 12 digits of a SHA-256.

    A secret has more random bits than can be tried out.
    """
    return sha256(b"ledger signing secret " + secret.encode()).hexdigest()[:FINGERPRINT_DIGITS]


class Rechecker(Struct, frozen=True):
    """Checks stored events of Stripe's, by all secrets that are known, retired ones too."""

    secrets: Sequence[str]

    def __call__(self, event: StripeEventReceived) -> Recheck:
        """What a check says now; never raises."""
        if (own_id := _id(event.body)) not in (None, event.event_id):
            return Recheck("wrong", f"its body is that of {own_id[:100]!r}" if own_id else "")
        if event.signature is None:
            if event.source == "webhook":
                return Recheck("wrong", "it came through the webhook, but has no signature")
            return Recheck("unsigned")
        try:
            signed = read_header(event.signature)
        except BadSignature:
            return Recheck("wrong", "its signature header is malformed")
        known = {fingerprint(secret): secret for secret in self.secrets}
        if any(signed.fits(event.body, secret) for secret in known.values()):
            return Recheck("right")
        if event.signed_by in known:
            return Recheck("wrong", "its signature does not fit, and the secret is known")
        return Recheck("unknown_secret", event.signed_by or "")


def _id(body: bytes) -> str | None:
    """The id that a body names; None where none can be read."""
    try:
        return parse_event(body).id
    except NotAStripeEvent:
        return None
