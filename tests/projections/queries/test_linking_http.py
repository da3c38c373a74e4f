"""Linking payments in bulk over HTTP: what is previewed is what is done, once."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.asgi import create_app
from ledger.domain.events import CommandAccepted, PaymentLinked, PaymentUnlinked
from ledger.postgres.database import Database
from ledger.settings import Settings
from tests.support.callers import let_in
from tests.support.judged import JudgedClient
from tests.support.linking import Paid, Shop, Sold, Trade, opened

ADA, BOB = "ada@example.com", "bob@example.com"
SOLD = [
    Sold("A1", ADA, "eur", 1250, 0),
    Sold("A2", BOB, "eur", 1250, 0),
    Sold("A3", BOB, "jpy", 900, 0),
]
PAID = [
    Paid("pi_1", "Ada@Example.com", "eur", 1250, 60, label="A1"),
    Paid("pi_2", BOB, "eur", 1250, 61, label="#A2"),
    Paid("pi_3", BOB, "eur", 900, 0, label="A3"),
    Paid("pi_4", BOB, "jpy", 900, 5, label="B-77"),
    Paid("pi_5", BOB, "jpy", 900, 9),
    Paid("pi_6", ADA, "eur", 1250, 5, account="acct_one", label="A1"),
]
RULE = "metadata:shop_order"


@pytest.fixture
def shop(database: Database) -> Iterator[Shop]:
    with opened(database, Trade(SOLD, PAID)) as shop:
        yield shop


@pytest.fixture
def client(database: Database, shop: Shop) -> Iterator[TestClient]:
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(database.admin_conninfo),
    )
    app, here = create_app(settings, database), ("127.0.0.1", 50000)
    with JudgedClient(app, base_url="http://127.0.0.1", client=here) as client:
        let_in(client)
        yield client


def preview(client: TestClient, rule: str = RULE, **more: Any) -> dict[str, Any]:
    answer = client.post("/payments/links/preview", json={"rule": rule, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def told(items: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return [
        (each["payment_id"], each["order"] and each["order"]["order_id"], *map(each.get, columns))
        for each in items
    ]


def test_a_preview_says_of_each_what_becomes_of_it(client: TestClient) -> None:
    found = preview(client)
    assert told(found["items"], "reason") == [
        ("pi_1", "A1", None),
        ("pi_2", "A2", None),
        ("pi_3", "A3", "other_currency"),
        ("pi_6@acct_one", "A1", "other_account"),
    ]
    assert found["counts"] == {
        "unlinked": 6,
        "to_link": 2,
        "skipped": {"other_account": 1, "other_currency": 1},
        "unknown_orders": 1,
        "samples": [{"payment_id": "pi_4", "order_id": "B-77"}],
        "complete": True,
    }
    assert found["next"] is None


def test_what_was_previewed_is_linked_and_counts_for_its_orders(
    client: TestClient, shop: Shop
) -> None:
    page = preview(client)["page"]
    answer = client.post("/payments/links", json={"rule": RULE, "page": page, "reason": "old shop"})
    done = answer.json()
    assert (answer.status_code, done["linked"], done["skipped"]) == (200, 2, 2)
    assert told(done["items"], "outcome", "detail") == [
        ("pi_1", "A1", "linked", None),
        ("pi_2", "A2", "linked", None),
        ("pi_3", "A3", "skipped", "the order is in another currency"),
        (
            "pi_6@acct_one", "A1", "skipped",
            "it is a connected account's, and the order is the shop's own",
        ),
    ]  # fmt: skip
    shop.follow()
    order = client.get("/orders/A1").json()
    assert (order["received_minor"], order["payment_state"]) == (1250, "paid")
    reasons = {r.meta.reason for r in shop.engine.log.read() if isinstance(r.event, PaymentLinked)}
    assert reasons == {"old shop (by metadata:shop_order)"}


def test_pairs_that_leave_a_doubt_are_named_and_not_linked(client: TestClient) -> None:
    found = preview(client, "email-and-amount")
    assert told(found["items"], "reason", "detail") == [
        ("pi_1", "A1", None, None),
        ("pi_4", "A3", "several_payments", "several payments fit the order"),
        ("pi_5", "A3", "several_payments", "several payments fit the order"),
    ]  # pi_2 is a minute too late, pi_6 of another account


def test_pages_follow_each_other(client: TestClient) -> None:
    first = preview(client, limit=1)
    second = preview(client, limit=2, cursor=first["next"])
    third = preview(client, limit=2, cursor=second["next"])
    assert [len(each["items"]) for each in (first, second, third)] == [1, 2, 1]
    assert (second["counts"], third["next"]) == (None, None)
    page = second["page"]
    done = client.post("/payments/links", json={"rule": RULE, "page": page}).json()
    assert told(done["items"], "outcome") == [("pi_2", "A2", "linked"), ("pi_3", "A3", "skipped")]


def test_a_preview_that_does_not_hold_any_more_links_nothing(
    client: TestClient, shop: Shop
) -> None:
    page = preview(client)["page"]
    shop.play(Trade([], [Paid("pi_25", ADA, "eur", 1250, 0, label="A1")]))
    head = shop.engine.log.head()
    answer = client.post("/payments/links", json={"rule": RULE, "page": page})
    assert (answer.status_code, answer.json()["code"]) == (409, "preview_changed")
    for changed in ({"sha256": "0" * 64}, {"upto": "pi_1"}, {"position": 0}):
        answer = client.post("/payments/links", json={"rule": RULE, "page": page | changed})
        assert answer.status_code == 409
    answer = client.post("/payments/links", json={"rule": "metadata:other", "page": page})
    assert answer.status_code == 409
    assert shop.engine.log.head() == head


def test_the_same_call_again_is_answered_the_same_and_changes_nothing(
    client: TestClient, shop: Shop
) -> None:
    body = {"rule": RULE, "page": preview(client)["page"]}
    key = {"idempotency-key": "links-1"}
    first = client.post("/payments/links", json=body, headers=key)
    shop.follow()
    head = shop.engine.log.head()
    assert client.post("/payments/links", json=body, headers=key).json() == first.json()
    without = client.post("/payments/links", json=body).json()
    assert (without["linked"], without["linked_before"]) == (0, 2)
    other = client.post("/payments/links", json=body | {"reason": "other"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")
    assert shop.engine.log.head() == head
    kept = [r for r in shop.engine.log.read() if isinstance(r.event, CommandAccepted)]
    assert [each.stream for each in kept] == ["command/links-1"]


def test_a_payment_that_was_linked_elsewhere_since_is_left_there(
    client: TestClient, shop: Shop
) -> None:
    page = preview(client)["page"]
    assert client.post("/orders/A3/payments", json={"payment_id": "pi_1"}).status_code == 201
    shop.follow()
    done = client.post("/payments/links", json={"rule": RULE, "page": page}).json()
    first = done["items"][0]
    assert (first["outcome"], first["detail"]) == ("skipped", "Payment pi_1 belongs to order A3.")
    shop.follow()
    assert shop.links() == {"pi_1": "A3", "pi_2": "A2"}


def test_what_was_linked_in_bulk_can_be_unlinked_alone(client: TestClient, shop: Shop) -> None:
    page = preview(client)["page"]
    client.post("/payments/links", json={"rule": RULE, "page": page})
    shop.follow()
    assert client.delete("/orders/A1/payments/pi_1", params={"reason": "wrong"}).status_code == 200
    shop.follow()
    assert shop.links() == {"pi_2": "A2"}
    assert sum(isinstance(r.event, PaymentUnlinked) for r in shop.engine.log.read()) == 1


@pytest.mark.parametrize(
    "rule", ["regex:.*", "description:Order", "metadata:", "email-and-amount:x"]
)
def test_a_rule_that_says_nothing_is_refused(client: TestClient, rule: str) -> None:
    answer = client.post("/payments/links/preview", json={"rule": rule})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "rule")
