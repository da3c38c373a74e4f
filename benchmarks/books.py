"""The books of a busy month: its trial balance, its journal as files beside `COPY … csv`, explain.

And a rebuild of all read models, beside one without the books.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from time import perf_counter
from typing import Any, Final, NamedTuple

from psycopg.rows import dict_row

from benchmarks.checks import engine_of, prepare
from benchmarks.load import percentile
from benchmarks.logs import shop_log
from benchmarks.measuring import RATE, Figure, Goal, Sample, alternate
from benchmarks.processes import in_child, peak_megabytes
from benchmarks.rebuild import fill
from benchmarks.server import Server, settle
from books.entries import entries
from books.trial import trial
from kpi.exports.catalogue.journal import POSTINGS
from kpi.exports.declare import export
from kpi.exports.formats import Format
from kpi.exports.transfer import Asked, begin
from kpi.windows import Window
from ledger.disclosures import DisclosureLog
from ledger.domain.events import Metadata, NewEvent, StripeObjectObserved
from ledger.domain.streams import observed
from ledger.log import Log
from ledger.postgres.database import UNLIMITED, Database
from projections.engine.reads import Reads
from projections.engine.rebuild import rebuild
from projections.engine.tables import trusted

PERIOD: Final = "2026-09"
SEPTEMBER: Final = Window(date(2026, 9, 1), date(2026, 9, 30))
AUGUST: Final = Window(date(2026, 8, 1), date(2026, 8, 31))
BEGIN: Final = datetime(2026, 9, 1, tzinfo=UTC)
COPY: Final = "COPY … csv of the same query"
WITH, WITHOUT = "rebuild with the books", "rebuild without the books"
EVENTS_A_TRANSACTION: Final = 6
"""In the log that is rebuilt: about as many events a paid order has."""
FILES: Final = (Format.CSV, Format.BEANCOUNT, Format.HLEDGER)
STRIPE: Final = Metadata(actor="stripe")


class Scale(NamedTuple):
    """How much is measured: of so many transactions, a tenth in the month before."""

    rounds: int
    transactions: int
    requests: int


FULL = Scale(rounds=3, transactions=200_000, requests=100)
QUICK = Scale(rounds=1, transactions=1_000, requests=5)


def measure(server: Server, scale: Scale) -> list[Figure]:
    """On one log of so many balance transactions, each file in a process of its own."""
    database = server.database()
    fill(database, balance_log(scale.transactions))
    in_child(prepare, database)
    settle(database)
    postings = int(in_child(count_postings, database)["postings"])
    taken = alternate(
        scale.rounds,
        {
            **{
                chosen.value: lambda _, chosen=chosen: in_child(export_journal, database, chosen)
                for chosen in FILES
            },
            COPY: lambda _: in_child(copy_journal, database),
        },
    )
    few = {chosen: in_child(export_journal, database, chosen, AUGUST) for chosen in FILES}
    trials = [in_child(trial_p95, database, scale.requests) for _ in range(scale.rounds)]
    explained = [in_child(explain_p95, database, scale.requests) for _ in range(scale.rounds)]
    shop = server.database()
    few_each = scale.transactions // EVENTS_A_TRANSACTION
    fill(shop, chain(shop_log("books", scale.transactions), balance_log(few_each)))
    settle(shop)
    rebuilt = alternate(
        scale.rounds,
        {
            WITHOUT: lambda _: in_child(rebuild_books, shop, with_books=False),
            WITH: lambda _: in_child(rebuild_books, shop, with_books=True),
        },
    )
    return [
        Figure(
            what=f"{WITH}, a balance transaction to {EVENTS_A_TRANSACTION} events",
            unit="/s",
            samples=rebuilt.of(WITH),
            beside=rebuilt.beside(WITHOUT),
            goals=(Goal("≥", 0.8, against=WITHOUT),),
        ),
        Figure(
            what=f"entries of a transaction and their reasons, {postings:,} postings, p95",
            unit="ms",
            samples=tuple(sample["p95_ms"] for sample in explained),
            goals=(Goal("<", 10),),
        ),
        Figure(
            what=f"trial balance of a month, {postings:,} postings, p95",
            unit="ms",
            samples=tuple(sample["p95_ms"] for sample in trials),
            goals=(Goal("<", 50),),
        ),
        *(
            Figure(
                what=f"postings of the journal, {chosen.value}",
                unit="/s",
                samples=taken.of(chosen.value),
                beside=taken.beside(COPY),
                goals=(Goal("≥", 50_000),),
            )
            for chosen in FILES
        ),
        *(
            Figure(
                what=f"memory that the month took more than a ninth of it, peak, {chosen.value}",
                unit="MB",
                samples=tuple(
                    peak - few[chosen]["peak_mb"] for peak in taken.of(chosen.value, "peak_mb")
                ),
                goals=(Goal("<", 10),),
            )
            for chosen in FILES
        ),
    ]


def balance_log(transactions: int) -> Iterator[NewEvent]:
    """Charges with fees and tax on them, as a pull brings them; every tenth was in August."""
    seconds = 30 * 86_400 // transactions or 1
    for number in range(transactions):
        made = BEGIN + timedelta(seconds=number * seconds % (29 * 86_400))
        made -= timedelta(days=31 if number % 10 == 9 else 0)
        yield _observed(number, int(made.timestamp()))


def _observed(number: int, created: int) -> NewEvent:
    transaction_id, amount = f"txn_{number}", 990 + number % 7_000
    fees = {"stripe_fee": 40, "tax": 8}
    thing: dict[str, Any] = {
        "id": transaction_id,
        "object": "balance_transaction",
        "amount": amount,
        "available_on": created + 2 * 86_400,
        "balance_type": "payments",
        "created": created,
        "currency": "eur",
        "fee": 48,
        "fee_details": [
            {"amount": minor, "currency": "eur", "type": kind} for kind, minor in fees.items()
        ],
        "net": amount - 48,
        "reporting_category": "charge",
        "source": f"ch_{number}",
        "type": "charge",
    }
    event = StripeObjectObserved(
        kind="balance_transaction",
        object_id=transaction_id,
        body=json.dumps(thing).encode(),
        fetched_at=BEGIN,
        path="/v1/balance_transactions",
        livemode=False,
    )
    return NewEvent(observed(event.kind, transaction_id, None), 1, event, BEGIN, STRIPE)


def count_postings(database: Database) -> Sample:
    """How many there are in all."""
    with database.connect("reader") as conn:
        row = conn.execute("select count(*) from read_models.postings").fetchone()
    assert row is not None
    return {"postings": row[0]}


def trial_p95(database: Database, requests: int) -> Sample:
    """The month's trial balance, again and again."""
    seconds: list[float] = []
    with database.connect("reader") as conn, conn.cursor(row_factory=dict_row) as cursor:
        conn.execute("set search_path = read_models")
        for _ in range(requests):
            started = perf_counter()
            assert trial(cursor, PERIOD).balances
            seconds.append(perf_counter() - started)
    return {"p95_ms": 1000 * percentile(sorted(seconds), 95)}


def explain_p95(database: Database, requests: int) -> Sample:
    """What transactions came to, one after the other."""
    seconds: list[float] = []
    with database.connect("reader") as conn, conn.cursor(row_factory=dict_row) as cursor:
        conn.execute("set search_path = read_models")
        for number in range(requests):
            started = perf_counter()
            assert entries(cursor, f"txn_{number}").parts
            seconds.append(perf_counter() - started)
    return {"p95_ms": 1000 * percentile(sorted(seconds), 95)}


def rebuild_books(database: Database, *, with_books: bool) -> Sample:
    """All read models, or all but postings and what is summed up of them."""
    with closing(Log(database.conninfo("app"), connections=2)) as log:
        engine = engine_of(database, log)
        names = set(engine.registry.by_name) - (set() if with_books else {"postings"})
        engine = engine._replace(registry=engine.registry.only(names))
        started = perf_counter()
        _, position = rebuild(engine)
        return {RATE: position / (perf_counter() - started)}


def export_journal(database: Database, chosen: Format, window: Window = SEPTEMBER) -> Sample:
    """Write the journal to nowhere."""
    asked = Asked(export("journal"), window, chosen, {})
    with (
        closing(Log(database.conninfo("app"), connections=2)) as log,
        closing(Reads(engine_of(database, log))) as reads,
    ):
        started = perf_counter()
        with closing(begin(reads, DisclosureLog(log), asked, Metadata(actor="bench"))) as transfer:
            for _ in transfer.chunks:
                pass
        seconds = perf_counter() - started
    return {RATE: transfer.rows / seconds, "peak_mb": peak_megabytes()}


def copy_journal(database: Database) -> Sample:
    """What PostgreSQL itself writes of the same rows."""
    days = {"first": SEPTEMBER.first, "last": SEPTEMBER.last, "currency": None}
    with database.connect("reader", seconds=UNLIMITED) as conn, conn.cursor() as cursor:
        conn.execute("set search_path = read_models")
        started = perf_counter()
        with cursor.copy(trusted(f"copy ({POSTINGS.sql}) to stdout (format csv)"), days) as copy:
            rows = sum(bytes(block).count(b"\n") for block in copy)
        return {RATE: rows / (perf_counter() - started)}
