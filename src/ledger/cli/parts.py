"""What verbs are made of: settings, the engine, and read models that are up to date."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import typer

from ledger.cli.output import complain
from ledger.errors import ProjectionStopped

if TYPE_CHECKING:
    from ledger.settings import Settings
    from projections.engine.build import Engine


def ready() -> Settings:
    """The settings, checked; warnings of what follows go to stderr."""
    from ledger import settings, telemetry

    loaded = settings.load()
    telemetry.configure("warning")
    return loaded


@contextmanager
def engine() -> Generator[Engine]:
    """The engine of the settings, and the embedded database as long as nobody else runs it."""
    from ledger.service import open_engine

    with open_engine(ready()) as opened:
        yield opened


def catch_up(engine: Engine) -> bool:
    """Bring the read models up to the head; says on stderr which do not follow, and answers no."""
    from projections.engine.follow import Follower

    try:
        Follower(engine).catch_up()
    except ProjectionStopped as error:
        complain("[bold yellow]ProjectionStopped[/] ", str(error))
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
