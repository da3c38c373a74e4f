"""Checks and issues over HTTP: asked, shown, decided, each by who may."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.asgi import create_app
from ledger.domain.events import IssueResolved
from ledger.settings import Settings
from projections.engine import positions
from tests.kpi.builder import CHECKS, LedgerBuilder
from tests.kpi.checks.scenarios import paid_twice
from tests.support.callers import let_in
from tests.support.following import following
from tests.support.judged import JudgedClient
from tests.webhooks.examples import charge

ISSUE = "paid_twice:A1"
WHY = {"reason": "she wants a voucher"}


@pytest.fixture
def client(builder: LedgerBuilder) -> Iterator[TestClient]:
    """The service on the ledger, and a follower."""
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


def run(client: TestClient, **query: int) -> dict[str, Any]:
    answer = client.post("/checks/run", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def issue(client: TestClient, after: int) -> dict[str, Any]:
    answer = client.get(f"/issues/{ISSUE}", params={"after": after})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_checks_are_listed_with_what_is_open(
    client: TestClient, builder: LedgerBuilder
) -> None:
    paid_twice(builder)
    position = run(client)["position"]
    items = client.get("/checks", params={"after": position}).json()["items"]
    assert {item["name"] for item in items} == CHECKS.keys()
    waits = {item["name"]: item["waits"] for item in items}
    assert (waits["unlinked_payments"], waits["paid_twice"]) == ("10 minutes", None)
    assert {item["name"] for item in items if item["open"]} == {"paid_twice"}


def test_a_run_tells_what_it_found(client: TestClient, builder: LedgerBuilder) -> None:
    paid_twice(builder)
    answer = run(client, top=1)
    assert (answer["open"], answer["crashed_checks"]) == (1, [])
    (found,) = [check for check in answer["checks"] if check["open"]]
    assert (found["name"], found["opened"]) == ("paid_twice", 1)
    assert found["top"] == ["Order A1 costs 10.00 GBP and holds 20.00 GBP of 2 payments."]
    listed = client.get("/issues", params={"after": answer["position"], "state": "open"}).json()
    assert [item["issue_id"] for item in listed["items"]] == [ISSUE]
    assert run(client, top=0)["checks"][0]["top"] == []


def test_an_issue_is_resolved_and_reopened_with_a_reason(
    client: TestClient, builder: LedgerBuilder
) -> None:
    paid_twice(builder)
    run(client)
    resolved = client.post(f"/issues/{ISSUE}/resolve", json=WHY).json()
    shown = issue(client, resolved["position"])
    assert (shown["state"], shown["reason"]) == ("resolved", WHY["reason"])
    reopened = client.post(f"/issues/{ISSUE}/reopen", json={"reason": "she does not"}).json()
    shown = issue(client, reopened["position"])
    assert (shown["state"], shown["times_reopened"], shown["by_itself"]) == ("open", 1, False)
    history = client.get(f"/issues/{ISSUE}/history").json()["items"]
    assert [line["kind"] for line in history] == [
        "issue.opened", "issue.resolved", "issue.reopened",
    ]  # fmt: skip
    of_order = client.get("/orders/A1/history", params={"after": reopened["position"]}).json()
    assert "issue.reopened" in [line["kind"] for line in of_order["items"]]


def test_a_decision_that_is_repeated_changes_nothing(
    client: TestClient, builder: LedgerBuilder
) -> None:
    paid_twice(builder)
    run(client)
    headers = {"idempotency-key": "k1"}
    first = client.post(f"/issues/{ISSUE}/resolve", json=WHY, headers=headers)
    again = client.post(f"/issues/{ISSUE}/resolve", json=WHY, headers=headers)
    assert first.json() == again.json()
    stream = builder.engine.log.stream(f"issue/{ISSUE}")
    assert [type(r.event) for r in stream].count(IssueResolved) == 1
    other = client.post(f"/issues/{ISSUE}/reopen", json=WHY, headers=headers)
    assert other.json()["code"] == "idempotency_mismatch"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("paid_twice:Z9/resolve", WHY, 404, "unknown_issue"),
        ("paid_twice:Z9/reopen", WHY, 404, "unknown_issue"),
        ("paid_twice:A1/resolve", {}, 422, "invalid_request"),
        ("paid_twice:A1/resolve", {"reason": ""}, 422, "invalid_request"),
        ("%00/resolve", WHY, 422, "invalid_command"),
        (f"{'x' * 600}/resolve", WHY, 422, "invalid_command"),
    ],
)
def test_what_cannot_be_decided_says_why(
    client: TestClient, path: str, body: dict[str, str], status: int, code: str
) -> None:
    answer = client.post(f"/issues/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_read_model_that_stopped_makes_its_checks_red(
    client: TestClient, builder: LedgerBuilder
) -> None:
    paid_twice(builder)
    builder.follow()
    with builder.engine.database.connect("projector", autocommit=True) as conn:
        positions.stop(conn.cursor(), ["stock"], 1, "a bug")
    answer = run(client)
    stopped = {name for name, check in CHECKS.items() if "stock" in check.reads}
    assert stopped >= {"daily_facts_differ", "negative_stock", "reservations_differ"}
    assert set(answer["crashed_checks"]) == stopped
    assert answer["open"] == 1


def test_events_of_the_other_mode_are_a_metric(client: TestClient, builder: LedgerBuilder) -> None:
    builder.stripe("charge.succeeded", charge(), livemode=True)
    builder.follow()
    assert "ledger_other_mode_events 1.0" in client.get("/metrics").text


def test_open_issues_are_a_metric(client: TestClient, builder: LedgerBuilder) -> None:
    paid_twice(builder)
    position = run(client)["position"]
    issue(client, position)
    text = client.get("/metrics").text
    assert 'ledger_open_issues{check="paid_twice",severity="high"} 1.0' in text
    assert 'ledger_open_issues{check="events_of_other_mode",severity="medium"} 0.0' in text
