"""Pulling an account: Stripe's lists, its events, and what only single calls tell.

What is missing is asked of the read models, so that a pull that was ended goes on where it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, LiteralString

from msgspec import Struct, field
from msgspec.json import Decoder
from psycopg.sql import SQL, Identifier

from app.stripe_lists import ListsReport, complete_lists
from ledger.domain.accounts import name_of
from ledger.domain.events import Metadata
from ledger.errors import KeyRefused, PermissionMissing, SettingsError, StripeRefused
from ledger.log import store_errors
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from webhooks.ingest import balance
from webhooks.ingest.backfill import KEPT_DAYS, BackfillReport, backfill
from webhooks.ingest.balance import fetch_transaction, list_payout
from webhooks.ingest.observe import append_not_told
from webhooks.ingest.pull import FIRST_DAY, LISTINGS, Progress, PullReport, pull
from webhooks.ingest.side_by_side import side_by_side
from webhooks.refund_calls import missing_permission
from webhooks.stripe_client import Answer, StripeClient

NEWEST: Final[dict[str, tuple[LiteralString, LiteralString, LiteralString]]] = {
    "payment_intent": ("payment_reports", "payment_id", "newest_by"),
    "charge": ("charges", "charge_id", "newest_by"),
    "refund": ("refund_reports", "refund_id", "newest_by"),
    "dispute": ("dispute_reports", "dispute_id", "newest_by"),
    "checkout.session": ("checkouts", "session_id", "newest_by"),
    "customer": ("customer_reports", "customer_id", "newest_by"),
    "subscription": ("subscription_reports", "subscription_id", "version"),
    "invoice": ("invoice_reports", "invoice_id", "newest_by"),
    "payout": ("payouts", "payout_id", "newest_by"),
}
"""Where the newest report of each kind of object stands: table, key, and what orders reports."""

UNLISTED_PAYOUTS: Final = """
select payout_id
from read_models.payouts
where state = 'paid' and automatic is not false and account is not distinct from %(account)s
    and not exists (
        select
        from read_models.payout_listings as l
        where l.payout_id = payouts.payout_id and l.complete
    )
    and not exists (
        select
        from read_models.not_told as n
        where n.kind = 'payout_members' and n.subject_id = payouts.payout_id
            and (n.given_up or n.next_at > %(now)s) and not %(all)s
    )
order by created_at desc, payout_id
"""
MISSING_TRANSACTIONS: Final = """
select distinct transaction_id
from (
    select transaction_id, account from read_models.charges
    union
    select transaction_id, account from read_models.refunds
    union
    select transaction_id, account from read_models.payouts
    union
    select m.transaction_id, d.account
    from read_models.dispute_movements as m
    join read_models.disputes as d using (dispute_id)
) as named
where transaction_id is not null and account is not distinct from %(account)s
    and not exists (
        select
        from read_models.transactions as t
        where t.transaction_id = named.transaction_id
    )
    and not exists (
        select
        from read_models.not_told as n
        where n.kind = 'balance_transaction' and n.subject_id = named.transaction_id
            and (n.given_up or n.next_at > %(now)s) and not %(all)s
    )
order by transaction_id
"""


class BalanceReport(Struct, kw_only=True):
    """What single calls told of the balance.

    `payouts` were asked for their members, `not_listed` says why Stripe did not tell those of one.
    `transactions` are those that were fetched one by one, `unknown_transactions` those that Stripe
    does not have; what it did not tell is asked for again after longer and longer waits.
    """

    payouts: int = 0
    not_listed: dict[str, str] = field(default_factory=dict[str, str])
    transactions: int = 0
    unknown_transactions: list[str] = field(default_factory=list[str])


class AccountReport(Struct, kw_only=True):
    """What a pull of a whole account brought; `events` is None where Stripe did not list them."""

    livemode: bool
    account: str | None
    objects: PullReport
    balance: BalanceReport
    lists: ListsReport = field(default_factory=ListsReport)
    events: BackfillReport | None = None


class Examination(Struct, kw_only=True):
    """What a key is: its mode, and which permission it lacks for what (a call's path).

    `missing` is about reading; `refunds_missing` is the permission to make refunds, None where the
    key has it.
    """

    livemode: bool
    now: datetime
    missing: dict[str, str]
    refunds_missing: str | None


class _Balance(Struct):
    livemode: bool


_read_balance: Final = Decoder(_Balance).decode
ONE_EACH: Final = (balance.OWN_PATH, *(each.path for each in LISTINGS), "/v1/events")


def check_mode(client: StripeClient, ours: str) -> tuple[bool, datetime]:
    """Whether the key is of live mode, and what time it is at Stripe.

    The balance is asked: not all objects say their mode. Raises `SettingsError` where it is not
    ours (`test` or `live`), and what the client raises.
    """
    livemode, answer = ask_balance(client, ours)
    return livemode, answer.answered_at


def ask_balance(client: StripeClient, ours: str) -> tuple[bool, Answer]:
    """Whether the key is of live mode, and what the account holds; raises as `check_mode` does."""
    answer: Answer = client.get(balance.OWN_PATH)
    try:
        livemode = _read_balance(answer.body).livemode
    except ValueError as error:
        raise StripeRefused(
            "The answer is no balance of Stripe's; is STRIPE_API_BASE the address of its API?"
        ) from error
    if livemode != (ours == "live"):
        raise SettingsError(
            f"It is a key of {'live' if livemode else 'test'} mode, and LEDGER_MODE is {ours}: set"
            " the one that is meant."
        )
    return livemode, answer


def examine(client: StripeClient, mode: str) -> Examination:
    """Try every call that a pull makes, and a refund of nothing; raises what `check_mode` raises.

    It changes nothing at Stripe.
    """
    livemode, now = check_mode(client, mode)
    missing: dict[str, str] = {}
    with_one = {"limit": 1}
    for path in ONE_EACH:
        try:
            client.get(path, **({} if path == balance.OWN_PATH else with_one))
        except PermissionMissing as error:
            missing[path] = error.permission
        except KeyRefused:
            raise
        except StripeRefused as error:
            missing[path] = str(error)
    refunds_missing = missing_permission(client)
    return Examination(livemode=livemode, now=now, missing=missing, refunds_missing=refunds_missing)


def pull_account(
    engine: ProjectionContext,
    client: StripeClient,
    *,
    mode: str,
    since: datetime = FIRST_DAY,
    afresh: bool = False,
    progress: Progress,
    meta: Metadata,
) -> AccountReport:
    """All that the client's account holds, made from `since` on, and the events of a month.

    The read models follow between the steps. Raises what the client and the log raise; the next
    call goes on.
    """
    livemode, held = ask_balance(client, mode)
    now = held.answered_at
    balance.append_balance(engine.log, held, livemode=livemode, account=client.account, meta=meta)
    catch_up = Follower(engine).catch_up
    catch_up()
    objects = pull(
        engine.log,
        client,
        livemode=livemode,
        now=now + timedelta(seconds=1),
        since=since,
        afresh=afresh,
        newer_reports=NewerReports(engine),
        progress=progress,
        meta=meta,
    )
    report = AccountReport(
        livemode=livemode, account=client.account, objects=objects, balance=BalanceReport()
    )
    _backfill(engine, client, report, since=since, now=now)
    catch_up()
    report.lists = complete_lists(
        engine, client, now=now, ask_all=True, livemode=livemode, meta=meta
    )
    if "balance_transaction" not in {**objects.not_permitted, **objects.refused}:
        report.balance = complete_balance(
            engine, client, now=now, ask_all=True, livemode=livemode, meta=meta
        )
    catch_up()
    return report


def _backfill(
    engine: ProjectionContext,
    client: StripeClient,
    report: AccountReport,
    *,
    since: datetime,
    now: datetime,
) -> None:
    """The events that Stripe still has, into the report; or why the key may not list them."""
    first = max(since, now - timedelta(days=KEPT_DAYS))
    try:
        report.events = backfill(engine.log, client, since=first, clock=lambda: now)
    except PermissionMissing as error:
        report.objects.not_permitted["event"] = error.permission
    except KeyRefused:
        raise
    except StripeRefused as error:
        report.objects.refused["event"] = str(error)


class NewerReports:
    """Of a kind's ids, those whose newest report came in an event: see `append_observed`."""

    def __init__(self, engine: ProjectionContext) -> None:
        self._database = engine.database

    def __call__(self, kind: str, ids: Collection[str]) -> Collection[str]:
        """Those ids."""
        if kind not in NEWEST:
            return ()
        table, key, order = map(Identifier, NEWEST[kind])
        query = SQL(
            """
            select {key}
            from read_models.{table}
            where {key} = any(%s)
            group by 1
            having max({order}) not like '%%.-%%'
            """
        ).format(key=key, table=table, order=order)
        with store_errors(), self._database.connect("reader") as conn:
            return [found for (found,) in conn.execute(query, [list(ids)])]


def complete_balance(
    engine: ProjectionContext,
    client: StripeClient,
    *,
    now: datetime,
    ask_all: bool = False,
    livemode: bool,
    meta: Metadata,
) -> BalanceReport:
    """Fetch transactions that others name, and list members of payouts, where not known yet.

    As far as the read models say what is known. What Stripe did not tell before is asked for when
    its wait is over, or now (`ask_all`); `now` is by Stripe's clock. Raises what the client and the
    log raise.
    """
    report = BalanceReport()
    asked = {"account": client.account, "now": now, "all": ask_all}
    missing = deque(_missing(engine, MISSING_TRANSACTIONS, asked))
    fetch = partial(fetch_transaction, engine.log, client, now=now, livemode=livemode, meta=meta)
    with closing(side_by_side(fetch, missing)) as fetching:
        for transaction_id, future in fetching:
            if future.result() is None:
                report.unknown_transactions.append(transaction_id)
            else:
                report.transactions += 1
    payouts = deque(_missing(engine, UNLISTED_PAYOUTS, asked))
    list_members = partial(list_payout, engine.log, client, livemode=livemode, meta=meta)
    not_told = partial(append_not_told, engine.log, client, now=now, livemode=livemode, meta=meta)
    with closing(side_by_side(list_members, payouts)) as listing:
        for payout_id, future in listing:
            try:
                future.result()
                report.payouts += 1
            except (KeyRefused, PermissionMissing):
                raise
            except StripeRefused as error:
                report.not_listed[payout_id] = str(error)
                not_told("payout_members", payout_id, balance.PATH, refusal=error)
    return report


def _missing(
    engine: ProjectionContext, query: LiteralString, asked: Mapping[str, Any]
) -> list[str]:
    """The ids, as their account knows them."""
    with store_errors(), engine.database.connect("reader") as conn:
        return [name_of(found).bare for (found,) in conn.execute(query, asked)]
