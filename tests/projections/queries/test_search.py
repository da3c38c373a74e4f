"""Search over HTTP: what people write finds what they mean, as far as they may see it."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from api.permissions import MATRIX, Permission, Scope
from app.asgi import create_app
from ledger.domain.access import Role
from ledger.domain.events import (
    Line,
    Metadata,
    NewEvent,
    OrderPlaced,
    ProductListed,
    StripeObjectObserved,
)
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.settings import Settings
from ledger.tokens import issue
from projections.queries.search import Amount, amount_of, places
from tests.support.judged import JudgedClient
from tests.support.linking import Paid, Shop, Sold, Trade, opened
from tests.webhooks.examples import customer
from webhooks.ingest.observe import append_observed

ADA, BOB = "Ada@Example.com", "bob@example.com"
TRADE = Trade(
    [Sold("A-100", ADA, "eur", 1250, 0), Sold("a-200", BOB, "jpy", 1250, 1)],
    [Paid("pi_3Mt", "ada@example.com", "eur", 1250, 60), Paid("pi_3mTx", BOB, "eur", 99, 61)],
)
META, AT = Metadata(actor="operator"), datetime(2026, 3, 2, tzinfo=UTC)


def own_order(order_id: str, customer_id: str, email: str) -> NewEvent:
    placed = OrderPlaced(
        order_id=order_id,
        currency="kwd",
        lines=(Line(sku="MUG-1", name="Blue Mug", quantity=1, unit_minor=12500),),
        total_minor=12500,
        expires_at=AT + timedelta(minutes=30),
        customer_id=customer_id,
        email=email,
    )
    return NewEvent(f"order/{order_id}", 1, placed, AT, META)


@pytest.fixture
def shop(database: Database) -> Iterator[Shop]:
    with opened(database, TRADE) as shop:
        mug = ProductListed(sku="MUG-1", name="Blue Mug", prices={"eur": 1})
        tee = ProductListed(sku="TEE-1", name="Blue tee", prices={"eur": 1})
        shop.engine.log.append_new(
            [
                NewEvent("stock/MUG-1", 1, mug, AT, META),
                NewEvent("stock/TEE-1", 1, tee, AT, META),
                own_order("C-1", "ann", "ann@example.com"),
                own_order("C-2", "ben", "ben@example.com"),
            ]
        )
        shop.follow()
        yield shop


@pytest.fixture
def client(database: Database, shop: Shop) -> Iterator[TestClient]:
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(database.admin_conninfo),
    )
    app, here = create_app(settings, database), ("127.0.0.1", 50000)
    with JudgedClient(app, base_url="http://127.0.0.1", client=here) as client:
        become(client, database, Role.ADMIN)
        yield client


def become(client: TestClient, database: Database, role: Role, **more: Any) -> None:
    with closing(Log(database.conninfo("app"), connections=1)) as log:
        token = issue(log, role, "of the test", META, **more).token
    client.headers["authorization"] = f"Bearer {token}"


def find(client: TestClient, q: str, **more: Any) -> dict[str, list[str]]:
    answer = client.get("/search", params={"q": q, **more})
    assert answer.status_code == 200, answer.text
    return {g["kind"]: [hit["id"] for hit in g["hits"]] for g in answer.json()["groups"]}


def test_what_people_write_finds_what_they_mean(client: TestClient):
    assert find(client, "a-100") == {"order": ["A-100"]}
    assert find(client, "A-") == {"order": ["A-100", "a-200"]}
    assert find(client, "PI_3m") == {"payment": ["pi_3Mt", "pi_3mTx"]}
    assert find(client, "pi_3mt") == {"payment": ["pi_3Mt", "pi_3mTx"]}
    assert find(client, "ADA@example") == {"order": ["A-100"], "payment": ["pi_3Mt"]}
    assert find(client, "ann@example.com") == {"order": ["C-1"], "customer": ["ann"]}
    assert find(client, "mug blue") == {"sku": ["MUG-1"]}
    assert find(client, "tee-1") == {"sku": ["TEE-1"]}
    assert find(client, "nothing of this name") == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("anna m", ["cus_1"]),
        ("anna schm", ["cus_1"]),
        ("ANNA MARIA", ["cus_1"]),
        ("schmidt", ["cus_1", "cus_2"]),
        ("Maria Schmidt", ["cus_1"]),
        ("peter s", ["cus_2"]),
        ("anna schulz", []),
        ("Cher", ["cus_3"]),
    ],
)
def test_a_customer_is_found_by_how_the_name_or_its_last_word_begins(
    client: TestClient, shop: Shop, text: str, found: list[str]
):
    names = {"cus_1": "Anna Maria Schmidt", "cus_2": "Peter Schmidt", "cus_3": "Cher"}
    append_observed(
        shop.engine.log,
        [
            StripeObjectObserved(
                kind="customer",
                object_id=each,
                body=json.dumps(customer(id=each, name=name, email=None)).encode(),
                fetched_at=AT,
                path="/v1/customers",
                livemode=False,
            )
            for each, name in names.items()
        ],
        META,
    )
    shop.follow()
    assert sorted(find(client, text).get("customer", [])) == found


def test_an_amount_is_found_as_a_person_writes_it(client: TestClient):
    assert find(client, "12.50") == {"order": ["A-100", "C-2", "C-1"], "payment": ["pi_3Mt"]}
    assert find(client, "12.50 EUR") == {"order": ["A-100"], "payment": ["pi_3Mt"]}
    assert find(client, "1250 jpy") == {"order": ["a-200"]}
    assert find(client, "1,250") == {"order": ["a-200"]}
    assert find(client, "0.99") == {"payment": ["pi_3mTx"]}
    assert "payment" not in find(client, "99")


@pytest.mark.parametrize(
    ("text", "minor", "currency"),
    [
        ("12.50", {2: 1250, 3: 12500}, None),
        ("12,5 eur", {2: 1250}, "eur"),
        ("USD 1,250.00", {2: 125000}, "usd"),
        ("1,250", {0: 1250, 2: 125000, 3: 1250000}, None),
        ("1.250 kwd", {3: 1250}, "kwd"),
        ("1250 jpy", {0: 1250}, "jpy"),
        ("£12.50", {2: 1250}, "gbp"),
        ("12,50 €", {2: 1250}, "eur"),
        ("$12", {0: 12, 2: 1200, 3: 12000}, None),
    ],
)
def test_an_amount_is_read(text: str, minor: dict[int, int], currency: str | None):
    assert amount_of(text) == Amount(minor, currency)


@pytest.mark.parametrize(
    "text", ["12.5 jpy", "12.505 eur", "eur 5 eur", "5 zzz", "1.2.3", "T-12", "", "9" * 16, "€"]
)
def test_what_is_no_amount_is_none(text: str):
    assert amount_of(text) is None


def test_an_event_is_found_by_its_position_and_its_id(client: TestClient, shop: Shop):
    (stream, _), *_ = [each for each in shop.decided() if each[0].startswith("order/")]
    first = client.get("/events", params={"stream": stream}).json()["items"][0]
    position = str(first["position"])
    assert find(client, position)["event"] == [position]
    assert "event" not in find(client, "999999999999999999")
    (received,) = client.get("/events", params={"type": "*", "limit": 1}).json()["items"]
    event_id = received["source"].removeprefix("stripe/")
    assert find(client, event_id) == {"event": [str(received["position"])]}


def test_a_hit_says_where_it_is_shown_and_what_it_is(client: TestClient):
    (group,) = client.get("/search", params={"q": "C-1"}).json()["groups"]
    (hit,) = group["hits"]
    assert (group["more"], hit["found_by"], hit["email"]) == (False, "id", "ann@example.com")
    assert (hit["amount_minor"], hit["currency"]) == (12500, "kwd")
    assert client.get(hit["address"]).json()["order_id"] == "C-1"


def test_no_more_of_a_kind_than_asked_for_and_that_is_told(client: TestClient):
    (group,) = client.get("/search", params={"q": "C-", "limit": 1}).json()["groups"]
    assert ([hit["id"] for hit in group["hits"]], group["more"]) == (["C-1"], True)


@pytest.mark.parametrize("role", [each for each in Role if each is not Role.CUSTOMER])
def test_a_role_finds_only_kinds_that_it_may_see(
    client: TestClient, database: Database, role: Role
):
    become(client, database, role)
    if MATRIX[Permission.SEARCH].of(role) is Scope.NO:
        assert client.get("/search", params={"q": "12.50"}).status_code == 403
        return
    may = {each.kind for each in places() if MATRIX[each.permission].of(role) is Scope.ANY}
    if MATRIX[Permission.SEE_EVIDENCE].of(role) is Scope.ANY:
        may.add("event")
    for text in ("12.50", "ann@example.com", "pi_3", "blue", "1", "2026"):
        assert {*find(client, text)} <= may, text
    assert ("customer" in find(client, "ann")) is ("customer" in may)


def test_a_customer_finds_only_his_own(client: TestClient, database: Database):
    become(client, database, Role.CUSTOMER, customer_id="ann")
    for text in ("C-", "c-1", "12.50", "ann@example.com"):
        assert find(client, text) == {"order": ["C-1"]}, text
    for text in ("C-2", "ben@", "pi_3Mt", "blue mug", "1", "A-100"):
        assert find(client, text) == {}, text


@pytest.mark.parametrize("q", ["", "   ", "x" * 321, "a\x00b"])
def test_a_text_that_names_nothing_is_refused(client: TestClient, q: str):
    assert client.get("/search", params={"q": q}).status_code == 422
