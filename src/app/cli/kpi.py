"""`ledger kpi …`: figures of a window, what they are, and snapshots of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import a_time, catch_up, engine
from app.cli.output import BAD_ANSWER, NOTHING_CHANGED, counted, progress, show, table
from ledger.domain.text import as_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from kpi.report import Report, Shown
    from kpi.snapshots import Proven, Taken
    from kpi.windows import Window
    from projections.engine.build import ProjectionContext

app = typer.Typer(name="kpi", help="Figures, and proofs of them.", no_args_is_help=True)

WindowDays = Annotated[
    str | None, typer.Option("--window", metavar="DAYS", help="7, 30 (the default) or 90 days.")
]
From = Annotated[str | None, typer.Option("--from", metavar="DATE", help="The first day.")]
To = Annotated[str | None, typer.Option("--to", metavar="DATE", help="The last day, included.")]
CurrencyOption = Annotated[
    str | None, typer.Option("--currency", metavar="CODE", help="One currency only: gbp.")
]


@app.command("show", epilog="Example: ledger kpi show --window 7 --compare")
def show_figures(
    *,
    window: WindowDays = None,
    first: From = None,
    last: To = None,
    currency: CurrencyOption = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare with as many days right before.")
    ] = False,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="POSITION|TIME",
            help="As it was known then; replays the log from event 1 up to there.",
        ),
    ] = None,
) -> None:
    """Show every figure of a window of days, by currency.

    Left out of the table of a currency are figures of orders where no payment is of one, and those
    of Stripe's balance while none of its transactions is known.
    Complete says: every event recorded so far that can be read, of the mode that counts, is
    counted, and no day of the window is yet to come.
    """
    with engine() as opened:
        days = window_of(opened, window, first, last)
        before = days.previous if compare else None
        made = _report(opened, days, before, currency, as_of)
    show(_document(made), lambda: _view(made))


@app.command(epilog="Example: ledger kpi definitions")
def definitions() -> None:
    """List the figures: what each is, its unit and its class."""
    from kpi.declare import catalogue, definition

    every = [definition(each) for each in catalogue().values()]
    show(
        every,
        lambda: table(
            ["=id", "unit", "class", "formula"],
            ((d["id"], d["unit"], d["kind"], d["formula"]) for d in every),
        ),
    )


@app.command(epilog="Example: ledger kpi snapshot --days 90")
def snapshot(
    days: Annotated[int, typer.Option(min=1, max=3660, help="How many days back.")] = 90,
) -> None:
    """Record the figures of the last days.

    Of each day by itself, and of the windows of 7, 30 and 90 days that end with it.
    """
    from kpi.snapshots import take

    with engine() as opened:
        catch_up(opened)
        taken = take(opened, _today(opened), opened.log.now(), days)
    show(taken._asdict(), lambda: _taken(taken))


@app.command(epilog="Example: ledger kpi verify")
def verify(
    position: Annotated[
        int | None, typer.Option(help="The run as of this position; default: the latest.")
    ] = None,
) -> None:
    """Prove a snapshot: compute it again from event 1.

    As of the position that it was taken at. Exits 1 where a figure differs.
    """
    from kpi.snapshots import prove

    with engine() as opened, progress("proving", NOTHING_CHANGED) as report:
        proven = prove(opened, opened.log.now(), position, report)
    show(proven._asdict(), lambda: "\n".join(_verdict(proven)))
    if proven.differences:
        raise typer.Exit(BAD_ANSWER)


def window_of(
    opened: ProjectionContext,
    window: str | None,
    first: str | None,
    last: str | None,
    period: str | None = None,
) -> Window:
    """The days that a person asks for; today is that of the reporting zone."""
    from kpi.windows import parse

    return parse(_today(opened), window=window, first=first, last=last, period=period)


def _today(opened: ProjectionContext, position: int | None = None) -> date:
    """The last day that has begun, or had as of a position."""
    from zoneinfo import ZoneInfo

    from kpi.as_of import known_until

    return known_until(opened.log, ZoneInfo(opened.database.time_zone), position)


def _report(
    opened: ProjectionContext,
    days: Window,
    before: Window | None,
    currency: str | None,
    as_of: str | None,
) -> Report:
    from contextlib import closing

    from kpi.as_of import replayed
    from kpi.report import report
    from projections.engine.reads import Reads

    code = currency.lower() if currency else None
    if as_of is None:
        catch_up(opened)
        with closing(Reads(opened)) as reads, reads.snapshot(current=True) as cursor:
            return report(cursor, days, _today(opened), compare=before, currency=code)
    position = position_of(opened, as_of)
    known = _today(opened, position)
    with (
        progress("replaying", NOTHING_CHANGED) as told,
        replayed(opened, position, opened.database.time_zone, told) as cursor,
    ):
        return report(cursor, days, known, compare=before, currency=code, position=position)


def position_of(opened: ProjectionContext, as_of: str) -> int:
    """The position that a person means: a number, or the last one recorded up to a time."""
    from projections.engine.replay import check_begun
    from projections.queries.schemas import check_known, position_at

    if as_of.isascii() and as_of.isdigit():
        return check_begun(opened.log, check_known(opened.log, int(as_of)))
    return check_begun(opened.log, position_at(opened.log, a_time(as_of, datetime.now(UTC))))


def _document(made: Report) -> dict[str, Any]:
    return {
        "window": _days(made.window),
        "previous": made.previous and _days(made.previous),
        "standing": made.rests_on._asdict()
        | {"known_until": made.known_until, "complete": made.complete},
        "contract_version": made.contract_version,
        "currencies": {
            currency: {name: each._asdict() for name, each in figures.items()}
            for currency, figures in made.currencies.items()
        },
        "shop": {name: each._asdict() for name, each in made.shop.items()},
        "as_of_position": made.rests_on.position,
    }


def _days(window: Window) -> dict[str, Any]:
    return {"days": window.days, "from": window.first, "to": window.last}


def _view(made: Report) -> RenderableType:
    from rich.console import Group

    from kpi.report import known

    compared = ["=figure", ">value"] + ([">before", ">change"] if made.previous else [])
    parts: list[RenderableType] = [_headline(made)]
    if not made.currencies:
        parts += ["", _nothing("any currency", made)]
    for currency, figures in [*made.currencies.items(), ("", made.shop)]:
        said = known(figures)
        if not said:
            parts += ["", _nothing(currency.upper(), made)]
            continue
        rows = [_row(name, each, currency, made) for name, each in said.items()]
        parts += ["", currency.upper() or "the whole shop", table(compared, rows)]
        parts += [*_not_told(figures, currency), *_left_out(figures)]
    return Group(*parts)


def _nothing(currency: str, made: Report) -> str:
    """That there is no amount in a currency, which a heading without rows would not say."""
    compared = " or in the days before" if made.previous else ""
    return (
        f"Nothing in {currency} from {made.window.first} to {made.window.last}{compared}: no order,"
        f" payment, refund, dispute or subscription of those days is known"
        f" {as_of(made.rests_on.position)}."
    )


def _not_told(figures: dict[str, Shown], currency: str) -> Iterator[str]:
    """Which families of figures say nothing."""
    from kpi.report import silent

    if titles := [family.title for family in silent(figures)]:
        yield (
            f"left out, as nothing of them is known in {currency.upper()}: {', '.join(titles)}"
            " (--json has all)"
        )


def _left_out(figures: dict[str, Shown]) -> Iterator[str]:
    """What the figures leave out, because it is not known."""
    from kpi.declare import figure

    names = defaultdict[str, list[str]](list)
    for name in figures:
        if counter := figure(name).uncounted_by:
            names[counter].append(name)
    for counter, those in names.items():
        if many := figures[counter].value:
            yield f"not fully counted: {many:,} (in {', '.join(those)}); {figure(counter).cure}"


def _headline(made: Report) -> str:
    stands = made.rests_on
    if made.complete:
        state = "complete"
    elif not stands.has_all:
        state = f"INCOMPLETE: the log is at {stands.head:,}"
    else:
        state = f"INCOMPLETE: days after {made.known_until} are yet to come"
    return (
        f"{made.window.first} to {made.window.last}"
        f" ({counted(made.window.days, 'day')}, {stands.time_zone})"
        f" {as_of(stands.position)}, {state}"
    )


def _row(name: str, each: Shown, currency: str, made: Report) -> list[str]:
    values = [each.value, each.previous] if made.previous else [each.value]
    cells = [name, *(cell(name, value, currency) for value in values)]
    if made.previous:
        cells.append("–" if each.change_pct is None else f"{each.change_pct:+} %")
    return cells


def cell(name: str, value: Any, currency: str) -> str:
    """A figure's value for a table that names the currency elsewhere."""
    from kpi.declare import Unit, figure
    from ledger.domain.money import format_money

    match figure(name).unit:
        case _ if value is None:
            return "–"
        case Unit.MONEY:
            return format_money(value, currency).rpartition(" ")[0]
        case Unit.PERCENT:
            return f"{value:.2f} %"
        case _:
            return f"{value:,}"


def _taken(taken: Taken) -> str:
    state = "complete" if taken.complete else "INCOMPLETE: read models lag behind the log"
    return (
        f"{taken.first_day} to {taken.last_day} {as_of(taken.position)}, {state}:"
        f" {counted(taken.rows, 'row')} changed"
    )


def _verdict(proven: Proven) -> Iterator[str]:
    for d in proven.differences[:20]:
        window = f"{counted(d.window_days, 'day')} to {d.day}"
        yield (
            f"differs: {d.figure} {d.currency.upper()} of {window}:"
            f" stored {d.stored}, recomputed {d.recomputed}"
        )
    verdict = "NOT verified" if proven.differences else "verified"
    yield (
        f"{verdict}: {counted(proven.rows, 'snapshot')} {as_of(proven.position)},"
        f" {counted(len(proven.differences), 'difference')}"
    )
