"""Trouble of one cause is one issue, however many things it has befallen."""

from typing import Any

from kpi.checks.ask import MANY
from tests.kpi.books import Books
from tests.kpi.checks.scenarios import bare, charged
from tests.webhooks.examples import charge, refund


def issues_of(books: Books, state: str = "open") -> list[dict[str, Any]]:
    return [issue for issue in books.issues() if issue["state"] == state]


def test_events_that_cannot_be_read_are_one_issue_a_type_and_cause(books: Books) -> None:
    for _ in range(250):
        books.stripe("charge.succeeded", charge(amount="ten"))
    for number in range(20):
        books.stripe("refund.created", refund(amount=-number - 1))
    found = books.run("unreadable_events")
    assert found.events == {"issue.opened.v1": 2}
    events = {issue["evidence"]["type"]: issue["evidence"]["events"] for issue in books.issues()}
    assert events == {"charge.succeeded": 250, "refund.created": 20}
    books.stripe("refund.created", refund(amount=-99))
    books.stripe("refund.created", refund(amount=-100))
    assert books.run("unreadable_events").events == {"issue.evidence_changed.v1": 1}
    assert books.run("unreadable_events").events == {}


def test_many_payments_without_an_order_are_one_issue_a_currency(books: Books) -> None:
    for number in range(MANY):
        charged(books, f"ch_{number}", metadata={})
    assert books.run("unlinked_payments").events == {"issue.opened.v1": MANY}
    for currency, count in (("gbp", 1), ("usd", 3)):
        for number in range(count):
            charged(books, f"ch_{currency}_{number}", metadata={}, currency=currency)
    found = books.run("unlinked_payments")
    assert found.events == {"issue.opened.v1": 4, "issue.resolved.v1": MANY}
    (many,) = [issue for issue in issues_of(books) if issue["kind"] == "check"]
    assert (many["reference"], many["severity"]) == ("many in gbp", "medium")
    assert many["evidence"] == {
        "findings": MANY + 1,
        "samples": ["ch_0", "ch_1", "ch_10", "ch_11", "ch_12"],
        "currency": "gbp",
        "held_minor": 1000 * (MANY + 1),
    }
    assert {issue["evidence"]["currency"] for issue in issues_of(books)} == {"gbp", "usd"}


def test_orders_are_looked_at_one_by_one(books: Books) -> None:
    for number in range(MANY + 1):
        books.place(f"A{number}")
        thing = bare(f"ch_{number}", amount=1500, metadata={"order_id": f"A{number}"})
        books.stripe("charge.succeeded", thing)
    assert books.run("overpaid").events == {"issue.opened.v1": MANY + 1}
