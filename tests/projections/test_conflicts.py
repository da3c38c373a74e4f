"""Conflicts: another content of an event is a row, once."""

from ledger.domain.events import ConflictFound
from tests.projections.models import Models, at

FOUND = ConflictFound(
    event_id="evt_1",
    stored_position=7,
    stored_sha256="ab" * 32,
    other_sha256="cd" * 32,
    source="webhook",
)


def test_a_conflict_names_both_contents_and_how_the_other_one_came(models: Models) -> None:
    models.take(FOUND)
    columns = ("other_sha256", "event_id", "stored_position", "stored_sha256", "source", "found_at")
    expected = ("cd" * 32, "evt_1", 7, "ab" * 32, "webhook", at(1))
    assert models.one("conflicts", *columns) == expected
