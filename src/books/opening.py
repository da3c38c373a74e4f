"""What accounts held before the books: entered by a person, or worked out from Stripe's balance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from books.accounts import connected_account
from books.pulled import unlisted, was_pulled
from books.trial import BEGINS, Trial, trial
from ledger.domain.events import OpeningBalance
from ledger.domain.limits import FIRST_DAY
from ledger.domain.money import format_money
from ledger.domain.period import EnterOpening, balanced, month
from ledger.domain.posting_rules import AT_STRIPE
from ledger.errors import NotReady
from ledger.log import Log
from projections.engine.replay import DictCursor

READS: Final = ("postings", "transactions", "periods", "stripe_balances")

ENTERED: Final = BEGINS.replace(
    "period, version", "period, version, actor, actor_name, reason, entered_at"
)
BALANCES: Final = """
select account, currency, opening_minor
from opening_balances
where version = %(version)s
order by currency collate "C", account collate "C"
"""
# Stripe's balance less all that moved it since the month began, up to when it was asked.
BY_STRIPE: Final = """
select t.owner, t.account, t.currency, t.asked_at,
    (t.minor - coalesce(sum(p.amount_minor), 0))::bigint as opening_minor
from stripe_balances as t
left join postings as p on p.account = t.account and p.currency = t.currency
    and p.day >= %(first)s and p.at <= t.asked_at
group by t.owner, t.account, t.currency, t.asked_at, t.minor
order by t.currency collate "C", t.account collate "C"
"""


# Balances at Stripe that moved since, which its answer does not name.
UNTOLD: Final = """
with moved as (
    select distinct account, currency, regexp_replace(account, ':[a-z]+$', '') as held
    from account_days
    where day >= %(first)s and account ~ '^(acct_[A-Za-z0-9]+:)?{at_stripe}[a-z_]+:[a-z]+$'
)
select account, currency
from moved
where exists (
        select
        from stripe_balances as t
        where t.owner = coalesce(substring(moved.account from '^acct_[^:]+'), '')
    )
    and not exists (
        select
        from stripe_balances as t
        where regexp_replace(t.account, ':[a-z]+$', '') = moved.held
    )
order by account collate "C", currency collate "C"
""".replace("{at_stripe}", AT_STRIPE)
RESERVED: Final = "connect_reserved:"


class Opening(NamedTuple):
    """The month with which the books begin, what accounts held before it, and who entered that.

    In minor units, above nothing a debit; a currency's balances sum up to 0.
    """

    period: str
    version: int
    actor: str
    actor_name: str | None
    reason: str | None
    entered_at: datetime
    balances: list[OpeningBalance]


def entered(cursor: DictCursor) -> Opening | None:
    """The opening that counts; None where the books begin with the first transaction."""
    found = cursor.execute(ENTERED).fetchone()
    if found is None:
        return None
    rows = cursor.execute(BALANCES, {"version": found["version"]})
    return Opening(**found, balances=[OpeningBalance(**row) for row in rows])


def by_stripe(
    cursor: DictCursor, log: Log, period: str, given: Sequence[OpeningBalance] = ()
) -> list[OpeningBalance]:
    """What Stripe held before a month: its balances when it was asked, less what moved them since.

    Of all balances that its answer names. Raises InvalidCommand for what is no month, and NotReady
    where Stripe's balance is not known, where not all transactions since then are, and where
    Stripe holds more than its answer explains and nothing of it is `given`.
    """
    asked, zone = month(period), ZoneInfo(trial(cursor, period).zone)
    begin = datetime.combine(asked.first, time(), zone)
    rows = cursor.execute(BY_STRIPE, {"first": asked.first}).fetchall()
    if not rows:
        raise NotReady("Stripe's balance is not known; `ledger stripe pull` asks for it.")
    for owner, at in {row["owner"]: row["asked_at"] for row in rows}.items():
        pull = "ledger stripe pull" + (f" --account {owner}" if owner else "")
        if at < begin:
            raise NotReady(
                f"Stripe's balance is known of {at.astimezone(zone):%F %R} ({zone}), before"
                f" {period} began; `{pull}` asks for it again."
            )
        if left := unlisted(cursor, log, owner or None, begin, at):
            since, until = (each.astimezone(zone) for each in (left[0][0], left[-1][1]))
            raise NotReady(
                f"Stripe's balance transactions of {since:%F %R} to {until:%F %R} ({zone}) were not"
                f" listed to the end; run `{pull} --since {asked.first}`, or begin with a later"
                " month."
            )
    _check_all_told(cursor, asked.first, rows, given)
    return [
        OpeningBalance(**{name: row[name] for name in OpeningBalance.__struct_fields__})
        for row in rows
        if row["opening_minor"] and RESERVED not in row["account"]
    ]


def _check_all_told(
    cursor: DictCursor,
    first: date,
    rows: Sequence[dict[str, Any]],
    given: Sequence[OpeningBalance],
) -> None:
    """Raise NotReady where a person must say what a part of Stripe's balance was."""
    said = {(each.account, each.currency) for each in given}
    for row in cursor.execute(UNTOLD, {"first": first}):
        if (row["account"], row["currency"]) not in said:
            raise NotReady(
                f"{row['account']} moved in {row['currency']} since {first}, and Stripe's answer"
                " does not name that balance; say what it held before:"
                f" --balance '{row['account']}=0.00 {row['currency'].upper()}'."
            )
    kept = {each.currency for each in given if not each.account.startswith(AT_STRIPE)}
    for row in rows:
        if RESERVED in row["account"] and row["opening_minor"] and row["currency"] not in kept:
            held = format_money(row["opening_minor"], row["currency"])
            raise NotReady(
                f"Stripe keeps {held} in reserve for connected accounts, which is in none of its"
                f" balances; say what of it was kept before: --balance 'assets:reserve={held}'."
            )


def opening(
    cursor: DictCursor,
    log: Log,
    period: str,
    balances: Sequence[OpeningBalance],
    at: datetime,
    *,
    from_stripe: bool,
) -> EnterOpening:
    """The command that begins the books with a month; raises what `by_stripe` raises.

    And NotReady for a month that has not begun.
    """
    if trial(cursor, period).state == "not_begun":
        raise NotReady(
            f"{period} has not begun, and what accounts will hold then is not known; enter it once"
            " the month has begun, or begin the books with an earlier one."
        )
    held = by_stripe(cursor, log, period, balances) if from_stripe else []
    return EnterOpening(period=period, at=at, balances=(*held, *balances))


def proposed(command: EnterOpening) -> tuple[OpeningBalance, ...]:
    """All balances that a command would enter, with what goes against equity."""
    return balanced(command.balances)


def listed_since(cursor: DictCursor, log: Log, made: Trial) -> datetime | None:
    """Since when transactions are listed, where a trial balance begins with less than all.

    None where it begins with an opening, with a close, or with all transactions that there are.
    """
    if not made.is_ahead or made.begins is not None or _has_closes(cursor):
        return None
    first, zone = month(made.last).following.first, ZoneInfo(made.zone)
    until = datetime.combine(first, time(), zone)
    found = [
        left[0][1]
        for account in {connected_account(each.account) for each in made.balances} | {None}
        if was_pulled(log, account)
        and (left := unlisted(cursor, log, account, FIRST_DAY, until))
        and left[0][0] == FIRST_DAY
    ]
    return max(found, default=None)


def _has_closes(cursor: DictCursor) -> bool:
    return bool(cursor.execute("select from periods where state = 'closed' limit 1").fetchall())
