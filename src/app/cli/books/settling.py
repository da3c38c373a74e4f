"""Settling: what a transaction was, what the books begin with, which months are closed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, cast

import typer
from msgspec.structs import asdict

from app.cli.books.group import CurrencyOption, Period, Why, WhyOrDry, app
from app.cli.books.settled import balances_table, show_classified, show_readiness
from app.cli.context import carry_out, catch_up, execute, handler_of, operator, reading
from app.cli.output import show

if TYPE_CHECKING:
    from ledger.domain.account_names import Kind
    from ledger.domain.classify_rule import ClassifyRule
    from ledger.domain.events import OpeningBalance


@app.command(
    epilog="Example: ledger books classify txn_1QxYz --account expenses:misc --reason 'a gift card'"
)
def classify(
    transactions: Annotated[
        list[str] | None, typer.Argument(metavar="[TRANSACTION...]", help="As txn_1QxYz.")
    ] = None,
    *,
    against: Annotated[str, typer.Option("--account", metavar="ACCOUNT", help="As expenses:misc.")],
    kind: Annotated[
        str | None, typer.Option(help="All of this category, or type, as other_adjustment.")
    ] = None,
    description: Annotated[
        str | None,
        typer.Option(help="All of this description; * stands for anything: 'Bank charge*'."),
    ] = None,
    currency: CurrencyOption = None,
    reason: WhyOrDry = None,
    new_account: Annotated[
        bool, typer.Option("--new-account", help="The account is new, though much like another.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be classified, and classify nothing.")
    ] = False,
) -> None:
    """Book what of transactions stands in suspense against an account.

    Of those that are named, or of all that a rule finds: a kind, a description, a currency. The
    account that is named last counts. All of them are looked at before the first is classified.
    """
    from ledger.domain.classify_rule import ClassifyRule

    rule = ClassifyRule(
        kind=kind, description=description, currency=currency.lower() if currency else None
    )
    if bool(transactions) == (rule != ClassifyRule()):
        raise typer.BadParameter("name transactions, or say --kind, --description or --currency.")
    if transactions:
        if dry_run:
            raise typer.BadParameter(
                "--dry-run shows what a rule finds; `ledger books explain` shows a transaction."
            )
        _classify_each(transactions, against, reason, is_new=new_account)
    else:
        _classify_all(rule, against, reason, is_new=new_account, dry_run=dry_run)


def _classify_each(
    transactions: Sequence[str], against: str, reason: str | None, *, is_new: bool
) -> None:
    from books.accounts import check_meant
    from books.entries import READS, check_classifiable
    from ledger.domain.classification import ClassifyTransaction
    from projections.engine.names import named

    with reading() as (_, reads):
        with reads.snapshot(READS, current=True) as cursor:
            names = [named(cursor, "transaction", each) for each in transactions]
            for name in names:
                check_classifiable(cursor, name)
            check_meant(cursor, against, is_new=is_new)
        for name in names:
            command = ClassifyTransaction(
                transaction_id=name, against=against, at=datetime.now(UTC)
            )
            execute(reads, command, reason, "classified")


def _classify_all(
    rule: ClassifyRule, against: str, reason: str | None, *, is_new: bool, dry_run: bool
) -> None:
    """All that a rule finds, a preview's worth at a time."""
    from books.accounts import check_meant
    from books.classify import READS, Asked, Classified, classify, preview
    from ledger.domain.classification import check_against
    from ledger.domain.limits import check_reason

    meta = operator(reason)
    check_reason(reason if dry_run else reason or "")
    check_against(against)
    items: list[Classified] = []
    with reading() as (opened, reads):
        handler = handler_of(reads)
        with reads.snapshot(READS, current=True) as cursor:
            check_meant(cursor, against, is_new=is_new)
        while True:
            with reads.snapshot(READS, current=True) as cursor:
                found = preview(cursor, rule)
            if dry_run:
                items = [Classified(each, "skipped", None) for each in found.items]
                break
            asked = Asked(rule, found.seen, against, datetime.now(UTC))
            done = classify(reads, handler, asked, meta).items
            items += done
            catch_up(opened)
            if not found.has_more or all(each.outcome != "classified" for each in done):
                break
    show_classified(rule, found, items, against, dry_run=dry_run)


@app.command(epilog="Example: ledger books begin 2026-09 --from-stripe --dry-run")
def begin(
    period: Period,
    *,
    from_stripe: Annotated[
        bool,
        typer.Option(
            "--from-stripe", help="What Stripe held: its balance, less what moved it since."
        ),
    ] = False,
    balance: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ACCOUNT=AMOUNT",
            help="What an account held: 'liabilities:sales_tax=-120.50 eur'; credits are negative.",
        ),
    ] = None,
    empty: Annotated[
        bool, typer.Option("--empty", help="No account held anything before the month.")
    ] = False,
    reason: WhyOrDry = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be entered, and enter nothing.")
    ] = False,
) -> None:
    """Begin the books with a month: say what accounts held before it.

    For an account of which not everything was pulled. What a currency's balances do not sum up to
    is booked against equity:opening. What is known of the time before is no part of the books then.
    What was entered last counts, and nothing can be entered while a month is closed.
    """
    from books.opening import READS, opening, proposed

    given = [_balance(each) for each in balance or ()]
    if empty == bool(given or from_stripe):
        raise typer.BadParameter("say --from-stripe, --balance or both, or --empty.")
    with reading() as (opened, reads):
        with reads.snapshot(READS, current=True) as cursor:
            command = opening(
                cursor, opened.log, period, given, datetime.now(UTC), from_stripe=from_stripe
            )
        if dry_run:
            handler_of(reads).try_out(command, operator(reason))
            found = proposed(command)
            document = {"period": period, "balances": [asdict(each) for each in found]}
            show(document, lambda: balances_table(found))
            return
        execute(reads, command, reason, "the books begin with")


@app.command(
    "map",
    epilog="Example: ledger books map expenses:stripe:tax_on_fees --from 2026-09 --code 1576"
    " --kind assets --reason 'recoverable'",
)
def map_account(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="As income:sales.")],
    *,
    since: Annotated[
        str, typer.Option("--from", metavar="MONTH", help="The first month for which it counts.")
    ],
    code: Annotated[str | None, typer.Option(help="As 1576.")] = None,
    name: Annotated[str | None, typer.Option(help="As 'Input tax'.")] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="Where it stands: assets, liabilities, equity, income, contra, expenses."
        ),
    ] = None,
    ours: Annotated[
        bool, typer.Option("--ours", help="The name of the books counts again.")
    ] = False,
    reason: Why,
) -> None:
    """Say what your own chart of accounts has for an account.

    Reports and exports name it from that month on; postings stay as they are. A closed month keeps
    the names that it was closed with.
    """
    from books.names import READS, check_there
    from ledger.domain.account_names import OwnName
    from ledger.domain.period import MapAccount

    own = OwnName(code, name, cast("Kind | None", kind))
    if ours == bool(own):
        raise typer.BadParameter("say --code, --name or --kind, or --ours.")
    with reading() as (_, reads):
        with reads.snapshot(READS, current=True) as cursor:
            check_there(cursor, account)
        command = MapAccount(account=account, period=since, own=own, at=datetime.now(UTC))
        execute(reads, command, reason, f"{account} is mapped from")


@app.command(
    epilog="Example: ledger books category 'MUG-*' mugs --from 2026-09 --reason 'as our accounts'"
)
def category(
    sku: Annotated[str, typer.Argument(metavar="SKU", help="As MUG-RED, or 'MUG-*'.")],
    name: Annotated[
        str | None, typer.Argument(metavar="[CATEGORY]", help="As mugs.", show_default=False)
    ] = None,
    *,
    since: Annotated[
        str, typer.Option("--from", metavar="MONTH", help="The first month for which it counts.")
    ],
    none: Annotated[bool, typer.Option("--none", help="It has none of its own any more.")] = False,
    reason: Why,
) -> None:
    """Book sales of products by category, from a month on.

    Goods of a linked order are split over income:sales:CATEGORY by its lines, refunds over
    contra:refunds:CATEGORY; what is of no category, or of no order, stays in income:sales. An exact
    SKU counts before the longest beginning ('MUG-*'), '*' is every other. A closed month keeps the
    categories that it was closed with.
    """
    from ledger.domain.period import NameCategory

    if none == (name is not None):
        raise typer.BadParameter("say a category, or --none.")
    command = NameCategory(sku=sku, category=name, period=since, at=datetime.now(UTC))
    carry_out(command, reason, f"{sku} is sold {'by no category' if none else f'as {name}'} from")


def _balance(text: str) -> OpeningBalance:
    """An account and what it held, as a person wrote it."""
    from ledger.domain.events import OpeningBalance
    from ledger.domain.money import parse_money

    account, equals, amount = text.partition("=")
    if not equals:
        raise typer.BadParameter(
            f"write 'liabilities:sales_tax=-120.50 eur', not {text!r}.", param_hint="--balance"
        )
    minor, currency = parse_money(amount.strip().removeprefix("-"))
    sign = -1 if amount.strip().startswith("-") else 1
    return OpeningBalance(account=account.strip(), currency=currency, opening_minor=sign * minor)


@app.command(epilog="Example: ledger books close 2026-09 --reason 'agrees with the bank'")
def close(
    period: Period,
    *,
    reason: WhyOrDry = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say whether it can be closed, and close nothing.")
    ] = False,
) -> None:
    """Close the next month: its balances go on record for good.

    What is learnt of it later counts in the month after. Refused, with each reason and its cure,
    while something must be put right before.
    """
    if dry_run:
        show_readiness(period)
        return
    from books.close import close
    from books.ready import READS

    with reading() as (opened, reads):
        with reads.snapshot(READS, current=True) as cursor:
            command = close(cursor, opened.log, period, datetime.now(UTC))
        execute(reads, command, reason, "closed")


@app.command(epilog="Example: ledger books reopen 2026-09 --reason 'a payout was missing'")
def reopen(period: Period, *, reason: Why) -> None:
    """Open the month again that was closed last.

    What its close said stays on record.
    """
    from ledger.domain.period import ReopenPeriod

    carry_out(ReopenPeriod(period=period, at=datetime.now(UTC)), reason, "open again")
