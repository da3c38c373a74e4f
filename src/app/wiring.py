"""Wiring: the parts that the service, the follower and the command line share, made of settings."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from threading import Event

from app import purchase_orders
from app.alerts.channels import CHANNELS
from app.alerts.deliver import LOOK_SECONDS as ALERT_SECONDS
from app.alerts.deliver import Alerts
from app.order_expiry import Expiry
from app.processes import heartbeat
from app.purchase_orders import PurchaseOrders
from app.reactor import Reactor
from app.refunds import LOOK_SECONDS as REFUND_SECONDS
from app.refunds import Refunder, RefundsState
from app.scheduler import Job, Scheduler
from app.stripe_refresh import Refresher
from kpi.checks.ask import Limits
from kpi.checks.declare import catalogue
from kpi.exports.declare import exports
from kpi.jobs import LOOK_SECONDS, CheckJob, SnapshotJob
from ledger import saved_filters
from ledger.archive import segments
from ledger.archive.store import Store
from ledger.command_handler import CommandHandler
from ledger.domain.alerts import ALERT_RULES
from ledger.errors import ArchiveUnavailable, InvalidRequest, SettingsError
from ledger.log import Log, store_errors
from ledger.postgres.database import Database, open_database
from ledger.settings import Settings
from projections.engine import engines, fold_objects, positions
from projections.engine.build import ProjectionContext
from projections.engine.folding import FoldedArchive
from projections.engine.follow import Follower
from projections.engine.reads import Reads
from projections.engine.registry import discover
from webhooks.recheck import Rechecker
from webhooks.stripe_client import StripeClient
from webhooks.translate.translator import Translator


def translator(settings: Settings) -> Translator:
    """How this instance reads stored events."""
    return Translator(
        mode=settings.ledger_mode, order_metadata_key=settings.ledger_order_metadata_key
    )


def stripe_client(settings: Settings, account: str | None = None) -> StripeClient:
    """Stripe's API by the key of the settings; raises `SettingsError` without one."""
    if settings.stripe_api_key is None:
        raise SettingsError(
            "STRIPE_API_KEY is not set: make a restricted key that may read, in Stripe's dashboard,"
            " Developers, API keys; `ledger connect` says what it needs."
        )
    return StripeClient(
        settings.stripe_api_key.get_secret_value(),
        settings.stripe_api_base,
        account=account,
        calls_per_second=settings.stripe_calls_per_second,
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
        "alert_deliveries": {"rule": [*ALERT_RULES], "channel": [each.name for each in CHANNELS]},
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


def folded_archive(
    settings: Settings, on: str = engines.PROCESSES, *, again: bool = False
) -> FoldedArchive | None:
    """What is sealed in the archive of the settings, folded on an engine; None for no archive.

    Raises `InvalidRequest` for what is no engine, `ArchiveUnavailable`, `ArchiveDamaged`.
    """
    engines.check(on)
    if not settings.ledger_archive:
        return None
    try:
        store = Store(settings.ledger_archive)
    except InvalidRequest as error:  # of the settings, not of what a caller asked
        raise ArchiveUnavailable(str(error)) from error
    there = segments.manifests(store)
    sealed = segments.from_the_first(there)
    return FoldedArchive(store.address, sealed, on, again=again, beyond=there[len(sealed) :])


def fold_job(settings: Settings, address: str) -> fold_objects.Job:
    """What a rebuild of all read models folds from the archive at an address."""
    zone = settings.ledger_time_zone.key
    reader = translator(settings)
    return fold_objects.job_of(address, discover(), reader, zone, fold_objects.PARTS)


@contextmanager
def open_log(settings: Settings, *, migrates: bool = True) -> Generator[tuple[Database, Log]]:
    """The database of the settings and its log, open for the length of the block.

    `migrates` is as for `open_database`. A loss of the database within the block becomes
    `StoreUnavailable`.
    """
    with (
        open_database(settings, migrates=migrates) as database,
        store_errors(),
        closing(Log.of(database)) as log,
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
        command_handler = CommandHandler(engine.log, reads.money)
        timers = Scheduler(engine.database, jobs(settings, command_handler, reads))
        running = [
            beside.submit(each.run, stop) for each in (Reactor(command_handler, reads), timers)
        ]
        for each in running:
            each.add_done_callback(lambda _: stop.set())
        try:
            Follower(engine).run(stop, heartbeat())
        finally:
            stop.set()
    for each in running:
        each.result()  # raises what ended it


def _refresh(settings: Settings, engine: ProjectionContext) -> list[Job]:
    """What is read of Stripe by the clock, where there is a key."""
    if settings.stripe_api_key is None:
        return []
    refresher = Refresher(engine, stripe_client(settings), settings.ledger_mode)
    return [Job("stripe", 60 * settings.ledger_refresh_minutes, refresher.run)]


def refunder(
    settings: Settings, reads: Reads, follow: Callable[[], object] = lambda: None
) -> Refunder:
    """What makes refunds at Stripe; `follow` is as for `Refunder`.

    Its calls raise `SettingsError` without a key.
    """

    def client_of(account: str | None) -> StripeClient:
        return stripe_client(settings, account)

    return Refunder(reads, client_of, settings.ledger_mode, follow=follow)


def _refunds(settings: Settings, reads: Reads) -> list[Job]:
    """Refunds that were requested, where a key and a setting say that they are made."""
    if not RefundsState.of(settings).is_on:
        return []
    return [Job("refunds", REFUND_SECONDS, refunder(settings, reads).run)]


def jobs(settings: Settings, command_handler: CommandHandler, reads: Reads) -> list[Job]:
    """What the leading one of several processes does by the clock."""
    limits = Limits.of(settings)
    checks = CheckJob(reads.engine, settings.ledger_checks_minutes, limits)
    snapshots = SnapshotJob(
        reads.engine, settings.ledger_snapshot_minutes, settings.ledger_proof_hours
    )
    return [
        *_refresh(settings, reads.engine),
        *_refunds(settings, reads),
        Job(
            "expiry",
            settings.ledger_expire_seconds,
            Expiry(command_handler, reads, longest_payment=limits.pending_payment).run,
        ),
        *_orders_from(settings, command_handler, reads),
        *_alerts(settings, reads),
        Job("saved_filters", saved_filters.LOOK_SECONDS, _remove_saved_filters(reads)),
        Job("checks", LOOK_SECONDS, checks.look),
        Job("snapshots", LOOK_SECONDS, snapshots.take),
        Job("proofs", LOOK_SECONDS, snapshots.prove),
    ]


def _remove_saved_filters(reads: Reads) -> Callable[[Event], None]:
    """Removes what people saved whose tokens are over."""
    return lambda _stop: saved_filters.remove_ended(reads.engine.database, reads.engine.log)


def _alerts(settings: Settings, reads: Reads) -> list[Job]:
    """What tells of trouble outside, where a channel is set up."""
    alerts = Alerts(reads, settings)
    return [Job("alerts", ALERT_SECONDS, alerts.run)] if alerts.channels else []


def _orders_from(
    settings: Settings, command_handler: CommandHandler, reads: Reads
) -> Iterator[Job]:
    """What makes orders of purchases, where a setting asks for it."""
    if settings.ledger_orders_from:
        reservation = timedelta(minutes=settings.ledger_reservation_minutes)
        made = PurchaseOrders(command_handler, reads, settings.ledger_orders_from, reservation)
        yield Job("orders_from", purchase_orders.LOOK_SECONDS, made.run)
