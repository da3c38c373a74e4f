"""What the shop's own chart of accounts has for accounts of the books, by month.

A closed month keeps its names: nothing can be mapped for it any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from books.accounts import about, bare
from ledger.domain.account_names import Kind, OwnName, check_account
from ledger.errors import NotFound
from projections.engine.replay import DictCursor

READS: Final = ("postings", "periods")
MAPPED: Final = """
select account, period, code, name, kind, actor, actor_name, reason, mapped_at
from account_names
order by account collate "C", period collate "C"
"""
MOVED: Final = """
select from account_days where account = %(account)s
union all
select from opening_balances where account = %(account)s
limit 1
"""
NONE: Final = OwnName()


class Mapped(NamedTuple):
    """What an account is called from a month on, who says so and why."""

    account: str
    period: str
    code: str | None
    name: str | None
    kind: Kind | None
    actor: str
    actor_name: str | None
    reason: str | None
    mapped_at: datetime

    @property
    def own(self) -> OwnName:
        """The name itself."""
        return OwnName(self.code, self.name, self.kind)


class Names:
    """All names that the shop gave, of every month."""

    def __init__(self, mapped: Sequence[Mapped]) -> None:
        self._by_account: dict[str, list[Mapped]] = {}
        for each in mapped:
            self._by_account.setdefault(each.account, []).append(each)

    def mapped(self, account: str) -> list[Mapped]:
        """What an account was called from which month on, the earliest first."""
        return self._by_account.get(account, [])

    def of(self, account: str, period: str) -> OwnName:
        """What an account is called in a month; empty where the shop has no name of its own.

        One of a connected account is called as the shop's own, unless it has a name itself.
        """
        for name in dict.fromkeys((account, bare(account))):
            earlier = [each for each in self.mapped(name) if each.period <= period]
            if earlier:
                return earlier[-1].own
        return NONE

    def path(self, account: str, period: str) -> str:
        """The name for files of plain text accounting: the kind, then code and name."""
        own = self.of(account, period)
        if not own:
            return account
        connected = account.removesuffix(bare(account))
        kind, _, rest = bare(account).partition(":")
        return f"{connected}{own.kind or kind}:{own.label or rest}"


def names(cursor: DictCursor) -> Names:
    """All names that the shop gave."""
    return Names([Mapped(**row) for row in cursor.execute(MAPPED)])


def check_there(cursor: DictCursor, account: str) -> None:
    """Raise InvalidCommand for what is no account, and `NotFound` for one that nothing moves."""
    check_account(account)
    if about(account) is None and not cursor.execute(MOVED, {"account": account}).fetchall():
        raise NotFound(
            f"There is no account {account[:100]!r}; `ledger books accounts` lists those that there"
            " are."
        )
