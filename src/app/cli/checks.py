"""`ledger checks …`: what the checks ask, and asking it now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import catch_up, engine, operator
from app.cli.output import BAD_ANSWER, complain, counted, show, table
from ledger.domain.text import as_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from kpi.checks.run import Outcome, Report

app = typer.Typer(name="checks", help="Look for what is wrong.", no_args_is_help=True)


@app.command(epilog="Example: ledger checks run --fail-on-issues --top 3")
def run(
    fail_on_issues: Annotated[
        bool, typer.Option("--fail-on-issues", help="Exit 1 where an issue is open, too.")
    ] = False,
    top: Annotated[int, typer.Option(min=0, help="How many findings of each check are shown.")] = 5,
) -> None:
    """Run all checks: open and resolve issues.

    Where the last proof found damage, nothing is resolved that rests on it, until a rebuild or a
    proof that holds; damage that no proof has found is not seen. Exits 1 where a check crashed; the
    others still run.
    """
    from kpi.checks.ask import Limits
    from kpi.checks.run import run_checks
    from ledger import settings

    with engine() as opened:
        catch_up(opened)
        limits = Limits.of(settings.load())
        report = run_checks(opened, opened.log.now(), operator(None), limits=limits)
        catch_up(opened)
    show(_document(report, top), lambda: _view(report, top))
    if report.withheld:
        complain("[bold yellow]not resolved:[/] ", _withheld(report.withheld))
    for outcome in report.crashed:
        complain(f"[bold red]{outcome.check.name} crashed:[/] ", outcome.crashed or "")
    if report.crashed or (fail_on_issues and report.open):
        raise typer.Exit(BAD_ANSWER)


@app.command("list", epilog="Example: ledger checks list")
def list_() -> None:
    """List the checks: what each asks, how bad a yes is.

    `waits` is how long a check waits before it names something.
    """
    from kpi.checks.ask import Limits
    from kpi.checks.declare import catalogue
    from ledger import settings

    limits = Limits.of(settings.load())
    checks = [
        {
            "name": check.name,
            "severity": check.severity,
            "kind": check.kind,
            "waits": limits.told(check) or None,
            "question": check.question,
        }
        for check in catalogue()
    ]
    headings = ["=check", "severity", "waits", "question"]
    rows = ((c["name"], c["severity"], c["waits"], c["question"]) for c in checks)
    show(checks, lambda: table(headings, rows))


def _document(report: Report, top: int) -> dict[str, Any]:
    return {
        "position": report.position,
        "open": report.open,
        "crashed": [outcome.check.name for outcome in report.crashed],
        "withheld": report.withheld,
        "checks": [_described(outcome, top) for outcome in report.outcomes],
    }


def _described(outcome: Outcome, top: int) -> dict[str, Any]:
    return {
        "name": outcome.check.name,
        "severity": outcome.check.severity,
        "open": outcome.still_open,
        "events": outcome.events,
        "withheld": outcome.withheld,
        "crashed": outcome.crashed,
        "seconds": round(outcome.seconds, 3),
        "top": [finding.sentence for finding in outcome.findings[:top]],
    }


def _view(report: Report, top: int) -> RenderableType:
    from rich.console import Group

    made = table(
        ["=check", "severity", ">open", ">new", ">back", ">gone", ">ms"],
        (
            (
                outcome.check.name,
                outcome.check.severity,
                None if outcome.crashed else outcome.still_open,
                outcome.events["issue.opened.v1"],
                outcome.events["issue.reopened.v1"],
                outcome.events["issue.resolved.v1"],
                round(1000 * outcome.seconds),
            )
            for outcome in report.outcomes
        ),
    )
    return Group(made, "", "\n".join(_said(report, top)))


def _said(report: Report, top: int) -> Iterator[str]:
    for outcome in report.outcomes:
        yield from (f"{f.issue_id}  {f.sentence}" for f in outcome.findings[:top])
        if (more := len(outcome.findings) - top) > 0 and top:
            yield f"… {more:,} more of {outcome.check.name}"
    are = "is" if report.open == 1 else "are"
    opened = f"{counted(report.open, 'issue')} {are} open" if report.open else "no issue is open"
    yield f"{opened} {as_of(report.position)}"


def _withheld(issues: int) -> str:
    return (
        f"{counted(issues, 'issue')} found no more, but what the checks look at is damaged, as the"
        " last proof says: `ledger status` tells the cure"
    )
