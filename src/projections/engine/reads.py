"""Reading the read models: at a snapshot, not before a position, or as of an earlier one."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, Final

from psycopg import Connection, Cursor, IsolationLevel
from psycopg.errors import UndefinedColumn, UndefinedTable
from psycopg.rows import dict_row

from ledger import waits
from ledger.domain.order_commands import KnownPayment, OrderMoney
from ledger.errors import InvalidRequest, NotCaughtUp, ProjectionStopped
from ledger.postgres.failures import LAST_POSITION, check_head, reaching
from ledger.postgres.session import CLOSE_SECONDS
from projections import orders, payments
from projections.engine import names, tables
from projections.engine.as_of import Copies
from projections.engine.build import ProjectionContext, ReadModelTables
from projections.engine.positions import EMPTIED, ProjectionStatus, check_following, statuses
from projections.engine.tables import LIVE, AnyCursor, trusted

WAIT_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.015

REACHED: Final = """
select
    min(p.position),
    last_position,
    string_agg(p.name, ', ') filter (where p.stopped_at is not null),
    string_agg(p.name, ', ') filter (
        where p.position > (select position from ledger.head)
            or p.leaf_hash is distinct from coalesce(e.leaf_hash, p.leaf_hash)
            or p.stopped_at <= p.position
    )
from read_models.projections as p
left join ledger.stored_events as e on e.notification_id = p.position
where %(names)s::text[] is null or p.name = any(%(names)s)
""".replace("last_position", LAST_POSITION)
"""How far they are, where the log ends, which stopped, and whose rows are of another history."""


END_OF_LOG: Final = """
select coalesce(
    (select position from ledger.head),
    (select max(notification_id) from ledger.stored_events),
    0
)
"""


class Snapshot(Cursor[dict[str, Any]]):
    """A cursor (rows are dicts) on one moment of read models, with all up to `position` in it.

    That is the log's last position where no read model is asked for.
    """

    position: int = 0


class Reads:
    """Connections that may only read; every block sees one moment of all read models."""

    def __init__(
        self, engine: ProjectionContext, *, connections: int = 8, seconds: float | None = None
    ) -> None:
        """A statement may take so many `seconds`; None: what is usual for a read."""
        self.engine = engine
        self._pool = engine.database.pool(
            "reader", connections, seconds=seconds, configure=_configure
        )
        self._copies = Copies(engine)

    def close(self) -> None:
        """Close the connections."""
        self._copies.close()
        self._pool.close(CLOSE_SECONDS)

    @contextmanager
    def snapshot(
        self, names: Iterable[str] | None = None, after: int = 0, *, current: bool = False
    ) -> Generator[Snapshot]:
        """A cursor on read models that have taken in everything up to `after`.

        `names` are the projections that matter; None: all. Raises `NotCaughtUp` where they do not
        get there in time, `ProjectionStopped` where they never will, and where they are ahead of
        the log or of another history: what they say never was so. Where they must be `current`,
        those of another version, mode or time zone are refused as well: a sum does not show it.
        """
        wanted = None if names is None else list(names)
        with reaching(self._pool), _never_built():
            if after > 0:
                self._wait(wanted, after)
            with (
                self._pool.connection() as conn,
                Snapshot(conn, row_factory=dict_row) as cursor,
            ):
                tables.hold(conn)
                if wanted == []:
                    cursor.position = _end_of_log(conn)
                else:
                    cursor.position = _reached(conn, wanted)[0] or 0
                if current:
                    self._check_current(conn, wanted)
                yield cursor

    def _check_current(self, conn: Connection[Any], names: list[str] | None) -> None:
        registry = self.engine.registry
        wanted = registry if names is None else registry.with_reads(names)
        with conn.cursor() as cursor:
            check_following(cursor, wanted, self.engine.reader)

    @contextmanager
    def as_of(self, name: str, positions: Sequence[int]) -> Generator[AnyCursor]:
        """A cursor on a projection's tables that hold just what these events of the log say."""
        with self.replay(name, positions) as (cursor, _):
            yield cursor

    @contextmanager
    def replay(
        self, name: str, positions: Sequence[int]
    ) -> Generator[tuple[AnyCursor, ReadModelTables]]:
        """The same, and the copy that the tables belong to: it may be given the events after."""
        part = self.engine.registry.with_reads([name])
        with (
            _never_built(),
            self._copies.of(part, self.engine.log.at(positions)) as copy,
            copy.cursor.connection.cursor(row_factory=dict_row) as cursor,
        ):
            yield cursor, copy

    def money(self, order_id: str) -> OrderMoney:
        """What Stripe is known to have done for an order, up to the log's present head.

        Zeros for an order without payments, or unknown. Raises what `snapshot` raises.
        """
        head = self.engine.log.head()
        with self.snapshot([orders.projection.name], head) as cursor:
            row = cursor.execute(orders.MONEY, {"id": order_id}).fetchone()
        if row is None:
            return OrderMoney(
                paid_minor=0,
                refunded_minor=0,
                pending_refund_minor=0,
                currency="",
                fully_paid=False,
                position=head,
            )
        return OrderMoney(**row, position=head)

    def payment(self, payment_id: str) -> KnownPayment:
        """What is known of a payment's id, up to the log's present head; raises `Ambiguous`."""
        head = self.engine.log.head()
        with self.snapshot([payments.projection.name, *names.READS], head) as cursor:
            name = names.named(cursor, "payment", payment_id)
            (row,) = rows(cursor, payments.KNOWN, id=name)
        return KnownPayment(**row, payment_id=name)

    def statuses(self) -> list[ProjectionStatus]:
        """Where each projection stands."""
        with reaching(self._pool), self._pool.connection() as conn, conn.cursor() as cursor:
            return statuses(cursor, self.engine.registry, self.engine.reader)

    def _wait(self, names: list[str] | None, position: int) -> None:
        """Look repeatedly, each time in a new transaction.

        No answer of ours named a position beyond the end of the log: waiting for one would only
        hold a thread of ours.
        """
        if self._reached(names, position):
            return
        if position > (head := self.engine.log.head()):
            raise InvalidRequest(f"after: the log ends at {head}, before position {position}.")
        if names == []:
            return  # what is read rests on no projection
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._reached(names, position):
            if time.monotonic() > deadline:
                slow = ", ".join(names or ["Some read models"])
                raise NotCaughtUp(
                    f"{slow} did not reach position {position} within {WAIT_SECONDS:.0f} s;"
                    " is the follower running?"
                )
            waits.go_on()
            time.sleep(POLL_SECONDS)

    def _reached(self, names: list[str] | None, position: int) -> bool:
        with self._pool.connection() as conn:
            reached, stopped = _reached(conn, names)
        if reached is not None and reached >= position:
            return True
        if stopped:
            raise ProjectionStopped(f"Not following: {stopped}; `ledger status` says why.")
        return False


def _end_of_log(conn: Connection[Any]) -> int:
    """The last position; of a log whose head is gone, which others report, its last event's."""
    row = conn.execute(END_OF_LOG).fetchone()
    assert row is not None, "it is one row"
    return row[0]


def _reached(conn: Connection[Any], names: list[str] | None) -> tuple[int | None, str | None]:
    """The last position that all of these took in, and which of them stopped."""
    row = conn.execute(REACHED, {"names": names}).fetchone()
    assert row is not None, "an aggregate has one row"
    reached, head, stopped, elsewhere = row
    if elsewhere and not check_head(head):
        raise ProjectionStopped(EMPTIED)
    if elsewhere:
        raise ProjectionStopped(
            f"Ahead of the log, or of another history: {elsewhere}. Was an older log restored?"
            " `ledger status` says more, and `ledger rebuild` cures it."
        )
    check_head(head)
    return reached, stopped


@contextmanager
def _never_built() -> Generator[None]:
    """A table or column that is missing belongs to a read model that this version never built."""
    try:
        yield
    except (UndefinedTable, UndefinedColumn):
        raise ProjectionStopped(
            "A read model was never built by this version; run `ledger rebuild`."
        ) from None


def _configure(conn: Connection) -> None:
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    with conn.cursor() as cursor:
        tables.use(cursor, LIVE)
    conn.commit()


def rows(cursor: AnyCursor, query: str, **parameters: Any) -> list[dict[str, Any]]:
    """The rows of a query that stands in a declaration of ours."""
    return cursor.execute(trusted(query), parameters).fetchall()
