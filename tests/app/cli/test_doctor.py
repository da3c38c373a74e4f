"""`ledger doctor`: each finding, made wrong once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any, LiteralString

import psycopg
import pytest

from app import wiring
from app.cli import doctor
from app.cli.doctor import FORBIDDEN
from ledger.postgres.database import Database
from ledger.settings import load
from tests.app.cli.conftest import Run
from tests.app.cli.test_status import STOP

RunJson = Callable[..., Any]
Findings = Callable[[], dict[str, Any]]


@pytest.fixture
def findings(run_json: RunJson) -> Findings:
    """All findings by what they are about; the tests' server has fsync off, so the exit is 1."""
    return lambda: {each["what"]: each for each in run_json("doctor", code=1)}


def wrong(findings: dict[str, Any]) -> set[str]:
    return {what for what, finding in findings.items() if finding["verdict"] == "wrong"}


def test_nothing_is_wrong_with_a_new_database(findings: Findings) -> None:
    found = findings()
    assert wrong(found) == {"durability"}  # the tests' server runs with fsync off, and it is seen
    assert str(len(FORBIDDEN)) in found["privileges"]["found"]
    assert {what for what, each in found.items() if each["verdict"] == "note"} == {
        "access",
        "alerts",
        "archive",
        "backfill",
        "disk",
        "last proof",
        "processes",
        "refunds",
        "roles",  # the tests' address is a superuser's, and it is seen
        "webhook",
    }


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ("grant insert on ledger.stored_events to ledger_app", "privileges"),
        ("grant delete on ledger.stored_events to ledger_reader", "privileges"),
        ("grant update on ledger.head to ledger_projector", "privileges"),
        ("grant execute on function ledger.append to ledger_projector", "privileges"),
        ("alter table ledger.stored_events disable trigger append_only", "privileges"),
        ("alter table ledger.head disable trigger never_removed", "privileges"),
        ("update ledger.ledger_migrations set sha256 = repeat('0', 64)", "MigrationError"),
        ("insert into ledger.ledger_migrations values ('9999_x.sql', repeat('0', 64))",
         "MigrationError"),
        (STOP, "projections"),
    ],
)  # fmt: skip
def test_damage_is_found(
    run: Run, findings: Findings, database: Database, damage: Any, what: str
) -> None:
    run("stock", "define", "MUG", "--name", "Mug", "--price", "1.00 gbp")
    with database.connect("projector" if damage is STOP else "owner") as conn:
        conn.execute(damage)
    assert what in wrong(findings())


@pytest.mark.parametrize(
    ("do", "undo", "why"),
    [
        (
            "alter role ledger_app bypassrls",
            "alter role ledger_app nobypassrls",
            "ledger_app may do too much",
        ),
        (
            "alter role ledger_projector superuser",
            "alter role ledger_projector nosuperuser",
            "ledger_projector is a superuser",
        ),
        (
            "grant ledger_owner to ledger_app",
            "revoke ledger_owner from ledger_app",
            "ledger_app may act as another one of them",
        ),
    ],
)
def test_a_role_that_may_too_much_is_named(
    findings: Findings, database: Database, do: LiteralString, undo: LiteralString, why: str
) -> None:
    with psycopg.connect(database.admin_conninfo, autocommit=True) as admin:
        admin.execute(do)
        try:
            found = findings()["roles"]
        finally:
            admin.execute(undo)
    assert (found["verdict"], found["found"]) == ("wrong", why)


def test_that_each_part_logs_in_by_itself_is_seen(database: Database) -> None:
    """On the embedded server; elsewhere that is the business of who runs it."""
    assert doctor._roles(database).verdict == "fine"
    with psycopg.connect(database.admin_conninfo, autocommit=True) as admin:
        admin.execute("alter role ledger_projector nologin")
        try:
            found = doctor._roles(database)
        finally:
            admin.execute("alter role ledger_projector login")
    assert (found.verdict, found.found) == ("wrong", "ledger_projector cannot log in")


@pytest.mark.parametrize(
    ("setting", "what", "verdict"),
    [
        ("STRIPE_WEBHOOK_SECRETS=whsec_a,whsec_b", "webhook", "fine"),
        ("STRIPE_API_KEY=rk_test_1", "backfill", "fine"),
        ("STRIPE_API_KEY=sk_test_1", "backfill", "note"),
        ("LEDGER_HOST=192.0.2.1", "access", "note"),
    ],
)
def test_settings(
    findings: Findings, monkeypatch: pytest.MonkeyPatch, setting: str, what: str, verdict: str
) -> None:
    """Secrets are counted, their modes compared, and none is shown."""
    name, _, value = setting.partition("=")
    monkeypatch.setenv(name, value)
    found = findings()[what]
    assert found["verdict"] == verdict
    assert what == "access" or value not in found["found"]


def test_tokens_are_counted(run: Run, findings: Findings) -> None:
    run("token", "issue", "ops", "--name", "Olga")
    assert findings()["access"]["found"] == "1 valid token"


@pytest.mark.parametrize(("mode", "verdict"), [(0o600, "fine"), (0o644, "note")])
def test_who_may_read_the_secrets(
    environment: Path, findings: Findings, mode: int, verdict: str
) -> None:
    (environment / ".env").touch()
    (environment / ".env").chmod(mode)
    assert findings()[".env"]["verdict"] == verdict


def test_a_clock_that_is_wrong(findings: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz or UTC) - timedelta(seconds=6)

    monkeypatch.setattr(doctor, "datetime", Late)
    assert "clock" in wrong(findings())


def test_read_models_that_are_far_behind(
    run: Run, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("stock", "define", "MUG", "--name", "Mug", "--price", "1.00 gbp")
    assert "projections" not in wrong(findings())
    monkeypatch.setattr(doctor, "TOO_LATE_SECONDS", 0)
    assert "projections" in wrong(findings())


def test_a_setting_that_is_misspelt_is_named_by_every_verb(
    run: Run, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_MDOE", "live")
    assert findings()["settings"]["found"] == "LEDGER_MDOE is no setting; is it LEDGER_MODE?"
    assert "is it LEDGER_MODE?" in run("status").stderr


def test_a_line_that_is_no_setting_is_named_by_every_verb(
    run: Run, findings: Findings, environment: Path
) -> None:
    (environment / ".env").write_text("# ours\nSTRIPE_API_KEY rk_test_1\n")
    (environment / ".env").chmod(0o600)
    assert findings()["settings"]["found"].startswith("line 2 of .env is no setting")
    told = run("status").stderr
    assert "line 2 of .env is no setting" in told
    assert "rk_test_1" not in told
    assert "dotenv" not in told


@pytest.mark.parametrize("least", [0, 2**60])
def test_a_disk_that_is_nearly_full(
    environment: Path, database: Database, monkeypatch: pytest.MonkeyPatch, least: int
) -> None:
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", least)
    embedded = load().model_copy(update={"ledger_home": environment})
    finding = doctor._disk(embedded, database)
    assert finding.verdict == ("wrong" if least else "fine")


@contextmanager
def following() -> Iterator[None]:
    """A follower with its timers."""
    stop = Event()
    with wiring.open_engine(load()) as engine:
        thread = Thread(target=wiring.follow, args=[load(), engine, stop])
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def test_who_follows_and_runs_the_timers_is_seen(findings: Findings) -> None:
    assert findings()["processes"]["verdict"] == "note"
    with following():
        deadline = datetime.now(UTC) + timedelta(seconds=60)
        while findings()["processes"]["verdict"] != "fine":
            assert datetime.now(UTC) < deadline


def test_a_database_that_is_away_is_the_last_finding(
    run: Run, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    found = findings()
    assert list(found)[-1] == "StoreUnavailable"
    assert wrong(found) == {"StoreUnavailable"}
    assert "Connection refused" in found["StoreUnavailable"]["found"]
    assert "\t" not in found["StoreUnavailable"]["found"]
    assert r"\t" not in run("order", "list", code=3).stderr


@pytest.mark.parametrize("columns", [None, "80", "200"])
def test_its_lines_are_read_on_any_screen(
    run: Run, monkeypatch: pytest.MonkeyPatch, columns: str | None
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    lines = run("doctor", code=1).stdout.splitlines()
    assert 60 < max(map(len, lines)) <= 80


def test_it_leaves_the_log_as_it_was(run: Run, database: Database) -> None:
    """What it tries it rolls back, even where it was allowed."""
    run("stock", "define", "MUG", "--name", "Mug", "--price", "1.00 gbp")
    with database.connect("owner") as conn:
        conn.execute("alter table ledger.stored_events disable trigger append_only")
    run("doctor", code=1)
    with database.connect("reader") as conn:
        assert conn.execute("select count(*) from ledger.stored_events").fetchone() == (1,)
