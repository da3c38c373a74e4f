"""Following: nothing is missed, one leads, and what fails stops alone."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, LiteralString

import psycopg
import pytest

from ledger.domain.events import RecordedEvent
from ledger.domain.facts import AnyFact, EventContext
from ledger.errors import ProjectionStopped
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.postgres.migrate import migrate
from ledger.postgres.supervisor import EmbeddedPostgres
from projections.engine import positions
from projections.engine.build import ProjectionContext
from projections.engine.declare import Derived
from projections.engine.flush import flush_function
from projections.engine.follow import Batch, Follower, Leader
from projections.engine.reads import Reads
from projections.engine.rebuild import rebuild
from projections.engine.verify import verify
from tests.projections.engine.toys import POISON, TOYS, PlainReader, correction, delivery
from tests.support.damage import restore
from tests.support.waiting import wait_for

SLOW = """
create function read_models.slow() returns trigger language plpgsql as $$
begin
    perform pg_sleep(0.2);
    return null;
end
$$;
create trigger slow after insert on read_models.arrivals
for each row execute function read_models.slow();
"""


def rows(engine: ProjectionContext, query: LiteralString) -> list[Any]:
    with engine.database.connect("reader") as conn:
        return conn.execute(query).fetchall()


def standing(engine: ProjectionContext) -> dict[str, tuple[str, int]]:
    with engine.database.connect("reader") as conn:
        states = positions.statuses(conn.cursor(), engine.registry, engine.reader)
    return {s.name: (s.state, s.position) for s in states}


@contextmanager
def following(engine: ProjectionContext) -> Iterator[Event]:
    stop = Event()
    thread = Thread(target=Follower(engine).run, args=[stop])
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join()


def test_every_kind_of_table_follows(engine: ProjectionContext):
    engine.log.append([delivery("A", 1, 5), delivery("A", 2, 7), delivery("B", 1, 5)])
    engine.log.append([correction("A", 3, 2), correction("A", 4, 3), delivery("B", 2, 7)])
    assert Follower(engine).catch_up() == 6
    assert rows(engine, "select sku, units, lines from read_models.sums order by 1") == [
        ("A", 12, 2),
        ("B", 12, 2),
    ]
    assert rows(engine, "select sku, change from read_models.corrections") == [("A", 3)]
    assert rows(engine, "select largest, skus from read_models.sizes order by 1") == [(7, 2)]
    assert len(rows(engine, "select from read_models.counted")) == 6


def test_a_rollup_row_goes_when_nothing_is_in_it_any_longer(engine: ProjectionContext):
    engine.log.append([delivery("A", 1, 5)])
    Follower(engine).catch_up()
    assert rows(engine, "select largest, skus from read_models.sizes") == [(5, 1)]
    engine.log.append([delivery("A", 2, 7)])
    Follower(engine).catch_up()
    assert rows(engine, "select largest, skus from read_models.sizes") == [(7, 1)]


def test_a_derived_row_that_stays_as_it_is_is_not_written(engine: ProjectionContext):
    written = "select sku, xmin::text from read_models.shelves order by 1"
    engine.log.append([delivery("A", 1, 5), delivery("B", 1, 5)])
    Follower(engine).catch_up()
    before = rows(engine, written)
    engine.log.append([delivery("A", 2, 3), delivery("B", 2, 7)])
    Follower(engine).catch_up()
    (a, b), (as_it_was, other) = before, rows(engine, written)
    assert as_it_was == a
    assert other != b
    assert rows(engine, "select largest, skus from read_models.sizes order by 1") == [
        (5, 1),
        (7, 1),
    ]


def test_a_running_follower_sees_appends_at_once(engine: ProjectionContext):
    with following(engine):
        for n in range(1, 30):
            engine.log.append([delivery("A", n)])
        wait_for(lambda: standing(engine)["counter"] == ("following", 29))


def test_an_append_without_a_ring_is_found_by_polling(engine: ProjectionContext):
    with following(engine):
        wait_for(lambda: rows(engine, "select from pg_locks where locktype = 'advisory'"))
        with engine.database.connect("owner") as conn:
            conn.execute(
                "create or replace function pg_temp.quiet() returns void language sql as ''"
            )
            conn.execute(
                "insert into ledger.stored_events"
                " select originator_id, originator_version, topic, state, 1, now(), sha256('')"
                " from (values ('stock/A', 1, 'stock.received.v1', %b::bytea))"
                " as v (originator_id, originator_version, topic, state)",
                [engine.log.mapper.to_stored_event(delivery("A", 1)).state],
            )
            conn.execute("update ledger.head set position = 1, recorded_at = now()")
        wait_for(lambda: standing(engine)["counter"] == ("following", 1))


def test_only_one_of_two_followers_leads_and_the_other_takes_over(engine: ProjectionContext):
    with following(engine) as first:
        wait_for(lambda: rows(engine, "select from pg_locks where locktype = 'advisory'"))
        with following(engine):
            engine.log.append([delivery("A", 1)])
            wait_for(lambda: standing(engine)["counter"][1] == 1)
            first.set()
            engine.log.append([delivery("A", 2)])
            wait_for(lambda: standing(engine)["counter"][1] == 2)
    assert len(rows(engine, "select from read_models.counted")) == 2


def test_a_handler_that_fails_stops_its_projection_and_its_readers_only(engine: ProjectionContext):
    engine.log.append([delivery("A", n, POISON if n == 6 else n) for n in range(1, 11)])
    with pytest.raises(ProjectionStopped, match=r"deliveries, shelves: ValueError at toys\.py"):
        Follower(engine).catch_up()
    assert standing(engine) == {
        "deliveries": ("stopped", 5),
        "shelves": ("stopped", 5),
        "counter": ("following", 10),
    }
    assert rows(engine, "select units from read_models.sums") == [(15,)]


def test_sql_that_fails_stops_its_projection_only(engine: ProjectionContext):
    engine.log.append([delivery("A", 1), correction("A", 2, 1_000_000), delivery("A", 3)])
    with pytest.raises(ProjectionStopped, match="shelves: DivisionByZero"):
        Follower(engine).catch_up()
    assert standing(engine) == {
        "deliveries": ("following", 3),
        "shelves": ("stopped", 1),
        "counter": ("following", 3),
    }


def test_a_value_that_no_column_takes_stops_its_projection_and_its_readers_only(
    engine: ProjectionContext,
):
    engine.log.append([delivery("A", 1), delivery("A", 2, 2**63)])
    with pytest.raises(ProjectionStopped, match="deliveries, shelves: NumericValueOutOfRange"):
        Follower(engine).catch_up()
    assert standing(engine) == {
        "deliveries": ("stopped", 1),
        "shelves": ("stopped", 1),
        "counter": ("following", 2),
    }


def test_what_changed_refuses_to_follow_until_it_was_rebuilt(engine: ProjectionContext):
    engine.log.append([delivery("A", 1)])
    Follower(engine).catch_up()
    changed = engine._replace(reader=PlainReader("read otherwise"))
    engine.log.append([delivery("A", 2)])
    with pytest.raises(ProjectionStopped, match="changed; run `ledger rebuild"):
        Follower(changed).catch_up()
    rebuild(changed)
    assert Follower(changed).catch_up() == 2
    assert rows(engine, "select units from read_models.sums") == [(2,)]


def test_a_new_projection_waits_for_its_first_build(engine: ProjectionContext):
    known = engine._replace(registry=TOYS.only(["deliveries", "shelves"]))
    with engine.database.connect("projector", autocommit=True) as conn:
        conn.execute("delete from read_models.projections where name = 'counter'")
        conn.execute("drop table read_models.counted")
    engine.log.append([delivery("A", 1)])
    assert Follower(known).catch_up() == 1
    with pytest.raises(ProjectionStopped, match="counter: never built"):
        Follower(engine).catch_up()
    rebuild(engine, ["counter"])
    assert Follower(engine).catch_up() == 1


def test_where_nothing_was_ever_built_it_begins_at_event_1(database: Database, log: Log):
    """A token, or an import, may come before the first follower; later nothing is made again."""
    engine = ProjectionContext(database, log, TOYS, PlainReader())
    log.append([delivery("A", 1, 5), delivery("A", 2, 7)])
    for _ in range(2):
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), engine.registry, engine.reader, log.head())
        assert Follower(engine).catch_up() == 2
        assert rows(engine, "select sku, units from read_models.sums") == [("A", 12)]
    changed = ProjectionContext(database, log, TOYS, PlainReader("changed"))
    with database.connect("projector", autocommit=True) as conn:
        positions.prepare(conn.cursor(), changed.registry, changed.reader, log.head())
    assert {state for state, _ in standing(changed).values()} == {"changed"}


def read_after(engine: ProjectionContext, position: int) -> None:
    """Read them as a command does that rests on them."""
    with (
        closing(Reads(engine, connections=1)) as reads,
        reads.snapshot([each.name for each in engine.registry.projections], position),
    ):
        pass


def test_read_models_ahead_of_a_restored_log_stop_until_they_are_rebuilt(engine: ProjectionContext):
    """An older dump of the log is put under them, and the log then grows past where they were."""
    engine.log.append([delivery("A", 1, 5), delivery("A", 2, 7), delivery("A", 3, 1)])
    assert Follower(engine).catch_up() == 3
    restore(engine.database, 1)
    assert set(standing(engine).values()) == {("ahead", 3)}
    with pytest.raises(ProjectionStopped, match="Ahead of the log"):
        read_after(engine, 1)
    with pytest.raises(ProjectionStopped):
        Follower(engine).catch_up()
    engine.log.append([delivery("B", version, 2) for version in range(1, 5)])
    with pytest.raises(ProjectionStopped):
        Follower(engine).catch_up()
    assert set(standing(engine).values()) == {("stopped", 3)}
    with pytest.raises(ProjectionStopped, match="Ahead of the log"):
        read_after(engine, 2)
    rebuild(engine)
    assert Follower(engine).catch_up() == 5
    assert rows(engine, "select sku, units from read_models.sums order by 1") == [
        ("A", 5),
        ("B", 8),
    ]


def test_what_reads_a_read_model_that_is_ahead_stops_with_it(engine: ProjectionContext):
    """The rest follows on."""
    engine.log.append([delivery("A", 1)])
    Follower(engine).catch_up()
    with engine.database.connect("projector") as conn:
        conn.execute("update read_models.projections set position = 9 where name = 'deliveries'")
    for version in (2, 3):
        engine.log.append([delivery("A", version)])
        with pytest.raises(ProjectionStopped):
            Follower(engine).catch_up()
    with following(engine):
        wait_for(lambda: standing(engine)["counter"] == ("following", 3))
    assert standing(engine)["deliveries"] == ("ahead", 9)
    assert standing(engine)["shelves"] == ("stopped", 1)


def test_read_models_over_a_log_that_was_emptied_stay_as_they_are(engine: ProjectionContext):
    """They may be all that is left; nothing is written until the log grows again."""
    engine.log.append([delivery("A", 1, 5)])
    Follower(engine).catch_up()
    restore(engine.database, 0)
    with engine.database.connect("projector", autocommit=True) as conn:
        positions.prepare(conn.cursor(), engine.registry, engine.reader, engine.log.end())
    with pytest.raises(ProjectionStopped, match="up to position 1: restore the log"):
        Follower(engine).catch_up()
    with pytest.raises(ProjectionStopped, match="The log ends at 0, and the read models do not"):
        read_after(engine, 0)
    assert set(standing(engine).values()) == {("ahead", 1)}
    assert rows(engine, "select units from read_models.sums") == [(5,)]


@pytest.mark.parametrize("head", [0, 1])
def test_where_nothing_was_taken_in_changed_tables_are_made_again_only_over_an_empty_log(
    engine: ProjectionContext, head: int
):
    changed = engine._replace(reader=PlainReader("changed"))
    with engine.database.connect("projector", autocommit=True) as conn:
        positions.prepare(conn.cursor(), changed.registry, changed.reader, head)
    state = "changed" if head else "following"
    assert set(standing(changed).values()) == {(state, 0)}


def test_read_models_that_a_restored_log_has_grown_past_are_told_without_a_follower(
    engine: ProjectionContext,
):
    """Nobody looked while they were ahead: only the hash of their last event says it."""
    engine.log.append([delivery("A", 1, 5), delivery("A", 2, 7), delivery("A", 3, 1)])
    assert Follower(engine).catch_up() == 3
    restore(engine.database, 2)
    engine.log.append([delivery("B", version, 2) for version in range(1, 5)])
    assert set(standing(engine).values()) == {("diverged", 3)}
    for after in (0, 1, 5):
        with pytest.raises(ProjectionStopped, match=r"another history.*`ledger rebuild`"):
            read_after(engine, after)
    with pytest.raises(ProjectionStopped, match="another event than the log has"):
        Follower(engine).catch_up()
    assert set(standing(engine).values()) == {("stopped", 3)}
    with pytest.raises(ProjectionStopped, match="another history"):
        read_after(engine, 0)
    rebuild(engine)
    assert Follower(engine).catch_up() == 6
    read_after(engine, 6)


def test_read_models_of_a_dump_that_goes_as_far_as_they_do_follow_on(engine: ProjectionContext):
    engine.log.append([delivery("A", 1, 5), delivery("A", 2, 7), delivery("A", 3, 1)])
    Follower(engine).catch_up()
    engine.log.append([delivery("A", 4, 1)])
    restore(engine.database, 3)
    engine.log.append([delivery("B", 1, 2)])
    assert Follower(engine).catch_up() == 4
    read_after(engine, 4)


def test_what_another_took_in_meanwhile_is_not_taken_in_again(engine: ProjectionContext):
    """A batch that was read before a rebuild, or another leader, had its events."""
    engine.log.append([delivery("A", 1, 5), delivery("A", 2, 7)])
    names = list(engine.registry.by_name)
    with (
        engine.database.connect("projector", autocommit=True) as conn,
        closing(Leader(conn.cursor(), engine)) as late,
    ):
        batch = late._read(names, 0, None)
        assert Follower(engine).catch_up() == 2
        late._take_in(batch)
    assert set(standing(engine).values()) == {("following", 2)}
    assert rows(engine, "select sku, units, lines from read_models.sums") == [("A", 12, 2)]


def test_what_a_killed_database_forgot_is_taken_in_again(tmp_path: Path):
    """The follower's commits need not be on the disk: rows and positions are lost together."""
    with EmbeddedPostgres(tmp_path) as killed:
        with psycopg.connect(killed.conninfo("postgres"), autocommit=True) as admin:
            migrate(admin)
            admin.execute("alter system set wal_writer_delay = '10s'")
            admin.execute("select pg_reload_conf()")
        with shop(killed) as engine:
            engine.log.append([delivery("A", 1, 5)])
            with engine.database.connect("projector", autocommit=True) as conn:
                positions.prepare(conn.cursor(), engine.registry, engine.reader, head=0)
            assert Follower(engine).catch_up() == 1
            engine.log.append([delivery("A", 2, 7)])
            assert Follower(engine).catch_up() == 2
            os.kill(killed.pid, signal.SIGKILL)
        with EmbeddedPostgres(tmp_path) as server, shop(server) as engine:
            assert standing(engine)["deliveries"] == ("following", 1), "it was not on the disk"
            assert rows(engine, "select units from read_models.sums") == [(5,)]
            assert Follower(engine).catch_up() == 2
            assert rows(engine, "select sku, units, lines from read_models.sums") == [("A", 12, 2)]
            assert verify(engine).holds


@contextmanager
def shop(server: EmbeddedPostgres) -> Iterator[ProjectionContext]:
    """The toys over the log of a server's first database."""
    database = Database(server.conninfo("postgres"))
    with closing(Log(database.conninfo("app"))) as log:
        yield ProjectionContext(database, log, TOYS, PlainReader())


class SlowReader(PlainReader):
    """Needs a while for each event."""

    def __call__(self, recorded: RecordedEvent) -> tuple[EventContext, Sequence[AnyFact]]:
        time.sleep(0.25)
        return super().__call__(recorded)


def test_a_leader_that_reads_for_long_is_heard_of(
    engine: ProjectionContext, monkeypatch: pytest.MonkeyPatch
):
    """PostgreSQL ends the session of one that says nothing: it would begin again for ever."""
    monkeypatch.setattr("ledger.postgres.leadership.SILENT_SECONDS", 1.0)
    monkeypatch.setattr("projections.engine.follow.POLL_SECONDS", 0.2)
    slow = engine._replace(reader=SlowReader(engine.reader.fingerprint))
    engine.log.append([delivery(f"A{number}", 1) for number in range(8)])
    stop = Event()
    thread = Thread(target=Follower(slow).run, args=[stop])
    thread.start()
    wait_for(lambda: standing(engine)["deliveries"] == ("following", 8))
    stop.set()
    thread.join()


def test_a_batch_that_takes_too_long_is_taken_in_by_parts(
    engine: ProjectionContext, monkeypatch: pytest.MonkeyPatch
):
    """All of a flush is one statement to the database, and ends where that may last no longer."""
    monkeypatch.setattr("ledger.postgres.database.FOLLOW_SECONDS", 1.0)
    sizes, take_in = list[int](), Leader._take_in

    def recorded(leader: Leader, batch: Batch) -> None:
        sizes.append(len(batch.events))
        take_in(leader, batch)

    monkeypatch.setattr(Leader, "_take_in", recorded)
    engine.log.append([delivery(f"A{number}", 1) for number in range(8)])
    with engine.database.connect("projector", autocommit=True) as conn:
        conn.execute(SLOW)
    stop = Event()
    thread = Thread(target=Follower(engine).run, args=[stop])
    thread.start()
    wait_for(lambda: standing(engine)["deliveries"] == ("following", 8))
    stop.set()
    thread.join()
    assert sizes[0] == 8
    assert max(sizes[1:]) < 8, "what is too long once is not tried again"


def test_what_is_read_ahead_is_taken_in_once(
    engine: ProjectionContext, monkeypatch: pytest.MonkeyPatch
):
    """Batches of two, so that there is always one ahead: also around an event that fails."""
    monkeypatch.setattr("projections.engine.follow.FIRST_EVENTS", 2)
    monkeypatch.setattr("projections.engine.follow.BATCH_EVENTS", 2)
    engine.log.append([delivery(f"A{number}", 1, number) for number in range(1, 12)])
    engine.log.append([delivery("B", 1, POISON)])
    engine.log.append([delivery(f"C{number}", 1, 1) for number in range(8)])
    with pytest.raises(ProjectionStopped, match=r"deliveries.*: ValueError"):
        Follower(engine).catch_up()
    assert standing(engine)["deliveries"][0] == "stopped"
    assert standing(engine)["counter"] == ("following", 20)
    assert rows(engine, "select sum(units)::bigint from read_models.sums") == [(66,)]


def test_a_statement_that_is_no_sql_stops_its_projection_only(
    engine: ProjectionContext, monkeypatch: pytest.MonkeyPatch
):
    derived = next(table for table in engine.registry.tables.values() if isinstance(table, Derived))
    monkeypatch.setitem(derived.__dict__, "touched", derived.touched.replace("select", "selekt"))
    flush_function.cache_clear()
    engine.log.append([delivery("A", 1)])
    with pytest.raises(ProjectionStopped, match=r"shelves: syntax error .*SyntaxError"):
        Follower(engine).catch_up()
    flush_function.cache_clear()
    assert standing(engine)["deliveries"] == ("following", 1)
