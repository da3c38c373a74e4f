"""Wiring: the parts that the service, the follower and the command line share, made of settings."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Event

from app.order_expiry import Expiry
from app.processes import heartbeat
from app.reactor import Reactor
from app.scheduler import Job, Scheduler
from kpi.checks.ask import Limits
from kpi.checks.declare import catalogue
from kpi.exports.declare import exports
from kpi.jobs import LOOK_SECONDS, CheckJob, SnapshotJob
from ledger.command_handler import CommandHandler
from ledger.log import Log, store_errors
from ledger.postgres.database import Database, open_database
from ledger.settings import Settings
from projections.engine import positions
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.reads import Reads
from projections.engine.registry import discover
from webhooks.recheck import Rechecker
from webhooks.translate.translator import Translator


def translator(settings: Settings) -> Translator:
    """How this instance reads stored events."""
    return Translator(
        mode=settings.ledger_mode, order_metadata_key=settings.ledger_order_metadata_key
    )


def rechecker(settings: Settings) -> Rechecker:
    """How signatures of stored events are checked again: by all secrets, retired ones too."""
    return Rechecker(
        tuple(
            secret.get_secret_value()
            for secret in (
                *settings.stripe_webhook_secrets,
                *settings.stripe_retired_webhook_secrets,
            )
        )
    )


def known_words() -> dict[str, dict[str, list[str]]]:
    """Words that filters of lists may have before any row has them: checks, and exports."""
    return {
        "issues": {
            "check": sorted(each.name for each in catalogue()),
            "kind": sorted({each.kind for each in catalogue()}),
        },
        "export_log": {"name": [each.name for each in exports()]},
    }


def make_engine(settings: Settings, database: Database, log: Log) -> ProjectionContext:
    """What the read models are made of; makes their tables where the log is empty."""
    engine = ProjectionContext(
        database, log, discover(), translator(settings), rechecker(settings), known_words()
    )
    with database.connect("projector", autocommit=True) as conn, conn.cursor() as cursor:
        positions.prepare(cursor, engine.registry, engine.reader, log.head())
    return engine


@contextmanager
def open_log(settings: Settings, *, migrates: bool = True) -> Generator[tuple[Database, Log]]:
    """The database of the settings and its log, open for the length of the block.

    `migrates` is as for `open_database`. A loss of the database within the block becomes
    `StoreUnavailable`.
    """
    with (
        open_database(settings, migrates=migrates) as database,
        store_errors(),
        closing(Log(database.conninfo("app"), limits=database.limits)) as log,
    ):
        yield database, log


@contextmanager
def open_engine(settings: Settings, *, migrates: bool = True) -> Generator[ProjectionContext]:
    """The engine of the settings, for the length of the block; raises what `open_log` raises."""
    with open_log(settings, migrates=migrates) as (database, log):
        yield make_engine(settings, database, log)


def follow(settings: Settings, engine: ProjectionContext, stop: Event) -> None:
    """Keep the read models up to date, react to what they show, and run the timers, until stop."""
    with closing(Reads(engine)) as reads, ThreadPoolExecutor(2, "beside") as beside:
        desk = CommandHandler(engine.log, reads.money)
        timers = Scheduler(engine.database, jobs(settings, desk, reads))
        running = [beside.submit(each.run, stop) for each in (Reactor(desk, reads), timers)]
        for each in running:
            each.add_done_callback(lambda _: stop.set())
        try:
            Follower(engine).run(stop, heartbeat())
        finally:
            stop.set()
    for each in running:
        each.result()  # raises what ended it


def jobs(settings: Settings, desk: CommandHandler, reads: Reads) -> list[Job]:
    """What the leading one of several processes does by the clock."""
    limits = Limits.of(settings)
    checks = CheckJob(reads.engine, settings.ledger_checks_minutes, limits)
    snapshots = SnapshotJob(
        reads.engine, settings.ledger_snapshot_minutes, settings.ledger_proof_hours
    )
    return [
        Job(
            "expiry",
            settings.ledger_expire_seconds,
            Expiry(desk, reads, longest_payment=limits.pending_payment).run,
        ),
        Job("checks", LOOK_SECONDS, checks.look),
        Job("snapshots", LOOK_SECONDS, snapshots.take),
        Job("proofs", LOOK_SECONDS, snapshots.prove),
    ]
