"""Verbs for people who work on the ledger itself: docs and bench, of a checkout, and simulate."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from app.cli.output import BAD_ANSWER, CANNOT_RUN, complain, refuse, show, wants_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from simulator.api.faults import Plan
    from simulator.past import PastShop

app = typer.Typer()
ABROAD: Final = ("sek", "nok", "dkk", "czk")
"""Some pay in the first of these in which the invented shop does not sell: Stripe converts it."""


@app.command(epilog="Example: ledger docs --check")
def docs(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 where a page is stale.")
    ] = False,
) -> None:
    """Write the generated pages of docs/ again."""
    root = _root("docs")
    fresh = {path: page() for path, page in pages().items()}
    stale = [path for path, text in fresh.items() if _text(root / path) != text]
    if not check:
        for path in stale:
            (root / path).write_text(fresh[path], encoding="utf-8")
    verb = "stale" if check else "written"
    show(
        {"pages": sorted(fresh), verb: stale},
        lambda: f"{verb}: {', '.join(stale)}" if stale else f"{len(fresh)} pages are fresh",
    )
    if check and stale:
        complain("Run `make docs` and commit what it writes.")
        raise typer.Exit(BAD_ANSWER)


@app.command(epilog="Example: ledger bench rebuild webhooks --quick")
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Benchmarks; default: all but large.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes, to see that it runs.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a page of docs/.")] = False,
) -> None:
    """Measure speed, as docs/performance.md reports it."""
    sys.path.insert(0, str(_root("benchmarks")))
    benchmarks = importlib.import_module("benchmarks.main")  # not a part of what is installed
    raise typer.Exit(benchmarks.run(names or [], json=wants_json(), quick=quick, markdown=markdown))


@app.command(epilog="Example: ledger simulate --years 1 --objects 3000 --port 8499")
def simulate(
    *,
    seed: Annotated[str, typer.Option("--seed", help="Another seed is another shop.")] = "1",
    years: Annotated[int, typer.Option("--years", min=1, max=20, help="Length of its past.")] = 5,
    objects: Annotated[
        int,
        typer.Option("--objects", min=500, max=2_000_000, help="Objects in all lists together."),
    ] = 200_000,
    currencies: Annotated[
        str, typer.Option("--currencies", help="What it sells in, with commas; most in the first.")
    ] = "eur,jpy,kwd",
    live: Annotated[bool, typer.Option("--live", help="Live mode; else it is test mode.")] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Where to serve; 0 is a free one.")
    ] = 0,
    per_second: Annotated[
        int | None,
        typer.Option("--per-second", min=1, help="More requests in a second are answered 429."),
    ] = None,
    every: Annotated[
        list[str] | None,
        typer.Option("--every", metavar="FAULT=N", help="Let every n-th request go wrong."),
    ] = None,
) -> None:
    """Serve an invented shop's years as Stripe's API does.

    On this machine only. Shows its address, a secret key, a restricted one that may read
    everything, and the figures that a client should find; with --json those of every month as well.
    Requests go wrong on demand, as --every says: error (500), limited (429), busy (409: another
    call with the key is at work), cut (the connection ends within the answer), lost (the same,
    after a refund was made) or slow. Nothing is stored. Ends with Ctrl-C or SIGTERM.
    """
    import time

    from app.cli.serve import stop_on_signal
    from simulator.api import Account, invented_keys, listen, served
    from simulator.api import app as stripe_api
    from simulator.past import past_shop

    sold_in, plan = _sold_in(currencies), _plan(every or [])
    try:
        listener = listen(port)
    except OSError as error:
        refuse("CannotListen", f"Nothing can listen on port {port}: {error}", CANNOT_RUN)
    stop = stop_on_signal()
    until = int(time.time())
    abroad = next((each for each in ABROAD if each not in sold_in), None)
    shop = past_shop(seed, years, objects, sold_in, until=until, livemode=live, abroad=abroad)
    account = Account("acct_1Invented", shop.stripe)
    secret, reading = invented_keys(seed, livemode=live)
    application = stripe_api(
        account, [secret, reading], plan=plan, per_second=per_second, follow=time.time
    )
    with served(application, listener) as base:
        access = {"url": base, "key": secret.secret, "reading_key": reading.secret}
        show({**access, "account": account.id, **_truth(shop)}, lambda: _shop(access, shop))
        stop.wait()


def _sold_in(currencies: str) -> tuple[str, ...]:
    found = tuple(each.strip().lower() for each in currencies.split(","))
    if not all(len(each) == 3 and each.isascii() and each.isalpha() for each in found):
        raise typer.BadParameter("a currency is three letters", param_hint="--currencies")
    return found


def pages() -> dict[str, Callable[[], str]]:
    """The generated pages by their path in the checkout; a new page is a new line."""
    from api.openapi import describe
    from app.asgi import STATUSES, TITLE, routes
    from app.cli import app as verbs
    from app.cli.docs import (
        checks,
        commands,
        events,
        facts,
        figures,
        operations,
        order_states,
        permissions,
        posting_rules,
        settings,
    )
    from kpi.checks.declare import catalogue
    from projections.engine.registry import discover

    example = _root("docs") / ".env.example"
    return {
        "docs/api.md": lambda: operations.page(describe(routes, TITLE, "", STATUSES)),
        "docs/checks.md": lambda: checks.page(catalogue()),
        "docs/cli.md": lambda: commands.page(verbs),
        "docs/contract.md": lambda: facts.page(discover()),
        "docs/contracts/kpi_contract.json": figures.contract,
        "docs/events.md": events.page,
        "docs/kpi_definitions.md": figures.page,
        "docs/order_state_machine.md": order_states.page,
        "docs/posting_rules.md": posting_rules.page,
        "docs/rbac_matrix.md": lambda: permissions.page(routes),
        "docs/settings.md": lambda: settings.page(example.read_text(encoding="utf-8")),
    }


def _plan(told: list[str]) -> Plan:
    """The faults that were asked for: `cut=97` is every 97th request."""
    from simulator.api import Fault, every

    counts: dict[Fault, int] = {}
    for each in told:
        fault, _, count = each.partition("=")
        if fault not in set(Fault) or not count.isdecimal() or int(count) < 1:
            wanted = ", ".join(f"{known}=N" for known in Fault)
            raise typer.BadParameter(f"{each} is none of {wanted}", param_hint="--every")
        counts[Fault(fault)] = int(count)
    return every(counts)


def _truth(shop: PastShop) -> dict[str, object]:
    """The figures that a client should find, as JSON."""
    from msgspec import to_builtins

    truth = shop.truth
    return {"truth": to_builtins(truth) | {"total": to_builtins(truth.total)}}


def _shop(access: dict[str, str], shop: PastShop) -> RenderableType:
    """Where the shop is, how to get in, and its figures, for people."""
    from rich.console import Group

    from app.cli.output import table
    from ledger.domain.money import format_money

    truth, rows = shop.truth, list[list[str]]()
    for currency, figures in truth.total.items():
        amounts = (
            figures.gross_minor,
            figures.refunds_minor,
            figures.disputes_lost_minor,
            figures.fees_minor,
            figures.payouts_paid_minor,
            truth.balance_minor.get(currency, 0),
            truth.mrr_minor.get(currency, 0),
        )
        rows.append([format_money(amount, currency) for amount in amounts])
    heads = [">gross", ">refunds", ">disputes lost", ">fees", ">payouts", ">balance", ">MRR"]
    return Group(
        f"Serving {access['url']} ({sum(truth.objects.values()):,} objects). Ctrl-C stops it.",
        f"export STRIPE_API_BASE={access['url']}",
        f"export STRIPE_API_KEY={access['key']}",
        f"A key that only reads: {access['reading_key']}",
        table(heads, rows),
    )


def _root(folder: str) -> Path:
    """The checkout that this package is installed from; it has the folder."""
    root = Path(__file__).parents[3]
    if not (root / folder).is_dir():
        refuse(
            "NoCheckout",
            f"There is no folder {folder}/ beside the installed package;"
            " clone the repository and run this there.",
            CANNOT_RUN,
        )
    return root


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
