"""`ledger demo`: starts everything, plays a shop through the front door, shows what came out."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli.desk import operator
from ledger.cli.output import (
    BAD_ANSWER,
    CANNOT_RUN,
    Json,
    complain,
    console,
    print_json,
    progress,
    table,
    tracker,
)
from ledger.cli.parts import engine, ready
from ledger.cli.proving import prove, verdict

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ledger.demo.door import Door
    from ledger.demo.outcome import Outcome
    from ledger.settings import Settings

app = typer.Typer()

START_SECONDS = 60
SERVE = (sys.executable, "-m", "ledger.cli", "serve", "--with-parent")


@app.command(epilog="Example: ledger demo --once")
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop when everything was shown.")] = False,
    as_json: Json = False,
) -> None:
    """Play a believable shop through the front door, and keep serving.

    About eighty orders and their Stripe events, some of them late, twice or out of order. Uses the
    data folder of the settings; running it again adds another day to the same shop.
    """
    from ledger.demo.door import Door

    settings = _settings(ready())
    secret = f"whsec_{secrets.token_hex(24)}"
    with _serving(settings, secret) as child:
        door = Door(settings.ledger_host, settings.ledger_port, secret)
        with progress("starting", as_json=as_json):
            run = _wait(door, child) + 1
            _mend()
            door.token = _token()
        outcome = _play(door, run, as_json=as_json)
        holds = _show(outcome, door.url, as_json=as_json)
        if not once:
            _keep_serving(child, as_json=as_json)
    if not holds:
        raise typer.Exit(BAD_ANSWER)


def _settings(given: Settings) -> Settings:
    """The settings with a port that is free; the demo's play money has no place in a live log."""
    from ledger.errors import SettingsError

    if given.ledger_mode == "live":
        raise SettingsError("LEDGER_MODE is live; the demo plays in test mode, on data of its own.")
    port = _free_port(given.ledger_host, given.ledger_port)
    if port != given.ledger_port:
        complain(f"[yellow]Port {given.ledger_port} is taken;[/] the demo serves on {port}.")
    return given.model_copy(update={"ledger_port": port})


def _free_port(host: str, wanted: int) -> int:
    family = socket.getaddrinfo(host, wanted)[0][0]
    for port in (wanted, 0):
        with suppress(OSError), socket.create_server((host, port), family=family) as server:
            return server.getsockname()[1]
    return wanted  # the service says what is wrong with it


@contextmanager
def _serving(settings: Settings, secret: str) -> Generator[subprocess.Popen[bytes]]:
    """The real service in a process of its own; it ends when its standard input does."""
    given = {"LEDGER_PORT": str(settings.ledger_port), "STRIPE_WEBHOOK_SECRETS": secret}
    child = subprocess.Popen(  # noqa: S603 - our own command line
        SERVE,
        env=os.environ | {"LEDGER_LOG_LEVEL": "warning"} | given,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        assert child.stdin is not None
        child.stdin.close()
        child.wait()


def _wait(door: Door, child: subprocess.Popen[bytes]) -> int:
    """Until the service is ready; answers the log's head."""
    deadline = time.monotonic() + START_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            return door.get("/readyz")["head"]
        time.sleep(0.05)
    complain("[bold red]The service did not start.[/] Try `ledger serve`, or `ledger doctor`.")
    raise typer.Exit(CANNOT_RUN)


def _mend() -> None:
    """Rebuild what does not follow: the data may have been made by another version of the code."""
    from ledger.health import look
    from projections.engine.rebuild import rebuild

    with engine() as opened:
        if halted := [standing.name for standing in look(opened).halted]:
            rebuild(opened, halted)


def _token() -> str | None:
    """An administrator's token for a day, where the service asks for one."""
    from ledger.domain.access import STREAM, Role
    from ledger.tokens import issue

    with engine() as opened:
        if not opened.log.stream(STREAM):
            return None
        day = timedelta(days=1)
        return issue(opened.log, Role.ADMIN, "ledger demo", operator("to play"), lifetime=day).token


def _play(door: Door, run: int, *, as_json: bool) -> Outcome:
    from ledger.demo.outcome import collect
    from ledger.demo.play import play
    from ledger.demo.script import Script

    script = Script(run, int(time.time()))
    with tracker(as_json=as_json) as track:
        position = play(door, script, track)
    return collect(door, script, position)


def _show(outcome: Outcome, url: str, *, as_json: bool) -> bool:
    """Show what came out, and prove it; whether the proof holds."""
    import msgspec

    proof, seconds = prove(as_json=as_json)
    lines = list(verdict(proof, seconds))
    if as_json:
        print_json(msgspec.structs.asdict(outcome) | {"url": url, "verdict": lines[-1]})
        return proof.holds
    shown = console()
    for part in (_played(outcome), *_tables(outcome), *lines):
        shown.print(part, "", sep="\n")
    for line in _where_next(outcome, url):
        shown.print(line, soft_wrap=True)
    return proof.holds


def _played(outcome: Outcome) -> str:
    played = outcome.played
    return (
        f"Played {played['orders']} orders and {played['deliveries']} deliveries from Stripe,"
        f" {played['duplicates']} of them duplicates and many out of order."
    )


def _tables(outcome: Outcome) -> Generator[RenderableType]:
    from rich.columns import Columns

    from ledger.domain.money import format_money

    counts = {
        "orders": outcome.orders,
        "payments": outcome.payments,
        "refunds": outcome.refunds,
        "disputes": outcome.disputes,
    }
    yield Columns([table([name, ">"], c.items()) for name, c in counts.items()], padding=(0, 4))
    yield table(
        [">received", ">refunded", ">disputed", ">kept"],
        (
            [format_money(amount_minor, currency) for amount_minor in sums.values()]
            for currency, sums in outcome.money.items()
        ),
    )
    names = ("sku", "name", "on_hand", "reserved", "sold", "available")
    yield table(
        ["product", "", ">on hand", ">reserved", ">sold", ">available"],
        ([row[name] for name in names] for row in outcome.stock),
    )


def _where_next(outcome: Outcome, url: str) -> Generator[str]:
    program = _program()
    looks = {f"{url}/orders/{order_id}": why for why, order_id in outcome.notable.items()}
    order_id = next(iter(outcome.notable.values()), "ID")
    looks |= {
        f"{url}/orders?dispute_state=won": "a list with a filter",
        f"{url}/readyz": "how the service is",
        f"{url}/openapi.json": "all operations",
        f"{program} history order {order_id}": "every event of an order",
        f"{program} status": "where log and read models stand",
        f"{program} verify": "the proof, again",
    }
    width = max(map(len, looks))
    yield "[bold]Where to look next[/]"
    yield from (f"  {look:<{width}}  [dim]{what}[/]" for look, what in looks.items())


def _program() -> str:
    """How this command line is called from here."""
    called = Path(sys.argv[0])
    if called.name != "ledger" or shutil.which("ledger"):
        return "ledger"
    near = os.path.relpath(called)
    return str(called) if near.startswith("..") else near


def _keep_serving(child: subprocess.Popen[bytes], *, as_json: bool) -> None:
    if not as_json:
        complain("Still serving; Ctrl-C stops it.")
    with suppress(KeyboardInterrupt):
        child.wait()
