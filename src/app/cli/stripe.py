"""`ledger connect` and `ledger stripe …`: whether a key will do, and all that its account holds."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import Reason, a_past_time, engine, operator, ready
from app.cli.output import BAD_ANSWER, complain, counted, progress, show, table
from ledger.errors import SettingsError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from app.stripe_pull import AccountReport, Examination

app = typer.Typer()
stripe = typer.Typer(name="stripe", help="What Stripe holds of the account.", no_args_is_help=True)
app.add_typer(stripe)

ENV = Path(".env")
ONLY_TO_REFUND = " (only for LEDGER_CARRY_OUT_REFUNDS)"


@app.command(epilog="Example: ledger connect --save")
def connect(
    *,
    save: Annotated[
        bool, typer.Option("--save", help="Write the key into .env, readable by you only.")
    ] = False,
) -> None:
    """Check a restricted key: its mode, what it may read and refund.

    Takes STRIPE_API_KEY, or asks for one. Names each permission that is missing as Stripe does;
    changes nothing at Stripe, and writes nothing without --save. Exits 1 where one is missing; that
    to make refunds counts with LEDGER_CARRY_OUT_REFUNDS only.
    """
    from app.stripe_pull import examine
    from app.wiring import stripe_client
    from ledger.settings import load

    settings = load()
    if settings.stripe_api_key is None:
        os.environ["STRIPE_API_KEY"] = _asked_key()
        settings = load()  # checks it as a setting
    examined = examine(stripe_client(settings), settings.ledger_mode)
    assert settings.stripe_api_key is not None
    if save:
        _save(settings.stripe_api_key.get_secret_value())
    show(
        {
            "mode": settings.ledger_mode,
            "missing": examined.missing,
            "refunds_missing": examined.refunds_missing,
            "saved": save,
        },
        lambda: _examined(settings.ledger_mode, examined, saved=save),
    )
    may_refund = examined.refunds_missing is None or not settings.ledger_carry_out_refunds
    if examined.missing or not may_refund:
        raise typer.Exit(BAD_ANSWER)


def _asked_key() -> str:
    """A key that is typed without being shown, or piped in; raises `SettingsError` for none."""
    if sys.stdin.isatty():
        asked = "Restricted key (rk_test_… or rk_live_…)"
        return typer.prompt(asked, hide_input=True, err=True).strip()
    key = sys.stdin.readline().strip()
    if not key:
        raise SettingsError(
            "STRIPE_API_KEY is not set, and there is no terminal to ask at: set it, in .env or in"
            " the environment, or pipe the key in."
        )
    return key


def _save(key: str) -> None:
    """Put the key into .env in place of the one that it may hold; the rest stays as it is."""
    lines = ENV.read_text("utf-8").splitlines() if ENV.exists() else []
    kept = [line for line in lines if not line.startswith("STRIPE_API_KEY=")]
    new = ENV.with_name(".env.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join([*kept, f"STRIPE_API_KEY={key}", ""]))
    new.replace(ENV)


def _examined(mode: str, examined: Examination, *, saved: bool) -> RenderableType:
    from app.stripe_pull import ONE_EACH

    rows = [(path, examined.missing.get(path, "may read")) for path in ONE_EACH]
    refunds = examined.refunds_missing
    rows.append(("a refund", "may make" if refunds is None else f"{refunds}{ONLY_TO_REFUND}"))
    shown = table(["Stripe's list", "what the key may, or lacks"], rows)
    complain(f"a key of {mode} mode" + ("; written to .env" if saved else ""))
    return shown


@stripe.command(epilog="Example: ledger stripe pull --since 2024-01-01")
def pull(
    *,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only what was made since: an ISO 8601 time, or 90d."),
    ] = None,
    account: Annotated[
        str | None, typer.Option(metavar="ID", help="A connected account: acct_….")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Begin from the start, where one was not finished.")
    ] = False,
    reason: Reason = None,
) -> None:
    """Take in all that the Stripe account holds, as it is now.

    Customers, prices, payments, refunds, disputes, checkouts, invoices, subscriptions, payouts and
    balance transactions, each byte for byte; then the events of the last 30 days. Needs
    STRIPE_API_KEY (see `ledger connect`). What was ended in the middle goes on where it was;
    what is known already is not stored again. Exits 1 where the key may not read something.
    """
    from app.stripe_pull import FIRST_DAY, pull_account
    from app.wiring import stripe_client

    settings = ready()
    start = FIRST_DAY if since is None else a_past_time(since, datetime.now(UTC), "--since")
    client = stripe_client(settings, account)
    kept = "what was taken in stays, and `ledger stripe pull` goes on from there"
    with engine() as opened, progress("pulling", kept) as report_progress:
        shares: dict[str, tuple[int, float]] = {}

        def heard(kind: str, objects: int, share: float) -> None:
            from webhooks.ingest.pull import LISTINGS

            shares[kind] = objects, share
            done = sum(each for _, each in shares.values())
            report_progress(round(1000 * done), 1000 * len(LISTINGS))

        report = pull_account(
            opened,
            client,
            mode=settings.ledger_mode,
            since=start,
            afresh=again,
            progress=heard,
            meta=operator(reason),
        )
    show(report, lambda: _pulled(report))
    if report.objects.not_permitted or report.objects.refused:
        raise typer.Exit(BAD_ANSWER)


def _pulled(report: AccountReport) -> RenderableType:
    from webhooks.ingest.pull import LISTINGS, Count

    objects = report.objects
    for line in _told(report):
        complain(line)
    rows = [
        (each.kind, count.objects, count.new, count.changed)
        if each.kind not in {**objects.not_permitted, **objects.refused}
        else (each.kind, None, None, None)
        for each in LISTINGS
        for count in [objects.counts.get(each.kind, Count())]
    ]
    return table(["what Stripe calls it", ">shown", ">new", ">changed"], rows)


def _told(report: AccountReport) -> Iterator[str]:
    objects = report.objects
    if objects.resumed:
        yield "went on with a pull that was not finished"
    if report.events is not None:
        listed, new = report.events.listed, report.events.appended
        yield f"events of the last 30 days: {listed:,}, {new:,} new"
    if report.lists.objects:
        yield f"lists of {counted(report.lists.objects, 'object')} read to their ends"
    if report.lists.refused:
        number = counted(len(report.lists.refused), "object")
        yield f"Stripe does not tell the rest of the lists of {number}"
    if report.balance.payouts:
        yield f"members of {counted(report.balance.payouts, 'payout')} listed"
    if report.balance.not_listed:
        number = counted(len(report.balance.not_listed), "payout")
        yield f"Stripe does not list the members of {number}"
    if report.balance.unknown_transactions:
        number = counted(len(report.balance.unknown_transactions), "balance transaction")
        yield f"Stripe does not know {number} that others name"
    for kind, permission in objects.not_permitted.items():
        yield f"not permitted: {kind} (give the key {permission})"
    for kind, why in objects.refused.items():
        yield f"not listed: {kind} ({why})"
