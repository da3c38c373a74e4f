"""Appending in batches: our recorder, the library's stock recorder one by one, and a bare COPY."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import islice
from typing import Any, ClassVar, Final, NamedTuple

import psycopg
from eventsourcing.application import Application
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Literal

from benchmarks.logs import mean_state_bytes, stripe_log
from benchmarks.measuring import Figure, Goal, Sample, alternate, timed
from benchmarks.server import Server, run_sql
from ledger.domain.events import NewEvent
from ledger.log import Log
from ledger.postgres.database import Database

BATCHES: Final = "batches of 64"
STOCK: Final = "the stock recorder"
COPY: Final = "COPY of the same rows, the limit"
BATCH_EVENTS: Final = 64


class Scale(NamedTuple):
    """How much is measured, in events a repetition."""

    rounds: int
    events: int
    stock_events: int


FULL = Scale(rounds=5, events=25_600, stock_events=2_560)
QUICK = Scale(rounds=2, events=2_560, stock_events=128)


class StockApplication(Application[str]):
    """The library with its own recorder and tables; only the mapper is ours, for equal bytes."""

    name = ""
    env: ClassVar[dict[str, str]] = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "MAPPER_TOPIC": "ledger.mapper:LedgerMapper",
        "ORIGINATOR_ID_TYPE": "text",
    }

    def __init__(self, database: Database) -> None:
        super().__init__(library_settings(database))

    def count(self) -> int:
        """How many events it holds."""
        return self.recorder.max_notification_id() or 0


def library_settings(database: Database) -> Mapping[str, str]:
    """The library's environment for a connection as the migrating user."""
    at: dict[str, Any] = conninfo_to_dict(database.admin_conninfo)
    return {
        "POSTGRES_DBNAME": at["dbname"],
        "POSTGRES_HOST": at["host"],
        "POSTGRES_PORT": str(at["port"]),
        "POSTGRES_USER": at["user"],
        "POSTGRES_PASSWORD": "",
    }


def measure(server: Server, scale: Scale) -> list[Figure]:
    """Events a second of each, in turns."""
    ours = server.database()
    run_sql(ours, "create table copied (like ledger.stored_events including all)")
    with (
        closing(Log(ours.conninfo("app"), connections=1)) as log,
        closing(StockApplication(server.empty_database())) as stock,
    ):
        taken = alternate(
            scale.rounds,
            {
                BATCHES: lambda turn: _append(log, list(stripe_log(f"ours {turn}", scale.events))),
                STOCK: lambda turn: _put(
                    stock, list(stripe_log(f"stock {turn}", scale.stock_events))
                ),
                COPY: lambda _: _copy(ours, scale.events),
            },
        )
        assert log.head() == scale.rounds * scale.events
        assert stock.count() == scale.rounds * scale.stock_events
    return [
        Figure(
            what="events appended in batches of 64",
            unit="/s",
            samples=taken.of(BATCHES),
            beside=taken.beside(STOCK, COPY),
            goals=(Goal("≥", 12, against=STOCK),),
        ),
        Figure(what="size of a stored event, mean", unit="B", samples=(mean_state_bytes(ours),)),
    ]


def _append(log: Log, entries: list[NewEvent]) -> Sample:
    def work() -> None:
        for batch in _batches(entries):
            log.append_new(batch)

    return timed(len(entries), work)


def _put(stock: StockApplication, entries: list[NewEvent]) -> Sample:
    def work() -> None:
        for entry in entries:
            stock.events.put([entry])

    return timed(len(entries), work)


def _copy(database: Database, events: int) -> Sample:
    """The rows that were appended last, once more, as PostgreSQL's own binary COPY."""
    with psycopg.connect(database.admin_conninfo, autocommit=True) as admin:
        last_rows = SQL(
            "copy (select * from ledger.stored_events order by notification_id desc limit {})"
            " to stdout (format binary)"
        ).format(Literal(events))
        with admin.cursor().copy(last_rows) as source:
            rows = b"".join(source)
        admin.execute("truncate copied")
        sample = timed(events, lambda: _write(admin, rows))
        copied = admin.execute("select count(*) from copied").fetchone()
    assert copied == (events,)
    return sample


def _write(admin: psycopg.Connection, rows: bytes) -> None:
    with admin.cursor().copy("copy copied from stdin (format binary)") as target:
        target.write(rows)


def _batches(entries: list[NewEvent]) -> Iterator[list[NewEvent]]:
    rest = iter(entries)
    while batch := list(islice(rest, BATCH_EVENTS)):
        yield batch
