"""States of sealed events leave the database; their keys, times and hashes stay in the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from ledger.archive import sealing
from ledger.archive.sealing import Span
from ledger.archive.segments import EPOCH, MICROSECOND, Manifest
from ledger.domain.access import STREAM
from ledger.domain.events import ProofFailed, ProofFinished
from ledger.domain.streams import pulls, refreshes
from ledger.errors import ArchiveDamaged
from ledger.postgres.database import UNLIMITED, Database
from ledger.postgres.failures import store_errors

STAY: Final = [STREAM, pulls(None), refreshes(None)]
PROOFS: Final = [ProofFinished.TOPIC, ProofFailed.TOPIC]
"""Streams and topics whose states stay: signing in and the status do not need the archive."""
RECORD: Final = """
insert into ledger.offloaded (first_position, last_position, root) values (%s, %s, %s)
"""
OFFLOAD: Final = """
update ledger.stored_events
set state = ''
where notification_id between %s and %s and octet_length(state) > 0
    and originator_id <> all(%s) and topic <> all(%s)
"""


def due(sealed: Sequence[Manifest], done: Sequence[Span], before: datetime) -> list[Manifest]:
    """The segments whose events were all recorded before a moment, and are in the database."""
    until = (before - EPOCH) // MICROSECOND
    return [
        manifest
        for manifest in sealed
        if manifest.last_recorded_at < until
        and not any(span.first <= manifest.first and manifest.last <= span.last for span in done)
    ]


def offload(database: Database, address: str, segments: Sequence[Manifest]) -> Iterator[Manifest]:
    """Offload these segments, one after the other; yields each that is done.

    Each is read back first, whole, and compared with the log event by event: raises
    `ArchiveDamaged` where the two differ, and nothing of that segment has left. A segment leaves in
    one transaction, without the few events that stay; its room is then free for new events.
    Raises `ArchiveUnavailable`, `StoreUnavailable`.
    """
    with (
        store_errors(),
        database.connect("owner", seconds=UNLIMITED, autocommit=True) as conn,
    ):
        for manifest in segments:
            if finding := sealing.compare(database, address, manifest):
                raise ArchiveDamaged(f"The segment {finding.name}: {finding.what}")
            with conn.transaction():
                root = bytes.fromhex(manifest.root)
                conn.execute(RECORD, (manifest.first, manifest.last, root))
                conn.execute(OFFLOAD, (manifest.first, manifest.last, STAY, PROOFS))
            conn.execute("set lock_timeout = 0")  # one that is at work may take hours
            conn.execute("vacuum (analyze) ledger.stored_events")
            conn.execute("reset lock_timeout")
            yield manifest
