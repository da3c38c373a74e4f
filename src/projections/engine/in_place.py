"""The proof of derived rows without making them again: live rows, beside their views as of now.

Where the mirrors and journals are what the log says, and a derived table's view is this version's,
the view makes of the live tables what a rebuild would; likewise a rollup's sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import product
from typing import Final

import psycopg

from ledger.postgres.database import Database
from projections.engine.declare import AnyTable, Derived, Journal, Rollup
from projections.engine.differences import wrong_shape
from projections.engine.digest import Leaf, digest, digest_as_made, digest_of_leaves, leaves
from projections.engine.parallel import at_once
from projections.engine.registry import Registry
from projections.engine.snapshots import seeing
from projections.engine.tables import LIVE, PROOF, AnyCursor

OF_A_TABLE: Final = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.InternalError,
    psycopg.NotSupportedError,
    psycopg.ProgrammingError,
)
"""What PostgreSQL says of rows, tables and views, and not of a connection or of itself."""


def equal(
    database: Database,
    snapshot: str,
    live: AnyCursor,
    proof: AnyCursor,
    *,
    registry: Registry,
    known: Mapping[str, Sequence[Leaf]],
) -> dict[str, str] | None:
    """The digests of all live tables, where each is what the log says; None where one may not be.

    `live` sees an exported `snapshot`, in which `proof` has mirrors and journals of the same
    positions, but for the lines whose leaves are `known`, by table; those end where a leaf does.
    """
    every = [*registry.tables.values()]
    if any(wrong_shape(live, LIVE, proof, PROOF, table) for table in every):
        return None

    def take(cursor: AnyCursor, asked: tuple[AnyTable, bool]) -> str:
        table, as_it_is = asked
        if as_it_is:
            return digest(cursor, LIVE, table)
        return _as_it_should_be(cursor, table, known.get(table.name))

    every.sort(key=lambda table: not isinstance(table, Derived))  # which take the longest
    asked = [*product(every, (False, True))]
    with suppress(*OF_A_TABLE):
        taken = at_once(partial(seeing, database, snapshot), take, asked)
        found = dict(zip(asked, taken, strict=True))
        if all(found[table, True] == found[table, False] for table in every):
            return {name: found[table, True] for name, table in registry.tables.items()}
    return None


def _as_it_should_be(cursor: AnyCursor, table: AnyTable, known: Sequence[Leaf] | None) -> str:
    """The digest that a live table should have."""
    match table:
        case Derived() | Rollup():
            return digest_as_made(cursor, LIVE, table)
        case Journal() if known is not None:
            return digest_of_leaves([*known, *leaves(cursor, PROOF, table)])
        case _:
            return digest(cursor, PROOF, table)
