"""Every role at every route: what the table says is what the service does."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.routing import Route
from starlette.testclient import TestClient

from api.openapi import describe
from api.operations import permission_by_route
from api.permissions import MATRIX, OPEN, Permission, Scope, scope_of
from api.rate_limit import RateLimit
from app.asgi import STATUSES, create_app, routes
from app.cli.docs import permissions
from app.wiring import make_engine
from ledger.domain.access import Role
from ledger.domain.events import Metadata
from ledger.log import Log
from ledger.settings import Settings
from ledger.tokens import issue
from tests.support.following import following
from tests.support.judged import JudgedClient
from tests.support.servers import Server

Tokens = dict[Role, str]

DOCUMENT = describe(routes, "Ledger", "0", STATUSES)
ROUTES = {(method, path): permission for method, path, permission in permission_by_route(routes)}
STANDING = {
    "{position}": "1",
    "{id}": "no-such",
    "{sku}": "no-such",
    "{payment_id}": "no-such",
    "{request_id}": "no-such",
    "{name}": "no-such",
    "{transaction_id}": "no-such",
    "{period}": "2020-01",
}
"""What stands for the names in a path."""
EACH = pytest.mark.parametrize(("method", "path"), ROUTES, ids=str)


@pytest.fixture(scope="module")
def service(servers: Any) -> Iterator[tuple[TestClient, Tokens]]:
    """The service, and a token of each role; it turns calls away as often as it must."""
    server: Server = servers("embedded")
    with ExitStack() as stack:
        database = server.create()
        stack.callback(server.drop, database)
        settings = Settings(
            _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
            database_url=SecretStr(database.admin_conninfo),
            stripe_webhook_secrets=(SecretStr("whsec_of_the_matrix"),),
        )
        log = stack.enter_context(closing(Log(database.conninfo("app"))))
        stack.enter_context(following(make_engine(settings, database, log)))
        client = stack.enter_context(
            JudgedClient(create_app(settings, database), base_url="http://127.0.0.1")
        )
        client.app_state["auth"].answered = RateLimit("1000000 per hour")
        yield client, {role: token_of(log, role) for role in Role}


def token_of(log: Log, role: Role) -> str:
    customer_id = "c1" if role is Role.CUSTOMER else None
    return issue(log, role, role.value, Metadata(), customer_id=customer_id).token


def call(client: TestClient, method: str, path: str, token: str | None) -> int:
    """With a body that fits little: an allowed caller is told so, or that nothing is there."""
    for name, value in STANDING.items():
        path = path.replace(name, value)
    assert "{" not in path, "say what stands for a new name of a path"
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return client.request(method, path, json={}, headers=headers).status_code


@EACH
def test_without_a_token_only_open_routes_answer(
    service: tuple[TestClient, Tokens], method: str, path: str
) -> None:
    status = call(service[0], method, path, None)
    assert (status == 401) == (ROUTES[method, path] not in OPEN)
    assert status < 500 or path == "/readyz"


@pytest.mark.parametrize("role", Role)
@EACH
def test_a_role_may_do_what_the_table_says(
    service: tuple[TestClient, Tokens], method: str, path: str, role: Role
) -> None:
    client, tokens = service
    status, permission = call(client, method, path, tokens[role]), ROUTES[method, path]
    if permission in OPEN:
        assert status not in {401, 403}
        return
    given = scope_of(permission, role, analysts_see_orders=False)
    assert (status == 403) == (given is Scope.NO), status
    assert status != 401
    assert status < 500
    if given is Scope.OWN and "{id}" in path:
        assert status == 404


@EACH
def test_the_description_says_who_may(method: str, path: str) -> None:
    described, permission = DOCUMENT["paths"][path][method.lower()], ROUTES[method, path]
    if permission in OPEN:
        assert described["security"] == (
            [{"stripe": []}] if permission is Permission.WEBHOOK else []
        )
        return
    assert described["security"] == [{"token": []}]
    assert {"401", "403", "429"} <= described["responses"].keys()
    allowed = {role for role in Role if MATRIX[permission].of(role) is not Scope.NO}
    assert described["x-roles"].keys() == allowed


def test_no_route_is_left_out() -> None:
    """What is no operation would need no permission; the console's pages ask operations."""
    served = {(m, r.path) for r in routes if isinstance(r, Route) for m in r.methods or ()}
    described = {(m, p.replace("{position}", "{position:int}")) for m, p in ROUTES}
    left = {(method, path) for method, path in served - described if method != "HEAD"}
    pages = {(method, path) for method, path in left if path.startswith("/console")}
    assert left - pages == {("GET", "/"), ("GET", "/openapi.json")}


def test_every_surface_has_a_rule() -> None:
    assert MATRIX.keys() | OPEN == set(Permission)
    assert not MATRIX.keys() & OPEN


def test_customers_get_nothing_but_their_own() -> None:
    given = {rule.customer for rule in MATRIX.values()}
    assert given == {Scope.NO, Scope.OWN}
    assert all(rule.admin is Scope.ANY for rule in MATRIX.values())


def test_the_page_shows_every_route_and_every_rule() -> None:
    page = permissions.page(routes)
    for method, path in ROUTES:
        assert page.count(f"`{method} {path}`") == 1
    for rule in MATRIX.values():
        assert f"| {rule.about} |" in page


def test_the_description_names_its_schemes() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert schemes["token"]["scheme"] == "bearer"
    used = {name for _, p in walk(DOCUMENT) for each in p for name in each}
    assert used == schemes.keys()


def walk(document: Any) -> Iterator[tuple[str, Any]]:
    for path, item in document["paths"].items():
        for described in item.values():
            yield path, json.loads(json.dumps(described["security"]))
