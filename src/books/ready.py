"""Whether a month of the books can be closed: what must be put right before, each with its cure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from books.accounts import bare, connected_account
from books.postings import Close, closes
from books.pulled import unlisted, was_pulled
from books.trial import Trial, trial
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
    asked, zone = month(period), ZoneInfo(made.zone)
    begin, end = (
        datetime.combine(each, time(), zone) for each in (asked.first, asked.following.first)
    )
    reasons = [*_not_over(log, period, end)]
    if made.state != "closed":
        opened = cursor.execute(SUSPENSE_ACCOUNTS).fetchall()
        given = {"accounts": [row["account"] for row in opened], "until": asked.following.first}
        found = cursor.execute(OPEN, given).fetchall() if opened else []
        names = {
            (row["account"], row["currency"]): [
                each["transaction_id"]
                for each in found
                if (each["account"], each["currency"]) == (row["account"], row["currency"])
            ]
            for row in found
        }
        uneven = [row["transaction_id"] for row in found if row["is_uneven"]]
        fees = [row["transaction_id"] for row in found if bare(row["account"]) == rules.FEE_REST]
        reasons += [*_uneven(uneven), *_unexplained(fees), *_not_zero(made, names)]
    if not reasons or reasons[0].code != "not_over":
        accounts = {connected_account(each.account) for each in made.balances} | {None}
        for account in sorted(accounts, key=lambda each: each or ""):
            reasons += _behind(cursor, log, account, begin, end)
    return Readiness(made, [*order, *reasons], order)


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


def _not_over(log: Log, period: str, end: datetime) -> Iterator[Reason]:
    if log.now() < end:
        zone = end.tzinfo
        yield _reason(
            "not_over", f"{period} ends on {end:%F} at 00:00 ({zone}).", "Close it after that."
        )


def _uneven(found: list[str]) -> Iterator[Reason]:
    if found:
        yield _reason(
            "uneven",
            f"{_named(found)}: the amount less the fee is not the net.",
            "Compare with Stripe's dashboard, then `ledger books classify"
            f" {found[0]} --account ACCOUNT --reason WHY`.",
            found,
        )


def _unexplained(found: list[str]) -> Iterator[Reason]:
    if found:
        yield _reason(
            "fee_details",
            f"{_named(found)}: the parts of the fee do not explain it.",
            f"Say what the rest is: `ledger books classify {found[0]} --account ACCOUNT"
            " --reason WHY`.",
            found,
        )


def _not_zero(made: Trial, names: dict[tuple[str, str], list[str]]) -> Iterator[Reason]:
    for each in made.balances:
        if bare(each.account) not in TO_BE_ZERO or not each.closing_minor:
            continue
        held = format_money(each.closing_minor, each.currency)
        found = names.get((each.account, each.currency), [])
        if bare(each.account).startswith("suspense:"):
            code, of = "suspense", f" of {_named(found)}" if found else ""
            first = found[0] if found else "TRANSACTION"
            cure = f"`ledger books classify {first} --account ACCOUNT --reason WHY`."
        else:
            code, of = "clearing", ", and what comes in and what goes out of it should be equal"
            cure = (
                f"`ledger stripe pull` fetches the other half; `ledger books account {each.account}"
                f" --period {made.period}` lists what is there."
            )
        yield _reason(code, f"{each.account} holds {held}{of}.", cure, found)


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
