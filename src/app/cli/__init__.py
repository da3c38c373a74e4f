"""The command line, `ledger`: one function a verb, one module a group of verbs.

A verb imports what it needs when it runs, so that `ledger --help` is quick. Exit codes: 0 fine,
1 the answer is bad (refused, not proven, conflicts), 2 wrong usage (a value that cannot be,
too), 3 it could not run.
"""

import importlib
import signal
from typing import Annotated, Final

import typer

from app.cli.output import Verbs

GROUPS: Final = (  # noqa: SIM905 - names read better without quotes
    "demo serve stripe stripe_events import_orders orders payments refunds expiry stock wishlist"
    " status tokens records history event search audit checks issues alerts kpi books export"
    " archive tasks read_models dev help"
).split()
"""The modules with verbs, in the order in which `ledger --help` shows them."""


def _say_version(asked: bool) -> None:
    if asked:
        from ledger.version import version

        typer.echo(f"ledger {version()}")
        raise typer.Exit


app = typer.Typer(
    cls=Verbs,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,  # typer would import all of rich for every --help
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in GROUPS:
    app.add_typer(importlib.import_module(f"app.cli.{group}").app)


@app.callback()
def ledger(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """An event-sourced ledger for shops that sell through Stripe."""


def main() -> None:
    """Run the command line; SIGTERM ends a verb as Ctrl-C does, cleanly."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()
