"""The facts behind a figure: which they are, in which order, and where they come from."""

from typing import Any

import pytest

from kpi.declare import catalogue, figure
from kpi.explain import HIDDEN, explain
from kpi.schemas import Fact
from kpi.windows import Window
from ledger.domain.facts import RefundState
from ledger.errors import InvalidRequest
from projections.queries.listing import Page
from tests.kpi.examples import bought, refunded
from tests.projections.days import day
from tests.projections.models import Models

MARCH = Window(day("2026-03-01"), day("2026-03-31"))


def asked(
    models: Models,
    name: str,
    window: Window = MARCH,
    *,
    currency: str | None = "gbp",
    limit: int = 10,
    start: str | None = None,
) -> Page:
    with models.dicts() as cursor:
        return explain(cursor, figure(name), window, currency=currency, limit=limit, start=start)


def told(page: Page, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in page.rows]


def test_a_sum_is_explained_by_what_was_added_and_taken_away(models: Models):
    """4.00 went back on the 3rd and failed on the 12th, 1.00 on the 5th: +4.00 +1.00 -4.00."""
    bought(models, "A1", "2026-03-01 10:00")
    refunded(models, "A1", "2026-03-03 10:00", 400)
    refunded(models, "A1", "2026-03-05 10:00", 100)
    refunded(models, "A1", "2026-03-12 10:00", 400, RefundState.FAILED)
    page = asked(models, "refunded_amount")
    assert told(page, "order_id", "refund_id", "kind", "counted") == [
        ("A1", "re_A1400", "failed", -400),
        ("A1", "re_A1100", "succeeded", 100),
        ("A1", "re_A1400", "succeeded", 400),
    ]
    assert page.next is None


def test_facts_outside_the_window_or_in_another_currency_stay_out(models: Models):
    bought(models, "A1", "2026-02-28 10:00")
    bought(models, "A2", "2026-03-01 10:00")
    bought(models, "A3", "2026-03-31 10:00", 700, "jpy")
    bought(models, "A4", "2026-04-01 10:00")
    assert told(asked(models, "revenue"), "order_id") == [("A2",)]
    every = asked(models, "revenue", currency=None)
    assert told(every, "order_id", "currency", "counted") == [
        ("A3", "jpy", 700),
        ("A2", "gbp", 1000),
    ]


def test_a_distinct_count_is_explained_by_one_row_for_each_that_counts(models: Models):
    """Ada ordered on the 2nd and the 9th, Bob on the 4th: Ada is there once, with her first."""
    for order_id, date, customer_id in (
        ("A1", "2026-03-02", "ada"),
        ("A2", "2026-03-04", "bob"),
        ("A3", "2026-03-09", "ada"),
    ):
        bought(models, order_id, f"{date} 10:00", customer_id=customer_id)
    columns = ("customer", "order_id", "counted")
    assert told(asked(models, "unique_customers"), *columns) == [("bob", "A2", 1), ("ada", "A1", 1)]
    assert told(asked(models, "repeat_customers"), *columns) == [("ada", "A3", 1)]


def test_pages_go_on_where_the_one_before_ended(models: Models):
    """Also where all facts are of one day, and when a fact is added in between."""
    for number in range(1, 6):
        bought(models, f"A{number}", "2026-03-02 10:00")
    first = asked(models, "revenue", limit=2)
    assert told(first, "order_id") == [("A5",), ("A4",)]
    bought(models, "A6", "2026-03-02 10:00")
    second = asked(models, "revenue", limit=2, start=first.next)
    assert told(second, "order_id") == [("A3",), ("A2",)]
    third = asked(models, "revenue", limit=2, start=second.next)
    assert (told(third, "order_id"), third.next) == ([("A1",)], None)


def test_a_customer_of_two_currencies_is_on_two_pages(models: Models):
    """What names a row names it within its currency."""
    bought(models, "A1", "2026-03-02 10:00", customer_id="ada")
    bought(models, "A2", "2026-03-03 10:00", 700, "jpy", customer_id="ada")
    first = asked(models, "unique_customers", currency=None, limit=1)
    assert told(first, "order_id") == [("A2",)]
    second = asked(models, "unique_customers", currency=None, limit=1, start=first.next)
    assert (told(second, "order_id"), second.next) == ([("A1",)], None)


def test_a_page_that_is_just_full_is_the_last_one(models: Models):
    bought(models, "A1", "2026-03-02 10:00")
    assert asked(models, "revenue", limit=1).next is None


def test_what_is_computed_from_others_names_those(models: Models):
    with pytest.raises(InvalidRequest, match="from paid_orders_amount, orders; explain"):
        asked(models, "aov")


@pytest.mark.parametrize("start", ["", "x", "WyJhIl0", "WyIyMDI2LTAzLTAyIiwgWzFdXQ", "é"])
def test_a_cursor_that_is_none_of_ours_is_refused(models: Models, start: str):
    with pytest.raises(InvalidRequest):
        asked(models, "revenue", start=start)


def test_the_document_says_every_column_of_every_fact_and_no_other(models: Models):
    """A column that a table of facts gains wants a line in `kpi.schemas.Fact`."""
    found: set[str] = set()
    with models.dicts() as cursor:
        for each in (each for each in catalogue().values() if not each.parts):
            explain(cursor, each, MARCH, currency=None, limit=1)
            assert cursor.description is not None
            found |= {column.name for column in cursor.description} - {*HIDDEN}
    assert found == Fact.model_fields.keys()
