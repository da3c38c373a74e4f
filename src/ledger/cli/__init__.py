"""The command line, `ledger`: one function a verb, one module a group of verbs.

A verb imports what it needs when it runs, so that `ledger --help` is quick. Exit codes: 0 fine,
1 the answer is bad (refused, not proven, conflicts), 2 wrong usage, 3 it could not run.
"""

import signal

import typer

from ledger.cli import (
    audit,
    checkout,
    checks,
    demo,
    expiry,
    export,
    history,
    intake,
    issues,
    kpi,
    orders,
    proving,
    serving,
    status,
    stock,
    tokens,
    wishlist,
)
from ledger.cli.output import Verbs

app = typer.Typer(
    cls=Verbs,
    help="An event-sourced ledger for shops that sell through Stripe.",
    context_settings={"max_content_width": 100},
    rich_markup_mode=None,  # typer would import all of rich for every --help
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (
    demo,
    serving,
    intake,
    orders,
    expiry,
    stock,
    wishlist,
    status,
    tokens,
    history,
    audit,
    checks,
    issues,
    kpi,
    export,
    proving,
    checkout,
):
    app.add_typer(group.app)


def main() -> None:
    """Run the command line; SIGTERM ends a verb as Ctrl-C does, cleanly."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()
