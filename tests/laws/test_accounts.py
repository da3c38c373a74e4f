"""Accounts: equal ids in several accounts are several objects, in every read model."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from hypothesis import HealthCheck, Phase, example, given, settings
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from ledger.domain.accounts import name_of
from ledger.domain.events import Metadata, StripeEventReceived
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine.declare import AnyTable, Journal, Mirror, Rollup
from projections.engine.registry import discover
from tests.laws.test_projections import a_copy
from tests.support.worlds import World, random_world, worlds
from webhooks.ingest.append import append_events
from webhooks.translate.objects import account_of

Databases = Callable[[], Database]
Row = dict[str, Any]
Account = str | None
Rows = Counter[tuple[str, str]]
"""How often a row, as text, stands in a table."""

ACCOUNTS = ("acct_one", "acct_two")
law = settings(
    max_examples=3,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def own_events(world: World) -> list[StripeEventReceived]:
    """What Stripe said of our own account."""
    found = (entry.event for entry in world.entries)
    events = [event for event in found if isinstance(event, StripeEventReceived)]
    return [event for event in events if account_of(event.body) is None]


def told_of(event: StripeEventReceived, account: str) -> StripeEventReceived:
    """The same event of a connected account: its id and all ids in it are equal."""
    document = json.loads(event.body) | {"account": account}
    return msgspec.structs.replace(event, body=json.dumps(document).encode(), signature=None)


class Told(NamedTuple):
    """The rows that each account has in the read models, and the sums of all accounts.

    Ids are as the account itself knows them; what only speaks of our books is left out.
    """

    rows: dict[Account, Rows]
    sums: Counter[str]


def told_to(database: Database, events: Sequence[StripeEventReceived]) -> Told:
    """What the read models have of these events."""
    found: dict[Account, Rows] = {}
    sums = Counter[str]()
    with Log(database.conninfo("app")) as log:
        for start in range(0, len(events), 200):
            append_events(log, events[start : start + 200], Metadata(actor="stripe"))
        recorded = log.read(limit=len(events))
    told = zip(recorded, events, strict=True)
    accounts = {each.position: account_of(event.body) for each, event in told}
    with a_copy(database) as copy:
        copy.create()
        copy.load([recorded])
        copy.finish()
        cursor = copy.cursor.connection.cursor(row_factory=dict_row)
        for name, table in discover().tables.items():
            query = SQL("select * from {}").format(Identifier(name))
            for row in cursor.execute(query):
                if isinstance(table, Rollup):
                    sums.update({f"{name} {amount}": int(row[amount]) for amount in table.amounts})
                    continue
                account = account_in(table, row, accounts)
                found.setdefault(account, Counter())[name, shown(table, row, account)] += 1
    return Told(found, sums)


def account_in(table: AnyTable, row: Row, accounts: dict[int, Account]) -> Account:
    """Whose a row is: by its event, by its owner, or by its key."""
    if isinstance(table, Journal):
        return accounts[row["position"]]
    if "owner" in row:
        return row["owner"] or None
    named = {name_of(value).account for value in map(row.get, table.key) if isinstance(value, str)}
    assert len(named - {None}) <= 1, f"a row of {table.name} is of several accounts: {row}"
    return next(iter(named - {None}), None)


def shown(table: AnyTable, row: Row, account: Account) -> str:
    """A row as if its account were the only one."""
    ours = table.columns if isinstance(table, Mirror | Journal) else {}
    kept = {
        name: value
        for name, value in row.items()
        if name not in ("account", "owner") and not (name in ours and ours[name].bookkeeping)
    }
    text = json.dumps(kept, default=str, sort_keys=True)
    return text if account is None else text.replace(f"@{account}", "")


@law
@given(world=worlds())
@example(world=random_world(15, 2000))
def test_equal_ids_in_several_accounts_make_separate_worlds(
    fresh_database: Databases, world: World
):
    """Told of our own account and of two connected ones, a world happens three times over."""
    events = own_events(world)
    alone = told_to(fresh_database(), events)
    assert alone.rows.keys() == {None}
    together = [
        each
        for event in events
        for each in (event, *(told_of(event, account) for account in ACCOUNTS))
    ]
    worlds = told_to(fresh_database(), together)
    assert worlds.rows.keys() == {None, *ACCOUNTS}
    for account, rows in worlds.rows.items():
        assert alone.rows[None] - rows == Counter(), f"{account} lacks rows"
        assert rows - alone.rows[None] == Counter(), f"{account} has more rows"
    assert worlds.sums == Counter({name: 3 * total for name, total in alone.sums.items()})
    assert alone.sums["mrr_daily new_minor"] > 0
