"""Whether a month of the books can be closed: what must be put right before, each with its cure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from books.accounts import bare, connected_account
from books.postings import Close, closes
from books.pulled import listed_from, unlisted, was_pulled
from books.trial import Balance, Trial, begins_on, trial
from ledger.domain import posting_rules as rules
from ledger.domain.money import format_money
from ledger.domain.period import month, out_of_turn
from ledger.log import Log
from projections.engine.replay import DictCursor

READS: Final = ("postings", "transactions", "periods")
TO_BE_ZERO: Final = (*rules.TO_CLASSIFY, rules.FEE_REST)
"""Accounts that hold nothing at a month's end: money that is not explained, and what has another
half. `clearing:fx` is not among them: what it holds in one currency it lacks in another; nor is
`clearing:issuing`, which holds what cards spent."""
KEPT: Final = "assets:reserve"
"""A name for what Stripe keeps back; any other will do."""
SHOWN: Final = 5
"""So many transactions are named."""

# What a person classified is explained: it left suspense.
OPEN: Final = """
select p.account, p.currency, p.transaction_id, sum(p.amount_minor)::bigint as open_minor,
    t.amount_minor - t.fee_minor <> t.net_minor as is_uneven
from postings as p
join transactions as t using (transaction_id)
where p.account = any(%(accounts)s) and p.day < %(until)s
    and (%(begins)s::date is null or p.day >= %(begins)s)
group by p.account, p.currency, p.transaction_id, is_uneven
having sum(p.amount_minor) <> 0
order by p.account, p.currency, min(p.at), p.transaction_id
"""
OPEN_ACCOUNTS: Final = "select distinct account from account_days"


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
    closed = closes(cursor)
    order = list(_order(closed, made.begins, period))
    if not made.is_ahead:
        return Readiness(made, order, order)
    asked, zone = month(period), ZoneInfo(made.zone)
    begin, end = (
        datetime.combine(each, time(), zone) for each in (asked.first, asked.following.first)
    )
    reasons = [*order, *_unexplained(cursor, made, asked.following.first)]
    if log.now() < end:
        begun = "" if made.state == "open" else " has not begun, and"
        told = f"{period}{begun} ends on {end:%F} at 00:00 ({zone})."
        reasons.append(_reason("not_over", told, "Close it after that."))
        return Readiness(made, reasons, order)
    accounts = {connected_account(each.account) for each in made.balances} | {None}
    for account in sorted(accounts, key=lambda each: each or ""):
        if not closed and made.begins is None:
            reasons += _partial(cursor, log, account, period, begin)
        reasons += _behind(cursor, log, account, begin, end)
    return Readiness(made, reasons, order)


def _order(closed: Sequence[Close], begins: str | None, period: str) -> Iterator[Reason]:
    told = out_of_turn(period, [each.period for each in closed], begins)
    if told is not None:
        yield _reason(*told)


def _unexplained(cursor: DictCursor, made: Trial, until: date) -> Iterator[Reason]:
    """What is in suspense or in clearing at the month's end, and the transactions to blame."""
    every = [row["account"] for row in cursor.execute(OPEN_ACCOUNTS)]
    asked = {
        "accounts": [each for each in every if bare(each) in TO_BE_ZERO],
        "until": until,
        "begins": begins_on(cursor),
    }
    found = cursor.execute(OPEN, asked).fetchall()
    uneven = [
        row["transaction_id"]
        for row in found
        if row["is_uneven"] and bare(row["account"]) == rules.SUSPENSE
    ]
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
            its = [row for row in found if (row["account"], row["currency"]) == mine]
            yield _not_zero(made, each, its)


def _not_zero(made: Trial, balance: Balance, rows: list[dict[str, Any]]) -> Reason:
    held = f"{balance.account} holds {format_money(balance.closing_minor, balance.currency)}"
    if bare(balance.account) in (rules.SUSPENSE, rules.FEE_REST):
        found = [row["transaction_id"] for row in rows]
        of = f" of {_named(found)}" if found else ""
        return _reason("suspense", f"{held}{of}.", f"Say what it is: {_classify(found)}.", found)
    alone = _without_other_half(rows)
    of = f"{_named(alone)} {'has' if len(alone) == 1 else 'have'} no other half" if alone else ""
    listed = f"`ledger books account {balance.account} --period {made.period}` lists what is there"
    return _reason(
        "clearing",
        f"{held}, and what comes in and what goes out of it should be equal{of and f': {of}'}.",
        f"`ledger stripe pull` fetches what is missing; {listed}. Where the other half lies before"
        f" what was pulled, or is yet to come, say where the money is: {_classify(alone, KEPT)}.",
        alone,
    )


def _without_other_half(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Transactions in their order, without pairs of which one brings what the other takes."""
    waiting: dict[int, list[str]] = {}
    for row in rows:
        if other := waiting.get(-row["open_minor"]):
            other.pop(0)
        else:
            waiting.setdefault(row["open_minor"], []).append(row["transaction_id"])
    alone = {name for names in waiting.values() for name in names}
    return [row["transaction_id"] for row in rows if row["transaction_id"] in alone]


def _classify(found: Sequence[str], account: str = "ACCOUNT") -> str:
    first = found[0] if found else "TRANSACTION"
    return f"`ledger books classify {first} --account {account} --reason WHY`"


def _partial(
    cursor: DictCursor, log: Log, account: str | None, period: str, begin: datetime
) -> Iterator[Reason]:
    """What the first month begins with is not known where what lies before it was not listed."""
    since = listed_from(cursor, log, account, begin)
    if since is not None and was_pulled(log, account):
        pull, whose = _pull_of(account)
        yield _reason(
            "partial_opening",
            f"Stripe's balance transactions{whose} before"
            f" {since.astimezone(begin.tzinfo):%F %R} ({begin.tzinfo}) were not listed: what"
            f" accounts held then is not known, and {period} would begin without it.",
            f"Run `{pull}`, which lists all, or enter it: `ledger books begin {period}`.",
        )


def _pull_of(account: str | None) -> tuple[str, str]:
    """The verb that pulls an account, and what names the account in a sentence."""
    if account is None:
        return "ledger stripe pull", ""
    return f"ledger stripe pull --account {account}", f" of {account}"


def _behind(
    cursor: DictCursor, log: Log, account: str | None, begin: datetime, end: datetime
) -> Iterator[Reason]:
    pull, whose = _pull_of(account)
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
