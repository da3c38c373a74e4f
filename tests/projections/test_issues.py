"""Issues: one row says where it stands, and by whom."""

from ledger.domain.events import (
    Finding,
    IssueEvidenceChanged,
    IssueOpened,
    IssueReopened,
    IssueResolved,
    Metadata,
)
from tests.projections.models import Models, at

FOUND = Finding(
    check="paid_twice",
    kind="order",
    reference="A1",
    severity="high",
    sentence="Order A1 was paid twice.",
    evidence={"held_minor": 2000},
)


def test_an_issue_is_what_happened_to_it_last(models: Models) -> None:
    models.take(IssueOpened(finding=FOUND))
    where = ("issue_id", "state", "severity", "check", "kind", "reference")
    assert models.one("issues", *where) == (
        "paid_twice:A1", "open", "high", "paid_twice", "order", "A1",
    )  # fmt: skip
    meta = Metadata(actor="token/7", actor_name="Ann", reason="a voucher")
    models.take(IssueResolved(finding=FOUND), meta=meta)
    who = ("state", "actor", "actor_name", "reason", "by_itself", "opened_at", "resolved_at")
    assert models.one("issues", *who) == (
        "resolved", "token/7", "Ann", "a voucher", False, at(1), at(2),
    )  # fmt: skip
    models.take(IssueReopened(finding=FOUND, times=1, by_itself=True))
    again = ("state", "reason", "by_itself", "resolved_at", "times_reopened", "changed_at")
    assert models.one("issues", *again) == ("open", None, True, None, 1, at(3))


def test_evidence_is_what_was_found_last(models: Models) -> None:
    other = Finding(
        check="paid_twice",
        kind="order",
        reference="A1",
        severity="high",
        sentence="Order A1 was paid three times.",
        evidence={"held_minor": 3000},
    )
    models.take(IssueOpened(finding=FOUND)).take(IssueEvidenceChanged(finding=other))
    assert models.one("issues", "sentence", "evidence") == (other.sentence, other.evidence)


def test_an_issue_stands_in_the_history_of_its_object(models: Models) -> None:
    models.take(IssueOpened(finding=FOUND))
    found = models.rows("select kind, id from links order by kind")
    assert found == [("issue", "paid_twice:A1"), ("order", "A1")]
