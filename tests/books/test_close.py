"""Closing a month: on which closes it rests, and of which time Stripe's lists were read."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import settings

from books.pulled import unlisted, was_pulled
from ledger.domain.events import PullRefreshed
from ledger.domain.period import ClosePeriod, Periods, ReopenPeriod, check, decide, evolve
from ledger.errors import InvalidCommand, NotReady, WrongState
from tests.books.ledger import META, Account
from webhooks.ingest.pull import record

AT = datetime(2026, 3, 1, tzinfo=UTC)
SEEDS = range(settings().max_examples // 3)


def close(
    period: str, after: tuple[str, int] | None = None, unready: tuple[str, ...] = ()
) -> ClosePeriod:
    return ClosePeriod(
        period=period,
        at=AT,
        zone="UTC",
        rules_version=1,
        position=9,
        balances=(),
        after=after,
        unready=unready,
    )


def after(*commands: ClosePeriod | ReopenPeriod) -> Periods:
    periods = Periods()
    for command in commands:
        for event in decide(command, periods):
            periods = evolve(periods, event)
    return periods


def test_a_close_that_rests_on_other_closes_is_refused() -> None:
    """Of two first closes of different months, the second one's opening would be wrong."""
    august = after(close("2026-08"))
    with pytest.raises(WrongState, match="close it again"):
        decide(close("2026-09"), august)
    assert decide(close("2026-09", ("2026-08", 1)), august)
    again = after(close("2026-08"), ReopenPeriod(period="2026-08", at=AT), close("2026-08"))
    with pytest.raises(WrongState, match="close it again"):
        decide(close("2026-09", ("2026-08", 1)), again)
    assert decide(close("2026-09", ("2026-08", 2)), again)


def test_a_close_that_is_not_ready_is_refused_with_all_reasons() -> None:
    with pytest.raises(NotReady, match=r"2026-08 cannot be closed yet. One. Two."):
        decide(close("2026-08", unready=("One.", "Two.")), Periods())


def test_the_last_year_of_dates_has_no_months() -> None:
    check(close("9998-12"))
    with pytest.raises(InvalidCommand):
        check(close("9999-12"))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_lists_leave_open_is_what_was_not_read(account: Account, seed: int) -> None:
    """Law: hour by hour, what no pull or look read of the last days is what is left."""
    random, begin = Random(seed), account.log.now() - timedelta(hours=80)

    def hour(number: int) -> datetime:
        return begin + timedelta(hours=number)

    assert not was_pulled(account.log, None)
    read: set[int] = set()
    for _ in range(random.randrange(1, 6)):
        first = random.randrange(-10, 60)
        last = first + random.randrange(1, 20)
        if random.randrange(2):
            account.listed((hour(first), hour(last)))
        else:
            looked = PullRefreshed(since=hour(first), until=hour(last), new={})
            record(account.log, looked, META)
        read |= set(range(first, last))
    account.listed((hour(0), hour(48)), account="acct_other")
    assert was_pulled(account.log, None)
    with account.reading() as cursor:
        left = unlisted(cursor, account.log, None, hour(0), hour(48))
    open_hours = {n for n in range(48) if any(a <= hour(n) < b for a, b in left)}
    assert open_hours == set(range(48)) - read
