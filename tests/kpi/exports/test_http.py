"""Exports over HTTP: what a caller gets, and how one sees that a file is not whole."""

import http.client
import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from http.client import IncompleteRead
from threading import Thread
from typing import Any

import pytest
import uvicorn
from httpx2 import Response
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.testclient import TestClient

import kpi.exports.http
from app.asgi import create_app
from kpi.declare import CONTRACT_VERSION
from kpi.exports.declare import exports
from ledger.disclosures import DisclosureLog
from ledger.domain.access import Role
from ledger.domain.events import ExportMade, Metadata, RecordedEvent
from ledger.errors import StoreUnavailable
from ledger.settings import Settings
from ledger.tokens import issue
from tests.kpi.builder import LedgerBuilder
from tests.kpi.exports.examples import MARCH, book_a_charge, keep_shop, many_orders
from tests.support.callers import NAME, administrator, let_in
from tests.support.judged import JudgedClient
from tests.support.waiting import wait_for

OnRecord = Callable[[], list[RecordedEvent]]
DAYS = {"from": MARCH.first.isoformat(), "to": MARCH.last.isoformat()}


@pytest.fixture
def app(builder: LedgerBuilder) -> Starlette:
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(builder.engine.database.admin_conninfo),
    )
    return create_app(settings, builder.engine.database)


@pytest.fixture
def client(builder: LedgerBuilder, app: Starlette) -> Iterator[TestClient]:
    """The service on the ledger of a small shop."""
    keep_shop(builder)
    here = ("127.0.0.1", 50000)
    with JudgedClient(app, base_url="http://127.0.0.1", client=here) as client:
        let_in(client)
        yield client


def get(client: TestClient, path: str, **query: Any) -> Response:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer


def test_there_is_a_list_of_what_can_be_taken(client: TestClient) -> None:
    found = get(client, "/exports").json()
    assert (found["contract_version"], found["formats"]) == (
        CONTRACT_VERSION,
        ["csv", "jsonl", "parquet", "beancount", "hledger"],
    )
    for each in found["items"]:
        of_books = ["beancount", "hledger"] if each["name"] in {"journal", "trial_balance"} else []
        assert each["formats"] == ["csv", "jsonl", "parquet", *of_books]
    assert [each["name"] for each in found["items"]] == [each.name for each in exports()]
    (products,) = [each for each in found["items"] if each["name"] == "products"]
    assert products["filters"] == ["currency", "sku"]
    assert products["columns"][2] == {"name": "Revenue", "kind": "decimal"}


@pytest.mark.parametrize(
    ("chosen", "media_type"),
    [
        ("csv", "text/csv"),
        ("jsonl", "application/jsonl"),
        ("parquet", "application/vnd.apache.parquet"),
    ],
)
def test_a_download_is_a_file_with_a_manifest(
    client: TestClient, builder: LedgerBuilder, chosen: str, media_type: str
) -> None:
    head = builder.engine.log.head()
    query = {"format": chosen, "currency": "gbp", "reason": "for the accountant"}
    answer = get(client, "/exports/customers", **DAYS, **query)
    assert answer.headers["content-type"].partition(";")[0] == media_type
    named = f'attachment; filename="customers_2026-03-01_2026-03-31.{chosen}"'
    assert answer.headers["content-disposition"] == named
    assert answer.headers["as-of-position"] == str(head)
    manifest = get(client, f"/exports/{answer.headers['export-id']}/manifest").json()
    assert manifest["sha256"] == sha256(answer.content).hexdigest()
    assert (manifest["rows"], manifest["as_of_position"]) == (2, head)
    assert manifest["filter"] == {"currency": "gbp"}


def test_a_month_of_the_books_is_a_file_of_entries_with_a_manifest(
    client: TestClient, builder: LedgerBuilder
) -> None:
    book_a_charge(builder)
    answer = get(client, "/exports/journal", period="2026-03", format="beancount")
    assert answer.headers["content-type"].partition(";")[0] == "text/plain"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="journal_2026-03-01_2026-03-31.beancount"'
    )
    assert "  Assets:Stripe:Payments:Available  29.30 GBP\n" in answer.text
    assert '  order: "A1"\n' in answer.text
    manifest = get(client, f"/exports/{answer.headers['export-id']}/manifest").json()
    assert (manifest["format"], manifest["columns"]) == ("beancount", [])
    assert manifest["sha256"] == sha256(answer.content).hexdigest()


def test_the_window_is_the_last_30_days_where_nothing_is_said(
    client: TestClient, on_record: OnRecord
) -> None:
    answer = get(client, "/exports/orders")
    assert 'filename="orders_paid_30d.csv"' in answer.headers["content-disposition"]
    assert (
        get(client, "/exports/orders", window="7")
        .headers["content-disposition"]
        .endswith('orders_paid_7d.csv"')
    )
    first, second = (each.event for each in on_record())
    assert isinstance(first, ExportMade)
    assert isinstance(second, ExportMade)
    assert (first.filter["window"], second.filter["window"]) == ("30", "7")


def test_who_takes_something_out_is_on_record_with_the_reason(
    client: TestClient, on_record: OnRecord
) -> None:
    get(client, "/exports/orders", reason="for the accountant", **DAYS)
    (made,) = on_record()
    assert (made.meta.actor_name, made.meta.role) == (NAME, "admin")
    assert (made.meta.reason, made.meta.address) == ("for the accountant", "127.0.0.1")


@pytest.mark.parametrize(
    ("path", "query", "refusal"),
    [
        ("orders", {"window": "31"}, (400, "invalid_window")),
        ("orders", {"from": "2026-03-01"}, (400, "invalid_window")),
        ("orders", {"window": "30", **DAYS}, (400, "invalid_window")),
        ("orders", {"format": "xlsx"}, (422, "invalid_request")),
        ("orders", {"format": "hledger"}, (422, "invalid_request")),
        ("journal", {"window": "7"}, (400, "invalid_window")),
        ("journal", {"period": "2026-13"}, (400, "invalid_window")),
        ("journal", {"period": "2026-03", **DAYS}, (400, "invalid_window")),
        ("orders", {"state": "a\0b"}, (422, "invalid_request")),
        ("products", {"state": "paid"}, (422, "invalid_request")),
        ("orders", {"after": 10_000}, (422, "invalid_request")),
        ("unheard-of", {}, (404, "not_found")),
    ],
)
def test_what_cannot_be_taken_says_why_and_is_not_on_record(
    client: TestClient,
    on_record: OnRecord,
    path: str,
    query: dict[str, Any],
    refusal: tuple[int, str],
) -> None:
    answer = client.get(f"/exports/{path}", params=query)
    assert (answer.status_code, answer.json()["code"]) == refusal
    assert on_record() == []


def test_a_look_at_the_headers_takes_nothing(client: TestClient, on_record: OnRecord) -> None:
    answer = client.head("/exports/orders", params=DAYS)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv")
    assert "export-id" not in answer.headers
    assert on_record() == []


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.CUSTOMER, 403), (Role.ANALYST, 200), (Role.AUDITOR, 200), (Role.OPS, 200)],
)
def test_exports_are_for_the_staff(
    client: TestClient, builder: LedgerBuilder, on_record: OnRecord, role: Role, status: int
) -> None:
    customer_id = "bob" if role is Role.CUSTOMER else None
    issued = issue(builder.engine.log, role, "Ann", Metadata(), customer_id=customer_id)
    headers = {"authorization": f"Bearer {issued.token}"}
    assert client.get("/exports/orders", headers=headers).status_code == status
    del client.headers["authorization"]
    assert client.get("/exports/orders").status_code == 401
    assert len(on_record()) == (status == 200)


def test_the_document_names_the_media_types(client: TestClient) -> None:
    described = client.get("/openapi.json").json()["paths"]["/exports/orders"]["get"]
    assert described["responses"]["200"]["content"].keys() == {
        "text/csv",
        "application/jsonl",
        "application/vnd.apache.parquet",
    }


# ── Over a real connection ──────────────────────────────────────────────────────────────────────


@contextmanager
def serving(app: Starlette) -> Generator[tuple[uvicorn.Server, int]]:
    server = uvicorn.Server(uvicorn.Config(app, http="httptools", lifespan="on", log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = Thread(target=server.run, kwargs={"sockets": [listener]})
        running.start()
        try:
            wait_for(lambda: server.started)
            yield server, listener.getsockname()[1]
        finally:
            server.should_exit = True
            running.join()


class Away(DisclosureLog):
    """A log that is lost while an export is on its way."""

    def exported(
        self, event: ExportMade, meta: Metadata, export_id: str | None = None
    ) -> tuple[str, int]:
        raise StoreUnavailable


def test_a_download_that_is_not_on_record_breaks_off(
    builder: LedgerBuilder, app: Starlette
) -> None:
    """All rows may have arrived, but the end of the body does not: no client takes it for whole."""
    keep_shop(builder)
    with serving(app) as (server, port):
        server.lifespan.state["disclosure_log"] = Away(builder.engine.log)
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            asked = "/exports/orders?from=2026-03-01&to=2026-03-31"
            connection.request("GET", asked, headers={"Authorization": bearer(server)})
            answer = connection.getresponse()
            assert answer.status == 200
            with pytest.raises(IncompleteRead):
                answer.read()


def test_who_hangs_up_is_on_record(
    builder: LedgerBuilder, app: Starlette, on_record: OnRecord
) -> None:
    many_orders(builder, 30_000)
    with serving(app) as (server, port):
        with few_bytes_of(server, port):
            pass
        wait_for(lambda: on_record() != [])
    (made,) = on_record()
    assert isinstance(made.event, ExportMade)
    assert not made.event.complete
    assert 0 < made.event.rows < 30_000


def test_who_takes_nothing_for_long_is_hung_up_on(
    builder: LedgerBuilder, app: Starlette, on_record: OnRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kpi.exports.http, "STALLED_SECONDS", 2)
    many_orders(builder, 30_000)
    with serving(app) as (server, port), few_bytes_of(server, port):
        wait_for(lambda: on_record() != [])
    (made,) = on_record()
    assert isinstance(made.event, ExportMade)
    assert not made.event.complete


def bearer(server: uvicorn.Server) -> str:
    token, _ = administrator(server.lifespan.state["auth"])
    return f"Bearer {token}"


@contextmanager
def few_bytes_of(server: uvicorn.Server, port: int) -> Generator[None]:
    """A caller who asks for megabytes and takes a few rows."""
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.connect(("127.0.0.1", port))
        caller.sendall(
            b"GET /exports/orders?from=2026-03-01&to=2026-03-31&format=jsonl HTTP/1.1\r\n"
            b"Host: 127.0.0.1\r\n"
            b"Authorization: %b\r\n\r\n" % bearer(server).encode()
        )
        taken = b""
        while b"OrderID" not in taken and (more := caller.recv(1024)):
            taken += more
        assert taken.startswith(b"HTTP/1.1 200")
        assert b"OrderID" in taken
        yield
