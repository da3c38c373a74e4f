"""Reads of evidence: who was shown what events hold is itself an event, stored before the answer.

Only doors for people write them down; what the service reads for itself is no such read, so that
nothing here can set off another.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from msgspec.structs import replace

from ledger.combiner import Combiner
from ledger.domain.events import Entry, EvidenceRead, Meta
from ledger.log import APPEND_EVENTS, Log


class Witness:
    """Writes down reads of evidence, for any number of threads; those at one time share an append.

    Each read is a stream of its own, `evidence/<32 hex digits>`: readers never wait for a version.
    """

    def __init__(self, log: Log) -> None:
        self._combiner = Combiner[Entry, int](log.append, APPEND_EVENTS)

    def saw(self, subject: str, positions: Sequence[int], meta: Meta) -> int:
        """Store that somebody is about to see what these events hold; answers the position.

        `subject` is what was asked for, as `order/A1`, and the read's correlation. Raises
        `StoreUnavailable`, and then nothing must be shown.
        """
        read = EvidenceRead(subject=subject, positions=tuple(positions))
        stamped = replace(meta, correlation=subject)
        return self._combiner.submit(
            Entry(f"evidence/{uuid4().hex}", 1, read, datetime.now(UTC), stamped)
        )
