"""Books of a shop that was pulled: they agree with the truth about its account, month by month."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from psycopg import Cursor
from psycopg.rows import dict_row

from app.stripe_pull import pull_account
from books.close import close
from books.opening import listed_since, opening
from books.ready import readiness
from books.trial import Trial, trial
from kpi.checks.run import run_checks
from ledger.command_handler import CommandHandler
from ledger.domain.events import Metadata, NewEvent, TransactionClassified
from ledger.domain.limits import FIRST_DAY
from ledger.domain.streams import stream_of
from ledger.errors import NotReady
from ledger.log import Log
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.reads import Reads
from simulator import PastShop, past_shop
from simulator.memory import Shelf
from tests.kpi.builder import CHECKS, LedgerBuilder
from tests.simulator.api.shop import SECRET, shop
from tests.support.following import steady_follower
from tests.support.servers import Server
from webhooks.stripe_client import StripeClient

MARCH_2 = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())
NOW = datetime(2026, 3, 3, tzinfo=UTC)
MONTHS = [
    *(f"2025-{number:02d}" for number in range(3, 13)),
    *(f"2026-{number:02d}" for number in (1, 2)),
]
"""All whole months of the year up to `MARCH_2`, and the one that it begins in."""
ACCOUNTANT = Metadata(actor="acc", reason="Month end")


class Pulled(NamedTuple):
    """A shop's past, and the ledger that pulled it."""

    past: PastShop
    engine: ProjectionContext
    follower: Follower

    @contextmanager
    def looking(self) -> Generator[Cursor[dict[str, Any]]]:
        """A cursor on the read models."""
        with (
            self.engine.database.connect("reader") as conn,
            conn.cursor(row_factory=dict_row) as cursor,
        ):
            conn.execute("set search_path = read_models")
            yield cursor

    def trials(self) -> list[Trial]:
        with self.looking() as cursor:
            return [trial(cursor, period) for period in MONTHS]

    def append(self, stream: str, version: int, *events: Any) -> None:
        entries = [
            NewEvent(stream, number, event, NOW, ACCOUNTANT)
            for number, event in enumerate(events, version)
        ]
        self.engine.log.append(entries)
        self.follower.catch_up()


@contextmanager
def pulled_since(
    servers: Callable[[str], Server], past: PastShop, since: datetime = FIRST_DAY
) -> Generator[Pulled]:
    """A shop of which was pulled what was made since a time."""
    assert past.stripe.memory is not None
    past.stripe.memory.events = Shelf()
    server = servers("embedded")
    database = server.create()
    with Log(database.conninfo("app")) as log, shop(past.stripe) as served:
        engine = LedgerBuilder(database, log).engine
        client = StripeClient(SECRET.secret, served.base, calls_per_second=10_000)
        meta = Metadata(actor="operator")
        pull_account(engine, client, mode="test", since=since, progress=lambda *_: None, meta=meta)
        with steady_follower(engine) as follower:
            yield Pulled(past, engine, follower)
    server.drop(database)


@pytest.fixture(scope="module", params=[4, 10])
def pulled(servers: Callable[[str], Server], request: pytest.FixtureRequest) -> Iterator[Pulled]:
    past = past_shop(request.param, years=1, objects=1500, until=MARCH_2, abroad="sek")
    with pulled_since(servers, past) as found:
        yield found


def told_as_truth(account: str) -> str:
    """The account of the truth that has it: what Stripe holds, and disputes with what is lost."""
    match account.split(":"):
        case ["assets", "stripe", _, "pending" | "available"]:
            return "assets:stripe"
        case ["expenses", "dispute_losses"]:
            return "assets:disputes"
        case ["assets", "bank", "in_transit", to] if to != "topups":
            return "assets:bank:in_transit"
        case _:
            return account


def test_each_month_agrees_with_the_truth_in_every_account_and_currency(pulled: Pulled) -> None:
    closing: Counter[tuple[str, str]] = Counter()
    for made in pulled.trials():
        truth = pulled.past.truth.accounts.get(made.period, {})
        closing.update(
            {
                (account, currency): minor
                for currency, accounts in truth.items()
                for account, minor in accounts.items()
            }
        )
        found: Counter[tuple[str, str]] = Counter()
        for balance in made.balances:
            found[told_as_truth(balance.account), balance.currency] += balance.closing_minor
        assert {key: minor for key, minor in found.items() if minor} == {
            key: minor for key, minor in closing.items() if minor
        }, made.period
    assert {currency for _, currency in closing} == {"eur", "jpy", "kwd"}
    assert closing["income:fx", "eur"], "what was converted went back at another rate"


def test_each_month_closes_once_what_waits_in_suspense_is_classified(pulled: Pulled) -> None:
    """What a person booked elsewhere is gone from suspense in the month in which it was booked."""
    waiting = in_suspense(pulled)
    assert {kind for _, kind in waiting} >= {"suspense:unclassified", "suspense:fee_detail"}
    before = pulled.trials()
    for transaction_id in sorted({transaction_id for transaction_id, _ in waiting}):
        named = TransactionClassified(transaction_id=transaction_id, against="expenses:misc")
        pulled.append(str(stream_of(named)), 1, named)
    assert in_suspense(pulled) == []
    for period in MONTHS:
        with pulled.looking() as cursor:
            command = close(cursor, pulled.engine.log, period, NOW)
        with closing(Reads(pulled.engine, connections=1)) as reads:
            CommandHandler(pulled.engine.log, reads.money).execute(command, ACCOUNTANT)
        pulled.follower.catch_up()
    for open_one, closed in zip(before, pulled.trials(), strict=True):
        assert (open_one.state, closed.state) == ("open", "closed")
        waits = [each for each in closed.balances if each.account.startswith("suspense:")]
        assert [each.closing_minor for each in waits] == [0] * len(waits)
        assert without_suspense(open_one) == without_suspense(closed)


def test_no_check_of_the_books_finds_anything_but_what_waits_in_suspense(pulled: Pulled) -> None:
    names = (
        "books_balance_differs",
        "books_clearing",
        "books_figures_differ",
        "late_after_close",
    )
    report = run_checks(pulled.engine, NOW, checks=[CHECKS[name] for name in names])
    assert report.crashed == []
    assert not any(each.findings for each in report.outcomes)


def held_by_stripe(made: Trial) -> dict[tuple[str, str], int]:
    """Its balance of payments, pending and available."""
    return {
        (each.account, each.currency): each.closing_minor
        for each in made.balances
        if each.account.startswith("assets:stripe:payments:") and each.closing_minor
    }


def test_books_of_a_part_begin_with_what_stripe_held_and_agree_with_those_of_all(
    pulled: Pulled, servers: Callable[[str], Server]
) -> None:
    """What is worked out from Stripe's balance of now is what it was when the books began."""
    begins, since = "2025-11", datetime(2025, 10, 17, 8, 30, tzinfo=UTC)
    with pulled_since(servers, pulled.past, since) as partly:
        log = partly.engine.log
        with partly.looking() as cursor:
            codes = {each.code for each in readiness(cursor, log, begins).reasons}
            assert "partial_opening" in codes
            assert listed_since(cursor, log, trial(cursor, "2025-10")) == since
            command = opening(cursor, log, begins, [], NOW, from_stripe=True)
            with pytest.raises(NotReady, match="--since 2025-10-01"):
                opening(cursor, log, "2025-10", [], NOW, from_stripe=True)
        assert command.balances
        with closing(Reads(partly.engine, connections=1)) as reads:
            CommandHandler(log, reads.money).execute(command, ACCOUNTANT)
        partly.follower.catch_up()
        report = run_checks(partly.engine, NOW, checks=[CHECKS["books_balance_differs"]])
        assert not report.outcomes[0].findings
        of_all = {made.period: held_by_stripe(made) for made in pulled.trials()}
        later = [made for made in partly.trials() if made.period >= begins]
        assert {made.period: held_by_stripe(made) for made in later} == {
            made.period: of_all[made.period] for made in later
        }
        with partly.looking() as cursor:
            codes = {each.code for each in readiness(cursor, log, begins).reasons}
        assert "partial_opening" not in codes


def without_suspense(made: Trial) -> dict[tuple[str, str], int]:
    waiting = ("suspense:", "expenses:misc")
    return {
        (each.account, each.currency): each.closing_minor
        for each in made.balances
        if not each.account.startswith(waiting) and each.closing_minor
    }


def in_suspense(pulled: Pulled) -> list[tuple[str, str]]:
    with pulled.engine.database.connect("reader") as conn:
        rows = conn.execute(
            """
            select transaction_id, account
            from read_models.postings
            where account like 'suspense:%'
            group by transaction_id, account
            having sum(amount_minor) <> 0
            """
        ).fetchall()
    return [(row[0], row[1]) for row in rows]
