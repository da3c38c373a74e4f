"""Verbs that look at the installation: status, doctor, migrate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from app.cli.context import engine, looked_at, ready
from app.cli.output import BAD_ANSWER, Json, show, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from app.cli.doctor import Finding
    from app.health import Health

app = typer.Typer()


@app.command(epilog="Example: ledger status --json")
def status(as_json: Json = False) -> None:
    """Show the log's head, each projection, and what stopped.

    Exits 1 where a projection does not follow.
    """
    from app.health import look

    with engine() as opened:
        health = look(opened)
        versions = _versions(opened.database)
    ledger = looked_at()
    show(
        {"ledger": ledger, **_document(health, versions)},
        lambda: _view(ledger, health, versions),
        as_json=as_json,
    )
    if health.halted:
        raise typer.Exit(BAD_ANSWER)


@app.command(epilog="Example: ledger doctor")
def doctor(as_json: Json = False) -> None:
    """Examine settings, database, privileges, clock and disk.

    Changes nothing: what it tries, it rolls back. Exits 1 where something is wrong.
    """
    from app.cli.doctor import examine

    settings = ready()
    findings = list(examine(settings))
    show(
        [finding._asdict() for finding in findings],
        lambda: table(["", "what", "found"], map(_row, findings)),
        as_json=as_json,
    )
    if any(finding.verdict == "wrong" for finding in findings):
        raise typer.Exit(BAD_ANSWER)


@app.command(epilog="Example: DATABASE_URL=postgresql://… ledger migrate")
def migrate(as_json: Json = False) -> None:
    """Bring the database's schema up to date, or make a new one.

    `serve` and `follow` do so too, as they start. A verb that only reads never does.
    """
    from ledger.postgres.database import open_database

    with open_database(ready()) as database, database.connect("owner") as conn:
        applied = conn.execute(
            "select name, applied_at from ledger.ledger_migrations order by name"
        ).fetchall()
    show(
        [{"name": name, "applied_at": at} for name, at in applied],
        lambda: table(["migration", "applied at (UTC)"], ((n, f"{at:%F %T}") for n, at in applied)),
        as_json=as_json,
    )


def _versions(database: Any) -> dict[str, str]:
    from platform import python_version

    from ledger.version import version

    with database.connect("reader") as conn:
        server = conn.execute("show server_version").fetchone()[0]
    return {"ledger": version(), "python": python_version(), "postgresql": server}


def _document(health: Health, versions: dict[str, str]) -> dict[str, Any]:
    return {
        "head": health.head,
        "lag_events": health.lag_events,
        "waiting_since": health.waiting_since,
        "ready": health.ready,
        "projections": [standing._asdict() for standing in health.projections],
        "versions": versions,
    }


def _view(ledger: str, health: Health, versions: dict[str, str]) -> RenderableType:
    from rich.console import Group

    made = table(
        ["projection", "state", ">position", ">behind", "why not"],
        (
            (s.name, s.state, s.position, health.head - s.position, s.because or "")
            for s in sorted(health.projections)
        ),
    )
    return Group(f"ledger    {ledger}", *_summary(health, versions), "", made)


def _summary(health: Health, versions: dict[str, str]) -> Iterator[str]:
    yield f"head      {health.head:,}"
    since = f", the first since {health.waiting_since:%F %T} UTC" if health.waiting_since else ""
    yield f"lag       {f'{health.lag_events:,} events' if health.lag_events else 'none'}{since}"
    yield f"versions  {', '.join(f'{name} {number}' for name, number in versions.items())}"


def _row(finding: Finding) -> tuple[object, ...]:
    from rich.text import Text

    sign, style = {"fine": ("✓", "green"), "note": ("·", "yellow"), "wrong": ("✗", "bold red")}[
        finding.verdict
    ]
    return Text(sign, style), finding.what, finding.found
