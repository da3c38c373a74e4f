"""Figures over HTTP: shapes, windows, currencies, and what each answer rests on."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.asgi import create_app
from kpi.declare import CONTRACT_VERSION, catalogue
from kpi.snapshots import take
from ledger.settings import Settings
from tests.kpi.builder import NOON, LedgerBuilder
from tests.kpi.checks.scenarios import paid_twice
from tests.support.callers import let_in
from tests.support.following import following
from tests.support.judged import JudgedClient

DAYS = {"from": "2023-11-14", "to": "2023-11-15"}


@pytest.fixture
def client(builder: LedgerBuilder) -> Iterator[TestClient]:
    """The service on a ledger with an order of ten pounds, paid twice on 14 November 2023."""
    paid_twice(builder)
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(builder.engine.database.admin_conninfo),
    )
    app = create_app(settings, builder.engine.database)
    here = ("127.0.0.1", 50000)
    with (
        following(builder.engine),
        JudgedClient(app, base_url="http://127.0.0.1", client=here) as client,
    ):
        let_in(client)
        yield client


def get(client: TestClient, builder: LedgerBuilder, path: str, **query: Any) -> dict[str, Any]:
    answer = client.get(path, params={"after": builder.engine.log.head(), **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_every_figure_is_answered_by_currency_with_what_it_rests_on(
    client: TestClient, builder: LedgerBuilder
) -> None:
    before = datetime.now(UTC).date()
    answer = get(client, builder, "/kpi", compare="previous", **DAYS)
    known = date.fromisoformat(answer["standing"].pop("known_until"))
    assert before <= known <= datetime.now(UTC).date()
    assert answer["window"] == {"days": 2} | DAYS
    assert answer["previous_window"] == {"days": 2, "from": "2023-11-12", "to": "2023-11-13"}
    head = builder.engine.log.head()
    assert answer["standing"] == {
        "position": head,
        "head": head,
        "complete": True,
        "contract_version": CONTRACT_VERSION,
        "time_zone": "UTC",
    }
    figures = answer["currencies"]["gbp"]
    assert figures["revenue"] == {"value": 2000, "previous": 0, "change_pct": None}
    assert figures["aov"] == {"value": 1000, "previous": None, "change_pct": None}
    assert figures["refund_rate_value_pct"]["value"] == 0.0
    assert figures.keys() | answer["shop"].keys() == catalogue().keys()
    assert answer["shop"]["wishlisted_users"]["value"] == 0


@pytest.mark.parametrize("path", ["/kpi", "/kpi/daily"])
def test_a_window_is_complete_up_to_today(
    client: TestClient, builder: LedgerBuilder, path: str
) -> None:
    """Of days that are yet to come nothing is known, and 0.00 is no answer about them."""
    today = datetime.now(UTC).date()
    far = today + timedelta(days=20)
    for last, complete in [(today, True), (far, False)]:
        answer = get(client, builder, path, **{"from": f"{today}", "to": f"{last}"})
        assert answer["standing"]["complete"] is complete


def test_one_currency_is_enough(client: TestClient, builder: LedgerBuilder) -> None:
    answer = get(client, builder, "/kpi", currency="gbp", **DAYS)
    assert list(answer["currencies"]) == ["gbp"]


def test_only_the_named_figures_are_answered_with_their_parts(
    client: TestClient, builder: LedgerBuilder
) -> None:
    query = {"figures": "aov,wishlisted_users", "currency": "gbp", **DAYS}
    answer = get(client, builder, "/kpi", **query)
    assert list(answer["currencies"]["gbp"]) == ["orders", "paid_orders_amount", "aov"]
    assert list(answer["shop"]) == ["wishlisted_users"]
    day = get(client, builder, "/kpi/daily", **query)["by_day"][0]
    assert day["currencies"] == {"gbp": {"orders": 1, "paid_orders_amount": 1000, "aov": 1000}}


OTHER_WINDOWS: tuple[dict[str, str], ...] = (
    {"window": "14"},
    {"window": "030"},
    {"window": "7.0"},
    {"window": "30", "from": "2026-03-01", "to": "2026-03-02"},
    {"from": "2026-03-01"},
    {"from": "2026-03-02", "to": "2026-03-01"},
    {"from": "2026-02-30", "to": "2026-03-01"},
    {"from": "0001-01-01", "to": "2026-03-01"},
)


def test_another_window_is_refused_and_never_silently_a_known_one(client: TestClient) -> None:
    for path in ("/kpi", "/kpi/daily", "/kpi/products", "/kpi/orders/explain"):
        for query in OTHER_WINDOWS:
            answer = client.get(path, params={"currency": "gbp", **query})
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_window"), query


def test_day_by_day_every_day_is_there(client: TestClient, builder: LedgerBuilder) -> None:
    answer = get(client, builder, "/kpi/daily", **DAYS)
    days = [(day["day"], day["currencies"]["gbp"]["revenue"]) for day in answer["by_day"]]
    assert days == [("2023-11-14", 2000), ("2023-11-15", 0)]


def test_a_figure_is_explained_by_its_facts(client: TestClient, builder: LedgerBuilder) -> None:
    query = {"currency": "gbp", "limit": 1, **DAYS}
    first = get(client, builder, "/kpi/revenue/explain", **query)
    second = get(client, builder, "/kpi/revenue/explain", cursor=first["next"], **query)
    assert second["next"] is None
    facts = first["items"] + second["items"]
    assert sum(fact["counted"] for fact in facts) == 2000
    assert {fact["order_id"] for fact in facts} == {"A1"}


MISTAKES: tuple[tuple[str, dict[str, str], int, str], ...] = (
    ("/kpi/nonsense/explain", {"currency": "gbp"}, 404, "unknown_figure"),
    ("/kpi/revenue/explain", {}, 422, "invalid_request"),
    ("/kpi/aov/explain", {"currency": "gbp"}, 422, "invalid_request"),
    ("/kpi/revenue/explain", {"currency": "gbp", "cursor": "x"}, 422, "invalid_request"),
    ("/kpi", {"currency": "pounds"}, 422, "invalid_request"),
    ("/kpi", {"compare": "last year"}, 422, "invalid_request"),
    ("/kpi", {"figures": "revenue,nonsense"}, 404, "unknown_figure"),
    ("/kpi/daily", {"figures": "revenue;"}, 422, "invalid_request"),
    ("/kpi/daily", {"from": "2024-01-01", "to": "2026-01-01"}, 400, "invalid_window"),
)


def test_what_does_not_fit_is_told(client: TestClient) -> None:
    for path, query, status, code in MISTAKES:
        answer = client.get(path, params=query)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (path, query)


def test_best_sellers_have_names_and_revenue(client: TestClient, builder: LedgerBuilder) -> None:
    (product,) = get(client, builder, "/kpi/products", **DAYS)["items"]
    assert product == {
        "sku": "MUG",
        "name": None,
        "currency": "gbp",
        "units": 1,
        "revenue_minor": 1000,
    }


def test_the_contract_is_answered(client: TestClient) -> None:
    answer = client.get("/kpi/definitions").json()
    assert answer["window_lengths"] == [7, 30, 90]
    assert [each["id"] for each in answer["figures"]] == list(catalogue())
    assert answer["figures"][0]["family"] == "Money of orders"


def test_what_was_taken_down_is_answered_as_it_was_known(
    client: TestClient, builder: LedgerBuilder
) -> None:
    get(client, builder, "/kpi", **DAYS)
    taken = take(builder.engine, date(2023, 11, 15), NOON, days=2)
    found = get(client, builder, "/kpi/snapshots", currency="gbp", **DAYS)["items"]
    (snapshot,) = [row for row in found if row["day"] == "2023-11-14"]
    assert snapshot["as_of_position"] == taken.position
    assert snapshot["values"]["revenue"] == 2000
    assert get(client, builder, "/kpi/snapshots", as_of="1", **DAYS)["items"] == []


def test_before_the_first_event_nothing_was_known(
    client: TestClient, builder: LedgerBuilder
) -> None:
    for as_of in ("0", "2001-01-01T12:00:00Z"):
        answer = client.get("/kpi/snapshots", params={"as_of": as_of, **DAYS})
        assert answer.status_code == 422
        assert "nothing was known at that time" in answer.json()["detail"]


def test_a_currency_is_known_in_capitals_and_one_without_amounts_is_refused(
    client: TestClient, builder: LedgerBuilder
) -> None:
    small = get(client, builder, "/kpi", currency="gbp", **DAYS)
    assert get(client, builder, "/kpi", currency="GBP", **DAYS) == small
    answer = client.get(
        "/kpi", params={"currency": "xyz", "after": builder.engine.log.head(), **DAYS}
    )
    assert answer.status_code == 422
    assert "gbp" in answer.json()["detail"]
