"""A database that may only be read, as after a failover: 503, and later all goes on by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest
from httpx2 import Response
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.asgi import create_app
from ledger.postgres.database import Database
from ledger.settings import Settings
from simulator import SimulatedStripe, sign
from tests.support.callers import let_in
from tests.support.servers import Server

SECRET = "whsec_of_the_failover"


@pytest.fixture
def client(database: Database) -> Iterator[TestClient]:
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(database.admin_conninfo),
        stripe_webhook_secrets=(SecretStr(SECRET),),
    )
    app = create_app(settings, database)
    here = ("127.0.0.1", 50_000)
    with TestClient(
        app, base_url="http://127.0.0.1", client=here, raise_server_exceptions=False
    ) as client:
        let_in(client)
        yield client


def turn(server: Server, database: Database, how: str) -> None:
    """Change a default of the database; sessions keep the one that they began under."""
    name = sql.Identifier(str(conninfo_to_dict(database.admin_conninfo)["dbname"]))
    statement = sql.SQL("alter database {} {} default_transaction_read_only")
    changes = {"on": (sql.SQL("set"), sql.SQL(" = on")), "off": (sql.SQL("reset"), sql.SQL(""))}
    verb, value = changes[how]
    with psycopg.connect(server._postgres.conninfo("postgres"), autocommit=True) as admin:
        admin.execute(statement.format(name, verb) + value)


def writes(client: TestClient) -> Iterator[Response]:
    """Every kind of append."""
    yield client.put("/products/MUG", json={"name": "Mug", "prices": {"gbp": 1250}})
    yield client.post("/wishlist/add", json={"customer_id": "ada", "sku": "CUP"})
    (event, *_) = SimulatedStripe("failover").do_something_new()
    headers = {"stripe-signature": sign(event.body, SECRET, int(time.time()))}
    yield client.post("/webhooks/stripe", content=event.body, headers=headers)
    yield client.post("/verify", json={})


def test_a_database_that_may_only_be_read_is_told_and_outlived(
    server: Server, database: Database, client: TestClient
) -> None:
    """503 and not 500, and no connection of the bad days is kept when they are over."""
    cup = {"name": "Cup", "prices": {"gbp": 100}}
    assert client.put("/products/CUP", json=cup).status_code == 200
    turn(server, database, "on")
    with psycopg.connect(database.admin_conninfo, autocommit=True) as admin:
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    for number in range(3):
        for answer in writes(client):
            assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
            assert answer.headers["retry-after"]
            if number:  # at first it is the sessions that are gone
                assert answer.json()["detail"] == "The database is read-only."
        assert client.get("/orders").status_code == 200

    turn(server, database, "off")
    for number in range(2):
        answers = [answer.status_code for answer in writes(client)]
        if number:  # the first ones may still have met a session of before
            *appended, proof = answers
            assert appended == [200, 200, 200]
            assert proof in {202, 409}, "it began, or the one before is still at work"
