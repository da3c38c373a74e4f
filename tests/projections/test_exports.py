"""Exports: who took what out of the books, and the digest of what was sent."""

from ledger.domain.events import ExportMade, Metadata
from tests.projections.models import Models, at

MADE = ExportMade(
    name="orders",
    format="csv",
    filter={"window": "30", "currency": "gbp"},
    rows=50_001,
    sha256="ab" * 32,
    position=7,
    contract_version=1,
    columns=("OrderID", "Email"),
    complete=True,
)


def test_an_export_is_what_was_sent_to_whom_and_why(models: Models) -> None:
    meta = Metadata(actor="token/9", actor_name="Ann", reason="monthly report")
    models.take(MADE, meta=meta)
    file = ("export_id", "name", "format", "rows", "sha256", "complete")
    assert models.one("export_log", *file) == ("1", "orders", "csv", 50_001, "ab" * 32, True)
    terms = ("filter", "columns", "rests_on_position", "contract_version")
    expected = ({"window": "30", "currency": "gbp"}, ["OrderID", "Email"], 7, 1)
    assert models.one("export_log", *terms) == expected
    who = ("actor", "actor_name", "reason", "exported_at")
    assert models.one("export_log", *who) == ("token/9", "Ann", "monthly report", at(1))


def test_the_audit_log_has_a_line_of_it(models: Models) -> None:
    models.take(MADE, meta=Metadata(actor="token/9"))
    expected = ("export.made", "token/9", "done")
    assert models.one("audit", "kind", "actor", "outcome") == expected
