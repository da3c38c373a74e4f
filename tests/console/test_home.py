"""Home: the figures of a window, what waits for a person, and what each role sees of it."""

from collections.abc import Callable, Iterator

import pytest

from ledger.domain.access import Role
from tests.console.desk import Desk, desk_of
from tests.kpi.books import Books
from tests.kpi.checks.scenarios import paid_twice
from tests.support.servers import Server
from tests.webhooks.examples import dispute

DAYS = {"from": "2023-11-14", "to": "2023-11-15"}


def disputed(books: Books) -> None:
    books.stripe("charge.dispute.created", dispute(charge="ch_1", payment_intent=None))


def checked(books: Books) -> None:
    books.run("paid_twice")


@pytest.fixture(scope="module")
def desk(servers: Callable[[str], Server]) -> Iterator[Desk]:
    """Books in which an order of ten pounds was paid twice, which was found, and disputed."""
    with desk_of(servers("embedded"), paid_twice, disputed, checked) as desk:
        yield desk


def test_tiles_show_values_those_before_and_what_they_mean(desk: Desk) -> None:
    desk.sign_in(Role.ADMIN)
    page = desk.page("/console", **DAYS)
    assert "Figures in GBP" in page
    assert "<strong>20.00 GBP</strong>" in page
    assert "before: 0.00 GBP" in page
    assert "captured amounts of payments that are linked to an order" in page
    assert "Revenue: 0.00 GBP to 20.00 GBP a day" in page


def test_charts_and_best_sellers_are_of_the_window(desk: Desk) -> None:
    desk.sign_in(Role.ANALYST)
    page = desk.page("/console", **DAYS)
    assert "14 Nov 2023\nRevenue: 20.00 GBP\n" in page
    assert "MUG" in page
    assert "Nothing was sold in these days." in desk.page("/console", window="7")


def test_what_waits_leads_to_its_list(desk: Desk) -> None:
    desk.sign_in(Role.OPS)
    page = desk.page("/console")
    for address in (
        "/console/issues?state=open&amp;severity=high",
        "/console/disputes?state=open",
        "/console/disputes/dp_1",
    ):
        assert f'href="{address}"' in page


def test_an_analyst_sees_figures_and_issues_but_no_record(desk: Desk) -> None:
    desk.sign_in(Role.ANALYST)
    page = desk.page("/console", **DAYS)
    assert "/console/issues?state=open" in page
    assert "/console/disputes" not in page
    assert "/console/stock/MUG" not in page


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"window": "14"}, "A window has 7, 30, 90 days"),
        ({"from": "2026-01-02"}, "to: give both dates"),
        ({"from": "2020-01-01", "to": "2025-01-01"}, "a window has 366 days at most"),
    ],
)
def test_days_that_cannot_be_shown_are_told_beside_the_form(
    desk: Desk, query: dict[str, str], told: str
) -> None:
    desk.sign_in(Role.ANALYST)
    page = desk.page("/console", 400, **query)
    assert told in page
    assert 'name="from"' in page


def test_it_says_what_it_rests_on_and_warns_where_that_is_not_everything(desk: Desk) -> None:
    desk.sign_in(Role.AUDITOR)
    assert "These figures are not complete" in desk.page("/console")
    desk.books.follow()
    assert "These figures are not complete" not in desk.page("/console")


def test_htmx_gets_the_main_part_only(desk: Desk) -> None:
    desk.sign_in(Role.ANALYST)
    answer = desk.browser.get("/console", headers={"hx-request": "true"})
    assert answer.text.lstrip().startswith("<h1>Home</h1>")
