"""What verbs of the books share: their group, their options, and read models to look at."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from app.cli.context import a_time, catch_up, reading
from app.cli.output import NOTHING_CHANGED, progress

if TYPE_CHECKING:
    from projections.engine.build import ProjectionContext
    from projections.engine.replay import DictCursor

app = typer.Typer(
    name="books", help="The books: accounts, trial balances, periods.", no_args_is_help=True
)

Period = Annotated[str, typer.Argument(metavar="PERIOD", help="A month, as 2026-09.")]
OfPeriod = Annotated[str, typer.Option("--period", metavar="MONTH", help="A month, as 2026-09.")]
ToPeriod = Annotated[
    str | None,
    typer.Option("--to", metavar="MONTH", help="The last month of several, as 2026-12."),
]
OrThisMonth = Annotated[
    str | None,
    typer.Option("--period", metavar="MONTH", help="A month, as 2026-09; without, this one."),
]
CurrencyOption = Annotated[
    str | None, typer.Option("--currency", metavar="CODE", help="One currency only: gbp.")
]
AsOf = Annotated[
    str | None,
    typer.Option(
        metavar="POSITION|TIME",
        help="As it was known then; replays the log from event 1 up to there.",
    ),
]
Transaction = Annotated[str, typer.Argument(metavar="TRANSACTION", help="As txn_1QxYz.")]
Why = Annotated[str, typer.Option("--reason", help="Why, for the audit log.")]
WhyOrDry = Annotated[
    str | None,
    typer.Option("--reason", help="Why, for the audit log; not needed for a dry run."),
]


@contextmanager
def books() -> Generator[tuple[ProjectionContext, DictCursor]]:
    """The read models of the books, brought up to date."""
    from books.entries import READS

    with reading() as (opened, reads), reads.snapshot(READS, current=True) as cursor:
        yield opened, cursor


class AsKnown(NamedTuple):
    """Tables as they are now, or as they were known at a position and its time."""

    cursor: DictCursor
    position: int | None = None
    at: datetime | None = None


@contextmanager
def as_of_books(opened: ProjectionContext, as_of: str | None) -> Generator[AsKnown]:
    """Tables as they are now, or as they were known at a position or a time."""
    from contextlib import closing

    from app.cli.kpi import position_of
    from books.trial import READS
    from projections.engine.reads import Reads
    from projections.engine.replay import replayed

    if as_of is None:
        catch_up(opened)
        with closing(Reads(opened)) as reads, reads.snapshot(READS, current=True) as cursor:
            yield AsKnown(cursor)
        return
    position, zone = position_of(opened, as_of), opened.database.time_zone
    (event,) = opened.log.at([position])
    at = event.recorded_at if as_of.isdecimal() else a_time(as_of, datetime.now(UTC))
    with (
        progress("replaying", NOTHING_CHANGED) as told,
        replayed(opened, position, zone, READS, told) as cursor,
    ):
        yield AsKnown(cursor, position, at)


def today_of(opened: ProjectionContext) -> date:
    """The day in the reporting zone."""
    from zoneinfo import ZoneInfo

    return opened.log.now().astimezone(ZoneInfo(opened.database.time_zone)).date()
