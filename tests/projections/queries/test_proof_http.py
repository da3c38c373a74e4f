"""The proof over HTTP: started by whom it concerns, looked at until it has its answer."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.asgi import create_app
from ledger.domain.access import Role
from ledger.domain.events import Metadata, NewEvent, ProofFailed, ProofStarted
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.settings import Settings
from ledger.tokens import issue
from tests.projections.engine.counter import Counter
from tests.support.judged import JudgedClient
from tests.support.waiting import wait_for

NAME = "0" * 31 + "7"
WHY = {"reason": "the year's end"}


@pytest.fixture
def client(database: Database, counter: Counter) -> Iterator[TestClient]:
    """The service on the ledger of a shop, called by an auditor."""
    counter.sell()
    counter.follow()
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(database.admin_conninfo),
    )
    token = issue(counter.engine.log, Role.AUDITOR, "Ann Auditor", Metadata()).token
    with JudgedClient(create_app(settings, database), base_url="http://127.0.0.1") as client:
        client.headers["authorization"] = f"Bearer {token}"
        yield client


def start(client: TestClient) -> str:
    answer = client.post("/verify", json=WHY)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def outcome(client: TestClient, proof_id: str) -> dict[str, Any]:
    """What a proof came to, looked at until it has."""
    wait_for(lambda: client.get(f"/verify/{proof_id}").json()["state"] != "running")
    return client.get(f"/verify/{proof_id}").json()


def test_an_auditor_has_the_books_proven(client: TestClient, counter: Counter) -> None:
    proof = outcome(client, start(client))
    assert (proof["state"], proof["started_by"]) == ("proven", "Ann Auditor")
    assert proof["report"]["holds"]
    assert proof["report"]["tables"].keys() == set(counter.engine.registry.tables)
    assert proof["started_at"] < proof["finished_at"]
    counter.follow()


def test_a_row_that_was_changed_is_named(client: TestClient, counter: Counter) -> None:
    with counter.engine.database.connect("projector", autocommit=True) as conn:
        conn.execute("update read_models.stock set name = 'forged' where sku = 'MUG'")
    proof = outcome(client, start(client))
    assert proof["state"] == "refuted"
    (found,) = proof["report"]["differences"]
    assert (found["missing"], found["extra"], found["changed"]) == (0, 0, 1)
    difference = found["first"]
    assert (difference["table"], difference["key"]) == ("stock", ["MUG"])
    assert (difference["column"], difference["live"]) == ("name", "forged")


def test_one_that_has_no_end_on_record_is_lost_until_it_has(client: TestClient, log: Log) -> None:
    """As when the process died that made it; and a failed one says why."""
    at = log.at([1])[0].effective_at
    log.append([NewEvent(f"proof/{NAME}", 1, ProofStarted(proof_id=NAME), at, Metadata())])
    lost = client.get(f"/verify/{NAME}").json()
    assert (lost["state"], lost["report"], lost["finished_at"]) == ("lost", None, None)
    end = ProofFailed(proof_id=NAME, cause="StoreUnavailable")
    log.append([NewEvent(f"proof/{NAME}", 2, end, at, Metadata())])
    failed = client.get(f"/verify/{NAME}").json()
    assert (failed["state"], failed["cause"], failed["report"]) == ("failed", end.cause, None)


@pytest.mark.parametrize("name", [NAME, "none", "%00", "%ED%A0%80"])
def test_there_is_no_proof_that_nobody_started(client: TestClient, name: str) -> None:
    assert client.get(f"/verify/{name}").json()["code"] == "not_found"


def test_while_one_is_at_work_another_is_refused(client: TestClient, database: Database) -> None:
    with database.connect("projector", autocommit=True) as conn:
        conn.execute("select pg_advisory_lock(hashtext('ledger rebuild'))")
        answer = client.post("/verify", json=WHY)
    assert (answer.status_code, answer.json()["code"]) == (409, "rebuild_running")
