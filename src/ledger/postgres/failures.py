"""What an error of the database means: what may be told of it, and whether to reconnect.

The one table of its kind. A message of PostgreSQL, its DETAIL above all, may quote a row, and so a
customer's data: nothing here repeats one.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final, LiteralString, NamedTuple

import psycopg
from eventsourcing.persistence import PersistenceError
from psycopg.errors import ConnectionTimeout
from psycopg_pool import ConnectionPool, PoolTimeout

from ledger import waits
from ledger.errors import LogDamaged, StoreUnavailable
from ledger.postgres.session import Silent


class Failure(NamedTuple):
    """A database that cannot be used just now: why, in public words, and whether to reconnect.

    `lost` connections, and those that were opened beside them, are of no more use. It is raised as
    `error`.
    """

    text: str
    lost: bool = False
    error: type[StoreUnavailable] = StoreUnavailable


AWAY: Final = Failure("The database cannot be reached.", lost=True)
SILENT: Final = Failure("The database did not answer in time.", lost=True)
BUSY: Final = Failure("No connection to the database came free in time.")

HEADLESS: Final = Failure(
    "The log is damaged: its head is gone, or its last events are, so nothing can be appended to"
    " it. `ledger verify` says what is missing; restore the log from a backup, and do not rebuild.",
    error=LogDamaged,
)

FAILURES: Final[dict[str, Failure]] = {
    "08": AWAY,
    "25006": Failure("The database is read-only.", lost=True),
    "25P03": AWAY,  # the session did nothing in its transaction for too long
    "40": Failure("Another transaction was in the way."),
    "53": Failure("The database is out of resources."),
    "53100": Failure("The database's disk is full."),
    "53200": Failure("The database is out of memory."),
    "53300": Failure("The database has too many connections.", lost=True),
    "55P03": Failure("Another session holds for too long what is needed."),
    "57014": Failure("The database did not answer in time."),
    "57P": Failure("The database ended the session, or is starting.", lost=True),
    "57P05": AWAY,  # the session did nothing for too long
    "58": Failure("The database's disk fails."),
    "P0002": HEADLESS,  # `ledger.append` found no head, or not the event that it names
}
"""By SQLSTATE, or how it begins; the longest one that fits.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

UNSTORABLE: Final = ("22", "23", "54")
"""Of the values that were sent: data exceptions, broken constraints, exceeded limits."""


def failure_of(error: BaseException | None) -> Failure | None:
    """What an error of psycopg says of the database; None where it is of what was asked of it."""
    if not isinstance(error, psycopg.Error):
        return None
    state = error.sqlstate
    if isinstance(error, PoolTimeout):
        return BUSY
    if isinstance(error, Silent | ConnectionTimeout):
        return SILENT
    if state is None:  # from the driver: no connection, or none any longer
        gone = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return AWAY if gone else None
    fitting = (FAILURES.get(state[:length]) for length in range(len(state), 1, -1))
    return next(filter(None, fitting), None)


@contextmanager
def store_errors() -> Generator[None]:
    """Turn the ways in which a database cannot be used into `StoreUnavailable`."""
    try:
        yield
    except (PersistenceError, psycopg.Error) as error:
        cause = error if isinstance(error, psycopg.Error) else error.__cause__
        failure = failure_of(cause)
        if failure is None:
            raise
        raise failure.error(failure.text) from cause


LAST_POSITION: Final[LiteralString] = """(
    select h.position
    from ledger.head as h
    where h.position = 0
        or exists (select from ledger.stored_events where notification_id = h.position)
)"""
"""SQL for the log's last position; null where its head or the event that the head names is gone."""


def check_head(head: int | None) -> int:
    """The log's `LAST_POSITION`; raises `LogDamaged` where it is null."""
    if head is None:
        raise LogDamaged(HEADLESS.text)
    return head


@contextmanager
def reaching(pool: ConnectionPool[Any]) -> Generator[None]:
    """The same, for work on a pool: a lost connection is seldom the only one, so all go.

    Nothing is begun where the caller's deadline (`ledger.waits`) is over.
    """
    if not waits.left():
        raise StoreUnavailable(SILENT.text)
    try:
        with store_errors():
            yield
    except StoreUnavailable as error:
        failure = failure_of(error.__cause__)
        if failure is not None and failure.lost:
            pool.drain()
        raise


def is_unstorable(error: BaseException | None) -> bool:
    """Whether the database, or the driver before it, refuses the values themselves."""
    if not isinstance(error, psycopg.Error):
        return isinstance(error, UnicodeError)
    if error.sqlstate is None:
        return isinstance(error, psycopg.DataError)
    return error.sqlstate.startswith(UNSTORABLE)


def told(error: BaseException) -> str:
    """An error in words that hold no personal data: its class, SQLSTATE, and the constraint's name.

    An error that was raised from one of the database's has its particulars. Where the database
    cannot be used just now, the end says why.
    """
    name, cause = type(error).__name__, error
    while not isinstance(cause, psycopg.Error) and cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, psycopg.Error) and cause.sqlstate is not None:
        particulars = [cause.sqlstate, *filter(None, [cause.diag.constraint_name])]
        name = f"{name} ({', '.join(particulars)})"
    failure = failure_of(cause)
    return name if failure is None else f"{name}: {failure.text.removesuffix('.')}"
