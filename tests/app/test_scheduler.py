"""Timers: one of several processes runs the jobs, and another takes over when it dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from structlog.testing import capture_logs

from app import scheduler
from app.scheduler import Job, Scheduler
from ledger.command_handler import CommandHandler
from ledger.domain.events import Line, Metadata, OrderExpired
from ledger.domain.order_commands import PlaceOrder
from ledger.domain.stock import ListProduct, ReceiveStock
from ledger.errors import StoreUnavailable
from ledger.log import Log
from ledger.postgres import leadership
from ledger.postgres.database import Database
from projections.engine import positions
from projections.engine.registry import discover
from tests.support.waiting import wait_for
from webhooks.translate.translator import Translator

SHOP = Metadata(actor="shop")
LEADERS = """
select a.pid, a.application_name
from pg_locks as l
join pg_stat_activity as a using (pid)
where l.locktype = 'advisory' and l.granted and a.datname = current_database()
    and l.objid::int8 = hashtext('ledger timers')::int8 & 4294967295
"""
END = "select pg_terminate_backend(%s)"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "POLL_SECONDS", 0.02)


@contextmanager
def running(*each: Scheduler) -> Generator[Event]:
    stop = Event()
    with ThreadPoolExecutor(len(each)) as threads:
        running = [threads.submit(one.run, stop) for one in each]
        try:
            yield stop
        finally:
            stop.set()
    for one in running:
        one.result()


def leaders(database: Database) -> dict[int, str]:
    with database.connect("owner") as conn:
        return dict(conn.execute(LEADERS).fetchall())


# ── Jobs ────────────────────────────────────────────────────────────────────────────────────────


def test_a_job_runs_at_once_and_again_when_it_is_due(database: Database) -> None:
    often: list[float] = []
    seldom: list[float] = []
    jobs = [
        Job("often", 0.1, lambda _: often.append(time.monotonic())),
        Job("seldom", 3600, lambda _: seldom.append(time.monotonic())),
    ]
    with running(Scheduler(database, jobs)):
        wait_for(lambda: len(often) >= 3)
    assert len(seldom) == 1
    assert often[2] - often[0] >= 0.19


def test_what_the_world_got_in_the_way_of_is_told_and_tried_again(database: Database) -> None:
    tries: list[int] = []

    def job(_: Event) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise StoreUnavailable("gone for a moment")

    with capture_logs() as logs, running(Scheduler(database, [Job("job", 0.05, job)])):
        wait_for(lambda: len(tries) >= 2)
    (told,) = [line for line in logs if line["event"] == "job_failed"]
    assert (told["job"], told["error"]) == ("job", "StoreUnavailable")


def test_a_bug_is_not_passed_over(database: Database) -> None:
    def job(_: Event) -> None:
        raise KeyError("no such thing")

    with pytest.raises(KeyError), running(Scheduler(database, [Job("job", 1, job)])) as stop:
        stop.wait(0.5)


def test_one_of_several_leads(database: Database) -> None:
    ran: list[str] = []
    several = [Scheduler(database, [Job("job", 0.03, lambda _, n=n: ran.append(n))]) for n in "abc"]
    with running(*several):
        wait_for(lambda: len(ran) >= 10)
        assert len(leaders(database)) == 1
    assert len(set(ran)) == 1


def test_who_lost_its_connection_leads_no_more_until_it_has_the_lock_again(
    database: Database,
) -> None:
    ran: list[int] = []
    with running(Scheduler(database, [Job("job", 3600, lambda _: ran.append(1))])):
        wait_for(lambda: ran)
        (leader,) = leaders(database)
        with psycopg.connect(database.admin_conninfo) as admin:
            admin.execute(END, [leader])
        wait_for(lambda: len(ran) == 2)
        assert leader not in leaders(database)


def test_it_ends_while_it_stands_by(database: Database) -> None:
    with running(Scheduler(database, [])):
        wait_for(lambda: leaders(database))
        with running(Scheduler(database, [])) as stop:
            stop.set()


# ── Processes ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def command_handler(database: Database) -> Iterator[CommandHandler]:
    """A command handler in a third process: this one."""
    reader = Translator(mode="test", order_metadata_key="order_id")
    with closing(Log(database.conninfo("app"))) as log:
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), discover(), reader, head=0)
        made = CommandHandler(log, lambda _: pytest.fail("placing rests on no money"))
        now = datetime.now(UTC)
        made.execute(ListProduct(sku="A", at=now, name="Tea", prices={"gbp": 500}), SHOP)
        made.execute(ReceiveStock(sku="A", at=now, quantity=10), SHOP)
        yield made


@contextmanager
def following(database: Database, folder: Path, name: str) -> Generator[subprocess.Popen[bytes]]:
    """`ledger follow` in a process that the database knows by a name."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "follow"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": make_conninfo(database.admin_conninfo, application_name=name),
            "LEDGER_EXPIRE_SECONDS": "1",
        },
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def place_overdue(command_handler: CommandHandler, order_id: str) -> None:
    """An order that was placed an hour ago, for half an hour."""
    then = datetime.now(UTC) - timedelta(hours=1)
    line = Line(sku="A", name="Tea", quantity=1, unit_minor=500)
    order = PlaceOrder(
        order_id=order_id,
        at=then,
        currency="gbp",
        lines=(line,),
        expires_at=then + timedelta(minutes=30),
    )
    command_handler.execute(order, SHOP)


def expired(database: Database) -> list[str]:
    with Log(database.conninfo("reader")) as log:
        events = [recorded.event for recorded in log.read()]
    return [event.order_id for event in events if isinstance(event, OrderExpired)]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hangs"])
def test_when_the_leader_is_gone_another_expires_within_5_seconds(
    database: Database, command_handler: CommandHandler, tmp_path: Path, end: signal.Signals
) -> None:
    """`ledger follow` twice; nothing expires twice, also when the one that hung goes on."""
    with (
        following(database, tmp_path, "first") as first,
        following(database, tmp_path, "second") as second,
    ):
        processes = {"first": first, "second": second}
        place_overdue(command_handler, "A1")
        wait_for(lambda: expired(database) == ["A1"])
        (leader,) = leaders(database).values()
        os.kill(processes[leader].pid, end)
        place_overdue(command_handler, "A2")
        wait_for(lambda: "A2" in expired(database), seconds=10)  # for a machine that is busy
        (successor,) = leaders(database).values()
        assert {leader, successor} == {"first", "second"}
        os.kill(processes[leader].pid, signal.SIGCONT)
        place_overdue(command_handler, "A3")
        wait_for(lambda: "A3" in expired(database))
        assert list(leaders(database).values()) == [successor]
    assert expired(database) == ["A1", "A2", "A3"]


def test_a_job_may_take_longer_than_a_leader_may_be_silent(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leadership, "SILENT_SECONDS", 0.3)
    ran: list[int] = []

    def long(_: Event) -> None:
        time.sleep(1)
        ran.append(1)

    with capture_logs() as logs, running(Scheduler(database, [Job("long", 3600, long)])):
        wait_for(lambda: ran)
        time.sleep(0.5)
    assert not logs
    assert ran == [1]
