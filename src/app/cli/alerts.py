"""`ledger alerts …`: what is told outside, what became of it, and trying a channel."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.context import Reason, operator, reading
from app.cli.output import BAD_ANSWER, show, table
from app.cli.records import Filters, Limit, list_rows

app = typer.Typer(name="alerts", help="What is told outside, and where to.", no_args_is_help=True)

NO_CHANNEL = "LEDGER_ALERTS_SMTP, LEDGER_ALERTS_SLACK or LEDGER_ALERTS_WEBHOOK"


@app.command("list", epilog="Example: ledger alerts list")
def list_() -> None:
    """List the rules that are on and the channels that are set up.

    Both are settings, LEDGER_ALERTS_….
    """
    from app.alerts import rules
    from app.alerts.channels import channels_of
    from ledger.settings import load

    settings = load()
    on = rules.about(settings)
    channels = [(each.name, each.target) for each in channels_of(settings)]
    document = {
        "rules": [{"name": name, "about": about} for name, about in on.items()],
        "channels": [{"name": name, "target": target} for name, target in channels],
    }
    lines = [("rule", *each) for each in on.items()] + [("channel", *each) for each in channels]
    if not channels:
        lines.append(("channel", "none", f"nothing is told: set {NO_CHANNEL}"))
    show(document, lambda: table(["=", "=name", "tells, or goes to"], lines))


@app.command(epilog="Example: ledger alerts log --filter outcome=failed")
def log(filters: Filters = None, limit: Limit = 50) -> None:
    """List alerts and what became of them, the latest first."""
    list_rows("alert_deliveries", filters or [], limit)


@app.command("test", epilog="Example: ledger alerts test webhook")
def try_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="email, slack or webhook.")],
    reason: Reason = None,
) -> None:
    """Send an alert to try a channel; that is on record.

    Exits 1 where it did not go out.
    """
    from app.alerts.deliver import Alerts
    from ledger.settings import load

    with reading() as (_, reads):
        tried = Alerts(reads, load()).test(name, operator(reason)).event
    document = {"channel": tried.channel, "outcome": tried.outcome, "cause": tried.cause}
    show(document, lambda: ": ".join(filter(None, [tried.channel, tried.outcome, tried.cause])))
    if tried.outcome != "delivered":
        raise typer.Exit(BAD_ANSWER)
