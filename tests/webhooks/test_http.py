"""The webhook's answers, one line a case; a rejected call stores nothing."""

import hmac
import json
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace

import pytest
from httpx2 import Response
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient
from starlette.types import Message
from structlog.testing import capture_logs

from api.rate_limit import RateLimit
from ledger.domain.events import StripeEventReceived
from ledger.domain.facts import StripeEventRecorded
from ledger.errors import (
    BadSignature,
    EndpointOff,
    LedgerError,
    PayloadTooLarge,
    StoreUnavailable,
    TooManyRejected,
)
from ledger.log import Log
from ledger.postgres.database import Database
from simulator import sign
from tests.support import loops
from tests.support.servers import Server
from tests.webhooks.translate.test_objects import THIN
from webhooks.http import MAX_BODY_BYTES, routes
from webhooks.ingest.receive import Receiver
from webhooks.ingest.signature import verify_signature
from webhooks.translate.translator import Translator

SECRET, OLD_SECRET = "whsec_new", "whsec_old"
STATUS = {
    BadSignature: 400,
    EndpointOff: 404,
    PayloadTooLarge: 413,
    TooManyRejected: 429,
    StoreUnavailable: 503,
}
BODY = (
    b'{"id": "evt_1", "object": "event", "type": "customer.created", "created": 1767600000,\n'
    b' "livemode": false, "data": {"object": {"id": "cus_1", "object": "customer"}}}'
)
NAME = "/webhooks/stripe"


def explain(_: Request, error: Exception) -> JSONResponse:
    """As the roof does it: a class of errors has a status."""
    return JSONResponse({"detail": str(error)}, STATUS[type(error)])  # a KeyError fails the test


def make_app(log: Log, secrets: Sequence[str] = (OLD_SECRET, SECRET)) -> Starlette:
    settings = SimpleNamespace(stripe_webhook_secrets=tuple(map(SecretStr, secrets)))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[dict[str, object]]:
        async with Receiver(log) as receiver:
            yield {"settings": settings, "receiver": receiver}

    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={LedgerError: explain})


@pytest.fixture
def log(database: Database) -> Iterator[Log]:
    with Log(database.conninfo("app")) as log:
        yield log


@pytest.fixture
def client(log: Log) -> Iterator[TestClient]:
    with TestClient(make_app(log)) as client:
        yield client


def signed(body: bytes = BODY, *, secret: str = SECRET, ago: int = 0) -> dict[str, str]:
    return {"Stripe-Signature": sign(body, secret, int(time.time()) - ago)}


def rejected(cause: type[Exception]) -> float:
    return (
        REGISTRY.get_sample_value("ledger_webhook_rejected_total", {"cause": cause.__name__}) or 0
    )


def kept(log: Log) -> list[StripeEventReceived]:
    return [r.event for r in log.read() if isinstance(r.event, StripeEventReceived)]


def test_what_is_signed_and_is_no_utf8_is_stored_too(client: TestClient, log: Log) -> None:
    body, at = BODY.replace(b"evt_1", b"evt_\xff"), int(time.time())
    assert body != BODY
    v1 = hmac.new(SECRET.encode(), b"%d." % at + body, "sha256").hexdigest()
    answer = client.post(NAME, content=body, headers={"Stripe-Signature": f"t={at},v1={v1}"})
    assert (answer.status_code, answer.json()) == (200, {"received": True, "position": 1})
    assert [event.body for event in kept(log)] == [body]


def test_an_event_is_stored_as_it_came(client: TestClient, log: Log) -> None:
    headers = signed()
    answer = client.post(NAME, content=BODY, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"received": True, "position": 1})
    assert answer.headers["content-type"] == "application/json"
    [event] = kept(log)
    assert (event.body, event.signature) == (BODY, headers["Stripe-Signature"])
    verify_signature(event.body, event.signature, [SECRET], event.received_at)


def test_a_wrong_secret_is_told_in_the_services_log(client: TestClient) -> None:
    with capture_logs() as logs:
        answer = client.post(NAME, content=BODY, headers=signed(secret="whsec_wrong"))
    assert answer.status_code == 400
    (line,) = logs
    assert (line["event"], line["count"]) == ("webhook_calls_rejected", 1)
    assert "STRIPE_WEBHOOK_SECRETS" in line["likely_cause"]


def test_both_secrets_of_a_rotation_count(client: TestClient, log: Log) -> None:
    for secret in (OLD_SECRET, SECRET):
        assert client.post(NAME, content=BODY, headers=signed(secret=secret)).status_code == 200
    assert log.head() == 1


def test_a_duplicate_gets_the_same_answer(client: TestClient, log: Log) -> None:
    first, second = (client.post(NAME, content=BODY, headers=signed()) for _ in range(2))
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert log.head() == 1


def test_fifty_at_once_store_one(client: TestClient, log: Log) -> None:
    with ThreadPoolExecutor(50) as threads:
        answers = list(
            threads.map(
                lambda _: client.post(NAME, content=BODY, headers=signed()).json(), range(50)
            )
        )
    assert answers == [{"received": True, "position": 1}] * 50
    assert log.head() == 1


def chunks() -> Iterator[bytes]:
    for _ in range(MAX_BODY_BYTES // 65536 + 1):
        yield b" " * 65536


LARGE = BODY + b" " * MAX_BODY_BYTES
Send = Callable[[TestClient], Response]
REJECTED: dict[str, tuple[int, type[Exception], Send]] = {
    "no signature": (400, BadSignature, lambda c: c.post(NAME, content=BODY)),
    "an empty signature": (
        400,
        BadSignature,
        lambda c: c.post(NAME, content=BODY, headers={"Stripe-Signature": ""}),
    ),
    "a malformed signature": (
        400,
        BadSignature,
        lambda c: c.post(NAME, content=BODY, headers={"Stripe-Signature": "v1=x"}),
    ),
    "a signature that is not ASCII": (
        400,
        BadSignature,
        lambda c: c.post(NAME, content=BODY, headers=[(b"Stripe-Signature", "t=1,v1=é".encode())]),
    ),
    "another secret": (
        400,
        BadSignature,
        lambda c: c.post(NAME, content=BODY, headers=signed(secret="whsec_x")),
    ),
    "another body": (
        400,
        BadSignature,
        lambda c: c.post(NAME, content=BODY + b"\n", headers=signed()),
    ),
    "an old call": (
        400,
        BadSignature,
        lambda c: c.post(NAME, content=BODY, headers=signed(ago=310)),
    ),
    "a call from the future": (
        400,
        BadSignature,
        lambda c: c.post(NAME, content=BODY, headers=signed(ago=-90)),
    ),
    "a body that is not UTF-8, and another one's signature": (
        400,
        BadSignature,
        lambda c: c.post(NAME, content=b"\xff\xfe", headers=signed()),
    ),
    "larger than 1 MiB": (
        413,
        PayloadTooLarge,
        lambda c: c.post(NAME, content=LARGE, headers=signed(LARGE)),
    ),
    "larger, in pieces without a length": (
        413,
        PayloadTooLarge,
        lambda c: c.post(NAME, content=chunks(), headers=signed()),
    ),
    "larger than its Content-Length": (
        413,
        PayloadTooLarge,
        lambda c: c.post(NAME, content=LARGE, headers=signed(LARGE) | {"Content-Length": "5"}),
    ),
}
NO_EVENTS = {
    "nothing": b"",
    "no JSON": b"id=evt_1",
    "half an event": BODY[:-20],
    "an empty object": b"{}",
    "an array": b"[%b]" % BODY,
    "null": b"null",
    "a number": b"1",
    "no id": BODY.replace(b'"id": "evt_1", ', b""),
    "an id that is no text": BODY.replace(b'"evt_1"', b"7"),
    "an id with a NUL": BODY.replace(b"evt_1", rb"evt_\u0000"),
    "an id that is too long": BODY.replace(b"evt_1", b"e" * 3000),
    "no type": BODY.replace(b'"type"', b'"typ"'),
    "no data": BODY.replace(b'"data"', b'"date"'),
    "another object": BODY.replace(b'"object": "event"', b'"object": "charge"'),
    "too deep": BODY.replace(b'"cus_1"', b"[" * 5000 + b"]" * 5000),
}


@pytest.mark.parametrize(("status", "cause", "send"), REJECTED.values(), ids=REJECTED)
def test_rejected(
    client: TestClient, log: Log, status: int, cause: type[Exception], send: Send
) -> None:
    """A rejected call stores nothing and is counted."""
    before = rejected(cause)
    answer = send(client)
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert rejected(cause) == before + 1
    assert log.head() == 0


@pytest.mark.parametrize("body", NO_EVENTS.values(), ids=NO_EVENTS)
def test_a_signed_body_that_is_no_stripe_event_is_stored(
    client: TestClient, log: Log, body: bytes
) -> None:
    """Stripe signed it, so it is not to be lost: stored as it came, and listed as unreadable."""
    for _ in range(2):
        answer = client.post(NAME, content=body, headers=signed(body))
        assert (answer.status_code, answer.json()) == (200, {"received": True, "position": 1})
    (stored,) = log.read()
    assert isinstance(stored.event, StripeEventReceived)
    assert stored.event.body == body
    assert stored.stream == f"stripe/{stored.event.event_id}"
    _, (note, *problems) = Translator("test", "order_id")(stored)
    assert isinstance(note, StripeEventRecorded)
    assert (note.outcome, len(problems)) == ("unreadable", 1)


def test_two_bodies_without_an_id_are_two_events(client: TestClient, log: Log) -> None:
    for body in (b"{}", b"[]", b"{} "):
        assert client.post(NAME, content=body, headers=signed(body)).status_code == 200
    assert [event.body for event in kept(log)] == [b"{}", b"[]", b"{} "]


ODD_EVENTS = {
    "an id with dots": BODY.replace(b"evt_1", b"customer.discount.created_00000000000000"),
    "an id of other letters": BODY.replace(b"evt_1", "évt/1:x y".encode()),
    "a thin event": json.dumps(THIN).encode(),
    "a thin event of an account": json.dumps(THIN | {"context": "acct_1"}).encode(),
}


@pytest.mark.parametrize("body", ODD_EVENTS.values(), ids=ODD_EVENTS)
def test_every_kind_of_event_is_stored(client: TestClient, log: Log, body: bytes) -> None:
    assert client.post(NAME, content=body, headers=signed(body)).status_code == 200
    (stored,) = log.read()
    _, (note, *_) = Translator("test", "order_id")(stored)
    assert isinstance(note, StripeEventRecorded)
    assert note.outcome in {"projected", "unprojected"}


def test_a_body_of_exactly_the_limit_is_taken(client: TestClient, log: Log) -> None:
    body = BODY + b" " * (MAX_BODY_BYTES - len(BODY))
    assert client.post(NAME, content=body, headers=signed(body)).status_code == 200
    assert kept(log)[0].body == body


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_other_methods(client: TestClient, method: str) -> None:
    answer = client.request(method, NAME)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_without_a_secret_there_is_no_endpoint(log: Log) -> None:
    with TestClient(make_app(log, secrets=())) as client:
        assert client.post(NAME, content=BODY, headers=signed(secret="")).status_code == 404
    assert log.head() == 0


def test_while_the_store_is_down_stripe_is_asked_to_come_again(server: Server) -> None:
    database = server.create()
    with Log(database.conninfo("app")) as log, TestClient(make_app(log)) as client:
        assert client.post(NAME, content=BODY, headers=signed()).status_code == 200
        server.drop_now(database)
        before = rejected(StoreUnavailable)
        assert client.post(NAME, content=BODY, headers=signed()).status_code == 503
        assert rejected(StoreUnavailable) == before + 1


def test_a_flood_is_answered_in_short_and_signed_calls_pass(log: Log) -> None:
    """A caller who uses up the allowance for rejections shuts no other out."""
    with TestClient(make_app(log)) as client, allowance_of(client, 3):
        answers = [client.post(NAME, content=BODY).status_code for _ in range(5)]
        assert answers == [400, 400, 400, 429, 429]
        assert client.post(NAME, content=BODY, headers=signed()).status_code == 200
    assert log.head() == 1


@contextmanager
def allowance_of(client: TestClient, size: int) -> Iterator[None]:
    receiver = client.app_state["receiver"]
    assert isinstance(receiver, Receiver)
    receiver.rejections = RateLimit(f"{size} per hour")
    yield


def test_a_caller_who_hangs_up_is_counted_and_forgotten(log: Log) -> None:
    messages: Iterator[Message] = iter(
        [
            {"type": "http.request", "body": BODY[:20], "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> Message:
        return next(messages)

    async def send(_: Message) -> None:
        """Nobody is there."""

    async def call() -> None:
        async with Receiver(log) as receiver:
            settings = SimpleNamespace(stripe_webhook_secrets=(SecretStr(SECRET),))
            state = {"settings": settings, "receiver": receiver}
            scope = {"type": "http", "method": "POST", "path": NAME, "headers": [], "state": state}
            await routes[0].handle(scope, receive, send)

    loops.run(call())
    assert log.head() == 0


def test_whatever_comes_the_answer_is_no_failure(client: TestClient, log: Log) -> None:
    """With a working store no call fails; what is signed is taken, and nothing else is stored."""
    event = st.fixed_dictionaries(
        {
            "id": st.just("evt_1") | st.text(max_size=20) | st.integers(),
            "type": st.text(max_size=20) | st.none(),
            "created": st.integers() | st.floats(),
            "data": st.fixed_dictionaries({"object": st.dictionaries(st.text(), st.text())})
            | st.none(),
        },
        optional={"object": st.sampled_from(["event", "list", 1]), "livemode": st.booleans()},
    )
    bodies = st.binary(max_size=200) | event.map(lambda e: json.dumps(e).encode())
    junk = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)

    @given(body=bodies, header=st.none() | junk, trusted=st.booleans())
    def call(body: bytes, header: str | None, *, trusted: bool) -> None:
        before = log.head()
        headers = {} if header is None else {"Stripe-Signature": header}
        if trusted and is_text(body):
            headers = signed(body)
        answer = client.post(NAME, content=body, headers=headers)
        assert answer.status_code == (200 if trusted and is_text(body) else 400)
        if log.head() > before:
            assert answer.status_code == 200
            assert trusted
            assert kept(log)[-1].body == body

    call()


def is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_no_word_of_a_customer_is_logged(
    client: TestClient,
    log: Log,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The alarm names an id and a position; the body of neither delivery is in any log."""
    for mail in ("ann@example.com", "bob@example.com"):
        body = BODY.replace(b'"cus_1"', b'"%b"' % mail.encode())
        client.post(NAME, content=body, headers=signed(body))
        client.post(NAME, content=body, headers=signed(body, secret="whsec_x"))
    assert log.head() == 2, "a delivery, and that its id came with another content"
    written = caplog.text + "".join(capsys.readouterr())
    assert "SameIdOtherContent" in written
    assert "@example.com" not in written
