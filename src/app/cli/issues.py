"""`ledger issues …`: what the checks found, and what a person decides about it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from app.cli.context import carry_out
from app.cli.output import table
from app.cli.records import some_of

app = typer.Typer(name="issues", help="See and decide issues.", no_args_is_help=True)

IssueId = Annotated[str, typer.Argument(metavar="ISSUE", help="As paid_twice:A1.")]
Why = Annotated[str, typer.Option(help="Why, for the audit log.")]


@app.command("list", epilog="Example: ledger issues list --severity high")
def list_(
    *,
    state: Annotated[
        Literal["open", "resolved", "any"], typer.Option(help="Where they stand.")
    ] = "open",
    severity: Annotated[
        Literal["high", "medium", "low"] | None, typer.Option(help="How bad they are.")
    ] = None,
    check: Annotated[str | None, typer.Option(help="Only those of one check.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
) -> None:
    """List issues, the latest first."""
    if check is not None:
        _check_exists(check)
    given = {"state": None if state == "any" else state, "severity": severity, "check": check}
    found = some_of("issues", {n: v for n, v in given.items() if v is not None}, limit)
    found.show(
        lambda: table(
            ["=issue", "state", "severity", "opened (UTC)", "says"],
            (
                (
                    row["issue_id"],
                    row["state"],
                    row["severity"],
                    f"{row['opened_at']:%F %T}",
                    row["sentence"],
                )
                for row in found.rows
            ),
        ),
    )


@app.command(
    epilog="Example: ledger issues resolve paid_twice:A1 --reason 'she wants a voucher for it'"
)
def resolve(issue: IssueId, *, reason: Why) -> None:
    """Say that nothing more is to be done about an issue.

    It comes back when its evidence changes.
    """
    from ledger.domain.issue import ResolveIssue

    carry_out(ResolveIssue(issue_id=issue, at=datetime.now(UTC)), reason, "resolved")


@app.command(epilog="Example: ledger issues reopen paid_twice:A1 --reason 'she changed her mind'")
def reopen(issue: IssueId, *, reason: Why) -> None:
    """Take an issue up again."""
    from ledger.domain.issue import ReopenIssue

    carry_out(ReopenIssue(issue_id=issue, at=datetime.now(UTC)), reason, "reopened")


def _check_exists(name: str) -> None:
    from kpi.checks.declare import catalogue

    known = [each.name for each in catalogue()]
    if name not in known:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(known)}.", param_hint="--check")
