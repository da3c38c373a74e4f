"""Verbs that look at the installation: status, doctor, migrate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import typer

from app.cli.context import engine, looked_at, ready
from app.cli.output import BAD_ANSWER, counted, show, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from app.cli.doctor import Finding
    from app.health import Health

LINE: Final = 80
"""How wide sentences are at most, wherever they go: they are read, and nothing sorts them."""

app = typer.Typer()


@app.command(epilog="Example: ledger status --json")
def status() -> None:
    """Show the log's head, each projection, and the last proof.

    Exits 1 where a projection does not follow, or damage stands that the last proof found.
    """
    from app.health import look, modes
    from app.refunds import RefundsState
    from ledger import settings
    from projections.engine.foreign import told
    from projections.queries.stripe_state import stripe_state

    with engine() as opened:
        health = look(opened)
        versions = _versions(opened.database)
        with opened.database.connect("reader") as conn:
            others = told(conn)
        is_built = "audit" not in {s.name for s in health.projections if s.state == "unbuilt"}
        other_mode = modes(opened).other if is_built else None
        refunds = RefundsState.of(loaded := settings.load())
        stripe = stripe_state(opened.log, has_key=loaded.stripe_api_key is not None)
    ledger = looked_at()
    show(
        {
            "ledger": ledger,
            **_document(health, versions),
            "stripe": stripe,
            "refunds": refunds,
            "other_mode_events": other_mode,
            "foreign": others,
        },
        lambda: _view(
            ledger,
            health,
            [
                *_summary(health, versions, other_mode),
                f"stripe    {stripe.told}",
                f"refunds   {refunds.told}",
                *([f"not ours  {', '.join(others)}"] if others else []),
            ],
        ),
    )
    if health.halted or (health.proof and health.proof.is_damage):
        raise typer.Exit(BAD_ANSWER)


@app.command(epilog="Example: ledger doctor")
def doctor() -> None:
    """Examine settings, database, clock, disk, archive and alerts.

    Changes nothing: what it tries, it rolls back. Exits 1 where something is wrong.
    """
    from rich.constrain import Constrain

    from app.cli.doctor import examine

    settings = ready()
    findings = list(examine(settings))
    show(
        [finding._asdict() for finding in findings],
        lambda: Constrain(table(["", "what", "found"], map(_row, findings)), LINE),
    )
    if any(finding.verdict == "wrong" for finding in findings):
        raise typer.Exit(BAD_ANSWER)


@app.command(epilog="Example: DATABASE_URL=postgresql://… ledger migrate")
def migrate() -> None:
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
        "last_proof": health.proof and health.proof.document(),
        "projections": [status._asdict() for status in health.projections],
        "versions": versions,
    }


def _view(ledger: str, health: Health, summary: Iterable[str]) -> RenderableType:
    from rich.console import Group

    shared = {cause: names for cause, names in health.causes.items() if len(names) > 1}
    said_below = {name for names in shared.values() for name in names}
    made = table(
        ["projection", "state", ">position", ">behind", "why not"],
        (
            (
                s.name,
                s.state,
                s.position,
                max(0, health.head - s.position),
                "" if s.name in said_below else s.because or "",
            )
            for s in sorted(health.projections)
        ),
    )
    below = [f"{len(names)} do not follow: {cause}" for cause, names in shared.items()]
    return Group(f"ledger    {ledger}", *summary, "", made, *below)


def _summary(health: Health, versions: dict[str, str], other_mode: int | None) -> Iterator[str]:
    yield f"head      {health.head:,}"
    yield f"lag       {_lag(health)}"
    if other_mode:
        yield f"not read  {counted(other_mode, 'event')} of Stripe's other mode; see LEDGER_MODE"
    yield f"proof     {_proof(health)}"
    yield f"versions  {', '.join(f'{name} {number}' for name, number in versions.items())}"


def _proof(health: Health) -> str:
    if health.proof is None:
        return "never made; `ledger verify` makes one"
    return health.proof.line


def _lag(health: Health) -> str:
    following = len(health.projections) - len(health.halted)
    if not following:
        return "not known: no read model follows"
    of = "" if not health.halted else f", of the {following} that follow"
    if not health.lag_events:
        return f"none{of}"
    since = f", the first since {health.waiting_since:%F %T} UTC" if health.waiting_since else ""
    return f"{counted(health.lag_events, 'event')}{since}{of}"


def _row(finding: Finding) -> tuple[object, ...]:
    from rich.text import Text

    sign, style = {"fine": ("✓", "green"), "note": ("·", "yellow"), "wrong": ("✗", "bold red")}[
        finding.verdict
    ]
    return Text(sign, style), finding.what, finding.found
