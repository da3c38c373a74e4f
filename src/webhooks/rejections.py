"""Calls to the webhook that were turned away, in the service's own log: one line a minute.

Stripe sees the answer, and tries again for days; the one who set the service up sees the log.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

import structlog

from api.operations import code, title_of
from ledger.errors import BadSignature, EndpointOff, LedgerError

EVERY_SECONDS: Final = 60.0
_SAYS_WHY: Final = (BadSignature, EndpointOff)
"""Errors whose text is one of a few of ours; that of others may hold what was sent."""

logger = structlog.get_logger(__name__)


class Rejections:
    """Warns of calls that were turned away: of the first at once, of more when a minute is over.

    For one event loop. What a line counts, no other line counts again.
    """

    def __init__(self) -> None:
        self._causes: Counter[tuple[str, str]] = Counter()
        self._minute: asyncio.TimerHandle | None = None

    def saw(self, error: LedgerError) -> None:
        """Count a call that was turned away for this."""
        why = str(error) if isinstance(error, _SAYS_WHY) else title_of(type(error))
        self._causes[code(type(error)), why] += 1
        if self._minute is None:
            self._tell()

    def close(self) -> None:
        """Tell what was not told yet."""
        if self._minute is not None:
            self._minute.cancel()
        self._warn()

    def _tell(self) -> None:
        """Warn, and again after a minute if there is more by then."""
        self._minute = None
        if self._causes:
            self._warn()
            loop = asyncio.get_running_loop()
            self._minute = loop.call_later(EVERY_SECONDS, self._tell)

    def _warn(self) -> None:
        if not self._causes:
            return
        (_, why), _ = self._causes.most_common(1)[0]
        counts: Counter[str] = Counter()
        for (name, _), count in self._causes.items():
            counts[name] += count
        logger.warning(
            "webhook_calls_rejected",
            count=self._causes.total(),
            errors=dict(counts),
            likely_cause=why,
        )
        self._causes.clear()
