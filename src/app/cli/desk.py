"""The desk for verbs: commands of a person at the terminal."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from getpass import getuser
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import catch_up, may_make, ready
from app.cli.output import show

if TYPE_CHECKING:
    from ledger.command_handler import Desk
    from ledger.decisions import Command
    from ledger.domain.events import Meta
    from ledger.log import Log
    from ledger.settings import Settings

Reason = Annotated[str | None, typer.Option(help="Why, for the audit log.")]


@contextmanager
def open_desk() -> Generator[tuple[Settings, Log, Desk]]:
    """The desk, on read models that are up to date: some commands rest on what Stripe reported."""
    from app.wiring import open_engine
    from ledger.command_handler import Desk
    from projections.engine.reads import Reads

    settings = ready()
    with open_engine(settings, migrates=may_make()) as engine, closing(Reads(engine)) as reads:
        catch_up(engine)
        yield settings, engine.log, Desk(engine.log, reads.money, reads.payment)


def operator(reason: str | None) -> Meta:
    """Who acts from the terminal, and why."""
    from ledger.domain.events import Meta

    return Meta(actor="operator", actor_name=_user(), role="admin", reason=reason)


def _user() -> str | None:
    """The user of the operating system; None for one without a name, as in a container."""
    try:
        return getuser()
    except (KeyError, OSError):
        return None


def execute(desk: Desk, command: Command, meta: Meta, done: str, *, as_json: bool) -> None:
    """Carry out a command and say so."""
    result = desk.execute(command, meta)
    (name,) = result.value.values()
    show(
        {**result.value, "position": result.position},
        lambda: f"{done}: {name} (position {result.position:,})",
        as_json=as_json,
    )
