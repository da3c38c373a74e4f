"""Limits: what is too long is refused where it comes in, and what just fits is shown everywhere.

A character may take four bytes, and what names a row must fit into an index.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette

from api.operations import operations
from ledger.domain.access import Role
from ledger.domain.limits import MAX_CUSTOMER_ID, MAX_EMAIL, MAX_ID, MAX_TEXT
from tests.console.house import House

Schema = dict[str, Any]


def wide(length: int) -> str:
    """So many characters of four bytes each."""
    return "\N{MONEY BAG}" * length


def texts(schema: Schema, defs: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every text in a body, with its place."""
    if ref := schema.get("$ref"):
        yield from texts(defs[ref.rsplit("/", 1)[1]], defs, path)
    for part in (*schema.get("anyOf", ()), *schema.get("allOf", ())):
        yield from texts(part, defs, path)
    for name, part in schema.get("properties", {}).items():
        yield from texts(part, defs, f"{path}.{name}")
    for name in ("items", "additionalProperties", "propertyNames"):
        if isinstance(part := schema.get(name), dict):
            yield from texts(part, defs, f"{path}.{name}")
    is_free = "enum" not in schema and "const" not in schema
    if schema.get("type") == "string" and is_free and "format" not in schema:
        yield path, schema


def calls(house: House) -> Iterable[tuple[str, str, Any]]:
    app = house.client.app
    assert isinstance(app, Starlette)
    return [(method, route.path_format, each) for route, method, each in operations(app.routes)]


def test_every_text_of_every_body_has_a_limit(house: House) -> None:
    """By a length, or by a pattern without repetition (a currency has three letters)."""
    without = [
        f"{method} {path}: {place}"
        for method, path, each in calls(house)
        if each.body is not None
        for place, schema in texts(
            each.body.model_json_schema(), each.body.model_json_schema().get("$defs", {})
        )
        if "maxLength" not in schema and schema.get("pattern") != "^[a-z]{3}$"
    ]
    assert without == []


def test_no_path_is_too_long_for_an_answer(house: House) -> None:
    bearer = {"authorization": f"Bearer {house.tokens[Role.ADMIN]}"}
    body = {"reason": "x", "amount_minor": 1, "quantity": 1, "change": 1, "name": "x"}
    for method, path, _ in calls(house):
        if "{" not in path or path.startswith("/console"):
            continue
        parts = [wide(700) if part.startswith("{") else part for part in path.split("/")]
        answer = house.client.request(method, "/".join(parts), json=body, headers=bearer)
        assert 400 <= answer.status_code < 500, (method, path, answer.text[:300])


ORDER: dict[str, Any] = {
    "id": "o" * MAX_ID,
    "currency": "gbp",
    "lines": [{"sku": "S" * MAX_ID, "name": wide(MAX_TEXT), "quantity": 1, "unit_minor": 100}],
    "customer_id": wide(MAX_CUSTOMER_ID),
    "email": wide(MAX_EMAIL - 4) + "@e.x",
    "shipping_address": {
        name: wide(MAX_TEXT)
        for name in ("name", "line1", "line2", "city", "region", "postal_code", "country")
    },
}


def test_what_just_fits_is_stored_and_shown(house: House) -> None:
    sku, order_id, customer_id = "S" * MAX_ID, ORDER["id"], ORDER["customer_id"]
    reason = {"reason": wide(MAX_TEXT)}
    house.call("PUT", f"/products/{sku}", {"name": wide(MAX_TEXT), "prices": {"gbp": 100}})
    house.call("POST", f"/stock/{sku}/receive", {"quantity": 2, **reason})
    house.call("POST", f"/stock/{sku}/adjust", {"change": -1, **reason})
    house.call("POST", "/wishlist/add", {"sku": sku, "customer_id": customer_id})
    house.call("POST", "/orders", ORDER)
    house.call("POST", f"/orders/{order_id}/cancel", reason)
    bearer = {"authorization": f"Bearer {house.tokens[Role.ADMIN]}"}
    for path in (f"/orders/{order_id}", f"/orders/{order_id}/history", f"/stock/{sku}"):
        answer = house.client.get(path, headers=bearer)
        assert answer.status_code == 200, answer.text
    listed = house.client.get("/orders", params={"customer_id": customer_id}, headers=bearer)
    assert [row["order_id"] for row in listed.json()["items"]] == [order_id]
    wishes = house.client.get("/wishlists", params={"customer_id": customer_id}, headers=bearer)
    assert [row["sku"] for row in wishes.json()["items"]] == [sku]


@pytest.mark.parametrize(
    ("field", "longest"),
    [("id", MAX_ID), ("customer_id", MAX_CUSTOMER_ID), ("email", MAX_EMAIL)],
)
def test_one_character_more_is_refused_and_named(house: House, field: str, longest: int) -> None:
    bearer = {"authorization": f"Bearer {house.tokens[Role.ADMIN]}"}
    line = {"sku": "MUG", "name": "Blue mug", "quantity": 1, "unit_minor": 1000}
    body = {"currency": "gbp", "lines": [line], field: "x" * (longest + 1)}
    answer = house.client.post("/orders", json=body, headers=bearer)
    assert answer.status_code == 422
    assert f"body.{field}" in answer.json()["detail"]
