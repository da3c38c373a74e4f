"""A client that a generator makes from the API's document reads and writes, by types alone."""

import importlib
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import openapi_python_client
import pytest
from openapi_python_client.config import Config, ConfigFile, MetaType

from tests.acceptance.conftest import Service
from tests.support.judged import DOCUMENT

NAME = "ledger_client"
CALLED = (
    "orders.place_order", "orders.read_orders_id", "orders.read_orders", "orders.cancel_order",
    "orders.read_orders_id_history", "orders.read_orders_id_explain", "payments.read_payments",
    "payments.read_payments_id", "stock.read_stock", "events.list_events", "audit.search_audit_log",
    "kpi.read_figures", "kpi.explain_figure", "kpi.read_definitions", "checks.list_checks",
    "exports.list_exports", "tokens.who_am_i", "service.show_status",
)  # fmt: skip
"""Operations by tag and name, as modules of the generated package."""


PASSED = {"content-type", "idempotency-key"}


class Bridge(httpx.BaseTransport):
    """Hands the generated client's calls to the service in this process."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.service.client.request(
            request.method,
            str(request.url),
            content=request.read(),
            headers={n: v for n, v in request.headers.items() if n in PASSED},
        )
        kind = {"content-type": answer.headers.get("content-type", "")}
        return httpx.Response(answer.status_code, headers=kind, content=answer.content)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The generated package, to be imported by its name."""
    folder = tmp_path_factory.mktemp("generated")
    document = folder / "openapi.json"
    document.write_text(json.dumps(DOCUMENT))
    config = Config.from_sources(
        ConfigFile(post_hooks=[]), MetaType.NONE, document, "utf-8", False, folder / NAME
    )
    complaints = openapi_python_client.generate(config=config)
    assert [str(each.detail) for each in complaints] == []
    sys.path.insert(0, str(folder))
    yield NAME
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


class Generated:
    """The generated client, its models, and its operations by name."""

    def __init__(self, package: str, service: Service) -> None:
        self.models = importlib.import_module(f"{package}.models")
        made = importlib.import_module(f"{package}.client").Client(base_url="http://127.0.0.1")
        made.set_httpx_client(httpx.Client(base_url="http://127.0.0.1", transport=Bridge(service)))
        self.client = made
        modules = {n.partition(".")[2]: f"{package}.api.{n}" for n in CALLED}
        self.modules = {name: importlib.import_module(path) for name, path in modules.items()}

    def call(self, name: str, /, *path: str, **given: Any) -> Any:
        """The model that the client made of the answer."""
        return self.modules[name].sync(*path, client=self.client, **given)


@pytest.fixture
def api(package: str, service: Service) -> Generated:
    return Generated(package, service)


def test_every_module_of_the_client_can_be_imported(package: str) -> None:
    folder = Path(sys.modules[NAME].__file__ or "").parent if NAME in sys.modules else None
    folder = folder or Path(importlib.import_module(NAME).__file__ or "").parent
    names = [path.relative_to(folder.parent).with_suffix("") for path in folder.rglob("*.py")]
    for name in names:
        importlib.import_module(".".join(name.parts).removesuffix(".__init__"))
    operations = sum(len(methods) for methods in DOCUMENT["paths"].values())
    assert sum("api" in name.parts and len(name.parts) == 4 for name in names) >= operations


def test_it_places_reads_lists_and_cancels_an_order(api: Generated) -> None:
    models = api.models
    line = models.LineRequest(sku="MUG", name="Blue mug", quantity=2, unit_minor=1250)
    body = models.OrderRequest(id="G1", currency="gbp", lines=[line])
    placed = api.call("place_order", body=body, idempotency_key="g-1")
    assert isinstance(placed, models.OrderResponse)
    assert api.call("place_order", body=body, idempotency_key="g-1") == placed

    order = api.call("read_orders_id", "G1", after=placed.position)
    assert isinstance(order, models.OrderDetails)
    assert order.state == models.OrderState.PENDING
    assert (order.total_minor, order.payment_count, order.payments) == (2500, 0, [])
    assert [(each.sku, each.unit_minor) for each in order.lines] == [("MUG", 1250)]
    assert abs(order.placed_at - datetime.now(UTC)) < timedelta(minutes=5)

    pending = {"state": models.OrderState.PENDING, "sort": models.ReadOrdersSort.VALUE_0}
    listed = api.call("read_orders", placed_after=order.placed_at.isoformat(), **pending)
    assert "G1" in [each.order_id for each in listed.items]

    reason = models.ReasonRequest(reason="changed her mind")
    canceled = api.call("cancel_order", "G1", body=reason)
    again = api.call("read_orders_id", "G1", after=canceled.position)
    assert again.state == models.OrderState.CANCELED
    before = api.call("read_orders_id", "G1", as_of=str(placed.position))
    assert before.state == models.OrderState.PENDING
    history = api.call("read_orders_id_history", "G1", changes=True)
    assert next(each.kind for each in history.items) == "order.placed"
    why = api.call("read_orders_id_explain", "G1")
    assert why.fields["state"].value == "canceled"


def test_it_reads_payments_with_their_charges(api: Generated) -> None:
    models = api.models
    api.call("read_payments", after=api.call("show_status").head)
    (paid,) = api.call("read_payments", order_id="A1").items
    assert isinstance(paid, models.Payment)
    assert paid.linked_by == models.LinkedBy.METADATA
    assert paid.state == "succeeded"
    whole = api.call("read_payments_id", paid.payment_id)
    assert [each.captured_minor for each in whole.charges] == [2500]


@pytest.mark.parametrize(
    "name",
    ["read_stock", "list_events", "search_audit_log", "read_figures", "read_definitions",
     "list_checks", "list_exports", "who_am_i", "show_status"],
)  # fmt: skip
def test_other_reads_are_models(api: Generated, name: str) -> None:
    answer = api.call(name)
    assert type(answer).__name__ != "Problem"
    assert type(answer).__name__ in vars(api.models)


def test_a_refusal_is_a_problem_with_a_code(api: Generated) -> None:
    told = api.call("read_orders_id", "none")
    assert isinstance(told, api.models.Problem)
    assert (told.status, told.code) == (404, "not_found")


def test_the_facts_of_a_figure_are_models(api: Generated) -> None:
    days = {"from_": "2020-01-01", "to": f"{datetime.now(UTC):%F}"}
    api.call("read_payments", after=api.call("show_status").head)
    found = api.call("explain_figure", "revenue", currency="gbp", **days)
    assert [(each.order_id, each.counted) for each in found.items] == [("A1", 2500)]
