"""What takes exports out of the ledger."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from kpi.exports.transfer import Asked, begin
from ledger.disclosures import DisclosureLog
from ledger.domain.events import ExportMade, Metadata, RecordedEvent
from projections.engine.reads import Reads
from tests.kpi.builder import LedgerBuilder

Take = Callable[[Asked], bytes]


@pytest.fixture
def reads(builder: LedgerBuilder) -> Iterator[Reads]:
    with closing(Reads(builder.engine, connections=1)) as reads:
        yield reads


@pytest.fixture
def take(builder: LedgerBuilder, reads: Reads) -> Take:
    """Takes out a whole export; answers the file's bytes."""

    def taken(asked: Asked) -> bytes:
        with closing(
            begin(reads, DisclosureLog(builder.engine.log), asked, Metadata(actor="ann"))
        ) as transfer:
            return b"".join(transfer.chunks)

    return taken


@pytest.fixture
def on_record(builder: LedgerBuilder) -> Callable[[], list[RecordedEvent]]:
    """All exports that the log knows of."""

    def found() -> list[RecordedEvent]:
        return [each for each in builder.engine.log.read() if isinstance(each.event, ExportMade)]

    return found
