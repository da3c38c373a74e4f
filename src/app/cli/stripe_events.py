"""Verbs that bring in Stripe events which the webhook did not: import and backfill."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import a_past_time, catch_up, ready
from app.cli.output import BAD_ANSWER, Json, progress, show

if TYPE_CHECKING:
    from webhooks.ingest.append import IntakeReport

app = typer.Typer()

SHOWN = 20


@app.command("import", epilog="Example: ledger import stripe-events/ more.jsonl")
def import_(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH", exists=True, help="Files of JSON or JSON lines, or folders."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Append the Stripe events of files and folders, each id once.

    Bodies are kept byte for byte. Running it again appends only what is missing. Exits 1 where an
    event was not stored: no Stripe event, or the same id with other content.
    """
    from app.wiring import make_engine, open_log
    from webhooks.ingest.file_import import import_events

    settings = ready()
    with open_log(settings) as (database, log):
        engine = make_engine(settings, database, log)
        with progress("importing", as_json=as_json) as report_progress:
            report = import_events(paths, log, progress=report_progress)
        catch_up(engine)
    head = f"files: {report.files:,}"
    if report.ignored:
        head += f" (ignored, not named as JSON: {report.ignored:,})"
    _conclude(report, head, as_json=as_json)


@app.command(epilog="Example: ledger backfill --since 7d")
def backfill(
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="An ISO 8601 time (UTC), or days back such as 7d.")
    ],
    as_json: Json = False,
) -> None:
    """Append what Stripe's list of events still holds.

    That is 30 days; each id is stored once. Needs STRIPE_API_KEY. Exits 1 where an event was not
    stored, or Stripe no longer has some.
    """
    from app.wiring import make_engine, open_log
    from ledger.errors import SettingsError
    from webhooks.ingest import backfill as stripe_list

    start = a_past_time(since, datetime.now(UTC), "--since")
    settings = ready()
    if settings.stripe_api_key is None:
        raise SettingsError(
            "STRIPE_API_KEY is not set; a restricted key that reads events will do."
        )
    with open_log(settings) as (database, log):
        engine = make_engine(settings, database, log)
        with progress("listing", as_json=as_json) as report_progress:
            report = stripe_list.backfill(
                log,
                api_key=settings.stripe_api_key.get_secret_value(),
                api_base=settings.stripe_api_base,
                since=start,
                progress=lambda listed: report_progress(listed, 0),
            )
        catch_up(engine)
    head = f"listed: {report.listed:,}"
    if report.gap:
        head += f"; Stripe keeps none from {report.gap.since:%F %T} to {report.gap.until:%F %T} UTC"
    _conclude(report, head, as_json=as_json, bad=report.gap is not None)


def _conclude(report: IntakeReport, head: str, *, as_json: bool, bad: bool = False) -> None:
    show(_document(report), lambda: "\n".join(_lines(report, head)), as_json=as_json)
    if bad or report.conflicts or report.rejected:
        raise typer.Exit(BAD_ANSWER)


def _document(report: IntakeReport) -> dict[str, Any]:
    """The report's fields, those that are empty as well."""
    import msgspec

    return {name: getattr(report, name) for name in msgspec.structs.asdict(report)}


def _lines(report: IntakeReport, head: str) -> Iterator[str]:
    yield (
        f"{head}; {report.appended:,} appended, {report.duplicates:,} duplicates,"
        f" {len(report.conflicts):,} conflicts, {len(report.rejected):,} rejected"
    )
    for conflict in report.conflicts[:SHOWN]:
        yield (
            f"  conflict  {conflict.where}: {conflict.event_id} is at position"
            f" {conflict.stored_position:,} with other content"
        )
    for rejection in report.rejected[:SHOWN]:
        yield f"  rejected  {rejection.where}: {rejection.cause}"
    hidden = sum(max(0, len(found) - SHOWN) for found in (report.conflicts, report.rejected))
    if hidden:
        yield f"  … and {hidden:,} more: --json names all"
