"""`ledger demo`: imports a shop's history, plays its day over HTTP, and shows the outcome."""

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
from typing import TYPE_CHECKING, Annotated, Final

import typer

from app.cli.context import engine, operator, ready
from app.cli.output import (
    BAD_ANSWER,
    CANNOT_RUN,
    complain,
    console,
    print_json,
    progress,
    refuse,
    tracker,
    wants_json,
)
from app.cli.proof_report import Proven, verdict
from app.cli.read_models import prove, remake

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.demo.client import Client
    from app.demo.result import Outcome, Past
    from app.demo.script import Script
    from ledger.log import Log
    from ledger.settings import Settings

    PullRest = Callable[[Script], int]

app = typer.Typer()

START_SECONDS = 60
DEMO_KEPT = "what was played stays, and the next run plays on"
SERVE = (sys.executable, "-m", "app.cli", "serve", "--with-parent")


SIGNER: Final = "webhook-signer"
"""The file in the demo's folder with the secret by which its Stripe signs."""


@app.command(epilog="Example: ledger demo --once")
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop when everything was shown.")] = False,
    home: Annotated[Path, typer.Option(metavar="FOLDER", help="The demo's own ledger.")] = Path(
        ".ledger-demo"
    ),
) -> None:
    """Play a believable shop on a separate ledger, and keep serving.

    A new ledger first pulls the shop's Stripe account of a year before, from an invented API, and
    gets a history of ninety days, with some 350 orders. Then come about fifteen
    orders of today and their Stripe events, some of them late, twice or out of order. What moved
    the balance in those ninety days is pulled then, and the two last months of the books are
    closed. Running it again adds such orders to the same shop, without a pull. LEDGER_HOME and
    DATABASE_URL are left alone: invented
    events never reach them.
    """
    from app.demo.client import Client

    settings, secret = _look_at(home)
    run, past, rest = _bring_past()
    token = _token()
    with _serving(settings) as child:
        client = Client(settings.ledger_host, settings.ledger_port, secret)
        with progress("starting", DEMO_KEPT):
            _wait(client, child)
            _mend()
            client.token = token
        outcome = _play(client, run, past, rest)
        address = None if once else client.url
        tokens = {} if once else _invite()
        holds = _show(outcome, home, address, tokens)
        if not once:
            _keep_serving(child)
    if not holds:
        raise typer.Exit(BAD_ANSWER)


def _secret(home: Path) -> str:
    """What the invented Stripe signs with, kept so that its signatures can be checked again."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = home / SIGNER
    with suppress(FileExistsError):
        made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(made, "w", encoding="utf-8") as kept:
            kept.write(f"whsec_{secrets.token_hex(24)}\n")
    return file.read_text(encoding="utf-8").strip()


def _look_at(home: Path) -> tuple[Settings, str]:
    """From here on this process, and the service that it starts, have the demo's own ledger.

    Answers the settings, with a port that is free, and the secret by which Stripe's events are
    signed. Raises `SettingsError` for live mode, where play money has no place, and refuses a
    folder that holds a ledger which no demo made; then it writes nothing.
    """
    from ledger import settings
    from ledger.errors import SettingsError

    os.environ |= {
        "LEDGER_HOME": str(home.resolve()),
        "DATABASE_URL": "",
        "STRIPE_WEBHOOK_SECRETS": "",
    }
    given = ready()
    if given.ledger_mode == "live":
        raise SettingsError("LEDGER_MODE is live; the demo plays in test mode, on data of its own.")
    _look_into(home, given)
    os.environ["STRIPE_WEBHOOK_SECRETS"] = secret = _secret(home)
    port = _free_port(given.ledger_host, given.ledger_port)
    if port != given.ledger_port:
        complain(f"[yellow]Port {given.ledger_port} is taken;[/] the demo serves on {port}.")
    return settings.load().model_copy(update={"ledger_port": port}), secret


def _look_into(home: Path, settings: Settings) -> None:
    """Refuse a ledger that no demo made, before anything is written beside it.

    One of an older version, which cannot be looked at, is a demo's where a demo left its secret.
    """
    from app.wiring import open_log
    from ledger.errors import MigrationError, NoLedger
    from ledger.postgres.database import check_ledger

    try:
        check_ledger(settings)
        with open_log(settings, migrates=False) as (_, log):
            _refuse_another(log)
    except NoLedger:
        return
    except MigrationError:
        if not (home / SIGNER).exists():
            raise


def _refuse_another(log: Log) -> None:
    """Refuse a log that holds something, and began otherwise than a demo's."""
    from app.demo.history_import import is_of_a_demo

    if log.head() and not is_of_a_demo(log):
        raise typer.BadParameter(
            "this folder holds a ledger that the demo did not make. Invented events would"
            " stay in it for good; name another folder, which need not exist yet.",
            param_hint="--home",
        )


def _free_port(host: str, wanted: int) -> int:
    family = socket.getaddrinfo(host, wanted)[0][0]
    for port in (wanted, 0):
        with suppress(OSError), socket.create_server((host, port), family=family) as server:
            return server.getsockname()[1]
    return wanted  # the service says what is wrong with it


def _bring_past() -> tuple[int, Past, PullRest | None]:
    """Give an empty log a past; answers a number for this run, what was brought, and a last pull.

    The number is one more than the head that the log had. A log that began otherwise is refused.
    """
    from app.demo.account import DemoAccount
    from app.demo.history import ShopHistory
    from app.demo.history_import import import_history
    from app.demo.result import Past

    with engine() as opened:
        _refuse_another(opened.log)
        if head := opened.log.head():
            return head + 1, Past(0, 0), None
        now = int(time.time())
        with progress("pulling", DEMO_KEPT) as report_progress:
            account = DemoAccount(now)
            pulled = account.pull_past(opened, report_progress).objects
        with tracker() as track:
            history = ShopHistory(now)
            import_history(opened, history, track)
        past = Past(sum(each.objects for each in pulled.counts.values()), history.orders)

    def pull_rest(script: Script) -> int:
        with engine() as opened:
            booked = [*history.booked, *script.stripe.booked]
            account.pull_rest(opened, booked, int(time.time()))
            return opened.log.head()

    return 1, past, pull_rest


@contextmanager
def _serving(settings: Settings) -> Generator[subprocess.Popen[bytes]]:
    """The real service in a separate process; it ends when its standard input does.

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


def _wait(client: Client, child: subprocess.Popen[bytes]) -> None:
    """Until the service is ready."""
    deadline = time.monotonic() + START_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            client.get("/readyz")
            return
        time.sleep(0.05)
    text = "The service did not start. Try `ledger serve`, or `ledger doctor`."
    refuse("NotStarted", text, CANNOT_RUN)


def _mend() -> None:
    """Rebuild what does not follow: the data may have been made by another version of the code."""
    from app.health import look

    with engine() as opened:
        if halted := [status.name for status in look(opened).halted]:
            remake(opened, halted, "to play")


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
            if role not in {Role.CUSTOMER, Role.MIGRATION}  # programs of others hold these
        }


def _play(client: Client, run: int, past: Past, rest: PullRest | None) -> Outcome:
    """Play today, then pull what moved the balance since the ninety days began, if it is known."""
    from app.demo.result import collect
    from app.demo.runner import play
    from app.demo.script import Script

    script = Script(run)
    with tracker() as track:
        played = play(client, script, track)
    if rest is not None:
        with progress("pulling", DEMO_KEPT):
            played = played._replace(position=rest(script))
    return collect(client, script, played, past)


def _show(outcome: Outcome, home: Path, url: str | None, tokens: dict[str, str]) -> bool:
    """Show what came out, and prove it; whether the proof holds.

    `url` is where the service goes on, if it does; `tokens` are by role.
    """
    import msgspec

    from app.cli import demo_report

    proven = _prove()
    proof, lines = proven.proof, list(verdict(proven))
    if wants_json():
        pages = None if url is None else f"{url}/console"
        said = {"home": str(home), "verdict": lines[-1], "url": url, "console": pages}
        print_json(msgspec.structs.asdict(outcome) | said | {"tokens": tokens})
        return proof.holds
    shown = console()
    for part in (*demo_report.result(outcome), "\n".join(lines)):
        shown.print(part, "", sep="\n")
    for line in (
        *demo_report.where_next(outcome, home, url, _program()),
        *demo_report.sign_in(url, tokens),
    ):
        shown.print(line, soft_wrap=True)
    return proof.holds


def _prove() -> Proven:
    """The proof; the service may be making one already, which is over soon."""
    from ledger.errors import RebuildRunning

    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(RebuildRunning):
            return prove()
        time.sleep(0.2)
    raise RebuildRunning


def _program() -> str:
    """How this command line is called from here."""
    called = Path(sys.argv[0])
    if called.name != "ledger" or shutil.which("ledger"):
        return "ledger"
    near = os.path.relpath(called)
    return str(called) if near.startswith("..") else near


def _keep_serving(child: subprocess.Popen[bytes]) -> None:
    if not wants_json():
        complain("Still serving; Ctrl-C stops it.")
    with suppress(KeyboardInterrupt):
        child.wait()
