"""The rebuild over HTTP: started by an admin, looked at until it has ended."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.asgi import create_app
from ledger.domain.events import (
    Metadata,
    NewEvent,
    ProofFinished,
    RebuildFailed,
    RebuildStarted,
)
from ledger.postgres.database import Database
from ledger.settings import Settings
from projections.engine.proofs import put_on_record
from tests.projections.engine.counter import Counter
from tests.support import callers
from tests.support.callers import let_in
from tests.support.judged import JudgedClient
from tests.support.waiting import wait_for

NAME = "0" * 31 + "8"


@pytest.fixture
def client(database: Database, counter: Counter) -> Iterator[TestClient]:
    """The service on the ledger of a shop, called by an administrator."""
    counter.sell()
    counter.follow()
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(database.admin_conninfo),
    )
    app, here = create_app(settings, database), ("127.0.0.1", 50000)
    with JudgedClient(app, base_url="http://127.0.0.1", client=here) as client:
        let_in(client)
        yield client


def test_a_rebuild_puts_a_changed_row_right(client: TestClient, counter: Counter) -> None:
    with counter.engine.database.connect("projector", autocommit=True) as conn:
        conn.execute("update read_models.stock set name = 'forged' where sku = 'MUG'")
    answer = client.post("/rebuild", json={"names": ["stock"], "reason": "a wrong name"})
    assert answer.status_code == 202, answer.text
    path, position = f"/rebuild/{answer.json()['id']}", answer.json()["position"]
    wait_for(lambda: client.get(path).json()["state"] != "running")
    ended = client.get(path).json()
    assert (ended["state"], ended["started_by"]) == ("rebuilt", callers.NAME)
    assert (ended["asked"], ended["position"]) == (["stock"], position)
    assert "stock" in ended["names"]
    assert ended["started_at"] < ended["finished_at"]
    started = counter.engine.log.at([position])[0]
    assert started.meta.reason == "a wrong name"
    assert client.get("/stock/MUG").json()["name"] != "forged"


def test_a_log_that_the_last_proof_found_damaged_is_believed_on_demand_only(
    client: TestClient, counter: Counter
) -> None:
    end = ProofFinished(
        proof_id=NAME,
        holds=False,
        position=1,
        tables={},
        faults={"hash": {"count": 1, "places": []}},
    )
    log = counter.engine.log
    put_on_record(log, log.at([1])[0].effective_at, end, Metadata())
    head = log.head()
    refused = client.post("/rebuild", json={"reason": "a wrong name"})
    assert (refused.status_code, refused.json()["code"]) == (409, "rebuild_refused")
    assert "events that do not fit their hash: 1" in refused.json()["detail"]
    assert log.head() == head
    begun = client.post("/rebuild", json={"believe_log": True, "reason": "we know"}).json()
    assert log.at([begun["position"]])[0].event.believe_log  # pyright: ignore[reportAttributeAccessIssue]
    wait_for(lambda: client.get(f"/rebuild/{begun['id']}").json()["state"] == "rebuilt")


def test_one_that_has_no_end_on_record_is_lost_until_it_has(
    client: TestClient, counter: Counter
) -> None:
    """As when the process died that made it; and a failed one says why."""
    log = counter.engine.log
    at = log.at([1])[0].effective_at
    log.append([NewEvent(f"rebuild/{NAME}", 1, RebuildStarted(rebuild_id=NAME), at, Metadata())])
    lost = client.get(f"/rebuild/{NAME}").json()
    assert (lost["state"], lost["asked"], lost["finished_at"]) == ("lost", [], None)
    end = RebuildFailed(rebuild_id=NAME, cause="StoreUnavailable")
    log.append([NewEvent(f"rebuild/{NAME}", 2, end, at, Metadata())])
    failed = client.get(f"/rebuild/{NAME}").json()
    assert (failed["state"], failed["cause"], failed["position"]) == ("failed", end.cause, None)


@pytest.mark.parametrize("name", [NAME, "none", "%00"])
def test_there_is_no_rebuild_that_nobody_started(client: TestClient, name: str) -> None:
    assert client.get(f"/rebuild/{name}").json()["code"] == "not_found"


def test_what_cannot_begin_is_refused(client: TestClient, database: Database) -> None:
    unknown = client.post("/rebuild", json={"names": ["none"]})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_projection")
    with database.connect("projector", autocommit=True) as conn:
        conn.execute("select pg_advisory_lock(hashtext('ledger rebuild'))")
        answer = client.post("/rebuild", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "rebuild_running")
