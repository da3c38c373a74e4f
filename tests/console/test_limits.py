"""Limits: what is too long is refused where it comes in, and what just fits is shown everywhere.

A character may take four bytes, and what names a row must fit into an index.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette

from api.operations import operations
from api.permissions import OPEN
from ledger.domain.access import Role
from ledger.domain.limits import CURRENCY_PATTERN, MAX_CUSTOMER_ID, MAX_EMAIL, MAX_ID, MAX_TEXT
from tests.console.service import Service

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


def calls(service: Service) -> Iterable[tuple[str, str, Any]]:
    app = service.client.app
    assert isinstance(app, Starlette)
    return [(method, route.path_format, each) for route, method, each in operations(app.routes)]


def test_every_text_of_every_body_has_a_limit(service: Service) -> None:
    """By a length, or by a pattern without repetition (a currency)."""
    without = [
        f"{method} {path}: {place}"
        for method, path, each in calls(service)
        if each.body is not None
        for place, schema in texts(
            each.body.model_json_schema(), each.body.model_json_schema().get("$defs", {})
        )
        if "maxLength" not in schema and schema.get("pattern") != CURRENCY_PATTERN
    ]
    assert without == []


def test_every_call_refuses_a_word_that_it_does_not_know(service: Service) -> None:
    """A misspelt filter would show everything; probes and Stripe may send what they like."""
    bearer = {"authorization": f"Bearer {service.tokens[Role.ADMIN]}"}
    for method, path, each in calls(service):
        if each.permission in OPEN or path.startswith("/console"):
            continue
        place = "/".join("1" if part.startswith("{") else part for part in path.split("/"))
        answer = service.client.request(method, f"{place}?sate=paid", headers=bearer)
        assert (answer.status_code, "sate" in answer.text) == (422, True), (method, path)


def test_no_path_is_too_long_for_an_answer(service: Service) -> None:
    bearer = {"authorization": f"Bearer {service.tokens[Role.ADMIN]}"}
    body = {"reason": "x", "amount_minor": 1, "quantity": 1, "change": 1, "name": "x"}
    for method, path, _ in calls(service):
        if "{" not in path or path.startswith("/console"):
            continue
        parts = [wide(700) if part.startswith("{") else part for part in path.split("/")]
        answer = service.client.request(method, "/".join(parts), json=body, headers=bearer)
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


def test_what_just_fits_is_stored_and_shown(service: Service) -> None:
    sku, order_id, customer_id = "S" * MAX_ID, ORDER["id"], ORDER["customer_id"]
    reason = {"reason": wide(MAX_TEXT)}
    service.call("PUT", f"/products/{sku}", {"name": wide(MAX_TEXT), "prices": {"gbp": 100}})
    service.call("POST", f"/stock/{sku}/receive", {"quantity": 2, **reason})
    service.call("POST", f"/stock/{sku}/adjust", {"change": -1, **reason})
    service.call("POST", "/wishlist/add", {"sku": sku, "customer_id": customer_id})
    service.call("POST", "/orders", ORDER)
    service.call("POST", f"/orders/{order_id}/cancel", reason)
    bearer = {"authorization": f"Bearer {service.tokens[Role.ADMIN]}"}
    for path in (f"/orders/{order_id}", f"/orders/{order_id}/history", f"/stock/{sku}"):
        answer = service.client.get(path, headers=bearer)
        assert answer.status_code == 200, answer.text
    listed = service.client.get("/orders", params={"customer_id": customer_id}, headers=bearer)
    assert [row["order_id"] for row in listed.json()["items"]] == [order_id]
    wishes = service.client.get("/wishlists", params={"customer_id": customer_id}, headers=bearer)
    assert [row["sku"] for row in wishes.json()["items"]] == [sku]


@pytest.mark.parametrize(
    ("field", "longest"),
    [("id", MAX_ID), ("customer_id", MAX_CUSTOMER_ID), ("email", MAX_EMAIL)],
)
def test_one_character_more_is_refused_and_named(
    service: Service, field: str, longest: int
) -> None:
    bearer = {"authorization": f"Bearer {service.tokens[Role.ADMIN]}"}
    line = {"sku": "MUG", "name": "Blue mug", "quantity": 1, "unit_minor": 1000}
    body = {"currency": "gbp", "lines": [line], field: "x" * (longest + 1)}
    answer = service.client.post("/orders", json=body, headers=bearer)
    assert answer.status_code == 422
    assert f"body.{field}" in answer.json()["detail"]
