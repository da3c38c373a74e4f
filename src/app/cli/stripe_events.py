"""Verbs that bring in Stripe events which the webhook did not: import and backfill."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import a_past_time, catch_up, engine, ready
from app.cli.output import BAD_ANSWER, counted, progress, show

if TYPE_CHECKING:
    from webhooks.ingest.append import IngestReport

app = typer.Typer()

SHOWN = 20
KEPT = "what was appended stays; run it again for the rest"


@app.command("import", epilog="Example: ledger import stripe-events/ more.jsonl")
def import_(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH", exists=True, help="Files of JSON or JSON lines, or folders."
        ),
    ],
) -> None:
    """Append the Stripe events of files and folders, each id once.

    Bodies are kept byte for byte. Running it again appends only what is missing. In folders, hidden
    files and folders are passed over, and counted; one that is named itself is read.

    Exits 1 where an event was not stored: no Stripe event, or the same id with other content; or no
    file was there.
    """
    from webhooks.ingest.file_import import import_events

    with engine() as opened:
        with progress("importing", KEPT) as report_progress:
            report = import_events(paths, opened.log, progress=report_progress)
        catch_up(opened)
    head = f"files: {report.files:,}"
    left_out = {"ignored, not named as JSON": report.ignored, "skipped, hidden": report.hidden}
    if told := [f"{why}: {number:,}" for why, number in left_out.items() if number]:
        head += f" ({'; '.join(told)})"
    _conclude(report, head if report.files else f"nothing there: {head}", bad=not report.files)


@app.command(epilog="Example: ledger backfill --since 7d")
def backfill(
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="An ISO 8601 time (UTC), or days back such as 7d.")
    ],
) -> None:
    """Append what Stripe's list of events still holds.

    That is 30 days; each id is stored once. Needs STRIPE_API_KEY. Exits 1 where an event was not
    stored, or Stripe no longer has some.
    """
    from app.wiring import open_engine, stripe_client
    from webhooks.ingest import backfill as stripe_list

    start = a_past_time(since, datetime.now(UTC), "--since")
    settings = ready()
    client = stripe_client(settings)
    with open_engine(settings) as opened:
        with progress("listing", KEPT) as report_progress:
            report = stripe_list.backfill(
                opened.log,
                client,
                since=start,
                progress=lambda listed: report_progress(listed, 0),
            )
        catch_up(opened)
    head = f"listed: {report.listed:,}"
    if report.gap:
        head += f"; Stripe keeps none from {report.gap.since:%F %T} to {report.gap.until:%F %T} UTC"
    _conclude(report, head, bad=report.gap is not None)


def _conclude(report: IngestReport, head: str, *, bad: bool = False) -> None:
    show(_document(report), lambda: "\n".join(_lines(report, head)))
    if bad or report.conflicts or report.rejected:
        raise typer.Exit(BAD_ANSWER)


def _document(report: IngestReport) -> dict[str, Any]:
    """The report's fields, those that are empty as well."""
    import msgspec

    return {name: getattr(report, name) for name in msgspec.structs.asdict(report)}


def _lines(report: IngestReport, head: str) -> Iterator[str]:
    yield (
        f"{head}; {report.appended:,} appended, {counted(report.duplicates, 'duplicate')},"
        f" {counted(len(report.conflicts), 'conflict')}, {len(report.rejected):,} rejected"
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
