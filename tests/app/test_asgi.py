"""The roof over HTTP: everything wired, every error told, on a real database."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, LiteralString

import pytest
from psycopg import sql
from pydantic import SecretStr
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient

from app import asgi as roof
from app.asgi import STATUSES, create_app, routes, status_of
from app.wiring import make_engine
from ledger.errors import LedgerError, StoreUnavailable
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.settings import Settings
from simulator import SimulatedStripe, sign
from tests.support.callers import let_in
from tests.support.damage import tamper
from tests.support.following import following as followed
from tests.support.judged import JudgedClient
from tests.support.servers import Server

SECRET = "whsec_of_the_roof"
URL, HERE = "http://127.0.0.1", ("127.0.0.1", 50_000)
ALLOW = sql.SQL("alter database {} allow_connections {}")
LEAVE = sql.SQL("select pg_terminate_backend(pid) from pg_stat_activity where datname = {}")
MUG = {"name": "Blue mug", "prices": {"gbp": 1250}}
ORDER = {
    "id": "A1",
    "currency": "gbp",
    "lines": [{"sku": "MUG", "name": "Blue mug", "quantity": 2, "unit_minor": 1250}],
}


@pytest.fixture
def settings(database: Database) -> Settings:
    return Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(database.admin_conninfo),
        stripe_webhook_secrets=(SecretStr(SECRET),),
    )


@pytest.fixture
def client(settings: Settings, database: Database) -> Iterator[TestClient]:
    """The service, without a follower."""
    app = create_app(settings, database)
    with JudgedClient(app, base_url=URL, client=HERE, raise_server_exceptions=False) as client:
        let_in(client)
        yield client


@pytest.fixture
def following(settings: Settings, database: Database) -> Iterator[None]:
    """A follower beside the service."""
    with (
        closing(Log(database.conninfo("app"))) as log,
        followed(make_engine(settings, database, log)),
    ):
        yield


def deliver(client: TestClient, body: bytes) -> dict[str, Any]:
    header = {"stripe-signature": sign(body, SECRET, int(time.time()))}
    answer = client.post("/webhooks/stripe", content=body, headers=header)
    assert answer.status_code == 200, answer.text
    return answer.json()


def place(client: TestClient) -> int:
    assert client.put("/products/MUG", json=MUG).status_code == 200
    assert client.post("/stock/MUG/receive", json={"quantity": 5}).status_code == 200
    answer = client.post("/orders", json=ORDER)
    assert answer.status_code == 201, answer.text
    return answer.json()["position"]


# ── The error table ─────────────────────────────────────────────────────────────────────────────


def _tree(error: type[LedgerError]) -> Iterator[type[LedgerError]]:
    for below in error.__subclasses__():
        yield below
        yield from _tree(below)


@pytest.mark.parametrize("error", sorted(set(_tree(LedgerError)), key=str))
def test_every_error_has_a_status(error: type[LedgerError]) -> None:
    assert 400 <= status_of(error) < 600


def test_only_a_class_without_an_entry_takes_that_of_its_base() -> None:
    assert status_of(type("StillWrong", (StoreUnavailable,), {})) == STATUSES[StoreUnavailable]


@pytest.mark.parametrize("error", STATUSES, ids=[error.__name__ for error in STATUSES])
def test_every_error_is_a_problem_document(error: type[LedgerError]) -> None:
    call = {"type": "http", "path": "/orders", "query_string": b"", "headers": [(b"host", b"here")]}
    answer = roof._on_ledger_error(Request(call), error("what happened"))
    problem = json.loads(bytes(answer.body))
    assert answer.media_type == "application/problem+json"
    assert (problem["status"], problem["detail"]) == (STATUSES[error], "what happened")
    assert ("retry-after" in answer.headers) == (answer.status_code in {429, 503})


# ── Everything together ─────────────────────────────────────────────────────────────────────────


def test_an_order_is_placed_paid_and_read(client: TestClient, following: None) -> None:
    placed = place(client)
    assert client.get("/orders/A1", params={"after": placed}).json()["state"] == "pending"
    stripe = SimulatedStripe(7)
    payment, events = stripe.create_payment(2500, "gbp", order_id="A1")
    receipts = [deliver(client, e.body) for e in [*events, *stripe.pay_by_card(payment)]]
    position = max(receipt["position"] for receipt in receipts)
    order = client.get("/orders/A1", params={"after": position}).json()
    assert (order["state"], order["received_minor"]) == ("paid", 2500)
    assert client.post("/orders/A1/fulfil", json={}).status_code == 200
    refused = client.post("/orders/A1/cancel", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")


@pytest.mark.usefixtures("following")
@pytest.mark.parametrize(
    "damage",
    [
        "delete from ledger.head",
        "delete from ledger.stored_events using ledger.head where notification_id = position",
    ],
)
def test_a_log_without_a_head_or_its_last_event_is_503_with_the_cure(
    client: TestClient, database: Database, damage: LiteralString
) -> None:
    """Stripe sends again what is answered so."""
    placed = place(client)
    client.get("/orders/A1", params={"after": placed})
    body = SimulatedStripe(7).create_payment(2500, "gbp", order_id="A1")[1][0].body
    header = {"stripe-signature": sign(body, SECRET, int(time.time()))}
    tamper(database, damage)
    for answer in (
        client.get("/readyz"),
        client.post("/orders", json=ORDER | {"id": "A2"}),
        client.get("/orders"),
        client.post("/webhooks/stripe", content=body, headers=header),
    ):
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (503, "log_damaged"), answer.url
        assert "`ledger verify` says what is missing; restore the log" in problem["detail"]


@pytest.mark.usefixtures("following")
def test_an_emptied_log_is_told_by_readyz(client: TestClient, database: Database) -> None:
    placed = place(client)
    client.get("/orders/A1", params={"after": placed})
    tamper(database, "truncate ledger.stored_events", "update ledger.head set position = 0")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    (cause,) = {each["because"] for each in answer.json()["not_following"]}
    assert f"ends at 0, and took in events up to position {placed}: restore the log" in cause


def test_a_request_id_is_found_in_the_log(client: TestClient) -> None:
    answer = client.put("/products/MUG", json=MUG, headers={"x-request-id": "shop-7"})
    assert answer.headers["x-request-id"] == "shop-7"
    assert client.get("/events/1").json()["meta"]["request_id"] == "shop-7"
    answer = client.post("/stock/MUG/receive", json={"quantity": 5})
    event = client.get(f"/events/{answer.json()['position']}").json()
    assert event["meta"]["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        (lambda c: c.get("/nothing"), 404, "not_found"),
        (lambda c: c.delete("/orders"), 405, "method_not_allowed"),
        (lambda c: c.get("/orders/Z9"), 404, "not_found"),
        (lambda c: c.post("/orders/Z9/cancel", json={}), 404, "unknown_order"),
        (lambda c: c.get("/orders?colour=red"), 422, "invalid_request"),
        (lambda c: c.post("/orders", json={}), 422, "invalid_request"),
        (lambda c: c.post("/orders", json=ORDER), 404, "unknown_product"),
        (lambda c: c.post("/webhooks/stripe", content=b"{}"), 400, "bad_signature"),
        (lambda c: c.post("/webhooks/stripe", content=b"x" * 2**21), 413, "payload_too_large"),
        (lambda c: c.get("/healthz", headers={"host": "evil.example"}), 421, "misdirected_request"),
    ],
)
def test_what_is_wrong_is_a_problem_document(
    client: TestClient, call: Callable[[TestClient], Any], status: int, code: str
) -> None:
    answer = call(client)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"]


def test_a_wrong_method_is_told_the_right_ones(client: TestClient) -> None:
    assert "POST" in client.delete("/orders").headers["allow"]


def test_what_breaks_says_nothing_of_itself(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("ada@example.com")

    monkeypatch.setattr("app.health.look", broken)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_server_error")
    assert "ada" not in answer.text


def test_without_a_secret_there_is_no_webhook(settings: Settings, database: Database) -> None:
    off = settings.model_copy(update={"stripe_webhook_secrets": ()})
    with JudgedClient(create_app(off, database), base_url="http://localhost") as client:
        assert client.post("/webhooks/stripe", content=b"{}").json()["code"] == "endpoint_off"


# ── Health ──────────────────────────────────────────────────────────────────────────────────────


def test_a_new_service_is_alive_and_ready(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"alive": True}
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "head": 0,
        "lag_events": 0,
        "lag_seconds": 0.0,
        "append_seconds": 0.0,
        "not_following": [],
    }


def test_it_is_not_ready_while_a_projection_is_stopped(
    client: TestClient, database: Database
) -> None:
    with database.connect("projector") as conn:
        conn.execute(
            "update read_models.projections set stopped_at = 1, stopped_because = 'a bug'"
            " where name = 'stock'"
        )
    answer = client.get("/readyz")
    assert answer.status_code == 503
    stopped = {"name": "stock", "state": "stopped", "because": "a bug"}
    assert answer.json()["not_following"] == [stopped]


def test_it_is_not_ready_while_read_models_are_ahead_of_the_log(
    client: TestClient, database: Database
) -> None:
    client.put("/products/MUG", json=MUG)
    with database.connect("projector") as conn:
        conn.execute("update read_models.projections set position = 9 where name = 'stock'")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    (ahead,) = answer.json()["not_following"]
    assert (ahead["name"], ahead["state"]) == ("stock", "ahead")
    assert "which ends at 1" in ahead["because"]
    assert "`ledger rebuild`" in ahead["because"]


def test_read_models_of_another_history_serve_nothing(
    client: TestClient, database: Database
) -> None:
    """Not to a read that waits, and not to one that does not."""
    place(client)
    with database.connect("projector") as conn:
        conn.execute(
            "update read_models.projections set position = 2, leaf_hash = sha256('another event')"
        )
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert {each["state"] for each in answer.json()["not_following"]} == {"diverged"}
    for path in ("/orders", "/orders/A1", "/orders/A1?after=1", "/orders/A1/history", "/kpi"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "projection_stopped"), path
        assert "`ledger rebuild`" in answer.json()["detail"]
        assert answer.headers["retry-after"]


def test_it_is_not_ready_when_nothing_follows_for_long(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(client)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["lag_events"]) == (200, 4)
    monkeypatch.setattr("app.health.TOO_LATE_SECONDS", 0)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)


def test_a_store_that_is_away_is_told_and_comes_back_by_itself(
    settings: Settings, database: Database, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No restart of the service is needed."""
    monkeypatch.setattr("projections.engine.reads.WAIT_SECONDS", 0.5)
    with database.connect("owner") as conn:
        name = conn.info.dbname
    app = create_app(settings, database)
    with JudgedClient(app, base_url=URL, client=HERE, raise_server_exceptions=False) as client:
        let_in(client)
        place(client)
        server._admin(ALLOW.format(sql.Identifier(name), False))
        server._admin(LEAVE.format(name))
        for call in (client.get("/orders/A1"), client.post("/orders", json=ORDER)):
            assert (call.status_code, call.json()["code"]) == (503, "store_unavailable")
            assert call.headers["retry-after"]
        assert client.get("/readyz").json()["code"] == "store_unavailable"
        assert "ledger_store_up 0.0" in client.get("/metrics").text
        assert client.get("/healthz").status_code == 200
        server._admin(ALLOW.format(sql.Identifier(name), True))
        deadline = time.monotonic() + 60
        while client.get("/orders").status_code != 200:
            assert time.monotonic() < deadline
        assert client.get("/readyz").status_code == 200
        assert client.post("/orders", json=ORDER).json()["code"] == "already_exists"


def test_metrics_tell_lag_and_webhook(client: TestClient) -> None:
    place(client)
    (event,) = SimulatedStripe(8).do_something_new()
    deliver(client, event.body)
    text = client.get("/metrics").text
    for sample in ("ledger_store_up 1.0", "ledger_head_position 5.0", "ledger_lag_events 5.0"):
        assert sample in text
    assert 'ledger_webhook_events_total{outcome="appended"}' in text


# ── The description ─────────────────────────────────────────────────────────────────────────────


def test_every_operation_is_described(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    served = {route.path_format for route in routes if isinstance(route, Route)}
    pages = {path for path in served if path.startswith("/console")}
    assert served - pages - paths.keys() == {"/", "/openapi.json"}


def test_every_reference_in_the_description_leads_somewhere(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    references = [
        part.split('"')[0] for part in json.dumps(document).split('"#/components/schemas/')[1:]
    ]
    assert len(references) > 20
    assert set(references) <= schemas.keys()


def test_operations_have_names_of_their_own(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    names = [(path, o["operationId"]) for path, item in paths.items() for o in item.values()]
    assert len({name for _, name in names}) == len(names)


def test_routes_do_not_hide_each_other() -> None:
    claimed = [(r.path, m) for r in routes for m in r.methods or ()]
    assert len(set(claimed)) == len(claimed)


def test_the_root_leads_people_and_programs_on(client: TestClient) -> None:
    browser = client.get("/", headers={"accept": "text/html,*/*"}, follow_redirects=False)
    assert (browser.status_code, browser.headers["location"]) == (307, "/console")
    places = client.get("/").json()
    for name in ("openapi", "health"):
        assert client.get(places[name]).status_code == 200
    assert {browser.headers["vary"], client.get("/").headers["vary"]} == {"accept"}
