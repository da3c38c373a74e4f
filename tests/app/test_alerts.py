"""Alerts: each is told once by each channel, tried again where it fails, and on record."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, TCPServer, ThreadingTCPServer
from threading import Thread
from time import monotonic
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace
from pydantic import SecretStr, ValidationError
from starlette.testclient import TestClient

from app.alerts import channels, rules
from app.alerts.deliver import MOST_A_LOOK, Alerts
from app.asgi import create_app
from app.wiring import jobs
from ledger.command_handler import CommandHandler
from ledger.domain.access import Role
from ledger.domain.alerts import MOST_ATTEMPTS
from ledger.domain.events import (
    AlertTried,
    Finding,
    IssueOpened,
    IssueReopened,
    IssueResolved,
    Metadata,
    NewEvent,
    StripeEventReceived,
)
from ledger.errors import NotFound
from ledger.postgres.database import Database
from ledger.settings import Settings
from ledger.tokens import issue
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.reads import Reads
from tests.app.test_stripe_pull import engine, rows
from tests.support.following import steady_follower
from tests.support.judged import JudgedClient
from tests.webhooks import billing_examples as billing
from tests.webhooks.examples import dispute, event
from webhooks.ingest.append import append_events

__all__ = ["engine"]

KEY = bytes(range(32))
SECRET = "whsec_" + b64encode(KEY).decode()
META = Metadata(actor="operator", actor_name="ada")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Posted(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class Program:
    """A program on this machine that takes webhooks; it answers with `status`."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.status = 204
        self.posted: list[Posted] = []


@contextmanager
def serving(server: TCPServer) -> Generator[str]:
    with server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def program() -> Iterator[Program]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.posted.append(Posted(self.path, headers, body))
            self.send_response(made.status)
            self.send_header("location", f"{made.base}/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            pass

    made = Program("")
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as address:
        made.base = f"http://{address}"
        yield made


class Post(NamedTuple):
    """A mail server on this machine, and the mails that it took."""

    address: str
    mails: list[Message]


@pytest.fixture
def post() -> Iterator[Post]:
    mails: list[Message] = []

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                word = line.split()[0].upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    text = b"".join(iter(self.rfile.readline, b".\r\n"))
                    mails.append(message_from_bytes(text))
                if word == b"RCPT" and b"nobody@" in line:
                    self.wfile.write(b"550 no such mailbox\r\n")
                    continue
                self.wfile.write(b"250 good\r\n" if word != b"QUIT" else b"221 bye\r\n")
                if word == b"QUIT":
                    return

    with serving(ThreadingTCPServer(("127.0.0.1", 0), Handler)) as address:
        yield Post(address, mails)


class World:
    """A ledger that is followed, alerts with a clock, and what may happen."""

    def __init__(self, engine: ProjectionContext, reads: Reads, follower: Follower) -> None:
        self.engine = engine
        self.reads = reads
        self.follower = follower
        self.now = NOW

    def alerts(self, **settings: Any) -> Alerts:
        return Alerts(self.reads, made(self.engine.database, **settings), clock=lambda: self.now)

    def open_issue(self, reference: str, severity: Any = "high", *, before: int = 0) -> Finding:
        finding = Finding(
            check="unpaid",
            kind="order",
            reference=reference,
            severity=severity,
            sentence="ada@example.com waits.",
            evidence={},
        )
        at = self.now - timedelta(days=before)
        self.append(f"issue/unpaid:{reference}", 1, IssueOpened(finding=finding), at)
        return finding

    def append(self, stream: str, version: int, fact: Any, at: datetime | None = None) -> None:
        self.engine.log.append([NewEvent(stream, version, fact, at or self.now, META)])
        self.follower.catch_up()

    def hear(self, type_: str, obj: Any) -> None:
        body = json.dumps(event(type_, obj, id=f"evt_{type_}")).encode()
        received = StripeEventReceived(
            event_id=f"evt_{type_}", body=body, received_at=self.now, source="import"
        )
        append_events(self.engine.log, [received], META)
        self.follower.catch_up()

    def record(self) -> list[AlertTried]:
        recorded = self.engine.log.read(limit=1000)
        return [each.event for each in recorded if isinstance(each.event, AlertTried)]


def made(database: Database, **settings: Any) -> Settings:
    return Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(database.admin_conninfo),
        **{f"ledger_alerts_{name}": value for name, value in settings.items()},
    )


@pytest.fixture
def database(kept_database: Database) -> Database:
    return kept_database


@pytest.fixture
def world(engine: ProjectionContext) -> Iterator[World]:
    with closing(Reads(engine)) as reads, steady_follower(engine) as follower:
        yield World(engine, reads, follower)


def by_webhook(program: Program, **more: Any) -> dict[str, Any]:
    return {"webhook": SecretStr(program.base), "webhook_secret": SecretStr(SECRET), **more}


# ── What is told ────────────────────────────────────────────────────────────────────────────────


def test_an_issue_is_told_once_and_again_when_it_is_back(world: World, program: Program) -> None:
    finding = world.open_issue("A1")
    alerts = world.alerts(**by_webhook(program))
    for _ in range(3):
        alerts.run()
        world.follower.catch_up()
    assert len(program.posted) == 1
    world.append("issue/unpaid:A1", 2, IssueResolved(finding=finding, by_itself=True))
    alerts.run()
    world.append("issue/unpaid:A1", 3, IssueReopened(finding=finding, times=1, by_itself=True))
    alerts.run()
    told = [json.loads(each.body)["data"]["subject"] for each in program.posted]
    assert told == ["issue/unpaid:A1"] * 2
    assert len({each.headers["webhook-id"] for each in program.posted}) == 2


def test_only_what_is_new_and_bad_enough_is_told(world: World, program: Program) -> None:
    world.open_issue("A1", "medium")
    world.open_issue("A2", "high", before=30)
    assert world.alerts(**by_webhook(program)).run() == []
    tried = world.alerts(**by_webhook(program, severity="medium")).run()
    assert [each.event.subject for each in tried] == ["issue/unpaid:A1"]


def test_each_rule_tells_what_it_is_for_and_nothing_of_a_person(
    world: World, program: Program
) -> None:
    world.open_issue("A1")
    due = world.now + timedelta(days=2)
    late = {"evidence_details": {"due_by": int(due.timestamp())}}
    world.hear("charge.dispute.created", dispute(**late))
    made_at = int(world.now.timestamp())
    failed = billing.payout(status="failed", failure_code="account_closed", created=made_at)
    world.hear("payout.failed", failed)
    with world.engine.database.connect("projector", autocommit=True) as conn:
        conn.execute(
            "update read_models.projections set stopped_at = 1, stopped_because = 'a test'"
            " where name = 'prices'"
        )
    tried = world.alerts(**by_webhook(program)).run()
    assert {(each.event.rule, each.event.subject) for each in tried} == {
        ("issue", "issue/unpaid:A1"),
        ("dispute_due", "dispute/dp_1"),
        ("payout_failed", "payout/po_1"),
        ("projection_stopped", "projection/prices"),
    }
    assert not [each for each in program.posted if b"ada@" in each.body]
    assert "account_closed" in str(program.posted)


def test_a_title_has_codes_of_currencies_in_capitals(world: World, program: Program) -> None:
    finding = Finding(
        check="books_suspense",
        kind="suspense",
        reference="fees gbp",
        severity="high",
        sentence="5.00 GBP stand in suspense (fees GBP).",
        evidence={"currency": "gbp"},
    )
    world.append("issue/books_suspense:fees gbp", 1, IssueOpened(finding=finding))
    world.alerts(**by_webhook(program)).run()
    assert "books_suspense, suspense fees GBP" in str(program.posted)


def test_a_lag_is_told_once_a_day(world: World, program: Program) -> None:
    finding = world.open_issue("A1")
    other = replace(finding, reference="A2")
    world.engine.log.append([NewEvent("issue/unpaid:A2", 1, IssueOpened(finding=other), NOW, META)])
    world.now = datetime.now(UTC) + timedelta(seconds=90)
    alerts = world.alerts(**by_webhook(program, rules=("lag",), lag_seconds=60))
    assert [each.event.rule for each in alerts.run()] == ["lag"]
    assert alerts.run() == []
    world.now += timedelta(days=1)
    assert [each.event.rule for each in alerts.run()] == ["lag"]
    world.follower.catch_up()
    world.now += timedelta(days=1)
    assert alerts.run() == []


# ── How it goes out ─────────────────────────────────────────────────────────────────────────────


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """RFC 2104, by hand, so that it is not the sender's own way of signing."""
    padded = key.ljust(64, b"\0")
    inner, outer = (bytes(byte ^ pad for byte in padded) for pad in (0x36, 0x5C))
    return sha256(outer + sha256(inner + message).digest()).digest()


def test_a_webhook_is_signed_as_the_specification_says(world: World, program: Program) -> None:
    world.open_issue("A1")
    world.alerts(**by_webhook(program)).run()
    ((path, headers, body),) = program.posted
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    version, _, signature = headers["webhook-signature"].partition(",")
    assert (path, version) == ("/", "v1")
    assert b64decode(signature) == hmac_sha256(KEY, signed)
    assert int(headers["webhook-timestamp"]) == int(NOW.timestamp())
    said = json.loads(body)
    assert (said["type"], said["timestamp"]) == ("alert.issue", "2026-03-01T12:00:00Z")


def test_a_chat_gets_a_text_and_a_mailbox_a_mail(
    world: World, program: Program, post: Post
) -> None:
    world.open_issue("A<1>")
    tried = world.alerts(
        slack=SecretStr(f"{program.base}/services/T0/secret"),
        smtp=SecretStr(f"smtp://{post.address}"),
        email_from="ledger@example.com",
        email_to=("ann@example.com", "ben@example.com"),
    ).run()
    assert [each.event.outcome for each in tried] == ["delivered"] * 2
    ((path, _, body),) = program.posted
    assert path == "/services/T0/secret"
    assert "A&lt;1&gt;" in json.loads(body)["text"]
    (mail,) = post.mails
    assert mail["To"] == "ann@example.com, ben@example.com"
    assert mail["Subject"] == "Ledger: Issue (high): unpaid, order A<1>"
    assert "GET /issues/unpaid%3AA%3C1%3E" in mail.get_payload()
    assert "secret" not in str(world.record())


def test_what_fails_is_tried_again_after_longer_waits_and_at_last_given_up(
    world: World, program: Program
) -> None:
    program.status = 503
    world.open_issue("A1")
    alerts = world.alerts(**by_webhook(program))
    waits: list[timedelta] = []
    while not waits or len(waits) < MOST_ATTEMPTS:
        (tried,) = alerts.run()
        assert (tried.event.cause, tried.attempt) == ("http_503", len(waits) + 1)
        assert alerts.run() == []
        waits.append((tried.event.retry_at or world.now) - world.now)
        world.now = tried.event.retry_at or world.now
    assert waits == [*sorted(waits[:-1]), timedelta(0)]
    assert [each.outcome for each in world.record()][-2:] == ["failed", "given_up"]
    assert len({each.headers["webhook-id"] for each in program.posted}) == 1
    world.now += timedelta(days=1)
    assert alerts.run() == []
    world.follower.catch_up()
    told = rows(world.engine, "select outcome, attempts, cause from alert_deliveries")
    assert told == [("given_up", MOST_ATTEMPTS, "http_503")]


def test_another_try_may_succeed(world: World, program: Program) -> None:
    program.status = 500
    world.open_issue("A1")
    alerts = world.alerts(**by_webhook(program))
    alerts.run()
    program.status, world.now = 200, world.now + timedelta(minutes=2)
    assert [each.event.outcome for each in alerts.run()] == ["delivered"]
    assert alerts.run() == []


@pytest.mark.parametrize(
    ("status", "outcome"), [(302, "failed"), (410, "given_up"), (404, "failed")]
)
def test_no_redirect_is_followed_and_what_is_gone_is_left(
    world: World, program: Program, status: int, outcome: str
) -> None:
    program.status = status
    tried = world.alerts(**by_webhook(program)).test("webhook", META)
    world.open_issue("A1")
    tried = world.alerts(**by_webhook(program)).run()[0]
    assert (tried.event.outcome, tried.event.cause) == (outcome, f"http_{status}")
    assert {each.path for each in program.posted} == {"/"}


def test_one_that_never_answers_is_waited_for_so_long_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(StreamRequestHandler):
        def handle(self) -> None:
            while self.connection.recv(1):
                self.wfile.write(b"H")  # always something, never an answer

    monkeypatch.setattr(channels, "SECONDS", 0.3)
    with serving(ThreadingTCPServer(("127.0.0.1", 0), Slow)) as address:
        alerts = world.alerts(slack=SecretStr(f"http://{address}"))
        began = monotonic()
        tried = alerts.test("slack", META)
    assert (tried.event.outcome, tried.event.cause) == ("given_up", "timeout")
    assert monotonic() - began < 5


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        ({"slack": SecretStr("http://127.0.0.1:1")}, "connection_refused"),
        ({"slack": SecretStr("https://nowhere.invalid")}, "unknown_host"),
        ({"slack": SecretStr(f"https://{'a' * 64}.invalid")}, "wrong_setting"),
    ],
)
def test_what_cannot_be_reached_is_told_in_a_word(
    world: World, more: dict[str, Any], cause: str
) -> None:
    assert world.alerts(**more).test("slack", META).event.cause == cause


def test_a_mailbox_that_is_not_there_is_told(world: World, post: Post) -> None:
    mail = {"smtp": SecretStr(f"smtp://{post.address}"), "email_from": "l@example.com"}
    alerts = world.alerts(**mail, email_to=("nobody@example.com",))
    assert alerts.test("email", META).event.cause == "smtp_550"


def test_who_got_a_mail_gets_it_no_more_because_of_others(world: World, post: Post) -> None:
    world.open_issue("A1")
    mail = {"smtp": SecretStr(f"smtp://{post.address}"), "email_from": "l@example.com"}
    alerts = world.alerts(**mail, email_to=("nobody@example.com", "ada@example.com"))
    (tried,) = alerts.run()
    assert (tried.event.outcome, tried.event.cause) == ("given_up", "smtp_550_for_some")
    assert (len(post.mails), alerts.run()) == (1, [])


def test_a_mail_server_that_does_not_take_umlauts_is_told(world: World, post: Post) -> None:
    mail = {"smtp": SecretStr(f"smtp://{post.address}"), "email_from": "l@example.com"}
    alerts = world.alerts(**mail, email_to=("jürgen@example.com",))
    assert alerts.test("email", META).event.cause == "smtp_without_utf8"


def test_where_one_fails_the_others_wait_for_the_next_look(world: World, program: Program) -> None:
    world.open_issue("A1")
    world.open_issue("A2")
    program.status = 503
    alerts = world.alerts(**by_webhook(program))
    assert [each.event.subject for each in alerts.run()] == ["issue/unpaid:A1"]
    assert [each.event.subject for each in alerts.run()] == ["issue/unpaid:A2"]


def test_no_more_in_a_look_than_a_chat_can_read(world: World, program: Program) -> None:
    for number in range(MOST_A_LOOK + 1):
        world.open_issue(f"A{number}")
    alerts = world.alerts(**by_webhook(program))
    assert (len(alerts.run()), len(alerts.run()), len(alerts.run())) == (MOST_A_LOOK, 1, 0)


# ── Settings, the service, the API ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "settings",
    [
        {"slack": "http://example.com/x"},
        {"slack": "https://example.com:99999/x"},
        {"slack": "https://example.com/a b"},
        {"slack": "https://example.com/ü"},
        {"slack": "https://user:password@example.com/x"},
        {"smtp": "smtp://mail.example.com:99999", "email_from": "a@b", "email_to": "a@b"},
        {"webhook": "ftp://127.0.0.1", "webhook_secret": SECRET},
        {"webhook": "https://example.com"},
        {"webhook": "https://example.com", "webhook_secret": "whsec_short"},
        {"smtp": "mail.example.com", "email_from": "a@b", "email_to": "a@b"},
        {"smtp": "smtp://mail.example.com", "email_to": "a@b"},
        {"email_to": "a@b"},
        {"rules": "weather"},
    ],
)
def test_settings_that_cannot_work_are_refused(database: Database, settings: Any) -> None:
    with pytest.raises(ValidationError):
        made(database, **settings)


def test_the_service_looks_where_a_channel_is_set_up(world: World, program: Program) -> None:
    handler = CommandHandler(world.engine.log, world.reads.money)
    names: Callable[[Settings], set[str]] = lambda s: {  # noqa: E731 - one line
        job.name for job in jobs(s, handler, world.reads)
    }
    database = world.engine.database
    assert "alerts" not in names(made(database))
    assert "alerts" in names(made(database, **by_webhook(program)))


def test_an_administrator_sees_and_tries_channels(
    world: World, program: Program, database: Database
) -> None:
    settings = made(database, **by_webhook(program), rules=("payout_failed",))
    with JudgedClient(
        create_app(settings, database), base_url="http://127.0.0.1", client=("127.0.0.1", 1)
    ) as client:
        become(client, world, Role.ADMIN)
        assert client.get("/alerts").json() == {
            "rules": [{"name": "payout_failed", "about": "a payout that failed"}],
            "channels": [{"name": "webhook", "target": "127.0.0.1"}],
        }
        tried = client.post("/alerts/webhook/test", json={"reason": "to try it"}).json()
        assert (tried["outcome"], len(program.posted)) == ("delivered", 1)
        assert client.post("/alerts/email/test", json={}).status_code == 404
        world.follower.catch_up()
        (row,) = client.get("/alert_deliveries").json()["items"]
        assert (row["rule"], row["outcome"], row["attempts"]) == ("test", "delivered", 1)
        become(client, world, Role.OPS)
        assert client.get("/alerts").status_code == 403
        assert client.post("/alerts/webhook/test", json={}).status_code == 403


def become(client: TestClient, world: World, role: Role) -> None:
    token = issue(world.engine.log, role, "of the test", META).token
    client.headers["authorization"] = f"Bearer {token}"


def test_a_channel_that_is_not_set_up_is_named(world: World) -> None:
    with pytest.raises(NotFound, match="there is none"):
        world.alerts().test("email", META)


def test_every_rule_has_a_way_to_look(database: Database) -> None:
    assert rules.RULES.keys() == rules.about(made(database)).keys()
