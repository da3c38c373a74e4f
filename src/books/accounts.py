"""Accounts of the books: what each holds, where reports show it, and what is in it now."""

from __future__ import annotations

import re
from datetime import date
from difflib import get_close_matches
from typing import Final, NamedTuple

from books.trial import BEGINS
from ledger.domain import posting_rules as rules
from ledger.errors import InvalidCommand
from projections.engine.replay import DictCursor

KINDS: Final = ("assets", "liabilities", "equity", "income", "contra", "expenses", "suspense")
"""What the name of an account begins with, in the order of a report."""
ANY_NAME: Final = "…"
ALIKE: Final = 0.75
"""Of names that differ by no more, one may be a mistyped other: `mics` and `misc`."""
_CONNECTED: Final = re.compile(r"(acct_[^:]+):(.+)")
_ABOUT: Final = tuple(rules.ACCOUNTS.items())
_OF_STRIPE: Final = re.compile(r"assets:stripe:([a-z_]+):(pending|available)")

KNOWN: Final = """
select account from account_days
union
select account from account_names
union
select account from opening_balances
"""
NOW: Final = """
with opening as ({begins})
select account, currency, sum(minor)::bigint as balance_minor
from (
    select account, currency, debit_minor - credit_minor as minor
    from account_days
    where day <= %(today)s
        and day >= coalesce((select (period || '-01')::date from opening), '-infinity')
    union all
    select account, currency, opening_minor
    from opening
    join opening_balances using (version)
) as known
group by account, currency
order by currency collate "C"
""".replace("{begins}", BEGINS)


class Held(NamedTuple):
    """An account: what it holds, and by currency what is in it (minor units; above nothing: debit).

    `about` is None for one that a person named.
    """

    account: str
    about: str | None
    by_currency: dict[str, int]


def accounts(cursor: DictCursor, today: date) -> list[Held]:
    """Every account that anything ever moved in, with its balances at the end of today."""
    found: dict[str, dict[str, int]] = {}
    for row in cursor.execute(NOW, {"today": today}):
        found.setdefault(row["account"], {})[row["currency"]] = row["balance_minor"]
    return [Held(name, about(name), found[name]) for name in sorted(found, key=place)]


def check_meant(cursor: DictCursor, account: str, *, is_new: bool) -> None:
    """Raise InvalidCommand for an account that is new and much like one that there is.

    Unless a person says that it `is_new`: a typing mistake would stand in the books as an account.
    """
    if is_new or about(account) is not None:
        return
    known = {bare(row["account"]) for row in cursor.execute(KNOWN)} | {*rules.ACCOUNTS}
    kind, _, name = account.partition(":")
    of_kind = [each.removeprefix(f"{kind}:") for each in known if each.startswith(f"{kind}:")]
    near = get_close_matches(name, of_kind, cutoff=ALIKE)
    if account not in known and near:
        those = " or ".join(f"{kind}:{each}" for each in near)
        raise InvalidCommand.of_field(
            "account",
            f"nothing is booked in {account} yet, and there is {those}; name that, or say that it"
            " is a new account (`--new-account`, over HTTP `new_account`).",
        )


def bare(account: str) -> str:
    """The name of an account without the connected account that it is of."""
    connected = _CONNECTED.fullmatch(account)
    return connected[2] if connected else account


def connected_account(account: str) -> str | None:
    """The connected account that one is of; None for the shop's own."""
    connected = _CONNECTED.fullmatch(account)
    return connected[1] if connected else None


def about(account: str) -> str | None:
    """What an account holds; None for one that no rule names."""
    found = _known(account)
    if found is not None:
        return _ABOUT[found][1]
    at_stripe = _OF_STRIPE.fullmatch(bare(account))
    if at_stripe is None:
        return None
    kind, state = at_stripe.groups()
    until = "not available yet" if state == "pending" else "available"
    return f"at Stripe, its {kind} balance, {until}"


def place(account: str) -> tuple[str, int, int, str]:
    """Where an account stands in a report: the shop's own first, then by kind and as rules do."""
    found = _known(account)
    kind = bare(account).partition(":")[0]
    return (
        connected_account(account) or "",
        KINDS.index(kind) if kind in KINDS else len(KINDS),
        len(_ABOUT) if found is None else found,
        account,
    )


def _known(account: str) -> int | None:
    """The number of the line that says what an account holds: its own, or that of all like it."""
    name = bare(account)
    names = [known for known, _ in _ABOUT]
    if name in names:
        return names.index(name)
    like = (n for n, known in enumerate(names) if known.endswith(ANY_NAME))
    return next((n for n in like if name.startswith(names[n].removesuffix(ANY_NAME))), None)
