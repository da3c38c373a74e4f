"""One step of the follower: rows and positions, by one statement that is its own transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, LiteralString

from psycopg.sql import SQL, Identifier, Literal

from ledger.domain.events import RecordedEvent
from projections.engine.flush import Flush
from projections.engine.fold import Fold
from projections.engine.tables import AnyCursor

MADE: Final[LiteralString] = """
create or replace function {}(
    staged text[], names text[], reached bigint, upto bigint, recorded timestamptz
) returns void language plpgsql as {}
"""
BODY: Final[LiteralString] = """
declare
    standing bigint;
begin
    perform
    from read_models.projections
    where name = any(names) and position = reached
    order by name
    for update;
    get diagnostics standing = row_count;
    if standing < cardinality(names) then
        return;
    end if;
    perform {}(staged);
    update read_models.projections
    set position = upto, leaf_hash = (
        select leaf_hash
        from ledger.stored_events
        where notification_id = upto
            and least(greatest(recorded_at, '0001-01-02 00:00Z'), '9999-12-30 00:00Z') = recorded
    )
    where name = any(names);
end
"""
"""Where the event there is no longer the one that was taken in, the hash is none."""


class Step:
    """Takes folds into the live tables of these projections, and says how far they are.

    To lock the positions, flush, move them and commit in turn costs a round trip each.
    """

    def __init__(self, cursor: AnyCursor, flush: Flush, names: Sequence[str]) -> None:
        self._cursor = cursor
        self._flush = flush
        self._names = [*names]
        name, body = Identifier("pg_temp", f"step_{flush.mark}"), SQL(BODY).format(flush.name)
        cursor.execute(SQL(MADE).format(name, Literal(body.as_string())))
        self._statement = SQL("select {}(%b, %b, %b, %b, %b)").format(name)
        # Events are durable before they are seen here: what a crash takes is taken in again.
        cursor.execute("set synchronous_commit = off")

    def __call__(self, fold: Fold, reached: int, last: RecordedEvent) -> None:
        """Take in what leads from a position to an event; nothing where they do not stand there.

        Raises `ProjectionFailed` naming the projection whose declaration or SQL failed.
        """
        given = self._names, reached, last.position, last.recorded_at
        self._flush.execute(self._statement, fold, *given)
