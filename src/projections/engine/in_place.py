"""The proof of derived rows without making them again: live rows, beside their views as of now.

Where the mirrors and journals are what the log says, this version's views make of the live tables
what a rebuild would; likewise the sums of rollups. The views are asked as this version has them,
and not those that stand beside the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import psycopg

from ledger import waits
from ledger.postgres.database import UNLIMITED, Database
from projections.engine.declare import Derived, Journal, Mirror, Rollup
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

OVERLOADS: Final = """
select exists (select from pg_catalog.pg_proc where pronamespace = %(schema)s::regnamespace)
    or exists (select from pg_catalog.pg_operator where oprnamespace = %(schema)s::regnamespace)
"""
"""One that fits its arguments better than PostgreSQL's own is taken, wherever it stands."""


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

    `live` sees an exported `snapshot`. `proof` has mirrors and journals of the same positions, but
    for the lines whose leaves are `known`, by table; those end where a leaf does.
    """
    every = [*registry.tables.values()]
    if _has_overloads(live) or any(wrong_shape(live, LIVE, proof, PROOF, table) for table in every):
        return None
    bases = [table for table in every if isinstance(table, Mirror | Journal)]
    made = [table for table in every if isinstance(table, Derived | Rollup)]
    here = partial(database.connect, "projector", seconds=UNLIMITED)
    seen = partial(seeing, database, snapshot)
    as_made = [partial(digest_as_made, schema=LIVE, table=table) for table in made]
    as_kept = [partial(digest, schema=LIVE, table=table) for table in every]
    in_proof = [partial(_in_proof, table=table, known=known.get(table.name)) for table in bases]
    with suppress(*OF_A_TABLE), waits.beside(at_once, here, _ask, in_proof) as proving:
        found = at_once(seen, _ask, [*as_made, *as_kept])
        expected = [*found[: len(made)], *proving.result()]
        kept = found[len(made) :]
        if dict(zip([*made, *bases], expected, strict=True)) == dict(zip(every, kept, strict=True)):
            return dict(zip(registry.tables, kept, strict=True))
    return None


def _ask(cursor: AnyCursor, digest: Callable[[AnyCursor], str]) -> str:
    return digest(cursor)


def _in_proof(cursor: AnyCursor, table: Mirror | Journal, known: Sequence[Leaf] | None) -> str:
    """The digest of a mirror or journal of the proof, with the leaves that are known of it."""
    if isinstance(table, Journal) and known is not None:
        return digest_of_leaves([*known, *leaves(cursor, PROOF, table)])
    return digest(cursor, PROOF, table)


def _has_overloads(live: AnyCursor) -> bool:
    """Whether others made functions or operators that a view's names might mean."""
    row = live.execute(OVERLOADS, {"schema": LIVE}).fetchone()
    assert row is not None, "it is one row"
    return row[0]
