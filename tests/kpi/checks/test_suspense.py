"""What waits in suspense is one issue for each decision that a person makes."""

from tests.kpi.builder import LedgerBuilder
from tests.kpi.checks.scenarios import MONTH, closed_month, moved


def test_months_are_apart_only_once_one_was_closed(builder: LedgerBuilder) -> None:
    """Else a pulled history of five years would be sixty issues, all with the same cure."""
    for number, category in enumerate(["other_adjustment", "levy", "levy"]):
        moved(builder, f"txn_{number}", -300, category)
    builder.run("books_suspense")
    assert {issue["reference"] for issue in builder.issues() if issue["state"] == "open"} == {
        "other_adjustment gbp",
        "levy gbp",
    }
    closed_month(builder)
    builder.run("books_suspense")
    assert {issue["reference"] for issue in builder.issues() if issue["state"] == "open"} == {
        f"{MONTH} other_adjustment gbp",
        f"{MONTH} levy gbp",
    }
