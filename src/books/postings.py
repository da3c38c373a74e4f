"""Postings of an account in a month, one after the other, with what each brings the account to.

A posting counts in the month of its day. One of a closed month that was learnt of after the close
is late: it counts in the first month that was closed after that, or is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from books.trial import CLOSED, Balance, Trial, begins_on, trial
from ledger.domain.period import month
from ledger.errors import InvalidRequest, NotFound
from projections.engine.replay import DictCursor
from projections.queries.listing import bad_cursor, decoded, encoded

READS: Final = ("postings", "transactions", "periods")

# When what a posting says was learnt: with its transaction, or when a person classified that.
SEEN: Final = """greatest(
    t.seen_position, case when p.part = 'classified' then k.latest_by end
)"""
PAGE: Final = """
with own as (
    select p.*
    from postings as p
    where p.account = %(account)s and p.currency = %(currency)s
        and p.day >= %(first)s and p.day < %(until)s
        and (%(day)s::date is null
            or (p.day, p.transaction_id, p.part, p.slot)
                > (%(day)s, %(transaction_id)s, %(part)s, %(slot)s))
    order by p.day, p.transaction_id, p.part, p.slot
    limit %(limit)s
),
learnt as (
    select transaction_id
    from transactions
    where seen_position > %(after)s and ledger.business_day(created_at) < %(first)s
        and (%(position)s::bigint is null or seen_position <= %(position)s)
    union
    select transaction_id
    from classifications
    where latest_by > %(after)s
        and (%(position)s::bigint is null or latest_by <= %(position)s)
),
late as (
    select p.*
    from learnt
    join postings as p using (transaction_id)
    join transactions as t using (transaction_id)
    left join classifications as k using (transaction_id)
    where p.account = %(account)s and p.currency = %(currency)s and p.day < %(first)s
        and (%(begins)s::date is null or p.day >= %(begins)s)
        and {seen} > %(after)s
        and (%(position)s::bigint is null or {seen} <= %(position)s)
        and (%(day)s::date is null
            or (p.day, p.transaction_id, p.part, p.slot)
                > (%(day)s, %(transaction_id)s, %(part)s, %(slot)s))
    order by p.day, p.transaction_id, p.part, p.slot
    limit %(limit)s
)
select
    p.transaction_id, p.part, p.slot, p.day, p.at, p.amount_minor,
    coalesce(t.category, t.type) as category, t.source_id, {seen} as seen_position
from (select * from own union all select * from late) as p
join transactions as t using (transaction_id)
left join classifications as k using (transaction_id)
order by p.day, p.transaction_id, p.part, p.slot
limit %(limit)s
""".replace("{seen}", SEEN)
CURRENCIES: Final = """
select currency collate "C" as currency
from account_days
where account = %(account)s
union
select currency collate "C"
from opening_balances
where account = %(account)s
order by 1
"""
AT: Final = ("day", "transaction_id", "part", "slot")
"""What puts postings into an order."""


class Close(NamedTuple):
    """A month that is closed, as of a position."""

    period: str
    version: int
    position: int


class Posting(NamedTuple):
    """A posting, in minor units: above nothing a debit; `running_minor` is the balance after it.

    `category` is the transaction's at Stripe. `counts_in` is the month in which it counts; `late`
    says that this is not the one of its day. What counts elsewhere leaves the balance as it was.
    """

    transaction_id: str
    part: str
    slot: int
    day: date
    at: datetime
    category: str
    source_id: str | None
    amount_minor: int
    running_minor: int
    counts_in: str
    late: bool


class Page(NamedTuple):
    """Postings of an account in a currency over a month, and the balance that they belong to.

    `otherwise_minor` is told with the last page: what the balance says beyond them, as what
    postings of closed months came to was learnt otherwise later.
    """

    trial: Trial
    balance: Balance
    postings: list[Posting]
    otherwise_minor: int | None
    next: str | None


def closes(cursor: DictCursor) -> list[Close]:
    """The months that are closed, in their order."""
    found = cursor.execute(CLOSED).fetchall()
    return [
        Close(row["period"], row["version"], row["position"])
        for row in found
        if row["period"] is not None
    ]


def counts_in(closed: Sequence[Close], begins: date | None, day: date, seen: int) -> str:
    """The month in which a posting of a day counts that was learnt of at a position.

    One of a day before the books counts in its own month, which is no part of them.
    """
    own = f"{day:%Y-%m}"
    if not closed or own > closed[-1].period or (begins is not None and day < begins):
        return own
    if own < closed[0].period and seen <= closed[0].position:
        return own  # in the balance that the first closed month began with
    later = (each.period for each in closed if each.period >= own and each.position >= seen)
    return next(later, str(month(closed[-1].period).following))


def currencies(cursor: DictCursor, account: str) -> list[str]:
    """Those that ever moved in an account; raises `NotFound` where none did."""
    known = [row["currency"] for row in cursor.execute(CURRENCIES, {"account": account})]
    if not known:
        raise NotFound(
            f"Nothing ever moved in an account {account[:100]!r}; `ledger books accounts` lists"
            " those that there are."
        )
    return known


def currency_of(cursor: DictCursor, account: str, wanted: str | None) -> str:
    """The currency that is asked for, or the only one that moved in an account.

    Raises `NotFound` where none did, and `InvalidRequest` where several did and none is named: they
    are never added.
    """
    known = currencies(cursor, account)
    if wanted is None and len(known) > 1:
        told = f"name one of {', '.join(known)}; they never add up."
        raise InvalidRequest.of_field("currency", told, place="query.")
    return wanted or known[0]


def postings(
    cursor: DictCursor,
    account: str,
    period: str,
    currency: str | None = None,
    *,
    limit: int,
    start: str | None = None,
) -> Page:
    """A page of an account's postings in a month, the earliest first; late ones come before.

    Raises what `currency_of` raises, InvalidCommand for what is no month, and `InvalidRequest` for
    a cursor that no page gave out.
    """
    code = currency_of(cursor, account, currency)
    made = trial(cursor, period, code)
    nothing = Balance(account, code, 0, 0, 0, 0, 0)
    balance = next((each for each in made.balances if each.account == account), nothing)
    closed, begins = closes(cursor), begins_on(cursor)
    running, last = _begun(balance, start)
    asked = month(period)
    before = [each for each in closed if each.period < period]
    follows = made.state != "before" and before and str(month(before[-1].period).following)
    given: dict[str, Any] = {
        "account": account,
        "currency": code,
        "first": asked.first,
        "until": asked.following.first,
        "after": before[-1].position if follows == period else None,
        "position": made.position,
        "begins": begins,
        "limit": limit + 1,
        **dict(zip(AT, last or (None,) * len(AT), strict=True)),
    }
    rows = cursor.execute(PAGE, given).fetchall()
    shown: list[Posting] = []
    for row in rows[:limit]:
        seen = row.pop("seen_position")
        counts = period if made.state == "before" else counts_in(closed, begins, row["day"], seen)
        running += row["amount_minor"] if counts == period else 0
        late = counts != f"{row['day']:%Y-%m}"
        shown.append(Posting(**row, running_minor=running, counts_in=counts, late=late))
    if len(rows) <= limit:
        return Page(made, balance, shown, balance.closing_minor - running, None)
    end = [getattr(shown[-1], name) for name in AT]
    return Page(made, balance, shown, None, encoded([running, *end]))


def _begun(balance: Balance, start: str | None) -> tuple[int, list[str] | None]:
    """The balance with which a page begins, and the posting that the page before ended with."""
    if start is None:
        return balance.opening_minor, None
    running, *last = decoded(start)
    try:
        day, transaction_id, _part, slot = last
        date.fromisoformat(day)
        minor, _ = int(running), int(slot)
    except ValueError:
        raise bad_cursor() from None
    if "\0" in transaction_id:
        raise bad_cursor()
    return minor, last
