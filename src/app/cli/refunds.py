"""`ledger refund …`: refunds that were requested, and making them at Stripe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import Reason, catch_up, execute, reading
from app.cli.output import BAD_ANSWER, show, show_list, table
from app.cli.records import Filters, Limit, list_rows
from ledger.domain.text import as_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from app.refunds import Waiting
    from projections.engine.reads import Reads

_NONE = "No refund request waits."

app = typer.Typer(name="refund", help="Requested refunds.", no_args_is_help=True)


@app.command("list", epilog="Example: ledger refund list --filter state=requested")
def list_(filters: Filters = None, limit: Limit = 50) -> None:
    """List requests for refunds and what became of them, latest first.

    `requested` ones wait; `refused` ones Stripe does not make, and may be asked for again
    (`ledger order refund`) or withdrawn.
    """
    list_rows("refund_requests", filters or [], limit)


@app.command("carry-out", epilog="Example: ledger refund carry-out --dry-run")
def carry_out(
    requests: Annotated[
        list[str] | None,
        typer.Argument(metavar="[REQUEST]...", help="Ids as `A1:5`; all that wait, without any."),
    ] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which refunds are due, and make none.")
    ] = False,
) -> None:
    """Make the refunds at Stripe that were requested and wait, now.

    With LEDGER_CARRY_OUT_REFUNDS=true the service does so by itself. Needs STRIPE_API_KEY with the
    permission rak_charge_write. Each is made once, however often this runs and whatever else does.
    Exits 1 where one was not made.
    """
    from app.wiring import refunder
    from ledger.settings import load

    with reading() as (opened, reads):
        made = refunder(load(), reads, follow=lambda: catch_up(opened))
        position = opened.log.head()  # the least that what waits goes up to
        waiting = _chosen(made.waiting(), requests or [])
        if dry_run:
            empty = f"No refund request waits {as_of(position)}; `ledger order refund` makes one."
            show_list(waiting, position, empty, lambda: _due(waiting))
            return
        done = {each.request_id: made.carry_out(each.request_id) for each in waiting}
        catch_up(opened)
        because = _because(reads, list(done))
    show(done, lambda: _became(done, because) if done else _NONE)
    if set(done.values()) - {"done"}:
        raise typer.Exit(BAD_ANSWER)


@app.command(epilog="Example: ledger refund withdraw A1:5 --reason 'not broken after all'")
def withdraw(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="Its id, as `A1:5`.")],
    reason: Reason = None,
) -> None:
    """Take back what is open of a request for a refund.

    Refused once Stripe was asked for it.
    """
    from datetime import UTC, datetime

    from ledger.domain.refund_request import WithdrawRefund

    order = request.rpartition(":")[0]
    with reading() as (_, reads):
        command = WithdrawRefund(
            request_id=request,
            order_id=order,
            at=datetime.now(UTC),
            money=reads.money(order),
        )
        execute(reads, command, reason, "withdrawn")


def _chosen(waiting: list[Waiting], names: list[str]) -> list[Waiting]:
    """Those of these names, or all."""
    known = {each.request_id for each in waiting}
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"No request {name!r} waits; see `ledger refund list`.")
    return [each for each in waiting if not names or each.request_id in names]


def _because(reads: Reads, requests: list[str]) -> dict[str, str]:
    """Why Stripe does not make those of these requests that it refuses."""
    with reads.snapshot(("refund_requests",)) as cursor:
        found = cursor.execute(
            "select request_id, refused_because from refund_requests"
            " where request_id = any(%s) and refused_because is not null",
            [requests],
        ).fetchall()
    return {row["request_id"]: row["refused_because"] for row in found}


def _became(done: Mapping[str, str], because: Mapping[str, str]) -> RenderableType:
    rows = [(name, step, because.get(name, "")) for name, step in done.items()]
    if not because:
        return table(["request", "what became of it"], [row[:2] for row in rows])
    return table(["request", "what became of it", "why"], rows)


def _due(waiting: list[Waiting]) -> RenderableType:
    from ledger.domain.money import format_money

    rows = [(w.request_id, w.order_id, format_money(w.open_minor, w.currency)) for w in waiting]
    return table(["request", "order", ">to go back"], rows)
