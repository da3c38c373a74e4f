"""Verbs that keep running: serve and follow."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import complain, show, wants_json

if TYPE_CHECKING:
    from app.first_token import FirstToken
    from ledger.settings import Settings

app = typer.Typer()

WithParent = Annotated[bool, typer.Option("--with-parent", hidden=True)]


@app.command(epilog="Example: STRIPE_WEBHOOK_SECRETS=whsec_… ledger serve")
def serve(
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Keep the read models up to date as well.")
    ] = True,
    with_parent: WithParent = False,
) -> None:
    """Serve webhook, order API and read models.

    Every call needs an access token. At its first start it makes an administrator's, keeps it in
    LEDGER_HOME/admin-token, and shows it where a person watches. Ends with Ctrl-C or SIGTERM, once
    what was accepted is answered. With --json, logs are lines of JSON on stderr.
    """
    import structlog

    from app import server
    from app.processes import kept_alive, postgres_kept_running
    from ledger import telemetry
    from ledger.postgres.database import open_database
    from ledger.settings import FILE, load, misspelt, unread_lines

    settings = load()
    telemetry.configure(settings.ledger_log_level, lines=True if wants_json() else None)
    for name, near in misspelt().items():
        structlog.get_logger().warning("setting_unknown", name=name, nearest=near)
    for line in unread_lines():
        structlog.get_logger().warning("line_is_no_setting", file=FILE, line=line)
    with ExitStack() as stack:
        listener = stack.enter_context(server.listen(settings))
        database = stack.enter_context(open_database(settings))
        first = server.first_token(settings, database)
        stack.enter_context(postgres_kept_running(settings))
        end_child = stack.enter_context(kept_alive(FOLLOW)) if follow else lambda: None
        wiring = server.Service(settings, database)
        if with_parent:
            wiring.stop_with_parent()
        with suppress(KeyboardInterrupt):  # uvicorn has ended in good order, and says why
            ready = partial(_announce, settings, first)
            wiring.serve_on(listener, ready, stopping=end_child)


@app.command(epilog="Example: ledger follow --once")
def follow(
    once: Annotated[
        bool,
        typer.Option("--once", help="Stop at the head of the log; expire and make no orders."),
    ] = False,
    with_parent: WithParent = False,
) -> None:
    """Keep the read models up to date.

    `ledger serve` does so by itself. Also reacts where a payment calls for a decision: stock for
    an order that was paid late, an order for what LEDGER_ORDERS_FROM names. Expires orders that
    were not paid in time. Of several followers one leads, and the others stand by.
    """
    from app import wiring
    from app.processes import postgres_kept_running, when_parent_ends
    from ledger import telemetry
    from ledger.settings import load
    from projections.engine.follow import Follower

    settings = load()
    telemetry.configure(settings.ledger_log_level, lines=True if wants_json() else None)
    with wiring.open_engine(settings) as engine, postgres_kept_running(settings):
        if once:
            position = Follower(engine).catch_up()
            _say({"position": position}, f"caught up at {position:,}")
            return
        stop = stop_on_signal()
        if with_parent:
            when_parent_ends(stop.set)
        wiring.follow(settings, engine, stop)


FOLLOW = (sys.executable, "-m", "app.cli", "follow", "--with-parent")


def stop_on_signal() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set, so that work in hand is finished first."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: object) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    return stop


def _announce(settings: Settings, first: FirstToken | None) -> None:
    """Say that the service is ready; a token only to a person, since other output is collected."""
    url = f"http://{settings.ledger_host}:{settings.ledger_port}"
    webhook = bool(settings.stripe_webhook_secrets)
    document = {
        "url": url,
        "mode": settings.ledger_mode,
        "webhook": webhook,
        "first_token_file": first and str(first.file),
    }
    text = f"Serving {url} ({settings.ledger_mode} mode). Ctrl-C stops it."
    if first:
        shown = f": {first.token}\nIt" if sys.stdout.isatty() else ""
        text += f"\nThe first administrator's access token{shown} is kept in {first.file}."
    _say(document, text)
    if not webhook and not wants_json():
        complain("[yellow]The webhook is off:[/] set STRIPE_WEBHOOK_SECRETS to turn it on.")


def _say(document: object, text: str) -> None:
    show(document, lambda: text)
