"""Exports: downloads through the console are the API's own, and on record."""

import csv
from collections.abc import Callable, Iterator

import pytest

from kpi.exports.declare import exports
from ledger.domain.access import Role
from tests.console.over_ledger import ConsoleOverLedger, console_over
from tests.kpi.checks.scenarios import paid_twice
from tests.support.servers import Server

PAGE = "/console/exports"
DAYS = {"from": "2023-11-14", "to": "2023-11-15"}


@pytest.fixture(scope="module")
def console(servers: Callable[[str], Server]) -> Iterator[ConsoleOverLedger]:
    """Books in which an order of ten pounds was paid twice."""
    with console_over(servers("embedded"), paid_twice) as console:
        yield console


def test_every_export_has_a_form_with_its_filters(console: ConsoleOverLedger) -> None:
    console.sign_in(Role.ANALYST)
    page = console.page(PAGE)
    for export in exports():
        form = page.partition(f'action="{PAGE}/{export.name}"')[2].partition("</form>")[0]
        assert all(f'name="{name}"' in form for name in (*export.filters, "from", "format"))


def test_a_download_is_the_file_and_on_record_with_who_and_why(console: ConsoleOverLedger) -> None:
    console.sign_in(Role.AUDITOR)
    csrf = console.csrf(console.page(PAGE))
    answer = console.post(f"{PAGE}/orders", csrf=csrf, reason="Month end", currency="gbp", **DAYS)
    assert answer.headers["content-disposition"].startswith("attachment")
    (row,) = csv.DictReader(answer.text.splitlines())
    assert (row["OrderID"], row["Currency"]) == ("A1", "gbp")

    console.builder.follow()
    export_id = answer.headers["export-id"]
    page = console.page(PAGE, name="orders")
    assert "Month end" in page
    assert f'href="{PAGE}/{export_id}/manifest"' in page
    manifest = console.browser.get(f"{PAGE}/{export_id}/manifest").json()
    assert manifest["rows"] == 1
    assert manifest["sha256"] in page
    assert f"No exports with sha256={'0' * 64}, as of" in console.page(PAGE, sha256="0" * 64)


def test_what_cannot_be_exported_is_told_at_its_form_as_it_was_filled_in(
    console: ConsoleOverLedger,
) -> None:
    console.sign_in(Role.ANALYST)
    csrf = console.csrf(console.page(PAGE))
    answer = console.post(f"{PAGE}/orders", csrf=csrf, reason="Late", **{"from": "2026-01-02"})
    assert answer.status_code == 400
    assert "give both dates" in answer.text
    assert 'value="Late"' in answer.text


def test_only_a_form_of_ours_takes_something_out(console: ConsoleOverLedger) -> None:
    console.sign_in(Role.AUDITOR)
    head = console.builder.engine.log.head()
    assert console.post(f"{PAGE}/orders", csrf="made up").status_code == 403
    assert console.browser.get(f"{PAGE}/orders").status_code == 405
    assert console.builder.engine.log.head() == head


def test_who_may_not_see_evidence_sees_no_log(console: ConsoleOverLedger) -> None:
    console.sign_in(Role.ANALYST)
    assert "Who exported what" not in console.page(PAGE)
