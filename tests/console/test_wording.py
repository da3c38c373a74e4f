"""What the API refused, in the words of a page: made from the fields that a problem names."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from console.api import Problem
from console.lists import offers_in
from console.wording import LABELS, in_words, label_of
from console.writing import (
    days,
    finding,
    marked,
    places,
    prose,
    reference,
    spoken,
    what_and_why,
)
from kpi.checks.declare import Check, catalogue
from ledger.domain.access import Role
from tests.console.service import Service, words
from tests.console.test_addresses import PAGES

FROM = "it must be from"
SOURCES = Path(__file__).parents[2] / "src"
NB = "\N{NO-BREAK SPACE}"


def problem(field: str, code: str, **more: Any) -> Problem:
    """A refusal for one field; its sentence is one that no page may show."""
    wrong = {"field": field, "code": code, "detail": "as the API says it."} | more
    return Problem(422, {"title": "No.", "detail": f"body.{field}: …", "errors": [wrong]})


def between(field: str, value: int | None, least: int, most: int, **more: Any) -> Problem:
    given = {} if value is None else {"value": value}
    return problem(field, "out_of_range", least=least, most=most, **given, **more)


@pytest.mark.parametrize(
    ("refused", "currency", "shown"),
    [
        (between("amount_minor", 9999, 1, 1500), "gbp",
         f"Amount is £99.99; {FROM} £0.01 to £15.00."),
        (between("amount_minor", 9999, 1, 1500), "jpy",
         f"Amount is ¥9,999; {FROM} ¥1 to ¥1,500."),
        (between("amount_minor", 9999, 1, 1500, currency="kwd"), "gbp",
         f"Amount is 9.999{NB}KWD; {FROM} 0.001{NB}KWD to 1.500{NB}KWD."),
        (between("prices.kwd", -1, 0, 5000, currency="kwd"), None,
         f"Price in KWD is −0.001{NB}KWD; {FROM} 0.000{NB}KWD to 5.000{NB}KWD."),
        (between("quantity", 0, 1, 5), "gbp", f"Units is 0; {FROM} 1 to 5."),
        (between("line_quantities.1", 9, 1, 5000), None,
         f"Units that came back is 9; {FROM} 1 to 5,000."),
        (between("total_minor", 3, 5, 5, currency="jpy"), None,
         "Total is ¥3; it must be ¥5."),
        (problem("amount_minor", "greater_than_equal", least=1), "gbp",
         "Amount: must be at least £0.01."),
        (problem("quantity", "less_than_equal", most=1000), None, "Units: must be at most 1,000."),
        (problem("reason", "string_too_short", least=1), None, "Reason: it is needed."),
        (problem("quantity", "missing"), None, "Units: it is needed."),
        (problem("reason", "string_too_long", most=500), None,
         "Reason: it must have at most 500 characters."),
        (problem("change", "int_parsing"), None, "Change: write a whole number."),
        (problem("placed_before", "invalid"), None, "To: as the API says it."),
        (problem("customer_id", "unknown_word"), None, "Customer: as the API says it."),
    ],
)  # fmt: skip
def test_amounts_and_fields_are_those_of_the_page(
    refused: Problem, currency: str | None, shown: str
) -> None:
    assert in_words(refused, currency).detail == shown


def test_a_sentence_of_no_field_is_left_as_it_is() -> None:
    said = "Order A1 is paid; the name is right. A Reason is needed, and amount_minor is 3."
    assert in_words(Problem(409, {"detail": said}), "gbp").detail == said


@pytest.mark.parametrize("field", [*LABELS, "reason", "name", "lines.0.unit_minor", "prices"])
def test_no_field_of_the_api_is_shown(field: str) -> None:
    shown = in_words(problem(field, "missing"), "gbp").detail
    assert shown == f"{label_of(field)}: it is needed."
    assert "_" not in shown


def test_the_forms_say_so_to_whoever_fills_them_in(service: Service) -> None:
    """Of a command, a filter, a search and a sign-in."""
    page = service.look("/console/stock/MUG")
    for fields, told in (
        ({"quantity": "0", "reason": "x"}, "Units: must be at least 1."),
        ({"quantity": "many", "reason": "x"}, "Units: write a whole number."),
        ({"quantity": "1", "reason": "x" * 501}, "Reason: it must have at most 500 characters."),
    ):
        answer = service.send(page, "/console/stock/MUG/receive", **fields)
        assert answer.status_code == 422
        assert told in words(answer.text)
    prices = {"name": "Mug", "prices": "10000000000000 gbp"}
    answer = service.send(page, "/console/stock/MUG/listing", **prices)
    assert (answer.status_code, "_minor" in words(answer.text)) == (422, False)
    for path, told in (
        ("/console/orders?currency=euro", "Currency: must be a currency in three letters, as GBP."),
        ("/console/orders?from=soon", "From: give a date like 2026-03-01"),
        ("/console/payments?linked_by=luck", "Linked by: "),
        ("/console/orders?customer_id=" + "x" * 501, "Customer: it must have at most 500"),
        ("/console/events?role=king", "none of"),
    ):
        answer = service.look(path)
        if answer.status_code == 403:
            continue
        assert answer.status_code == 422, path
        assert told in words(answer.text), path
        assert "query." not in answer.text
    assert service.look("/console/orders?q=" + "x" * 600).status_code in {200, 422}


LABELED = re.compile(
    r'<label class="(?:form-label|unseen)"[^>]*>((?:(?!</label>).)*?)'
    r'<(?:input|select)[^>]* name="(\w+)"',
    re.DOTALL,
)
NOT_SENT = {
    ("name", "Export"),
    ("kind", "By"),
    ("word", "Key of metadata, or pattern of the description"),
}
"""What a page makes something else of before it asks the API."""


@pytest.mark.parametrize("path", [*PAGES, "/console/books/suspense", "/console/payments/links"])
def test_a_refusal_calls_a_field_as_the_form_does(service: Service, path: str) -> None:
    service.enter(Role.ADMIN)
    for shown, name in LABELED.findall(service.look(path).text):
        assert (name, words(shown)) in NOT_SENT or label_of(name).lower() in words(shown).lower()


def test_a_search_that_cannot_be_made_says_so_without_the_name_of_a_parameter(
    service: Service,
) -> None:
    answer = service.client.get("/console/search", params={"q": "x" * 321})
    assert answer.status_code == 422
    assert "Search: it must have at most 320 characters." in words(answer.text)


NAMES_A_FIELD = re.compile(r"(?:query\.|body\.)?(?:[a-z_]+|\{\w+\}): ")


def test_whatever_is_refused_for_a_field_says_so_to_programs_too() -> None:
    """So that no page has to show how the API spells it: see `LedgerError.of_field`."""
    found: list[str] = []
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and len(node.args) == 1:
                called, said = ast.unparse(node.func), ast.unparse(node.args[0])
                if called.startswith("Invalid") and NAMES_A_FIELD.match(said.lstrip("f'\"")):
                    found.append(f"{path.name}: {said}")
    assert [each for each in found if "after: the log ends" not in each] == []


def test_every_filter_of_every_list_has_a_label_without_the_apis_spelling(service: Service) -> None:
    document = service.client.get("/openapi.json").json()
    for path in offers_in(document):
        for each in document["paths"][path]["get"]["parameters"]:
            assert "_" not in label_of(each["name"])
            assert label_of(each["name"])[0].isupper()


# ── Sentences of the API on a page ──────────────────────────────────────────────────────────────


def test_a_command_in_a_sentence_stays_as_it_is_typed() -> None:
    """What stands beside it is in words of the page: months, amounts and names."""
    said = "2026-10 holds 5.00 gbp of other_adjustment: `ledger books close 2026-10 --kind a_b`."
    command = "<code>ledger books close 2026-10 --kind a_b</code>"
    assert marked(said) == f"October 2026 holds £5.00 of other adjustment: {command}."
    assert marked("<b>") == "&lt;b&gt;"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("order A1 was paid twice. Give one back.", "Order A1 was paid twice"),
        (
            "Refund re_1 gives 2.00 gbp back of ch_1: no figure counts it. Look.",
            "Refund re_1 gives £2.00 back of ch_1: no figure counts it",
        ),
        (
            "Order No. 5 of shop no. 7 is 1.50 gbp short.",
            "Order No. 5 of shop no. 7 is £1.50 short",
        ),
        ("5.00 gbp stand in suspense (a gbp). Say what it was.", "£5.00 stand in suspense (a gbp)"),
        ("Checks: 3 of them found something", "Checks: 3 of them found something"),
        ("Order A1 is 1.50 gbp short.", "Order A1 is £1.50 short"),
    ],
)
def test_a_finding_is_what_stands_before_its_cure(said: str, found: str) -> None:
    assert finding(said) == found


@pytest.mark.parametrize(
    ("said", "what", "why"),
    [
        ("Order A1 was paid late, and its goods are gone. Look.", "Order A1 was paid late",
         "and its goods are gone"),
        ("The tax of 3 objects (in_1, in_2) could not be read: no id.",
         "The tax of 3 objects (in_1, in_2) could not be read", "no id"),
        ("Order A1 left on 2026-11-30 10:59, unpaid.",
         "Order A1 left on 30 Nov 2026, 10:59", "unpaid"),
        ("Order A1 costs 1.00 gbp and holds 2.00 gbp.", "Order A1 costs £1.00 and holds £2.00", ""),
    ],
)  # fmt: skip
def test_a_finding_in_two_parts_cuts_no_time_and_no_list_in_brackets(
    said: str, what: str, why: str
) -> None:
    assert what_and_why(said) == (what, why)


@pytest.mark.parametrize("check", catalogue(), ids=lambda check: check.name)
def test_the_cure_of_a_check_stands_in_a_sentence_of_its_own(check: Check) -> None:
    """So that a list says what is wrong and why, and no command."""
    said = check.sentence.replace("{refused_because}", "It is so.")
    assert not re.search(r"`|\(ledger |[:;] (look|make|check|cancel) ", finding(said))


def test_what_an_issue_is_of_has_codes_of_currencies_in_capitals() -> None:
    assert reference("other_adjustment gbp") == "other adjustment GBP"
    assert reference("sek before the first order") == "SEK before the first order"
    assert reference("order-gbp-1") == "order-gbp-1"
    assert reference("all of them try") == "all of them try"


def test_what_one_is_to_write_in_a_form_stays_as_it_is_written() -> None:
    told = "write an amount as `12.50 gbp`, not as '12'"
    assert spoken(told) == "write an amount as 12.50 gbp, not as '12'"
    assert spoken("`payment_state` of 5.00 gbp") == "payment state of £5.00"


def test_a_row_on_a_phone_says_of_whom_it_is_by_what_is_known() -> None:
    columns = ["payment_id", "email", "order_id", "net_minor", "created_at"]
    row = {"payment_id": "pi_1", "email": None, "order_id": "A1", "created_at": "2026-01-01"}
    assert places(columns)["email"] == "at-who"
    assert places(columns, row) == {
        "payment_id": "at-key", "email": "at-home", "order_id": "at-who", "net_minor": "at-amount",
        "created_at": "at-when",
    }  # fmt: skip


def test_the_days_of_one_month_name_it_once() -> None:
    assert days("2026-11-01", "2026-11-30") == "1 – 30 Nov 2026"
    assert days("2026-10-30", "2026-11-28") == "30 Oct – 28 Nov 2026"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("since 2026-09 and on 2026-01-05.", "since September 2026 and on 5 Jan 2026."),
        ("at 2026-09-03T10:11:12Z", "at 3 Sep 2026, 10:11"),
        ("SKU 2024-12 of order 2026-01-05 is short", "SKU 2024-12 of order 2026-01-05 is short"),
    ],
)
def test_times_in_a_sentence_are_formatted_and_ids_that_look_like_them_are_not(
    said: str, shown: str
):
    assert prose(said) == shown


def test_a_value_of_any_shape_has_a_place_on_a_phone():
    assert places(["order_id", "lines"], {"order_id": "A", "lines": [1]})["order_id"] == "at-key"
