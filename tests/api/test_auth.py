"""The guard at the real doors: who gets in, who does not, and what is kept of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import Response
from pydantic import SecretStr
from starlette.testclient import TestClient

from api import auth
from api.permissions import Permission
from api.rate_limit import RateLimit
from app.asgi import create_app
from app.wiring import make_engine
from ledger import telemetry
from ledger.domain.access import Role
from ledger.domain.events import AccessRefused, Metadata, OrderPlaced
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.settings import Settings
from ledger.tokens import issue, new_token, revoke
from projections.engine.follow import Follower
from tests.support.judged import JudgedClient

URL, HERE, ELSEWHERE = "http://127.0.0.1", ("127.0.0.1", 50_000), ("192.0.2.9", 50_000)
META = Metadata(actor="operator")
LINE = {"sku": "MUG", "name": "Blue mug", "quantity": 1, "unit_minor": 1250}
ORDER: dict[str, Any] = {"currency": "gbp", "lines": [LINE]}


class House:
    """The service, its log, and a follower at hand; calls carry tokens."""

    def __init__(self, log: Log, follower: Follower, client: TestClient) -> None:
        self.log = log
        self.follower = follower
        self.client = client

    def token(self, role: Role = Role.ADMIN, **more: Any) -> str:
        if role is Role.CUSTOMER:
            more.setdefault("customer_id", "c1")
        return issue(self.log, role, f"{role} of the test", META, **more).token

    def call(
        self, token: str | None, method: str, path: str, body: Any = None, **headers: str
    ) -> Response:
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        return self.client.request(method, path, json=body, headers=headers)

    def get(self, token: str | None, path: str = "/status") -> int:
        return self.call(token, "GET", path).status_code

    def open_shop(self, token: str) -> None:
        mug = {"name": "Blue mug", "prices": {"gbp": 1250}}
        assert self.call(token, "PUT", "/products/MUG", mug).status_code == 200
        received = self.call(token, "POST", "/stock/MUG/receive", {"quantity": 50})
        assert received.status_code == 200

    def place(self, token: str, **more: Any) -> str:
        answer = self.call(token, "POST", "/orders", ORDER | more)
        assert answer.status_code == 201, answer.text
        self.follower.catch_up()
        return answer.json()["id"]

    def refusals(self) -> list[tuple[AccessRefused, Metadata]]:
        events = self.log.read(limit=1000)
        return [(e.event, e.meta) for e in events if isinstance(e.event, AccessRefused)]


@pytest.fixture
def settings(database: Database) -> Settings:
    return Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(database.admin_conninfo),
    )


Open = Callable[..., House]


@pytest.fixture
def opened(settings: Settings, database: Database) -> Iterator[Open]:
    """Opens a house; callers come from an address, by default from this machine."""
    clients: list[TestClient] = []
    with closing(Log(database.conninfo("app"))) as log:

        def make(address: tuple[str, int] = HERE, **changes: Any) -> House:
            given = settings.model_copy(update=changes)
            client = JudgedClient(create_app(given, database), base_url=URL, client=address)
            client.__enter__()
            clients.append(client)
            return House(log, Follower(make_engine(given, database, log)), client)

        yield make
        for client in clients:
            client.__exit__()


@pytest.fixture
def house(opened: Open) -> House:
    return opened()


# ── The first token ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("address", [HERE, ELSEWHERE, ("::1", 1), ("testclient", 1)])
@pytest.mark.parametrize("was_one_issued", [False, True])
def test_no_address_gives_a_right_be_it_before_the_first_token_or_after(
    opened: Open, address: tuple[str, int], was_one_issued: bool
) -> None:
    """Any program that passes on TCP calls from this machine: a proxy, a tunnel, a browser."""
    house = opened(address)
    if was_one_issued:
        issue(house.log, Role.ADMIN, "Ada", META)
    for path in ("/status", "/orders", "/events/1", "/me", "/tokens"):
        answer = house.call(None, "GET", path)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert "ledger token issue" in answer.json()["detail"], "the cure"
    assert house.get(None, "/healthz") == house.get(None, "/readyz") == 200
    assert house.call(None, "PUT", "/products/MUG", {}).status_code == 401


def test_a_revoked_token_leaves_nothing_open(house: House) -> None:
    made = issue(house.log, Role.ADMIN, "Ada", META)
    assert house.get(made.token) == 200
    revoke(house.log, made.token_id, META)
    wait_until(lambda: house.get(made.token) == 401)
    assert house.get(None) == 401


# ── Life of a token ─────────────────────────────────────────────────────────────────────────────


def test_a_new_token_opens_at_once(house: House) -> None:
    first = house.token()
    assert house.get(first) == 200
    assert house.get(house.token(Role.ANALYST)) == 200


def test_a_revoked_token_is_worthless_within_a_second(house: House) -> None:
    made = issue(house.log, Role.OPS, "Omar", META)
    assert house.get(made.token) == 200
    revoke(house.log, made.token_id, META)
    started = time.monotonic()
    wait_until(lambda: house.get(made.token) == 401)
    assert time.monotonic() - started < 1


def test_an_expired_token_is_worthless(house: House) -> None:
    token = house.token(lifetime=timedelta(seconds=0.3))
    assert house.get(token) == 200
    time.sleep(0.31)
    answer = house.call(token, "GET", "/status")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert "expired" in answer.json()["detail"]
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer lgr_x",
        f"Bearer {new_token()}",
        f"Basic {new_token()}",
        new_token(),
        "Bearer " + "x" * 5000,
    ],
    ids=[
        "nothing",
        "a scheme",
        "a scheme and a space",
        "not a token's form",
        "a token of ours that was never issued",
        "another scheme",
        "no scheme",
        "too long",
    ],
)
def test_what_was_not_issued_opens_nothing(house: House, header: str) -> None:
    """And is answered the same, whatever is wrong with it."""
    house.token()
    answer = house.client.get("/status", headers={"authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["content-type"] == "application/problem+json"
    assert header.removeprefix("Bearer ")[:20] not in answer.text or len(header) < 8
    assert house.refusals() == []


def test_the_guard_stands_before_everything_else(house: House) -> None:
    """Whoever may not call does not learn whether his call would fit."""
    token = house.token(Role.ANALYST)
    assert house.call(token, "POST", "/orders", {"nonsense": 1}).status_code == 403
    assert house.call(None, "POST", "/orders", {"nonsense": 1}).status_code == 401


# ── Customers ───────────────────────────────────────────────────────────────────────────────────


def test_a_customer_sees_and_cancels_only_his_own_orders(house: House) -> None:
    """An order of somebody else, or of nobody, is to him one that does not exist."""
    admin = house.token()
    ann, bob = (house.token(Role.CUSTOMER, customer_id=each) for each in ("ann", "bob"))
    house.open_shop(admin)
    anns, bobs, nobodys = house.place(ann), house.place(bob), house.place(admin)
    assert [o["order_id"] for o in house.call(ann, "GET", "/orders").json()["items"]] == [anns]
    assert house.call(ann, "GET", f"/orders/{anns}").json()["customer_id"] == "ann"
    head = house.log.head()
    for path in (bobs, nobodys, f"{bobs}?as_of={head}"):
        foreign = house.call(ann, "GET", f"/orders/{path}")
        unknown = house.call(ann, "GET", "/orders/Z9")
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.text.replace(path.partition("?")[0], "Z9") == unknown.text
    for order_id in (bobs, nobodys, "Z9"):
        refused = house.call(ann, "POST", f"/orders/{order_id}/cancel", {})
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_order")
        assert refused.json()["detail"] == f"There is no order '{order_id}'."
    assert house.call(ann, "GET", "/orders?customer_id=bob").json()["items"] == []
    house.follower.catch_up()
    assert house.call(ann, "POST", f"/orders/{anns}/cancel", {}).status_code == 200
    house.follower.catch_up()
    assert house.call(admin, "POST", f"/orders/{bobs}/cancel", {}).status_code == 200


def test_a_customer_orders_for_himself_at_the_shops_prices(house: House) -> None:
    admin, ann = house.token(), house.token(Role.CUSTOMER, customer_id="ann")
    house.open_shop(admin)
    for more in ({"customer_id": "bob"}, {"id": "A1"}, {"discount_minor": 1250}):
        assert house.call(ann, "POST", "/orders", ORDER | more).status_code == 403, more
    order_id = house.place(ann, customer_id="ann")
    (placed,) = (r.event for r in house.log.stream(f"order/{order_id}"))
    assert isinstance(placed, OrderPlaced)
    assert placed.customer_id == "ann"


def test_staff_may_place_at_other_prices_by_a_setting_and_customers_never(opened: Open) -> None:
    house = opened(ledger_listed_prices_only=False, ledger_max_units_per_line=40)
    ops, ann = house.token(Role.OPS), house.token(Role.CUSTOMER, customer_id="ann")
    house.open_shop(ops)
    agreed = ORDER | {"lines": [LINE | {"quantity": 40, "unit_minor": 990}]}
    refused = house.call(ann, "POST", "/orders", agreed)
    assert (refused.status_code, refused.json()["code"]) == (422, "wrong_price")
    (placed, *_) = house.log.stream(f"order/{house.place(ops, **agreed)}")
    assert isinstance(placed.event, OrderPlaced)
    assert placed.event.total_minor == 40 * 990
    for quantity in (41, 51, 10**7):
        lines = [LINE | {"quantity": quantity}]
        refused = house.call(ops, "POST", "/orders", ORDER | {"lines": lines})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        assert refused.json()["detail"].endswith(f"is {quantity}; it must be from 1 to 40.")
    document = house.client.get("/openapi.json").json()["components"]["schemas"]
    assert document["LineBody"]["properties"]["quantity"]["maximum"] == 40


def test_by_default_staff_too_place_at_the_listed_prices(house: House) -> None:
    admin = house.token()
    house.open_shop(admin)
    agreed = ORDER | {"lines": [LINE | {"unit_minor": 990}]}
    refused = house.call(admin, "POST", "/orders", agreed)
    assert (refused.status_code, refused.json()["code"]) == (422, "wrong_price")


def test_an_idempotency_key_is_its_owners(house: House) -> None:
    """Customers and the shop may use the same one; the shop's people share theirs."""
    admin, ops = house.token(), house.token(Role.OPS)
    ann, bob = (house.token(Role.CUSTOMER, customer_id=each) for each in ("ann", "bob"))
    house.open_shop(admin)
    key = {"idempotency-key": "order-1001"}
    answers = [house.call(who, "POST", "/orders", ORDER, **key) for who in (ann, bob, admin)]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.json()["id"] for answer in answers}) == 3
    for who, first in zip((ann, bob, admin, ops), (*answers, answers[2]), strict=True):
        assert house.call(who, "POST", "/orders", ORDER, **key).json() == first.json()
    second = house.token(Role.CUSTOMER, customer_id="ann")
    assert house.call(second, "POST", "/orders", ORDER, **key).json() == answers[0].json()
    other = house.call(ann, "POST", "/orders", ORDER | {"email": "ann@example.com"}, **key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")


# ── Other roles ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("on", "status"), [(False, 403), (True, 200)])
def test_analysts_see_orders_by_a_setting(opened: Open, on: bool, status: int) -> None:
    house = opened(ledger_analysts_see_orders=on)
    admin, analyst = house.token(), house.token(Role.ANALYST)
    house.open_shop(admin)
    order_id = house.place(admin)
    for path in ("/orders", f"/orders/{order_id}", f"/orders/{order_id}/history"):
        assert house.get(analyst, path) == status
    assert house.get(analyst, "/payments") == house.get(analyst, "/events") == 403


def test_analysts_who_see_histories_do_not_see_what_the_events_hold(opened: Open) -> None:
    house = opened(ledger_analysts_see_orders=True)
    ops, analyst = house.token(Role.OPS), house.token(Role.ANALYST)
    house.open_shop(ops)
    order_id = house.place(ops)
    history = f"/orders/{order_id}/history"
    assert house.get(analyst, history) == 200
    assert house.get(analyst, f"{history}?payload=true") == 403
    assert house.get(ops, f"{history}?payload=true") == 200
    assert house.get(house.token(Role.AUDITOR), f"{history}?payload=true") == 200


def test_what_is_done_says_by_whom(house: House) -> None:
    made = issue(house.log, Role.OPS, "Omar", META)
    house.open_shop(made.token)
    meta = house.log.read(limit=10)[-1].meta
    assert (meta.actor, meta.actor_name) == (f"token/{made.token_id}", "Omar")
    assert meta.role == "ops"


def test_an_administrator_lists_and_revokes_tokens(house: House) -> None:
    admin = house.token()
    lost = issue(house.log, Role.OPS, "Omar", META)
    first = house.call(admin, "GET", "/tokens?limit=1").json()
    rest = house.call(admin, "GET", f"/tokens?cursor={first['next']}").json()
    assert [item["name"] for item in first["items"] + rest["items"]] == [
        "admin of the test",
        "Omar",
    ]
    assert rest["next"] is None
    path, body = f"/tokens/{lost.token_id}/revoke", {"reason": "laptop was lost"}
    revoked = house.call(admin, "POST", path, body)
    assert revoked.json() == {"token_id": lost.token_id, "position": 3}
    assert house.log.at([3])[0].meta.role == "admin"
    assert house.call(admin, "POST", path, body).json()["position"] is None
    assert house.call(admin, "POST", "/tokens/none/revoke", {}).json()["code"] == "unknown_token"
    wait_until(lambda: house.get(lost.token) == 401)


# ── What is kept of it ──────────────────────────────────────────────────────────────────────────


def test_refused_attempts_of_known_tokens_go_on_record(house: House) -> None:
    made = issue(house.log, Role.ANALYST, "Anna", META)
    house.call(made.token, "GET", "/events/7?x=secret", **{"user-agent": "till/1"})
    revoke(house.log, made.token_id, META)
    time.sleep(auth.REFRESH_SECONDS)
    assert house.get(made.token, "/audit") == 401
    event, meta = house.refusals()[0]
    assert event == AccessRefused(
        token_id=made.token_id,
        surface="see_evidence",
        cause="role",
        method="GET",
        path="/events/7",
    )
    assert (meta.actor, meta.actor_name) == (f"token/{made.token_id}", "Anna")
    assert (meta.role, meta.address, meta.user_agent) == ("analyst", "127.0.0.1", "till/1")
    assert house.refusals()[-1][0].cause == "revoked"


def test_a_customer_who_tries_the_orders_of_others_goes_on_record(house: House) -> None:
    admin, ann = house.token(), house.token(Role.CUSTOMER, customer_id="ann")
    house.open_shop(admin)
    order_id = house.place(admin)
    house.call(ann, "GET", f"/orders/{order_id}")
    house.call(ann, "POST", f"/orders/{order_id}/cancel", {})
    house.call(ann, "GET", "/orders/Z9")
    told = [(event.cause, event.surface) for event, _ in house.refusals()]
    assert told == [
        ("foreign", Permission.SEE_ORDER),
        ("foreign", Permission.CANCEL_ORDER),
        ("absent", Permission.SEE_ORDER),
    ]


@pytest.mark.parametrize(
    ("method", "ending"), [("GET", ""), ("GET", "?as_of=1"), ("POST", "/cancel")]
)
def test_orders_of_others_and_no_orders_are_answered_and_counted_alike(
    house: House, method: str, ending: str
) -> None:
    """Neither the answer, nor when it becomes a 429, nor what is stored tells which one it was."""
    admin = house.token()
    house.open_shop(admin)
    order_id = house.place(admin)
    seen: list[tuple[list[int], set[str], int]] = []
    for name in (order_id, "Z9"):
        auth = house.client.app_state["guard"]
        auth.told, auth.answered = RateLimit("2 per hour"), RateLimit("4 per hour")
        ann = house.token(Role.CUSTOMER, customer_id="ann")
        before, body = len(house.refusals()), {} if method == "POST" else None
        answers = [house.call(ann, method, f"/orders/{name}{ending}", body) for _ in range(6)]
        texts = {answer.text.replace(name, "ID") for answer in answers}
        statuses = [answer.status_code for answer in answers]
        seen.append((statuses, texts, len(house.refusals()) - before))
    assert seen[0] == seen[1]
    assert seen[0][0] == [404, 404, 404, 404, 429, 429]
    assert seen[0][2] == 2


def test_refused_attempts_cannot_fill_the_log(house: House) -> None:
    """The first ones are told; then refusals are only counted, and in the end not explained."""
    state = house.client.app_state["guard"]
    state.told, state.answered = RateLimit("3 per hour"), RateLimit("5 per hour")
    token = house.token(Role.ANALYST)
    assert house.get(token) == 200
    before = counted("role")
    statuses = [house.get(token, "/events") for _ in range(8)]
    assert statuses == [403] * 5 + [429] * 3
    assert len(house.refusals()) == 3
    assert counted("role") == before + 8
    assert house.get(token) == 200


def test_a_flood_from_an_address_is_answered_in_short_and_valid_calls_pass(house: House) -> None:
    """Nor does it reach the database: an unknown token is looked for as often as it is told so."""
    token = house.token()
    assert house.get(token) == 200
    state = house.client.app_state["guard"]
    state.answered = RateLimit("3 per hour")
    head = house.log.head()
    assert [house.get(new_token()) for _ in range(5)] == [401] * 3 + [429] * 2
    assert house.get(None) == house.get("lgr_x") == 429
    assert house.get(token) == 200
    assert house.log.head() == head


def test_an_address_of_ipv6_counts_with_all_of_its_network(opened: Open) -> None:
    """Whoever has one of its 2^64 addresses has the others too."""
    answered, statuses = RateLimit("1 per hour"), list[int]()
    for address in ("2001:db8::1", "2001:db8::2", "2001:db8:1::1", "::ffff:192.0.2.1"):
        house = opened((address, 50_000))
        house.client.app_state["guard"].answered = answered
        statuses.append(house.get(None))
    assert statuses == [401, 429, 401, 401]


@pytest.mark.parametrize("cause", auth.CAUSES)
def test_refusals_are_counted_by_cause(house: House, cause: str) -> None:
    house.token()
    assert f'ledger_access_refused_total{{cause="{cause}"}}' in house.client.get("/metrics").text


def test_no_token_is_logged_or_stored(
    house: House, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    telemetry.configure("debug", lines=True)
    token, unknown = house.token(Role.ANALYST), new_token()
    house.get(token)
    house.get(token, "/events")
    house.get(unknown)
    house.call(token, "GET", "/events", **{"x-request-id": "r1"})
    written = caplog.text + "".join(capsys.readouterr())
    written += "".join(repr(recorded) for recorded in house.log.read(limit=1000))
    for secret in (token, unknown):
        assert secret[4:20] not in written


def counted(cause: str) -> float:
    return auth.REFUSED.labels(cause)._value.get()


def wait_until(met: Callable[[], bool], seconds: float = 3) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
