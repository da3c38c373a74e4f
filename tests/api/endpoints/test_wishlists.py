"""Wishlists over HTTP: customers keep their own, the shop keeps any."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from pydantic import SecretStr

from app.asgi import create_app
from app.wiring import make_engine
from ledger.domain.access import Role
from ledger.domain.events import AddedToWishlist, RemovedFromWishlist
from ledger.domain.limits import MAX_WISHES
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.settings import Settings
from projections.engine.follow import Follower
from tests.api.test_auth import HERE, URL, Service
from tests.support.judged import JudgedClient

ANNS_MUG = {"customer_id": "ann", "sku": "MUG"}


@pytest.fixture
def service(database: Database) -> Iterator[Service]:
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(database.admin_conninfo),
    )
    with (
        closing(Log(database.conninfo("app"))) as log,
        JudgedClient(create_app(settings, database), base_url=URL, client=HERE) as client,
    ):
        yield Service(log, Follower(make_engine(settings, database, log)), client)


@pytest.fixture
def admin(service: Service) -> str:
    token = service.token()
    service.open_shop(token)
    return token


def ann_of(service: Service) -> str:
    return service.token(Role.CUSTOMER, customer_id="ann")


def listed(service: Service, token: str, query: str = "") -> list[str]:
    service.follower.catch_up()
    answer = service.call(token, "GET", f"/wishlists{query}")
    assert answer.status_code == 200, answer.text
    return [row["wish_id"] for row in answer.json()["items"]]


def test_a_wish_comes_and_goes(service: Service, admin: str) -> None:
    added = service.call(admin, "POST", "/wishlist/add", ANNS_MUG)
    position = service.log.head()
    assert (added.status_code, added.json()) == (
        200,
        {"id": "ann:MUG", "position": position, "recorded": ["wishlist.added.v1"]},
    )
    assert service.log.at([position])[0].event == AddedToWishlist(customer_id="ann", sku="MUG")
    assert listed(service, admin) == ["ann:MUG"]
    assert service.call(admin, "GET", "/wishlists/ann:MUG").json()["sku"] == "MUG"
    removed = service.call(admin, "POST", "/wishlist/remove", ANNS_MUG)
    assert removed.json() == {
        "id": "ann:MUG",
        "position": position + 1,
        "recorded": ["wishlist.removed.v1"],
    }
    assert service.log.at([position + 1])[0].event == RemovedFromWishlist(
        customer_id="ann", sku="MUG"
    )
    assert listed(service, admin) == []
    assert service.get(admin, "/wishlists/ann:MUG") == 404
    past = service.call(admin, "GET", "/wishlists/ann:MUG/history").json()["items"]
    assert [line["kind"] for line in past] == ["wishlist.added", "wishlist.removed"]


def test_what_is_so_already_is_answered_the_same_and_stores_nothing(
    service: Service, admin: str
) -> None:
    first = service.call(admin, "POST", "/wishlist/add", ANNS_MUG).json()
    assert service.call(admin, "POST", "/wishlist/add", ANNS_MUG).json() == first | {"recorded": []}
    removed = service.call(admin, "POST", "/wishlist/remove", ANNS_MUG).json()
    assert service.call(admin, "POST", "/wishlist/remove", ANNS_MUG).json() == removed | {
        "recorded": []
    }
    assert removed["position"] == first["position"] + 1 == service.log.head()


def test_a_key_makes_a_wish_safe_to_repeat(service: Service, admin: str) -> None:
    """A repeat that comes after the removal does not bring the wish back."""
    key = {"idempotency-key": "k"}
    first = service.call(admin, "POST", "/wishlist/add", ANNS_MUG, **key)
    service.call(admin, "POST", "/wishlist/remove", ANNS_MUG)
    assert service.call(admin, "POST", "/wishlist/add", ANNS_MUG, **key).json() == first.json()
    assert listed(service, admin) == []
    other = service.call(admin, "POST", "/wishlist/remove", ANNS_MUG, **key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")


def test_a_call_has_one_key(service: Service, admin: str) -> None:
    headers = [("authorization", f"Bearer {admin}"), *[("idempotency-key", k) for k in "ab"]]
    refused = service.client.post("/wishlist/add", json=ANNS_MUG, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_command")
    assert listed(service, admin) == []


def test_a_customer_keeps_his_own_wishlist_and_sees_no_other(service: Service, admin: str) -> None:
    ann, bobs_mug = ann_of(service), {"customer_id": "bob", "sku": "MUG"}
    service.call(admin, "POST", "/wishlist/add", bobs_mug)
    assert service.call(ann, "POST", "/wishlist/add", {"sku": "MUG"}).json()["id"] == "ann:MUG"
    assert service.call(ann, "POST", "/wishlist/add", ANNS_MUG).status_code == 200
    for path in ("/wishlist/add", "/wishlist/remove"):
        refused = service.call(ann, "POST", path, bobs_mug)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert listed(service, admin) == ["ann:MUG", "bob:MUG"]
    assert listed(service, ann) == ["ann:MUG"]
    assert listed(service, ann, "?customer_id=bob") == []
    assert service.get(ann, "/wishlists/ann:MUG") == 200
    assert service.get(ann, "/wishlists/bob:MUG") == service.get(ann, "/wishlists/cid:MUG") == 404


def test_wishlists_are_found_by_customer_and_by_product(service: Service, admin: str) -> None:
    service.call(admin, "PUT", "/products/TEA", {"name": "Tea", "prices": {"gbp": 600}})
    for customer_id, sku in (("ann", "MUG"), ("ann", "TEA"), ("bob", "TEA")):
        wish = {"customer_id": customer_id, "sku": sku}
        assert service.call(admin, "POST", "/wishlist/add", wish).status_code == 200
    assert listed(service, admin, "?customer_id=ann") == ["ann:TEA", "ann:MUG"]
    assert listed(service, admin, "?sku=TEA") == ["bob:TEA", "ann:TEA"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"sku": "MUG"}, 422, "invalid_command"),
        ({"customer_id": "ann"}, 422, "invalid_request"),
        ({"customer_id": "", "sku": "MUG"}, 422, "invalid_request"),
        ({"customer_id": "a\0n", "sku": "MUG"}, 422, "invalid_request"),
        ({"customer_id": "ann", "sku": "a:b"}, 422, "invalid_request"),
        ({"customer_id": "ann", "sku": "CUP"}, 404, "unknown_product"),
    ],
)
def test_a_refused_wish_says_why_and_changes_nothing(
    service: Service, admin: str, body: dict[str, Any], status: int, says: str
) -> None:
    head = service.log.head()
    answer = service.call(admin, "POST", "/wishlist/add", body)
    assert (answer.status_code, answer.json()["code"]) == (status, says)
    assert service.log.head() == head


def test_a_wishlist_has_a_limit(service: Service, admin: str) -> None:
    """The last product that fits is taken, the next one refused."""
    answers: list[int] = []
    for number in range(MAX_WISHES + 1):
        product = {"name": "Tea", "prices": {"gbp": 600}}
        assert service.call(admin, "PUT", f"/products/TEA-{number}", product).status_code == 200
        wish = {"customer_id": "ann", "sku": f"TEA-{number}"}
        answers.append(service.call(admin, "POST", "/wishlist/add", wish).status_code)
    assert answers == [200] * MAX_WISHES + [422]


def test_the_audit_log_learns_who_wished(service: Service, admin: str) -> None:
    wish = service.call(ann_of(service), "POST", "/wishlist/add", {"sku": "MUG"}).json()
    service.follower.catch_up()
    (line,) = service.call(admin, "GET", "/audit?object=wishlist/ann").json()["items"]
    assert (line["position"], line["kind"]) == (wish["position"], "wishlist.added")
    assert (line["role"], line["source"]) == ("customer", "wishlist/ann")
    assert line["objects"] == ["customer/ann", "wish/ann:MUG"]
