"""Trial balances: what each account came to over a month, which always begins where the last ended.

A closed month is what its close says, byte for byte. The first open month begins with the last
close; what was learnt of closed months since is `late` there: what all days before it come to by
now, less what was closed. So opening(n+1) = closing(n), whatever is learnt when.

Where a person entered what accounts held before a month, the books begin with that: what is known
of earlier days is no part of them.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final, Literal, NamedTuple

from ledger.domain.limits import check_currency
from ledger.domain.period import Month, month
from ledger.errors import InvalidRequest
from projections.engine.replay import DictCursor

READS: Final = ("postings", "periods")
State = Literal["closed", "open", "not_begun", "before"]


class Balance(NamedTuple):
    """An account in a currency over a month, in minor units; above nothing is a debit.

    Of debit and credit, `late_minor` is what came late to earlier, closed months.
    """

    account: str
    currency: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int
    late_minor: int


class Trial(NamedTuple):
    """A month's balances; what a currency's accounts come to sums up to 0, at any time.

    `state` is `closed` (with the `version` and `position` of the close), `open`, `not_begun` while
    its first day lies in the future of the time that is asked for, or `before`: in a month before
    the first one of the books, which no close and no opening speaks of. `begins` is the month whose
    opening a person entered, by the opening of this version, if one did.

    Of several months, `period` is the first and `to_period` the last (`books.months`).
    """

    period: str
    zone: str
    state: State
    version: int | None
    position: int | None
    balances: list[Balance]
    begins: str | None = None
    opening: int = 0
    to_period: str | None = None

    @property
    def last(self) -> str:
        """Its last month, which is often its only one."""
        return self.to_period or self.period

    @property
    def months(self) -> str:
        """Such as `2026-09`, or `2026-07 to 2026-09`."""
        return self.period if self.to_period is None else f"{self.period} to {self.to_period}"

    @property
    def is_ahead(self) -> bool:
        """Whether it is neither closed nor before the books: it is still to be closed."""
        return self.state in ("open", "not_begun")


class Totals(NamedTuple):
    """What all accounts of a currency come to; `suspense_minor` is what of it is not explained."""

    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int
    suspense_minor: int


BEGINS: Final = "select period, version from openings order by version desc limit 1"
CLOSED: Final = """
select c.period, c.version, c.position, c.zone, o.period as begins, o.version as opening,
    current_setting('ledger.time_zone') as now_zone
from (select 1) as one
left join ({begins}) as o on true
left join periods as c on c.state = 'closed'
order by c.period
""".replace("{begins}", BEGINS)
HAS_BEGUN: Final = """
select %(first)s <= ledger.business_day(coalesce(%(at)s, now())) as has_begun
"""
SEALED: Final = """
select account, currency, opening_minor, debit_minor, credit_minor, closing_minor,
    0::bigint as late_minor
from sealed_balances
where period = %(period)s and version = %(version)s
    and (%(currency)s::text is null or currency = %(currency)s)
order by currency collate "C", account collate "C"
"""
OPEN: Final = """
with before as (
    select account, currency, sum(minor)::bigint as minor
    from (
        select account, currency, debit_minor - credit_minor as minor
        from account_days
        where day < %(first)s and (%(begins)s::date is null or day >= %(begins)s)
        union all
        select account, currency, opening_minor
        from opening_balances
        where version = %(opening)s
    ) as known
    where %(currency)s::text is null or currency = %(currency)s
    group by account, currency
),
sealed as (
    select account, currency, closing_minor as minor
    from sealed_balances
    where period = %(sealed)s and version = %(version)s
        and (%(currency)s::text is null or currency = %(currency)s)
),
during as (
    select account, currency,
        sum(debit_minor)::bigint as debit_minor, sum(credit_minor)::bigint as credit_minor
    from account_days
    where day >= %(first)s and day < %(until)s
        and (%(currency)s::text is null or currency = %(currency)s)
    group by account, currency
),
balances as (
    select
        account,
        currency,
        case
            when %(sealed)s::text is null then coalesce(before.minor, 0)
            else coalesce(sealed.minor, 0)
        end as opening_minor,
        case
            when %(sealed)s::text is null then 0
            else coalesce(before.minor, 0) - coalesce(sealed.minor, 0)
        end as late_minor,
        coalesce(during.debit_minor, 0) as debit_minor,
        coalesce(during.credit_minor, 0) as credit_minor
    from before
    full join sealed using (account, currency)
    full join during using (account, currency)
)
select
    account,
    currency,
    opening_minor,
    debit_minor + greatest(late_minor, 0) as debit_minor,
    credit_minor + greatest(-late_minor, 0) as credit_minor,
    opening_minor + late_minor + debit_minor - credit_minor as closing_minor,
    late_minor
from balances
where (opening_minor, debit_minor, credit_minor, late_minor) <> (0, 0, 0, 0)
order by currency collate "C", account collate "C"
"""
UNEVEN: Final = """
select count(*) as entries
from (
    select
    from postings
    where day >= %(first)s and day < %(until)s
        and (%(currency)s::text is null or currency = %(currency)s)
    group by transaction_id, part
    having sum(amount_minor) <> 0
) as uneven
"""


def trial(
    cursor: DictCursor, period: str, currency: str | None = None, *, at: datetime | None = None
) -> Trial:
    """A month's trial balance as the tables stand, which is as they were `at` a time if not now.

    Raises InvalidCommand for what is no month, and for a currency that is not there and is none.
    """
    asked = month(period)
    closes = cursor.execute(CLOSED).fetchall()
    zone, begins = closes[0]["now_zone"], closes[0]["begins"]
    version = closes[0]["opening"] or 0
    closes = [each for each in closes if each["period"] is not None]
    for each in closes:
        if each["period"] == period:
            sealed = {"period": period, "version": each["version"], "currency": currency}
            rows = cursor.execute(SEALED, sealed).fetchall()
            balances = _of_currency([Balance(**row) for row in rows], currency)
            close = (each["version"], each["position"])
            return Trial(period, each["zone"], "closed", *close, balances, begins, version)
    last = closes[-1] if closes else None
    state: State = "open" if _has_begun(cursor, asked, at) else "not_begun"
    opens: dict[str, Any] = {"sealed": None, "version": None}
    opening: dict[str, Any] = {"begins": None, "opening": None}
    if begins is not None and asked >= month(begins):
        opening = {"begins": month(begins).first, "opening": version}
    if (last is not None and asked < month(last["period"])) or (
        begins is not None and asked < month(begins)
    ):
        state = "before"
    elif last is not None and asked == month(last["period"]).following:
        opens = {"sealed": last["period"], "version": last["version"]}
    days: dict[str, date] = {"first": asked.first, "until": asked.following.first}
    given = {**opens, **opening, **days, "currency": currency}
    balances = _of_currency([Balance(**row) for row in cursor.execute(OPEN, given)], currency)
    return Trial(period, zone, state, None, None, balances, begins, version)


def _has_begun(cursor: DictCursor, asked: Month, at: datetime | None) -> bool:
    row = cursor.execute(HAS_BEGUN, {"first": asked.first, "at": at}).fetchone()
    assert row is not None, "select answers a row"
    return row["has_begun"]


def _of_currency(balances: list[Balance], currency: str | None) -> list[Balance]:
    """These balances; a typing mistake in the currency does not look like a month of nothing."""
    if currency is not None and not balances and currency != "usdc":
        check_currency(currency)
    return balances


def as_closed(cursor: DictCursor, period: str, position: int, currency: str | None = None) -> Trial:
    """A closed month's trial balance, as of the position of its close.

    Raises `InvalidRequest` for any other position, and for a month that is open.
    """
    made = trial(cursor, period, currency)
    if made.position != position:
        told = "is open" if made.position is None else f"was closed as of {made.position}"
        raise InvalidRequest.of_field(
            "as_of",
            f"give the position as of which {period} was closed; it {told}. As of any other, in a"
            f" terminal: `ledger books trial --period {period} --as-of {position}`.",
            place="query.",
        )
    return made


def totals(made: Trial) -> dict[str, Totals]:
    """What the accounts of each currency come to."""
    found: dict[str, Totals] = {}
    for each in made.balances:
        before = found.get(each.currency, Totals(0, 0, 0, 0, 0))
        in_suspense = ":suspense:" in f":{each.account}"
        found[each.currency] = Totals(
            before.opening_minor + each.opening_minor,
            before.debit_minor + each.debit_minor,
            before.credit_minor + each.credit_minor,
            before.closing_minor + each.closing_minor,
            before.suspense_minor + (each.closing_minor if in_suspense else 0),
        )
    return found


def uneven(
    cursor: DictCursor, period: str, currency: str | None = None, *, to: str | None = None
) -> int:
    """How many entries of a month, or of all `to` another, do not sum to 0."""
    until = month(to or period).following.first
    days: dict[str, Any] = {"first": month(period).first, "until": until}
    row = cursor.execute(UNEVEN, {**days, "currency": currency}).fetchone()
    assert row is not None, "an aggregate has one row"
    return row["entries"]


def begins_on(cursor: DictCursor) -> date | None:
    """The first day of the books, where a person entered what accounts held before it."""
    found = cursor.execute(BEGINS).fetchone()
    return month(found["period"]).first if found else None
