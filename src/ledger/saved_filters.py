"""Saved filters: what a person asks a list of the console for, under a name, until it is removed.

They are no events: what a person likes to look at says nothing of the shop (decision 54).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ledger.errors import InvalidCommand
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.postgres.failures import reaching
from ledger.postgres.session import CLOSE_SECONDS
from ledger.tokens import listing

CONNECTIONS: Final = 2
MOST: Final = 20
"""So many of a list a person may have."""
NAME_LENGTH: Final = 60
QUERY_LENGTH: Final = 2_000

OF: Final = """
select name, query from ledger.saved_filters
where token_id = %(token)s and page = %(page)s
order by name
"""
SAVE: Final = """
insert into ledger.saved_filters (token_id, page, name, query)
select %(token)s, %(page)s, %(name)s, %(query)s
where (
    select count(*) from ledger.saved_filters
    where token_id = %(token)s and page = %(page)s and name <> %(name)s
) < %(most)s
on conflict (token_id, page, name) do update set query = excluded.query
"""
REMOVE: Final = """
delete from ledger.saved_filters
where token_id = %(token)s and page = %(page)s and name = %(name)s
"""


REMOVE_OF: Final = "delete from ledger.saved_filters where token_id = any(%s)"
LOOK_SECONDS: Final = 3600.0
"""How often those of tokens that are over are looked for."""


class SavedFilter(NamedTuple):
    """A name, and what the address of the list asks for."""

    name: str
    query: str


class SavedFilters:
    """Those of all people, by token and page; every method raises `StoreUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._pool = database.pool("app", CONNECTIONS, autocommit=True)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close(CLOSE_SECONDS)

    def of(self, token_id: str, page: str) -> list[SavedFilter]:
        """Those of a list, by name."""
        asked = {"token": token_id, "page": page}
        with reaching(self._pool), self._pool.connection() as conn:
            return [SavedFilter(*row) for row in conn.execute(OF, asked)]

    def save(self, token_id: str, page: str, saved: SavedFilter) -> None:
        """Keep one, in the place of another of its name; raises `InvalidCommand`."""
        if not 0 < len(saved.name) <= NAME_LENGTH:
            raise InvalidCommand(f"A name has 1 to {NAME_LENGTH} characters.")
        if not 0 < len(saved.query) <= QUERY_LENGTH:
            raise InvalidCommand(f"A filter has 1 to {QUERY_LENGTH} characters.")
        given = {"token": token_id, "page": page, **saved._asdict(), "most": MOST}
        with reaching(self._pool), self._pool.connection() as conn:
            if not conn.execute(SAVE, given).rowcount:
                raise InvalidCommand(f"A list has at most {MOST} saved filters; remove one first.")

    def remove(self, token_id: str, page: str, name: str) -> None:
        """Remove one, if it is there."""
        asked = {"token": token_id, "page": page, "name": name}
        with reaching(self._pool), self._pool.connection() as conn:
            conn.execute(REMOVE, asked)


def remove_ended(database: Database, log: Log) -> None:
    """Remove those of tokens that expired or were revoked: their owner cannot sign in to do it.

    Raises `StoreUnavailable`.
    """
    ended = [token.token_id for token in listing(log) if token.state != "valid"]
    with database.connect("app", autocommit=True) as conn:
        conn.execute(REMOVE_OF, [ended])
