"""Reads of evidence and exports: what people were shown or took out is itself an event.

Only doors for people write them down; what the service reads for itself is no such read, so that
nothing here can set off another.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

from msgspec.structs import replace

from ledger.domain.events import EvidenceRead, ExportMade, Metadata, NewEvent
from ledger.group_commit import GroupCommit, sparing
from ledger.log import APPEND_EVENTS, Log


class DisclosureLog:
    """Records them, for any number of threads; those at one time share an append.

    Each is a stream with one event, `evidence/<32 hex digits>` or `export/<32 hex digits>`, so no
    two writers compete for a version.
    """

    def __init__(self, log: Log) -> None:
        self._combiner = GroupCommit[NewEvent, int](partial(sparing, log.append), APPEND_EVENTS)

    def saw(self, subject: str, positions: Sequence[int], meta: Metadata) -> int:
        """Store that a person is about to see what these events hold; answers the position.

        `subject` is what was asked for, as `order/A1`, and the read's correlation. Raises
        `StoreUnavailable`, and then nothing must be shown.
        """
        read = EvidenceRead(subject=subject, positions=tuple(positions))
        stamped = replace(meta, correlation=subject)
        return self._combiner.submit(
            NewEvent(f"evidence/{uuid4().hex}", 1, read, datetime.now(UTC), stamped)
        )

    def exported(
        self, event: ExportMade, meta: Metadata, export_id: str | None = None
    ) -> tuple[str, int]:
        """Store that an export was made; answers the export's id and the position.

        The id (32 hex digits) may be given, for callers that had to name it before it was made.
        Raises `StoreUnavailable`; then it is not known whether the export is on record.
        """
        export_id = export_id or uuid4().hex
        entry = NewEvent(f"export/{export_id}", 1, event, datetime.now(UTC), meta)
        return export_id, self._combiner.submit(entry)
