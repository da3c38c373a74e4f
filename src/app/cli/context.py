"""What verbs are made of: settings, the engine, and read models that are up to date."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from getpass import getuser
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import VERB, complain, show
from ledger.errors import ProjectionStopped, StatesMissing, StoreUnavailable

if TYPE_CHECKING:
    from ledger.command_handler import CommandHandler
    from ledger.domain.aggregate import Command
    from ledger.domain.events import Metadata
    from ledger.settings import Settings
    from projections.engine.build import ProjectionContext
    from projections.engine.reads import Reads

MAY_MAKE = frozenset(
    (
        "backfill",
        "demo",
        "follow",
        "import",
        "import-orders",
        "migrate",
        "serve",
        "stock define",
        "stripe pull",
        "token issue",
    )
)
"""The verbs that make a ledger where there is none, because they may be the first thing that is
done with it, and that migrate one of an older version. Every other verb works on a ledger that
exists and is of this version, or says that it is not."""


def may_make() -> bool:
    """Whether the verb that runs is one of `MAY_MAKE`."""
    return VERB.get() in MAY_MAKE


def ready() -> Settings:
    """The settings, checked; warnings of what follows go to stderr.

    Raises `NoLedger` where there is none, unless the verb may make one.
    """
    from ledger import settings, telemetry
    from ledger.postgres.database import check_ledger

    loaded = settings.load()
    telemetry.configure("warning")
    for told in settings.no_settings():
        complain("[yellow]settings[/] ", told)
    if not may_make():
        with suppress(StoreUnavailable):  # the verb itself finds out, and says so
            check_ledger(loaded)
    return loaded


@contextmanager
def engine() -> Generator[ProjectionContext]:
    """The engine of the settings, and the embedded database if no other process runs it already."""
    from app.wiring import open_engine

    with open_engine(ready(), migrates=may_make()) as opened:
        yield opened


@contextmanager
def engine_that_is_new() -> Generator[tuple[ProjectionContext, bool]]:
    """The engine, and whether no read model was ever built before it was opened."""
    from app.wiring import make_engine, open_log
    from projections.engine.positions import furthest

    settings = ready()
    with open_log(settings, migrates=may_make()) as (database, log):
        with database.connect("reader") as conn, conn.cursor() as cursor:
            is_new = furthest(cursor) is None
        yield make_engine(settings, database, log), is_new


def looked_at() -> str:
    """Which ledger a verb looked at, for people."""
    from ledger import settings
    from ledger.postgres.database import place

    return place(settings.load())


@contextmanager
def reading() -> Generator[tuple[ProjectionContext, Reads]]:
    """The engine and reads of it, brought up to date."""
    from projections.engine.reads import Reads

    with engine() as opened, closing(Reads(opened)) as reads:
        catch_up(opened)
        yield opened, reads


def catch_up(engine: ProjectionContext) -> bool:
    """Bring the read models up to the head; says on stderr why that failed, and answers no."""
    from projections.engine.follow import Follower

    try:
        Follower(engine).catch_up()
    except (ProjectionStopped, StatesMissing) as error:
        complain(f"[bold yellow]{type(error).__name__}[/] ", str(error))
        return False
    return True


def a_time(text: str, now: datetime) -> datetime:
    """A time that a person wrote; without a zone it is UTC."""
    try:
        if text.endswith("d"):
            return now - timedelta(days=int(text[:-1]))
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no time; write 2026-01-31 or 7d.") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def a_past_time(text: str, now: datetime, option: str) -> datetime:
    """A time that a person wrote after which something is looked for: it lies in the past."""
    moment = a_time(text, now)
    if moment > now:
        raise typer.BadParameter(
            f"{text!r} lies in the future; now it is {now:%FT%TZ}.", param_hint=option
        )
    return moment


Reason = Annotated[str | None, typer.Option(help="Why, for the audit log.")]


def operator(reason: str | None) -> Metadata:
    """Who acts from the terminal, and why."""
    from ledger.domain.events import Metadata

    return Metadata(actor="operator", actor_name=_user(), role="admin", reason=reason)


def _user() -> str | None:
    """The user of the operating system; None for one without a name, as in a container."""
    try:
        return getuser()
    except (KeyError, OSError):
        return None


def carry_out(command: Command, reason: str | None, done: str) -> None:
    """Carry out a command that says all that it rests on, and say so."""
    with reading() as (_, reads):
        execute(reads, command, reason, done)


def handler_of(reads: Reads) -> CommandHandler:
    """What carries out commands; money rests on the read models, which are up to date."""
    from ledger.command_handler import CommandHandler

    return CommandHandler(reads.engine.log, reads.money, reads.payment)


def execute(reads: Reads, command: Command, reason: str | None, done: str) -> None:
    """Carry out a command and say so."""
    result = handler_of(reads).execute(command, operator(reason))
    (name,) = result.value.values()
    recorded = result.recorded or ()
    if not recorded:
        done = "nothing to record, it stands as before"
    elif "order.allocation_failed.v1" in recorded:
        done = "still without goods"
    show(result.document(), lambda: f"{done}: {name} (position {result.position:,})")
