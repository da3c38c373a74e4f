"""Stock in the console: levels that call for attention, movements, and counts by hand."""

import re

import pytest

from ledger.domain.access import Role
from tests.console.service import Service, words

PAGE = "/console/stock"


def stocked(service: Service, sku: str, units: int, *, preorder: bool = False) -> None:
    body = {"name": f"Name of {sku}", "prices": {"gbp": 1000, "jpy": 900}, "preorder": preorder}
    service.call("PUT", f"/products/{sku}", body)
    if units:
        service.call("POST", f"/stock/{sku}/receive", {"quantity": units, "reason": "delivery"})


def test_levels_are_listed_and_low_ones_marked(service: Service) -> None:
    for sku, units in (("FEW", 5), ("ENOUGH", 6), ("GONE", 0)):
        stocked(service, sku, units)
    stocked(service, "AHEAD", 0, preorder=True)
    line = {"sku": "AHEAD", "name": "Ahead", "quantity": 2, "unit_minor": 1000}
    service.call("POST", "/orders", {"currency": "gbp", "lines": [line]})
    text = service.see(PAGE)
    assert "FEW Name of FEW £10.00, ¥900 No 5 0 0 5 Low" in text
    assert "ENOUGH Name of ENOUGH £10.00, ¥900 No 6 0 0 6 –" in text
    assert "GONE Name of GONE £10.00, ¥900 No 0 0 0 0 Sold out" in text
    assert "AHEAD Name of AHEAD £10.00, ¥900 Yes 0 0 2 −2 Negative" in text
    assert "Name of FEW" not in service.see(f"{PAGE}?preorder=true")


def test_a_product_is_found_by_its_sku(service: Service) -> None:
    assert service.look(f"{PAGE}?q=MUG").url.path == f"{PAGE}/MUG"
    assert "No product has this SKU" in service.see(f"{PAGE}?q=NONE")
    assert service.look(f"{PAGE}/NONE").status_code == 404


def test_units_are_received_and_adjusted_and_movements_add_up(service: Service) -> None:
    stocked(service, "BOX", 10)
    page = service.look(f"{PAGE}/BOX")
    answer = service.send(page, f"{PAGE}/BOX/receive", quantity="4", reason="note 9")
    assert "The units are counted in." in words(answer.text)
    page = service.look(f"{PAGE}/BOX")
    text = words(service.send(page, f"{PAGE}/BOX/adjust", change="-3", reason="broken").text)
    assert "On hand: on the shelf 11" in text
    assert "Adjusted −3 – 11 11 – broken" in text
    assert "Received +4 – 14 14 – note 9" in text
    assert "Received +10 – 10 10 – delivery" in text
    service.enter(Role.AUDITOR)
    assert "On hand 14 → 11" in service.see(f"{PAGE}/BOX/history")


@pytest.mark.parametrize(
    ("action", "fields", "status", "why"),
    [
        ("adjust", {"change": "-1001", "reason": "fire"}, 409, "Only 1000 of MUG are available"),
        ("adjust", {"change": "1", "reason": ""}, 422, "Reason: "),
        ("receive", {"quantity": "some", "reason": "x"}, 422, "Units: "),
        ("listing", {"name": "Mug", "prices": "cheap"}, 422, "write an amount as"),
        ("listing", {"name": "Mug", "prices": ""}, 422, "Prices: "),
    ],
)
def test_a_refusal_is_shown_in_place_with_what_was_written(
    service: Service, action: str, fields: dict[str, str], status: int, why: str
) -> None:
    page = service.look(f"{PAGE}/MUG")
    answer = service.send(page, f"{PAGE}/MUG/{action}", **fields)
    assert answer.status_code == status
    assert why in words(answer.text)
    assert len(re.findall(r'<details class="dialog[^"]*" open>', answer.text)) == 1
    assert all(f'value="{text}"' in answer.text for text in fields.values())


def test_a_product_is_listed_once_and_then_changed_on_its_page(service: Service) -> None:
    new = {"sku": "NEW", "name": "New", "prices": "12.50 gbp"}
    assert service.send(service.look(PAGE), PAGE, **new).url.path == f"{PAGE}/NEW"
    again = service.send(service.look(PAGE), PAGE, **new)
    assert again.status_code == 409
    assert "NEW is listed already" in words(again.text)
    changed = {"name": "Newer", "prices": "13 gbp, 2000 jpy", "preorder": "true"}
    text = words(service.send(service.look(f"{PAGE}/NEW"), f"{PAGE}/NEW/listing", **changed).text)
    assert "Newer NEW" in text
    same = service.send(service.look(f"{PAGE}/NEW"), f"{PAGE}/NEW/listing", **changed)
    assert "There was nothing to do: it stands as before." in words(same.text)
    assert "Price in GBP £13.00 Price in JPY ¥2,000 Pre-order Yes" in text
    assert "Prices £12.50 → £13.00, ¥2,000" in service.see(f"{PAGE}/NEW/history")


def test_a_role_that_may_only_look_is_offered_no_form(service: Service) -> None:
    service.enter(Role.AUDITOR)
    for path in (PAGE, f"{PAGE}/MUG"):
        assert '<details class="dialog' not in service.look(path).text
    page = service.look(f"{PAGE}/MUG")
    assert service.send(page, f"{PAGE}/MUG/adjust", change="1", reason="x").status_code == 403
