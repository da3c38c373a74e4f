"""Looking: accounts, trial balances, postings, entries, rules, periods."""

from __future__ import annotations

from typing import Annotated

import typer
from msgspec.structs import asdict

from app.cli.books.group import (
    AsOf,
    CurrencyOption,
    OfPeriod,
    OrThisMonth,
    Period,
    ToPeriod,
    Transaction,
    app,
    as_of_books,
    books,
    today_of,
)
from app.cli.books.settled import opening_view, period_row, show_readiness
from app.cli.books.showing import (
    accounts_table,
    entries_document,
    entries_view,
    page_document,
    postings_lines,
    rules_view,
    trial_lines,
)
from app.cli.context import engine
from app.cli.output import show, table
from app.cli.records import Limit, some_of


@app.command("accounts", epilog="Example: ledger books accounts")
def list_accounts() -> None:
    """List the accounts, and what is in each at the end of today.

    Amounts above nothing are debits, those below are credits. With what the shop's own chart of
    accounts has for them this month.
    """
    from books.accounts import accounts
    from books.names import names

    with books() as (opened, cursor):
        today = today_of(opened)
        found, called = accounts(cursor, today), names(cursor)
    document = [
        {
            **each._asdict(),
            "mapped": [{**one._asdict(), "account": None} for one in called.mapped(each.account)],
        }
        for each in found
    ]
    show(document, lambda: accounts_table(found, called, f"{today:%Y-%m}"))


@app.command(epilog="Example: ledger books trial --period 2026-09 --currency eur")
def trial(
    *,
    period: OfPeriod,
    to: ToPeriod = None,
    currency: CurrencyOption = None,
    as_of: AsOf = None,
) -> None:
    """Show the trial balance of a month, or of several, by currency.

    A closed month is what its close says, for good. What was learnt of closed months since stands
    in the first open one, as late. Of several months, opening is that of the first and closing that
    of the last; `ledger export trial_balance` has a line a month.
    """
    from books.months import over
    from books.names import names
    from books.opening import listed_since
    from books.trial import READS, totals, uneven
    from projections.engine.replay import as_of_projections

    code = currency.lower() if currency else None
    with engine() as opened, as_of_books(opened, as_of) as (cursor, position, at):
        made = over(cursor, period, to, code, at=at)
        wrong = uneven(cursor, period, code, to=to)
        stands = made.position or position or as_of_projections(cursor, READS).position
        since = None if position else listed_since(cursor, opened.log, made)
        called = names(cursor)
    told = made._asdict()
    told.pop("position")
    document = {
        **told,
        "as_of_position": stands,
        "listed_since": since,
        "uneven_entries": wrong,
        "totals": {name: each._asdict() for name, each in totals(made).items()},
        "balances": [
            {**each._asdict(), "own": asdict(called.of(each.account, made.last))}
            for each in made.balances
        ],
    }
    show(document, lambda: "\n".join(trial_lines(made, stands, wrong, since, called)))


@app.command(epilog="Example: ledger books account suspense:unclassified --period 2026-09")
def account(
    name: Annotated[str, typer.Argument(metavar="ACCOUNT")],
    *,
    period: OrThisMonth = None,
    currency: CurrencyOption = None,
    limit: Limit = 200,
) -> None:
    """List an account's postings in a month, the earliest first.

    Each with the balance after it. Late ones are of closed months, and were learnt of after those
    were closed.
    """
    from books.postings import currencies, postings

    with books() as (opened, cursor):
        month = period or f"{today_of(opened):%Y-%m}"
        codes = [currency.lower()] if currency else currencies(cursor, name)
        pages = [postings(cursor, name, month, code, limit=limit) for code in codes]
    show([page_document(each) for each in pages], lambda: "\n".join(postings_lines(name, pages)))


@app.command(epilog="Example: ledger books explain txn_1QxYz")
def explain(transaction: Transaction) -> None:
    """Show what a balance transaction came to in the books, and why.

    By which rule, for which order, and by which events.
    """
    from books.entries import entries
    from projections.engine.names import named

    with books() as (_, cursor):
        found = entries(cursor, named(cursor, "transaction", transaction))
    show(entries_document(found), lambda: entries_view(found))


@app.command(epilog="Example: ledger books rules")
def rules() -> None:
    """List the rules by which Stripe's transactions become entries."""
    from ledger.domain import posting_rules

    document = {
        "version": posting_rules.RULES_VERSION,
        "rules": posting_rules.RULES,
        "fee_types": posting_rules.FEES,
    }
    show(document, rules_view)


@app.command(epilog="Example: ledger books periods")
def periods() -> None:
    """List the months that were closed, the latest first."""
    found = some_of("periods", {}, 1000)
    latest_first = sorted(found.rows, key=lambda row: row["period"], reverse=True)
    heads = ["=period", "state", ">closed", ">position", "=changed (UTC)", "by", "why"]
    found._replace(rows=latest_first).show(lambda: table(heads, map(period_row, latest_first)))


@app.command("categories", epilog="Example: ledger books categories")
def list_categories() -> None:
    """List the categories of products, and from which month on."""
    from books.categories import categories

    with books() as (_, cursor):
        found = categories(cursor)
    rows = [
        (each.sku, each.period, each.category, each.actor_name or each.actor, each.reason)
        for each in found
    ]
    heads = ["=SKU", "=from", "=category", "by", "why"]
    none = "all sales are in income:sales; `ledger books category` names categories of products"
    show([each._asdict() for each in found], lambda: table(heads, rows) if rows else none)


@app.command(epilog="Example: ledger books opening")
def opening() -> None:
    """Show what accounts held before the books began.

    As a person entered it with `ledger books begin`.
    """
    from books.opening import entered

    with books() as (_, cursor):
        found = entered(cursor)
    document = found and {
        **found._asdict(),
        "balances": [asdict(each) for each in found.balances],
    }
    show(document, lambda: opening_view(found))


@app.command(epilog="Example: ledger books ready 2026-09")
def ready(period: Period) -> None:
    """Say whether a month can be closed now, and if not, why.

    Each reason with its cure. Exits 1 where it cannot.
    """
    show_readiness(period)
