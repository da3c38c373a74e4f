"""Authentication of every call: who gets in, who does not, and what is kept of it."""

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
from tests.support.waiting import wait_for

URL, HERE, ELSEWHERE = "http://127.0.0.1", ("127.0.0.1", 50_000), ("192.0.2.9", 50_000)
META = Metadata(actor="operator")
LINE = {"sku": "MUG", "name": "Blue mug", "quantity": 1, "unit_minor": 1250}
ORDER: dict[str, Any] = {"currency": "gbp", "lines": [LINE]}


class Service:
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


Open = Callable[..., Service]


@pytest.fixture
def opened(settings: Settings, database: Database) -> Iterator[Open]:
    """Opens a service; callers come from an address, by default from this machine."""
    clients: list[TestClient] = []
    with closing(Log(database.conninfo("app"))) as log:

        def make(address: tuple[str, int] = HERE, **changes: Any) -> Service:
            given = settings.model_copy(update=changes)
            client = JudgedClient(create_app(given, database), base_url=URL, client=address)
            client.__enter__()
            clients.append(client)
            return Service(log, Follower(make_engine(given, database, log)), client)

        yield make
        for client in clients:
            client.__exit__()


@pytest.fixture
def service(opened: Open) -> Service:
    return opened()


# ── The first token ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("address", [HERE, ELSEWHERE, ("::1", 1), ("testclient", 1)])
@pytest.mark.parametrize("was_one_issued", [False, True])
def test_no_address_gives_a_right_be_it_before_the_first_token_or_after(
    opened: Open, address: tuple[str, int], was_one_issued: bool
) -> None:
    """Any program that passes on TCP calls from this machine: a proxy, a tunnel, a browser."""
    service = opened(address)
    if was_one_issued:
        issue(service.log, Role.ADMIN, "Ada", META)
    for path in ("/status", "/orders", "/events/1", "/me", "/tokens"):
        answer = service.call(None, "GET", path)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert "ledger token issue" in answer.json()["detail"], "the cure"
    assert service.get(None, "/healthz") == service.get(None, "/readyz") == 200
    assert service.call(None, "PUT", "/products/MUG", {}).status_code == 401


def test_a_revoked_token_leaves_nothing_open(service: Service) -> None:
    made = issue(service.log, Role.ADMIN, "Ada", META)
    assert service.get(made.token) == 200
    revoke(service.log, made.token_id, META)
    wait_for(lambda: service.get(made.token) == 401)
    assert service.get(None) == 401


# ── Life of a token ─────────────────────────────────────────────────────────────────────────────


def test_a_new_token_opens_at_once(service: Service) -> None:
    first = service.token()
    assert service.get(first) == 200
    assert service.get(service.token(Role.ANALYST)) == 200


def test_a_revoked_token_is_worthless_within_a_second(service: Service) -> None:
    """The quickest of three, where the machine is busy."""
    took: list[float] = []
    for name in ("Omar", "Olga", "Otto"):
        made = issue(service.log, Role.OPS, name, META)
        assert service.get(made.token) == 200
        revoke(service.log, made.token_id, META)
        started = time.monotonic()
        wait_for(lambda token=made.token: service.get(token) == 401)
        took.append(time.monotonic() - started)
    assert min(took) < 1


def test_an_expired_token_is_worthless(service: Service) -> None:
    seconds = 0.3
    while service.get(token := service.token(lifetime=timedelta(seconds=seconds))) != 200:
        seconds *= 2  # on a machine that is busy it is over before it is shown
        assert seconds < 20
    time.sleep(seconds + 0.01)
    answer = service.call(token, "GET", "/status")
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
def test_what_was_not_issued_opens_nothing(service: Service, header: str) -> None:
    """And is answered the same, whatever is wrong with it."""
    service.token()
    answer = service.client.get("/status", headers={"authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["content-type"] == "application/problem+json"
    assert header.removeprefix("Bearer ")[:20] not in answer.text or len(header) < 8
    assert service.refusals() == []


def test_the_guard_stands_before_everything_else(service: Service) -> None:
    """A caller without permission does not learn whether the call would fit."""
    token = service.token(Role.ANALYST)
    assert service.call(token, "POST", "/orders", {"nonsense": 1}).status_code == 403
    assert service.call(None, "POST", "/orders", {"nonsense": 1}).status_code == 401


# ── Customers ───────────────────────────────────────────────────────────────────────────────────


def test_a_customer_sees_and_cancels_only_his_own_orders(service: Service) -> None:
    """An order of somebody else, or of nobody, is to him one that does not exist."""
    admin = service.token()
    ann, bob = (service.token(Role.CUSTOMER, customer_id=each) for each in ("ann", "bob"))
    service.open_shop(admin)
    anns, bobs, nobodys = service.place(ann), service.place(bob), service.place(admin)
    assert [o["order_id"] for o in service.call(ann, "GET", "/orders").json()["items"]] == [anns]
    assert service.call(ann, "GET", f"/orders/{anns}").json()["customer_id"] == "ann"
    head = service.log.head()
    for path in (bobs, nobodys, f"{bobs}?as_of={head}"):
        foreign = service.call(ann, "GET", f"/orders/{path}")
        unknown = service.call(ann, "GET", "/orders/Z9")
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.text.replace(path.partition("?")[0], "Z9") == unknown.text
    for order_id in (bobs, nobodys, "Z9"):
        refused = service.call(ann, "POST", f"/orders/{order_id}/cancel", {})
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_order")
        assert refused.json()["detail"] == f"There is no order '{order_id}'."
    assert service.call(ann, "GET", "/orders?customer_id=bob").json()["items"] == []
    service.follower.catch_up()
    assert service.call(ann, "POST", f"/orders/{anns}/cancel", {}).status_code == 200
    service.follower.catch_up()
    assert service.call(admin, "POST", f"/orders/{bobs}/cancel", {}).status_code == 200


def test_a_customer_orders_for_himself_at_the_shops_prices(service: Service) -> None:
    admin, ann = service.token(), service.token(Role.CUSTOMER, customer_id="ann")
    service.open_shop(admin)
    for more in ({"customer_id": "bob"}, {"id": "A1"}, {"discount_minor": 1250}):
        assert service.call(ann, "POST", "/orders", ORDER | more).status_code == 403, more
    order_id = service.place(ann, customer_id="ann")
    (placed,) = (r.event for r in service.log.stream(f"order/{order_id}"))
    assert isinstance(placed, OrderPlaced)
    assert placed.customer_id == "ann"


def test_staff_may_place_at_other_prices_by_a_setting_and_customers_never(opened: Open) -> None:
    service = opened(ledger_listed_prices_only=False, ledger_max_units_per_line=40)
    ops, ann = service.token(Role.OPS), service.token(Role.CUSTOMER, customer_id="ann")
    service.open_shop(ops)
    agreed = ORDER | {"lines": [LINE | {"quantity": 40, "unit_minor": 990}]}
    refused = service.call(ann, "POST", "/orders", agreed)
    assert (refused.status_code, refused.json()["code"]) == (422, "wrong_price")
    (placed, *_) = service.log.stream(f"order/{service.place(ops, **agreed)}")
    assert isinstance(placed.event, OrderPlaced)
    assert placed.event.total_minor == 40 * 990
    for quantity in (41, 51, 10**7):
        lines = [LINE | {"quantity": quantity}]
        refused = service.call(ops, "POST", "/orders", ORDER | {"lines": lines})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        assert refused.json()["detail"].endswith(f"is {quantity}; it must be from 1 to 40.")
    document = service.client.get("/openapi.json").json()["components"]["schemas"]
    assert document["LineRequest"]["properties"]["quantity"]["maximum"] == 40


def test_orders_of_the_past_are_for_admins_and_for_a_migration(service: Service) -> None:
    past = ORDER | {"placed_at": "2019-03-01T10:00:00Z"}
    ann = service.token(Role.CUSTOMER, customer_id="ann")
    for token in (service.token(Role.OPS), ann):
        refused = service.call(token, "POST", "/orders", past)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    migration = service.token(Role.MIGRATION)
    for token in (migration, service.token()):
        order_id = service.place(token, placed_at="2019-03-01T10:00:00Z")
        assert [r.topic for r in service.log.stream(f"order/{order_id}")] == ["order.placed.v1"]
    service.follower.catch_up()
    shown = service.call(migration, "GET", f"/orders/{order_id}").json()
    assert (shown["origin"], shown["placed_at"]) == ("import", "2019-03-01T10:00:00Z")
    assert service.call(migration, "POST", f"/orders/{order_id}/cancel", {}).status_code == 403


def test_by_default_staff_too_place_at_the_listed_prices(service: Service) -> None:
    admin = service.token()
    service.open_shop(admin)
    agreed = ORDER | {"lines": [LINE | {"unit_minor": 990}]}
    refused = service.call(admin, "POST", "/orders", agreed)
    assert (refused.status_code, refused.json()["code"]) == (422, "wrong_price")


def test_an_idempotency_key_is_its_owners(service: Service) -> None:
    """Customers and the shop may use the same one; the shop's people share theirs."""
    admin, ops = service.token(), service.token(Role.OPS)
    ann, bob = (service.token(Role.CUSTOMER, customer_id=each) for each in ("ann", "bob"))
    service.open_shop(admin)
    key = {"idempotency-key": "order-1001"}
    answers = [service.call(who, "POST", "/orders", ORDER, **key) for who in (ann, bob, admin)]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.json()["id"] for answer in answers}) == 3
    for who, first in zip((ann, bob, admin, ops), (*answers, answers[2]), strict=True):
        assert service.call(who, "POST", "/orders", ORDER, **key).json() == first.json()
    second = service.token(Role.CUSTOMER, customer_id="ann")
    assert service.call(second, "POST", "/orders", ORDER, **key).json() == answers[0].json()
    other = service.call(ann, "POST", "/orders", ORDER | {"email": "ann@example.com"}, **key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")


# ── Other roles ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("on", "status"), [(False, 403), (True, 200)])
def test_analysts_see_orders_by_a_setting(opened: Open, on: bool, status: int) -> None:
    service = opened(ledger_analysts_see_orders=on)
    admin, analyst = service.token(), service.token(Role.ANALYST)
    service.open_shop(admin)
    order_id = service.place(admin)
    for path in ("/orders", f"/orders/{order_id}", f"/orders/{order_id}/history"):
        assert service.get(analyst, path) == status
    assert service.get(analyst, "/payments") == service.get(analyst, "/events") == 403


def test_analysts_who_see_histories_do_not_see_what_the_events_hold(opened: Open) -> None:
    service = opened(ledger_analysts_see_orders=True)
    ops, analyst = service.token(Role.OPS), service.token(Role.ANALYST)
    service.open_shop(ops)
    order_id = service.place(ops)
    history = f"/orders/{order_id}/history"
    assert service.get(analyst, history) == 200
    assert service.get(analyst, f"{history}?payload=true") == 403
    assert service.get(ops, f"{history}?payload=true") == 200
    assert service.get(service.token(Role.AUDITOR), f"{history}?payload=true") == 200


def test_what_is_done_says_by_whom(service: Service) -> None:
    made = issue(service.log, Role.OPS, "Omar", META)
    service.open_shop(made.token)
    meta = service.log.read(limit=10)[-1].meta
    assert (meta.actor, meta.actor_name) == (f"token/{made.token_id}", "Omar")
    assert meta.role == "ops"


def test_an_administrator_issues_a_token_that_opens_what_its_role_may(service: Service) -> None:
    """It is shown once, and in no list."""
    admin = issue(service.log, Role.ADMIN, "Ada", META).token
    body = {"role": "auditor", "name": "Aldo", "days": 30, "reason": "for the year's end"}
    answer = service.call(admin, "POST", "/tokens", body)
    assert answer.status_code == 201
    given = answer.json()
    me = service.call(given["token"], "GET", "/me").json()
    assert (me["role"], me["name"]) == ("auditor", "Aldo")
    listed = service.call(admin, "GET", "/tokens?limit=200")
    (line,) = [each for each in listed.json()["items"] if each["token_id"] == given["token_id"]]
    assert line["expires_at"] == given["expires_at"]
    assert given["token"] not in listed.text
    assert service.call(given["token"], "POST", "/tokens", body).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"role": "king", "name": "Aldo"},
        {"role": "auditor", "name": ""},
        {"role": "auditor", "name": "Aldo", "days": 0},
        {"role": "auditor", "name": "Aldo", "customer_id": "ada"},
        {"role": "customer", "name": "Ada"},
    ],
)
def test_a_token_that_does_not_fit_is_not_issued(service: Service, body: dict[str, Any]) -> None:
    admin = issue(service.log, Role.ADMIN, "Ada", META).token
    before = service.log.head()
    assert service.call(admin, "POST", "/tokens", body).status_code == 422
    assert service.log.head() == before


def test_an_administrator_lists_and_revokes_tokens(service: Service) -> None:
    admin = service.token()
    lost = issue(service.log, Role.OPS, "Omar", META)
    first = service.call(admin, "GET", "/tokens?limit=1").json()
    rest = service.call(admin, "GET", f"/tokens?cursor={first['next']}").json()
    assert [item["name"] for item in first["items"] + rest["items"]] == [
        "admin of the test",
        "Omar",
    ]
    assert rest["next"] is None
    path, body = f"/tokens/{lost.token_id}/revoke", {"reason": "laptop was lost"}
    revoked = service.call(admin, "POST", path, body)
    assert revoked.json() == {"token_id": lost.token_id, "position": 3}
    assert service.log.at([3])[0].meta.role == "admin"
    assert service.call(admin, "POST", path, body).json()["position"] is None
    assert service.call(admin, "POST", "/tokens/none/revoke", {}).json()["code"] == "unknown_token"
    wait_for(lambda: service.get(lost.token) == 401)


# ── What is kept of it ──────────────────────────────────────────────────────────────────────────


def test_refused_attempts_of_known_tokens_go_on_record(service: Service) -> None:
    made = issue(service.log, Role.ANALYST, "Anna", META)
    service.call(made.token, "GET", "/events/7?x=secret", **{"user-agent": "till/1"})
    revoke(service.log, made.token_id, META)
    time.sleep(auth.REFRESH_SECONDS)
    assert service.get(made.token, "/audit") == 401
    event, meta = service.refusals()[0]
    assert event == AccessRefused(
        token_id=made.token_id,
        surface="see_evidence",
        cause="role",
        method="GET",
        path="/events/7",
    )
    assert (meta.actor, meta.actor_name) == (f"token/{made.token_id}", "Anna")
    assert (meta.role, meta.address, meta.user_agent) == ("analyst", "127.0.0.1", "till/1")
    assert service.refusals()[-1][0].cause == "revoked"


def test_a_customer_who_tries_the_orders_of_others_goes_on_record(service: Service) -> None:
    admin, ann = service.token(), service.token(Role.CUSTOMER, customer_id="ann")
    service.open_shop(admin)
    order_id = service.place(admin)
    service.call(ann, "GET", f"/orders/{order_id}")
    service.call(ann, "POST", f"/orders/{order_id}/cancel", {})
    service.call(ann, "GET", "/orders/Z9")
    told = [(event.cause, event.surface) for event, _ in service.refusals()]
    assert told == [
        ("foreign", Permission.SEE_ORDER),
        ("foreign", Permission.CANCEL_ORDER),
        ("absent", Permission.SEE_ORDER),
    ]


@pytest.mark.parametrize(
    ("method", "ending"), [("GET", ""), ("GET", "?as_of=1"), ("POST", "/cancel")]
)
def test_orders_of_others_and_no_orders_are_answered_and_counted_alike(
    service: Service, method: str, ending: str
) -> None:
    """Neither the answer, nor when it becomes a 429, nor what is stored tells which one it was."""
    admin = service.token()
    service.open_shop(admin)
    order_id = service.place(admin)
    seen: list[tuple[list[int], set[str], int]] = []
    for name in (order_id, "Z9"):
        auth = service.client.app_state["auth"]
        auth.told, auth.answered = RateLimit("2 per hour"), RateLimit("4 per hour")
        ann = service.token(Role.CUSTOMER, customer_id="ann")
        before, body = len(service.refusals()), {} if method == "POST" else None
        answers = [service.call(ann, method, f"/orders/{name}{ending}", body) for _ in range(6)]
        texts = {answer.text.replace(name, "ID") for answer in answers}
        statuses = [answer.status_code for answer in answers]
        seen.append((statuses, texts, len(service.refusals()) - before))
    assert seen[0] == seen[1]
    assert seen[0][0] == [404, 404, 404, 404, 429, 429]
    assert seen[0][2] == 2


def test_refused_attempts_cannot_fill_the_log(service: Service) -> None:
    """The first ones are told; then refusals are only counted, and in the end not explained."""
    state = service.client.app_state["auth"]
    state.told, state.answered = RateLimit("3 per hour"), RateLimit("5 per hour")
    token = service.token(Role.ANALYST)
    assert service.get(token) == 200
    before = counted("role")
    statuses = [service.get(token, "/events") for _ in range(8)]
    assert statuses == [403] * 5 + [429] * 3
    assert len(service.refusals()) == 3
    assert counted("role") == before + 8
    assert service.get(token) == 200


def test_a_flood_from_an_address_is_answered_in_short_and_valid_calls_pass(
    service: Service,
) -> None:
    """Nor does it reach the database: an unknown token is looked for as often as it is told so."""
    token = service.token()
    assert service.get(token) == 200
    state = service.client.app_state["auth"]
    state.answered = RateLimit("3 per hour")
    head = service.log.head()
    assert [service.get(new_token()) for _ in range(5)] == [401] * 3 + [429] * 2
    assert service.get(None) == service.get("lgr_x") == 429
    assert service.get(token) == 200
    assert service.log.head() == head


def test_an_address_of_ipv6_counts_with_all_of_its_network(opened: Open) -> None:
    """The owner of one of its 2^64 addresses has the others too."""
    answered, statuses = RateLimit("1 per hour"), list[int]()
    for address in ("2001:db8::1", "2001:db8::2", "2001:db8:1::1", "::ffff:192.0.2.1"):
        service = opened((address, 50_000))
        service.client.app_state["auth"].answered = answered
        statuses.append(service.get(None))
    assert statuses == [401, 429, 401, 401]


@pytest.mark.parametrize("cause", auth.CAUSES)
def test_refusals_are_counted_by_cause(service: Service, cause: str) -> None:
    service.token()
    assert f'ledger_access_refused_total{{cause="{cause}"}}' in service.client.get("/metrics").text


def test_no_token_is_logged_or_stored(
    service: Service, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    telemetry.configure("debug", lines=True)
    token, unknown = service.token(Role.ANALYST), new_token()
    service.get(token)
    service.get(token, "/events")
    service.get(unknown)
    service.call(token, "GET", "/events", **{"x-request-id": "r1"})
    written = caplog.text + "".join(capsys.readouterr())
    written += "".join(repr(recorded) for recorded in service.log.read(limit=1000))
    for secret in (token, unknown):
        assert secret[4:20] not in written


def counted(cause: str) -> float:
    return auth.REFUSED.labels(cause)._value.get()
