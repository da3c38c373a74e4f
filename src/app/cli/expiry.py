"""`ledger expire`: end the reservations that are over, as the service's timer does by itself."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import catch_up, operator, reading
from app.cli.output import show

if TYPE_CHECKING:
    from app.order_expiry import Expiry
    from projections.engine.build import ProjectionContext

app = typer.Typer()

MOST_SHOWN = 10_000


@app.command(epilog="Example: ledger expire --dry-run")
def expire(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which orders are due, and change nothing.")
    ] = False,
) -> None:
    """Expire the orders that were not paid in time; free their stock.

    The service does so by itself, every LEDGER_EXPIRE_SECONDS.
    """
    with _open_expiry() as (opened, expiry):
        orders = _due(opened, expiry) if dry_run else _expired(opened, expiry)
    verb = "due" if dry_run else "expired"
    show({verb: orders}, lambda: "\n  ".join([f"{verb}: {len(orders):,}", *orders]))


@contextmanager
def _open_expiry() -> Generator[tuple[ProjectionContext, Expiry]]:
    from app.order_expiry import REASON, Expiry
    from kpi.checks.ask import Limits
    from ledger import settings
    from ledger.command_handler import CommandHandler

    with reading() as (opened, reads):
        longest = Limits.of(settings.load()).pending_payment
        command_handler = CommandHandler(opened.log, reads.money)
        yield opened, Expiry(command_handler, reads, operator(REASON), longest_payment=longest)


def _due(opened: ProjectionContext, expiry: Expiry) -> list[str]:
    return expiry.overdue(opened.log.now(), MOST_SHOWN)


def _expired(opened: ProjectionContext, expiry: Expiry) -> list[str]:
    """All that are due, a batch at a time; no other process may be following meanwhile."""
    orders: list[str] = []
    while batch := expiry.expire(opened.log.now()):
        orders += batch
        catch_up(opened)
    return orders
