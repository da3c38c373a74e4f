"""Delivers alerts: each once for a subject and occasion, by every channel, all of it on record.

What was sent is known by the log alone, and not by a read model: that these do not follow is one
of the things to tell. An alert that went out and could not be put on record goes out again, with
the same id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event
from typing import Final, NamedTuple
from uuid import uuid4

import structlog
from msgspec.structs import replace

from app.alerts import rules
from app.alerts.channels import Channel, NotSent, channels_of
from ledger import waits
from ledger.domain.alerts import Alert, retry_at
from ledger.domain.events import AlertTried, Metadata, NewEvent, RecordedEvent
from ledger.errors import NotFound
from ledger.log import Log
from ledger.recorder import VersionTaken
from ledger.settings import Settings
from projections.engine.reads import Reads

LOOK_SECONDS: Final = 15.0
MOST_A_LOOK: Final = 20
"""So many are sent by a channel in one look; the others wait for the next."""
SYSTEM: Final = Metadata(actor="system", reason="a rule of alerts")
TEST: Final = "test"
STREAMS_AT_A_TIME: Final = 500

logger = structlog.get_logger(__name__)


class Tried(NamedTuple):
    """What became of one attempt, and its position in the log."""

    event: AlertTried
    attempt: int
    position: int


class Alerts:
    """Tells what the rules of the settings find, by all channels of the settings."""

    def __init__(
        self,
        reads: Reads,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._reads = reads
        self._settings = settings
        self._log = reads.engine.log
        self._clock = clock
        self.channels = channels_of(settings)

    def run(self, _stop: Event | None = None) -> list[Tried]:
        """One look; raises `StoreUnavailable`, and `Stopped` where it shall end."""
        now = self._clock()
        found = list(rules.found(self._reads, now, self._settings))
        tried: list[Tried] = []
        for channel in self.channels:
            due = self._due(channel, found, now)
            for (alert, last), _ in zip(due, range(MOST_A_LOOK), strict=False):
                waits.go_on()
                with suppress(VersionTaken):  # another process was first
                    tried.append(self._try(channel, alert, last, SYSTEM))
                    if tried[-1].event.outcome != "delivered":
                        break  # each may take ten seconds in vain, while other channels wait
        return tried

    def _due(
        self, channel: Channel, found: Sequence[Alert], now: datetime
    ) -> Iterator[tuple[Alert, RecordedEvent | None]]:
        """What was not told yet, or in vain; with the last attempt."""
        streams = {_stream(alert.id_for(channel.name)): alert for alert in found}
        last = _latest(self._log, [*streams])
        for stream, alert in streams.items():
            before = last.get(stream)
            if before is None:
                yield alert, None
                continue
            event = before.event
            if isinstance(event, AlertTried) and event.retry_at and event.retry_at <= now:
                yield alert, before

    def _try(
        self, channel: Channel, alert: Alert, last: RecordedEvent | None, meta: Metadata
    ) -> Tried:
        alert_id, at = alert.id_for(channel.name), self._clock()
        attempt = 1 if last is None else last.version + 1
        told = AlertTried(
            alert_id=alert_id,
            rule=alert.rule,
            subject=alert.subject,
            occasion=alert.occasion,
            channel=channel.name,
            outcome="delivered",
        )
        try:
            channel.send(alert, alert_id, at)
        except NotSent as error:
            cause = str(error)
            again = retry_at(attempt, at) if error.again and alert.rule != TEST else None
            outcome = "failed" if again else "given_up"
            told = replace(told, outcome=outcome, cause=cause, retry_at=again)
            logger.warning("alert_failed", channel=channel.name, rule=alert.rule, cause=cause)
        (position,) = self._log.append([NewEvent(_stream(alert_id), attempt, told, at, meta)])
        return Tried(told, attempt, position)

    def test(self, name: str, meta: Metadata) -> Tried:
        """Send an alert to try a channel, once; raises `NotFound` where there is none so called."""
        channel = next((each for each in self.channels if each.name == name), None)
        if channel is None:
            there = ", ".join(each.name for each in self.channels)
            raise NotFound(
                f"No channel {name[:50]!r} is set up; there "
                + (f"is {there}." if there else "is none: set LEDGER_ALERTS_….")
            )
        alert = Alert(
            rule=TEST,
            subject=f"channel/{name}",
            occasion=uuid4().hex,
            title="This is a test of alerts.",
            path="/alerts",
        )
        return self._try(channel, alert, None, meta)


def _stream(alert_id: str) -> str:
    return f"alert/{alert_id}"


def _latest(log: Log, streams: Sequence[str]) -> dict[str, RecordedEvent]:
    """The last attempt of each alert that there was one of."""
    parts: Iterable[Sequence[str]] = (
        streams[n : n + STREAMS_AT_A_TIME] for n in range(0, len(streams), STREAMS_AT_A_TIME)
    )
    return {stream: event for part in parts for stream, event in log.latest(part).items()}
