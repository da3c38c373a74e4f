"""Alerts: what is told to people and programs outside, each once for a subject and occasion."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal, get_args

from msgspec import Struct

AlertRule = Literal["issue", "dispute_due", "projection_stopped", "lag", "payout_failed"]
ALERT_RULES: Final[tuple[AlertRule, ...]] = get_args(AlertRule)
FIRST_WAIT: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = timedelta(hours=6)
MOST_ATTEMPTS: Final = 12
"""The last one is some twenty hours after the first."""


class Alert(Struct, frozen=True, kw_only=True):
    """Something to tell: by which rule, of which subject, and which time that it happened.

    `title` is one line, without personal data; `path` is where the API shows the subject.
    """

    rule: str
    subject: str
    occasion: str
    title: str
    path: str
    severity: str | None = None

    def id_for(self, channel: str) -> str:
        """What the alert goes by in a channel, at every attempt: 32 hex digits."""
        named = f"{self.rule}\0{self.subject}\0{self.occasion}\0{channel}"
        return sha256(named.encode()).hexdigest()[:32]


def retry_at(attempt: int, tried_at: datetime) -> datetime | None:
    """When an alert is tried again that failed for the `attempt`-th time; None: never."""
    if attempt >= MOST_ATTEMPTS:
        return None
    return tried_at + min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT)
