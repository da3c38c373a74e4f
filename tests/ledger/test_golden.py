"""Golden files: events as earlier versions stored them, which every later version must read.

Lines are only ever added. A line that no longer reads means that stored logs no longer read.
"""

from pathlib import Path

import msgspec
import pytest
from eventsourcing.persistence import StoredEvent

from ledger.domain.events import CATALOGUE, NewEvent, RecordedEvent
from ledger.domain.streams import belongs, stream_of
from ledger.mapper import LedgerMapper
from webhooks.translate.translator import Translator

FILES = sorted((Path(__file__).parent / "golden").glob("*.jsonl"))
LINES = [line for file in FILES for line in file.read_bytes().splitlines()]
MAPPER = LedgerMapper(None)  # pyright: ignore[reportArgumentType] - it needs no transcoder


class Golden(msgspec.Struct):
    """One stored event."""

    originator_id: str
    originator_version: int
    topic: str
    state: str


GOLDEN = [msgspec.json.decode(golden, type=Golden) for golden in LINES]


def stored(golden: Golden) -> StoredEvent:
    return StoredEvent(
        golden.originator_id, golden.originator_version, golden.topic, golden.state.encode()
    )


def test_every_topic_has_a_golden_event():
    missing = sorted(set(CATALOGUE) - {golden.topic for golden in GOLDEN})
    assert not missing, (
        f"{', '.join(missing)}: add a line to a file of tests/ledger/golden/, one event as"
        " `LedgerMapper(None).to_stored_event` stores it"
    )
    assert {golden.topic for golden in GOLDEN} <= set(CATALOGUE), "a topic never goes away"


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.originator_id)
def test_a_golden_event_reads_and_would_be_stored_the_same(golden: Golden):
    entry = MAPPER.to_domain_event(stored(golden))
    assert type(entry.event) is CATALOGUE[golden.topic]
    assert MAPPER.to_stored_event(entry) == stored(golden)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.originator_id)
def test_a_golden_event_stands_in_its_stream_and_in_no_other(golden: Golden):
    event = MAPPER.to_domain_event(stored(golden)).event
    assert belongs(golden.originator_id, event), (
        f"{golden.topic}: write in src/ledger/domain/streams.py where it stands"
    )
    assert not belongs("elsewhere/1", event)
    assert belongs(f"{golden.originator_id}x", event) is (stream_of(event) is None)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.originator_id)
def test_a_golden_event_is_still_a_fact(golden: Golden):
    entry: NewEvent = MAPPER.to_domain_event(stored(golden))
    recorded = RecordedEvent(
        1, entry.originator_id, entry.originator_version, entry.effective_at,
        entry.effective_at, entry.event, entry.meta,
    )  # fmt: skip
    _, facts = Translator(mode="test", order_metadata_key="order_id")(recorded)
    assert facts
