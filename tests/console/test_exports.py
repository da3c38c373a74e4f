"""Exports: downloads through the console are the API's own, and on record."""

import csv
from collections.abc import Callable, Iterator

import pytest

from kpi.exports.declare import exports
from ledger.domain.access import Role
from tests.console.desk import Desk, desk_of
from tests.kpi.checks.scenarios import paid_twice
from tests.support.servers import Server

PAGE = "/console/exports"
DAYS = {"from": "2023-11-14", "to": "2023-11-15"}


@pytest.fixture(scope="module")
def desk(servers: Callable[[str], Server]) -> Iterator[Desk]:
    """Books in which an order of ten pounds was paid twice."""
    with desk_of(servers("embedded"), paid_twice) as desk:
        yield desk


def test_every_export_has_a_form_with_its_filters(desk: Desk) -> None:
    desk.sign_in(Role.ANALYST)
    page = desk.page(PAGE)
    for export in exports():
        form = page.partition(f'action="{PAGE}/{export.name}"')[2].partition("</form>")[0]
        assert all(f'name="{name}"' in form for name in (*export.filters, "from", "format"))


def test_a_download_is_the_file_and_on_record_with_who_and_why(desk: Desk) -> None:
    desk.sign_in(Role.AUDITOR)
    csrf = desk.csrf(desk.page(PAGE))
    answer = desk.post(f"{PAGE}/orders", csrf=csrf, reason="Month end", currency="gbp", **DAYS)
    assert answer.headers["content-disposition"].startswith("attachment")
    (row,) = csv.DictReader(answer.text.splitlines())
    assert (row["OrderID"], row["Currency"]) == ("A1", "gbp")

    desk.books.follow()
    export_id = answer.headers["export-id"]
    page = desk.page(PAGE, name="orders")
    assert "Month end" in page
    assert f'href="{PAGE}/{export_id}/manifest"' in page
    manifest = desk.browser.get(f"{PAGE}/{export_id}/manifest").json()
    assert manifest["rows"] == 1
    assert manifest["sha256"] in page
    assert "Nothing was exported that fits." in desk.page(PAGE, sha256="0" * 64)


def test_what_cannot_be_exported_is_told_at_its_form_as_it_was_filled_in(desk: Desk) -> None:
    desk.sign_in(Role.ANALYST)
    csrf = desk.csrf(desk.page(PAGE))
    answer = desk.post(f"{PAGE}/orders", csrf=csrf, reason="Late", **{"from": "2026-01-02"})
    assert answer.status_code == 400
    assert "give both dates" in answer.text
    assert 'value="Late"' in answer.text


def test_only_a_form_of_ours_takes_something_out(desk: Desk) -> None:
    desk.sign_in(Role.AUDITOR)
    head = desk.books.engine.log.head()
    assert desk.post(f"{PAGE}/orders", csrf="made up").status_code == 403
    assert desk.browser.get(f"{PAGE}/orders").status_code == 405
    assert desk.books.engine.log.head() == head


def test_who_may_not_see_evidence_sees_no_log(desk: Desk) -> None:
    desk.sign_in(Role.ANALYST)
    assert "Who exported what" not in desk.page(PAGE)
