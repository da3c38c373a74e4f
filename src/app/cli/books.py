"""`ledger books …`: Stripe's balance in double entry, closed month by month, from the terminal."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import catch_up, engine, execute, operator, reading
from app.cli.output import BAD_ANSWER, counted, progress, show, table
from app.cli.records import Limit, some_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from books.accounts import Held
    from books.entries import Entries
    from books.postings import Page
    from books.trial import Balance, Trial
    from projections.engine.build import ProjectionContext
    from projections.engine.replay import DictCursor

app = typer.Typer(
    name="books", help="The books: accounts, trial balances, periods.", no_args_is_help=True
)
WIDTH = 80
"""So wide are lines of a trial balance, as far as its amounts allow."""

Period = Annotated[str, typer.Argument(metavar="PERIOD", help="A month, as 2026-09.")]
OfPeriod = Annotated[str, typer.Option("--period", metavar="MONTH", help="A month, as 2026-09.")]
OrThisMonth = Annotated[
    str | None,
    typer.Option("--period", metavar="MONTH", help="A month, as 2026-09; without, this one."),
]
CurrencyOption = Annotated[
    str | None, typer.Option("--currency", metavar="CODE", help="One currency only: gbp.")
]
AsOf = Annotated[
    str | None,
    typer.Option(
        metavar="POSITION|TIME",
        help="As it was known then; replays the log from event 1 up to there.",
    ),
]
Transaction = Annotated[str, typer.Argument(metavar="TRANSACTION", help="As txn_1QxYz.")]
Why = Annotated[str, typer.Option("--reason", help="Why, for the audit log.")]


# ── Looking ─────────────────────────────────────────────────────────────────────────────────────


@app.command("accounts", epilog="Example: ledger books accounts")
def list_accounts() -> None:
    """List the accounts, and what is in each at the end of today.

    Amounts above nothing are debits, those below are credits.
    """
    from books.accounts import accounts

    with _books() as (opened, cursor):
        found = accounts(cursor, _today(opened))
    show([each._asdict() for each in found], lambda: _accounts(found))


@app.command(epilog="Example: ledger books trial --period 2026-09 --currency eur")
def trial(*, period: OfPeriod, currency: CurrencyOption = None, as_of: AsOf = None) -> None:
    """Show a month's trial balance, by currency.

    A closed month is what its close says, for good. What was learnt of closed months since stands
    in the first open one, as late.
    """
    from books.trial import READS, totals, trial, uneven
    from projections.engine.replay import as_of_projections

    code = currency.lower() if currency else None
    with engine() as opened, _as_of(opened, as_of) as (cursor, position):
        made = trial(cursor, period, code)
        wrong = uneven(cursor, period, code)
        stands = made.position or position or as_of_projections(cursor, READS).position
    told = made._asdict()
    told.pop("position")
    document = {
        **told,
        "as_of_position": stands,
        "uneven_entries": wrong,
        "totals": {name: each._asdict() for name, each in totals(made).items()},
        "balances": [each._asdict() for each in made.balances],
    }
    show(document, lambda: "\n".join(_trial(made, stands, wrong)))


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

    with _books() as (opened, cursor):
        month = period or f"{_today(opened):%Y-%m}"
        codes = [currency.lower()] if currency else currencies(cursor, name)
        pages = [postings(cursor, name, month, code, limit=limit) for code in codes]
    show([_page(each) for each in pages], lambda: "\n".join(_postings(name, pages)))


@app.command(epilog="Example: ledger books explain txn_1QxYz")
def explain(transaction: Transaction) -> None:
    """Show what a balance transaction came to in the books, and why.

    By which rule, for which order, and by which events.
    """
    from books.entries import entries
    from projections.engine.names import named

    with _books() as (_, cursor):
        found = entries(cursor, named(cursor, "transaction", transaction))
    show(_explained(found), lambda: _entry(found))


@app.command(epilog="Example: ledger books rules")
def rules() -> None:
    """List the rules by which Stripe's transactions become entries."""
    from ledger.domain import posting_rules

    document = {
        "version": posting_rules.RULES_VERSION,
        "rules": posting_rules.RULES,
        "fee_types": posting_rules.FEES,
    }
    show(document, _rules)


@app.command(epilog="Example: ledger books periods")
def periods() -> None:
    """List the months that were closed, the latest first."""
    found = some_of("periods", {}, 1000)
    latest_first = sorted(found.rows, key=lambda row: row["period"], reverse=True)
    heads = ["=period", "state", ">closed", ">position", "=changed (UTC)", "by", "why"]
    found._replace(rows=latest_first).show(lambda: table(heads, map(_period, latest_first)))


@app.command(epilog="Example: ledger books ready 2026-09")
def ready(period: Period) -> None:
    """Say whether a month can be closed now, and if not, why.

    Each reason with its cure. Exits 1 where it cannot.
    """
    _show_readiness(period)


# ── Deciding ────────────────────────────────────────────────────────────────────────────────────


@app.command(
    epilog="Example: ledger books classify txn_1QxYz --account expenses:misc --reason 'a gift card'"
)
def classify(
    transactions: Annotated[
        list[str], typer.Argument(metavar="TRANSACTION...", help="As txn_1QxYz.")
    ],
    *,
    against: Annotated[str, typer.Option("--account", metavar="ACCOUNT", help="As expenses:misc.")],
    reason: Why,
) -> None:
    """Book what of transactions stands in suspense against an account.

    The account that is named last counts. All of them are looked at before the first is classified.
    """
    from books.entries import READS, check_suspense
    from ledger.command_handler import CommandHandler
    from ledger.domain.classification import ClassifyTransaction
    from projections.engine.names import named

    with reading() as (opened, reads):
        with reads.snapshot(READS, current=True) as cursor:
            names = [named(cursor, "transaction", each) for each in transactions]
            for name in names:
                check_suspense(cursor, name)
        handler = CommandHandler(opened.log, reads.money, reads.payment)
        for name in names:
            command = ClassifyTransaction(
                transaction_id=name, against=against, at=datetime.now(UTC)
            )
            execute(handler, command, operator(reason), "classified")


@app.command(epilog="Example: ledger books close 2026-09 --reason 'agrees with the bank'")
def close(
    period: Period,
    *,
    reason: Annotated[
        str | None, typer.Option(help="Why, for the audit log; not needed for a dry run.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say whether it can be closed, and close nothing.")
    ] = False,
) -> None:
    """Close the next month: its balances go on record for good.

    What is learnt of it later counts in the month after. Refused, with each reason and its cure,
    while something must be put right before.
    """
    if dry_run:
        _show_readiness(period)
        return
    from books.close import close
    from books.ready import READS
    from ledger.command_handler import CommandHandler

    with reading() as (opened, reads):
        with reads.snapshot(READS, current=True) as cursor:
            command = close(cursor, opened.log, period, datetime.now(UTC))
        handler = CommandHandler(opened.log, reads.money, reads.payment)
        execute(handler, command, operator(reason), "closed")


@app.command(epilog="Example: ledger books reopen 2026-09 --reason 'a payout was missing'")
def reopen(period: Period, *, reason: Why) -> None:
    """Open the month again that was closed last.

    What its close said stays on record.
    """
    from app.cli.context import carry_out
    from ledger.domain.period import ReopenPeriod

    carry_out(ReopenPeriod(period=period, at=datetime.now(UTC)), reason, "open again")


# ── How it is shown ─────────────────────────────────────────────────────────────────────────────


@contextmanager
def _books() -> Generator[tuple[ProjectionContext, DictCursor]]:
    """The read models of the books, brought up to date."""
    from books.entries import READS

    with reading() as (opened, reads), reads.snapshot(READS, current=True) as cursor:
        yield opened, cursor


@contextmanager
def _as_of(
    opened: ProjectionContext, as_of: str | None
) -> Generator[tuple[DictCursor, int | None]]:
    """Tables as they are now, or as they were known at a position, and which one."""
    from contextlib import closing

    from app.cli.kpi import position_of
    from books.trial import READS
    from projections.engine.reads import Reads
    from projections.engine.replay import replayed

    if as_of is None:
        catch_up(opened)
        with closing(Reads(opened)) as reads, reads.snapshot(READS, current=True) as cursor:
            yield cursor, None
        return
    position, zone = position_of(opened, as_of), opened.database.time_zone
    with (
        progress("replaying") as told,
        replayed(opened, position, zone, READS, told) as cursor,
    ):
        yield cursor, position


def _today(opened: ProjectionContext) -> date:
    from zoneinfo import ZoneInfo

    return opened.log.now().astimezone(ZoneInfo(opened.database.time_zone)).date()


def _show_readiness(period: str) -> None:
    from books.ready import readiness

    with _books() as (opened, cursor):
        reasons = readiness(cursor, opened.log, period).reasons
    show(
        {"period": period, "ready": not reasons, "reasons": [each._asdict() for each in reasons]},
        lambda: "\n".join(
            [f"{period} cannot be closed yet:", *(f"* {r.says} {r.cure}" for r in reasons)]
            if reasons
            else [f"{period} can be closed: `ledger books close {period} --reason WHY`"]
        ),
    )
    if reasons:
        raise typer.Exit(BAD_ANSWER)


def _accounts(found: Sequence[Held]) -> RenderableType:
    from ledger.domain.money import format_money

    rows = [
        (
            each.account,
            ", ".join(format_money(m, c) for c, m in each.by_currency.items()),
            each.about,
        )
        for each in found
    ]
    return table(["=account", ">in it", "what for"], rows) if rows else "nothing ever moved"


def _trial(made: Trial, position: int, wrong: int) -> Iterator[str]:
    from textwrap import fill

    from books.accounts import place
    from books.trial import totals
    from ledger.domain.money import format_money

    sums = totals(made)
    suspense = [format_money(s.suspense_minor, c) for c, s in sums.items() if s.suspense_minor]
    entries = "every entry sums to 0" if not wrong else f"{counted(wrong, 'ENTRY')} do not sum to 0"
    yield fill(
        f"{made.period} ({made.zone}) as of position {position:,}, {_state(made)}; {entries};"
        f" suspense {', '.join(suspense) or 0}",
        WIDTH,
    )
    for code, total in sums.items():
        if len(sums) > 1:
            yield f"\n{code.upper()}"
        mine = sorted(
            (b for b in made.balances if b.currency == code), key=lambda b: place(b.account)
        )
        rows = [(each.account, *_amounts(each, code)) for each in mine]
        heads = ("account", "opening", "debit", "credit", "closing")
        yield from _lined([heads, *rows, ("total", *_amounts(total, code))])
        late = [each for each in mine if each.late_minor]
        if late:
            yield f"late, of closed months: {', '.join(_late(each) for each in late)}"
    if not sums:
        yield "nothing moved"


def _state(made: Trial) -> str:
    again = f", version {made.version}" if (made.version or 1) > 1 else ""
    return {"closed": f"closed{again}", "open": "open", "before": "before the first closed month"}[
        made.state
    ]


def _late(each: Balance) -> str:
    from ledger.domain.money import format_money

    return f"{each.account} {format_money(each.late_minor, each.currency)}"


def _amounts(each: Any, currency: str) -> tuple[str, str, str, str]:
    amounts = (each.opening_minor, each.debit_minor, each.credit_minor, each.closing_minor)
    first, second, third, fourth = (_amount(amount, currency) for amount in amounts)
    return first, second, third, fourth


def _amount(amount_minor: int, currency: str) -> str:
    """An amount with its thousands apart, without its currency."""
    from ledger.domain.money import format_money

    text = format_money(amount_minor, currency).partition(" ")[0]
    units, point, rest = text.removeprefix("-").partition(".")
    return f"{'-' if amount_minor < 0 else ''}{int(units):,}{point}{rest}"


def _lined(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines whose first cell is on the left and whose others are on the right, in columns.

    Where one has no room beside its amounts, it stands above them.
    """
    columns = [max(10, *(len(row[n]) for row in rows)) for n in range(1, len(rows[0]))]
    room = max(0, WIDTH - sum(columns) - len(columns))
    wide = min(room, max(len(row[0]) for row in rows))
    for row in rows:
        cells = "".join(f" {cell:>{width}}" for cell, width in zip(row[1:], columns, strict=True))
        if len(row[0]) > wide:
            yield row[0]
        yield f"{row[0] if len(row[0]) <= wide else '':<{wide}}{cells}".rstrip()


def _page(page: Page) -> dict[str, Any]:
    return {
        "account": page.balance.account,
        "currency": page.balance.currency,
        "period": page.trial.period,
        "time_zone": page.trial.zone,
        "state": page.trial.state,
        "balance": page.balance._asdict(),
        "items": [each._asdict() for each in page.postings],
        "otherwise_minor": page.otherwise_minor,
    }


def _postings(name: str, pages: Sequence[Page]) -> Iterator[str]:
    from books.accounts import about

    made, what = pages[0].trial, about(name)
    yield f"{name}{f': {what}' if what else ''}"
    for page in pages:
        code = page.balance.currency
        yield f"\n{made.period} ({made.zone}), {_state(made)}, {code.upper()}"
        rows = [("day         transaction", "amount", "balance")]
        rows.append(("            opening", "", _amount(page.balance.opening_minor, code)))
        for each in page.postings:
            mark = (
                f" ({'late' if each.counts_in == made.period else 'counts in ' + each.counts_in})"
            )
            told = f"{each.day}  {each.transaction_id} {each.part}{mark if each.late else ''}"
            rows.append((told, _amount(each.amount_minor, code), _amount(each.running_minor, code)))
        if page.otherwise_minor:
            told = _amount(page.otherwise_minor, code)
            rows.append(("            known otherwise since a close", told, ""))
        if page.otherwise_minor is None:
            rows.append(("            more: a greater --limit shows them", "", ""))
        rows.append(("            closing", "", _amount(page.balance.closing_minor, code)))
        yield from _lined(rows)


def _explained(found: Entries) -> dict[str, Any]:
    from msgspec.structs import asdict

    return {**found._asdict(), "rule": found.rule and asdict(found.rule)}


def _entry(found: Entries) -> RenderableType:
    from rich.console import Group

    from ledger.domain import posting_rules
    from ledger.domain.money import format_money

    told = found.transaction
    code = told["currency"]
    sums = (format_money(told[f"{name}_minor"], code) for name in ("amount", "fee", "net"))
    amount, fee, net = sums
    facts = [
        ("what", f"{told['category'] or told['type']} of {told['source_id'] or 'nothing else'}"),
        ("amount", f"{amount}, fee {fee}, net {net}"),
        ("booked (UTC)", f"{told['created_at']:%F %T}"),
        ("payment", told["payment_id"]),
        ("order", told["order_id"]),
        ("classified", told["classified"]),
        ("rule", _said(found)),
        ("events", ", ".join(f"{each['position']:,} {each['kind']}" for each in found.rests_on)),
    ]
    parts: list[RenderableType] = [
        told["transaction_id"],
        table(["", ""], [(name, value) for name, value in facts if value]),
    ]
    for part, rows in found.parts.items():
        parts += [
            "",
            f"{part}: {posting_rules.PARTS[part]}",
            table(
                ["=day", "=account", f">{code}", "stands for", "counts in"],
                (
                    (
                        f"{row['day']}",
                        row["account"],
                        _amount(row["amount_minor"], code),
                        row["stands_for"],
                        row["counts_in"],
                    )
                    for row in rows
                ),
            ),
        ]
    return Group(*parts)


def _said(found: Entries) -> str:
    from ledger.domain import posting_rules

    if found.rule is None:
        return f"none knows it: {posting_rules.SUSPENSE}"
    does = (posting_rules.SHAPES[found.rule.shape], found.rule.because)
    return "; ".join([f"against {found.rule.against}", *filter(None, does)])


def _rules() -> RenderableType:
    from rich.console import Group

    from ledger.domain import posting_rules as rules

    said = [
        (
            ", ".join(r.categories),
            r.against,
            "; ".join(filter(None, (rules.SHAPES[r.shape], r.because))),
        )
        for r in rules.RULES
    ]
    return Group(
        f"rules of version {rules.RULES_VERSION}; what none knows: {rules.SUSPENSE}",
        table(["reporting category", "=against", "and"], said),
        "",
        f"parts of fees; what they do not explain: {rules.FEE_REST}",
        table(["type", "=against"], rules.FEES.items()),
    )


def _period(row: dict[str, Any]) -> tuple[object, ...]:
    return (
        row["period"],
        row["state"],
        row["version"],
        row["position"],
        f"{row['changed_at']:%F %R}",
        row["actor"],
        row["reason"],
    )
