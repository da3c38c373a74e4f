"""Whether a month of the books can be closed: what must be put right before, each with its cure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from books.accounts import bare, connected_account
from books.postings import Close, closes
from books.pulled import unlisted, was_pulled
from books.trial import Balance, Trial, trial
from ledger.domain import posting_rules as rules
from ledger.domain.money import format_money
from ledger.domain.period import month
from ledger.log import Log
from projections.engine.replay import DictCursor

READS: Final = ("postings", "transactions", "periods")
TO_BE_ZERO: Final = (rules.SUSPENSE, rules.FEE_REST, rules.RESERVE, "assets:clearing:tax_fund")
"""Accounts that hold nothing at a month's end: money that is not explained, and what has another
half. `clearing:fx` is not among them: what it holds in one currency it lacks in another; nor is
`clearing:issuing`, which holds what cards spent."""
SHOWN: Final = 5
"""So many transactions are named."""

# What a person classified is explained: it left suspense.
OPEN: Final = """
select p.account, p.currency, p.transaction_id, sum(p.amount_minor)::bigint as open_minor,
    t.amount_minor - t.fee_minor <> t.net_minor as is_uneven
from postings as p
join transactions as t using (transaction_id)
where p.account = any(%(accounts)s) and p.day < %(until)s
group by p.account, p.currency, p.transaction_id, is_uneven
having sum(p.amount_minor) <> 0
order by p.account, p.currency, p.transaction_id
"""
SUSPENSE_ACCOUNTS: Final = """
select distinct account from account_days where account ~ '(^|:)suspense:'
"""


class Reason(NamedTuple):
    """Why a month cannot be closed yet, and what to do about it; `code` is for programs.

    `transactions` are those that are to blame, where single ones are.
    """

    code: str
    says: str
    cure: str
    transactions: list[str]


class Readiness(NamedTuple):
    """A month's trial balance, and what must be put right before it is closed."""

    trial: Trial
    reasons: list[Reason]
    order: list[Reason]
    """Those of them that follow from which months are closed."""


def readiness(cursor: DictCursor, log: Log, period: str) -> Readiness:
    """What stands in the way of closing a month, as the tables stand.

    Raises InvalidCommand for what is no month.
    """
    made = trial(cursor, period)
    order = list(_order(closes(cursor), period))
    if made.state != "open":
        return Readiness(made, order, order)
    asked, zone = month(period), ZoneInfo(made.zone)
    begin, end = (
        datetime.combine(each, time(), zone) for each in (asked.first, asked.following.first)
    )
    reasons = [*order, *_unexplained(cursor, made, asked.following.first)]
    if log.now() < end:
        told = f"{period} ends on {end:%F} at 00:00 ({zone})."
        reasons.append(_reason("not_over", told, "Close it after that."))
        return Readiness(made, reasons, order)
    accounts = {connected_account(each.account) for each in made.balances} | {None}
    for account in sorted(accounts, key=lambda each: each or ""):
        reasons += _behind(cursor, log, account, begin, end)
    return Readiness(made, reasons, order)


def _order(closed: Sequence[Close], period: str) -> Iterator[Reason]:
    if not closed:
        return
    last = closed[-1].period
    if period in {each.period for each in closed}:
        yield _reason(
            "closed", f"{period} is closed already.", f"To change it: `ledger books reopen {last}`."
        )
    elif period < last:
        yield _reason(
            "before",
            f"{period} lies before {closed[0].period}, the first month that was closed.",
            f"Reopen {last} and those before it, and begin with {period}.",
        )
    elif (following := str(month(last).following)) != period:
        yield _reason(
            "out_of_order",
            f"{following} is open, and months are closed in their order.",
            f"First: `ledger books close {following}`.",
        )


def _unexplained(cursor: DictCursor, made: Trial, until: date) -> Iterator[Reason]:
    """What is in suspense or in clearing at the month's end, and the transactions to blame."""
    opened = [row["account"] for row in cursor.execute(SUSPENSE_ACCOUNTS)]
    found = cursor.execute(OPEN, {"accounts": opened, "until": until}).fetchall()
    uneven = [row["transaction_id"] for row in found if row["is_uneven"]]
    fees = [row["transaction_id"] for row in found if bare(row["account"]) == rules.FEE_REST]
    if uneven:
        yield _reason(
            "uneven",
            f"{_named(uneven)}: the amount less the fee is not the net.",
            f"Compare with Stripe's dashboard, then {_classify(uneven)}.",
            uneven,
        )
    if fees:
        yield _reason(
            "fee_details",
            f"{_named(fees)}: the parts of the fee do not explain it.",
            f"Say what the rest is: {_classify(fees)}.",
            fees,
        )
    for each in made.balances:
        if bare(each.account) in TO_BE_ZERO and each.closing_minor:
            mine = (each.account, each.currency)
            its = [r["transaction_id"] for r in found if (r["account"], r["currency"]) == mine]
            yield _not_zero(made, each, its)


def _not_zero(made: Trial, balance: Balance, found: list[str]) -> Reason:
    held = f"{balance.account} holds {format_money(balance.closing_minor, balance.currency)}"
    listed = f"`ledger books account {balance.account} --period {made.period}`"
    if bare(balance.account) in (rules.SUSPENSE, rules.FEE_REST):
        of = f" of {_named(found)}" if found else ""
        return _reason("suspense", f"{held}{of}.", f"Say what it is: {_classify(found)}.", found)
    return _reason(
        "clearing",
        f"{held}, and what comes in and what goes out of it should be equal.",
        f"`ledger stripe pull` fetches the other half; {listed} lists what is there.",
    )


def _classify(found: Sequence[str]) -> str:
    first = found[0] if found else "TRANSACTION"
    return f"`ledger books classify {first} --account ACCOUNT --reason WHY`"


def _behind(
    cursor: DictCursor, log: Log, account: str | None, begin: datetime, end: datetime
) -> Iterator[Reason]:
    pull = "ledger stripe pull" + (f" --account {account}" if account else "")
    whose = f" of {account}" if account else ""
    if not was_pulled(log, account):
        yield _reason(
            "never_pulled",
            f"Stripe's balance transactions{whose} were never listed.",
            f"Run `{pull}`.",
        )
    elif left := unlisted(cursor, log, account, begin, end):
        since, until = (each.astimezone(begin.tzinfo) for each in (left[0][0], left[-1][1]))
        yield _reason(
            "pull_behind",
            f"Stripe's balance transactions{whose} of {since:%F %R} to {until:%F %R}"
            f" ({begin.tzinfo}) were not listed to the end.",
            f"Run `{pull} --since {since.astimezone(UTC):%F}`.",
        )


def _reason(code: str, says: str, cure: str, transactions: Sequence[str] = ()) -> Reason:
    return Reason(code, says, cure, list(transactions))


def _named(found: Sequence[str]) -> str:
    """The first of some transactions by their ids, and how many more."""
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more
