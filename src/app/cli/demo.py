"""`ledger demo`: brings a shop's past along, plays its day over HTTP, and shows the outcome."""

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

from app.cli.context import engine, operator, ready
from app.cli.output import (
    BAD_ANSWER,
    CANNOT_RUN,
    Json,
    complain,
    console,
    print_json,
    progress,
    tracker,
)
from app.cli.read_models import prove, verdict

if TYPE_CHECKING:
    from app.demo.client import Door
    from app.demo.result import Outcome
    from ledger.settings import Settings
    from projections.engine.verify import Proof

app = typer.Typer()

START_SECONDS = 60
SERVE = (sys.executable, "-m", "app.cli", "serve", "--with-parent")


@app.command(epilog="Example: ledger demo --once")
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop when everything was shown.")] = False,
    home: Annotated[Path, typer.Option(metavar="FOLDER", help="The demo's own ledger.")] = Path(
        ".ledger-demo"
    ),
    as_json: Json = False,
) -> None:
    """Play a believable shop on a ledger of its own, and keep serving.

    A new ledger first gets a past of ninety days, with some 350 orders. Then come about fifteen
    orders of today and their Stripe events, some of them late, twice or out of order. Running it
    again adds such orders to the same shop. LEDGER_HOME and DATABASE_URL are left alone: invented
    events never reach them.
    """
    from app.demo.client import Door

    secret = f"whsec_{secrets.token_hex(24)}"
    _look_at(home, secret)
    settings = _settings(ready())
    run, past_orders = _move_in(as_json=as_json)
    token = _token()
    with _serving(settings) as child:
        door = Door(settings.ledger_host, settings.ledger_port, secret)
        with progress("starting", as_json=as_json):
            _wait(door, child)
            _mend()
            door.token = token
        outcome = _play(door, run, past_orders, as_json=as_json)
        address = None if once else door.url
        visitors = {} if once else _invite()
        holds = _show(outcome, home, address, visitors, as_json=as_json)
        if not once:
            _keep_serving(child, as_json=as_json)
    if not holds:
        raise typer.Exit(BAD_ANSWER)


def _look_at(home: Path, secret: str) -> None:
    """From here on this process, and the service that it starts, have the demo's own ledger.

    Stripe's signatures are by `secret`, which nothing else knows.
    """
    os.environ |= {
        "LEDGER_HOME": str(home.resolve()),
        "DATABASE_URL": "",
        "STRIPE_WEBHOOK_SECRETS": secret,
    }


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


def _move_in(*, as_json: bool) -> tuple[int, int]:
    """Give an empty log a past; answers a number for this run, and how many orders that past had.

    The number is one more than the head that the log had. A log that began otherwise is refused.
    """
    from app.demo.history import Past
    from app.demo.history_import import is_of_a_demo, move_in

    with engine() as opened, tracker(as_json=as_json) as track:
        if head := opened.log.head():
            if not is_of_a_demo(opened.log):
                raise typer.BadParameter(
                    "this folder holds a ledger that the demo did not make. Invented events would"
                    " stay in it for good; name another folder, which need not exist yet.",
                    param_hint="--home",
                )
            return head + 1, 0
        past = Past(int(time.time()))
        move_in(opened, past, track)
        return 1, past.orders


@contextmanager
def _serving(settings: Settings) -> Generator[subprocess.Popen[bytes]]:
    """The real service in a process of its own; it ends when its standard input does.

    Its warning of the call that the demo forges is left out.
    """
    given = {"LEDGER_PORT": str(settings.ledger_port), "LEDGER_LOG_LEVEL": "error"}
    child = subprocess.Popen(  # noqa: S603 - our own command line
        SERVE,
        env=os.environ | given,
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


def _wait(door: Door, child: subprocess.Popen[bytes]) -> None:
    """Until the service is ready."""
    deadline = time.monotonic() + START_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            door.get("/readyz")
            return
        time.sleep(0.05)
    complain("[bold red]The service did not start.[/] Try `ledger serve`, or `ledger doctor`.")
    raise typer.Exit(CANNOT_RUN)


def _mend() -> None:
    """Rebuild what does not follow: the data may have been made by another version of the code."""
    from app.health import look
    from projections.engine.rebuild import rebuild

    with engine() as opened:
        if halted := [standing.name for standing in look(opened).halted]:
            rebuild(opened, halted)


def _token() -> str:
    """An administrator's token for a day, with which the demo plays."""
    from ledger.domain.access import Role
    from ledger.tokens import issue

    day = timedelta(days=1)
    with engine() as opened:
        return issue(opened.log, Role.ADMIN, "ledger demo", operator("to play"), lifetime=day).token


def _invite() -> dict[str, str]:
    """A token for a day of each role of the staff, to sign in to the console with."""
    from ledger.domain.access import Role
    from ledger.tokens import issue

    day, meta = timedelta(days=1), operator("to look around")
    with engine() as opened:
        return {
            role.value: issue(opened.log, role, f"demo {role}", meta, lifetime=day).token
            for role in Role
            if role is not Role.CUSTOMER
        }


def _play(door: Door, run: int, past_orders: int, *, as_json: bool) -> Outcome:
    from app.demo.result import collect
    from app.demo.runner import play
    from app.demo.script import Script

    script = Script(run)
    with tracker(as_json=as_json) as track:
        played = play(door, script, track)
    return collect(door, script, played, past_orders)


def _show(
    outcome: Outcome, home: Path, url: str | None, visitors: dict[str, str], *, as_json: bool
) -> bool:
    """Show what came out, and prove it; whether the proof holds.

    `url` is where the service goes on, if it does; `visitors` are tokens by role.
    """
    import msgspec

    from app.cli import demo_report

    proof, seconds = _prove(as_json=as_json)
    lines = list(verdict(proof, seconds))
    if as_json:
        pages = None if url is None else f"{url}/console"
        said = {"home": str(home), "verdict": lines[-1], "url": url, "console": pages}
        print_json(msgspec.structs.asdict(outcome) | said | {"tokens": visitors})
        return proof.holds
    shown = console()
    for part in (*demo_report.result(outcome), "\n".join(lines)):
        shown.print(part, "", sep="\n")
    for line in (
        *demo_report.where_next(outcome, home, url, _program()),
        *demo_report.sign_in(url, visitors),
    ):
        shown.print(line, soft_wrap=True)
    return proof.holds


def _prove(*, as_json: bool) -> tuple[Proof, float]:
    """The proof; the service may be at one of its own, which is over soon."""
    from ledger.errors import RebuildRunning

    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(RebuildRunning):
            return prove(as_json=as_json)
        time.sleep(0.2)
    raise RebuildRunning


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
