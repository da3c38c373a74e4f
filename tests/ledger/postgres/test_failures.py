"""What an error of the database means: said by state, and never in the database's own words."""

from __future__ import annotations

import psycopg
import pytest
from eventsourcing.persistence import OperationalError
from psycopg import errors
from psycopg_pool import PoolTimeout

from ledger.errors import StoreUnavailable
from ledger.postgres.database import Database
from ledger.postgres.failures import failure_of, is_unstorable, store_errors, told

AWAY, BUSY, RIVAL = "cannot be reached", "came free in time", "was in the way"


@pytest.mark.parametrize(
    ("error", "says", "lost"),
    [
        (psycopg.OperationalError("host db.example.com: refused"), AWAY, True),
        (psycopg.InterfaceError("the connection is closed"), AWAY, True),
        (errors.ConnectionFailure(), AWAY, True),
        (PoolTimeout("couldn't get a connection after 5.00 sec"), BUSY, False),
        (errors.ReadOnlySqlTransaction(), "read-only", True),
        (errors.IdleInTransactionSessionTimeout(), AWAY, True),
        (errors.SerializationFailure(), RIVAL, False),
        (errors.DeadlockDetected(), RIVAL, False),
        (errors.DiskFull(), "disk is full", False),
        (errors.OutOfMemory(), "out of memory", False),
        (errors.TooManyConnections(), "too many connections", True),
        (errors.ConfigurationLimitExceeded(), "out of resources", False),
        (errors.LockNotAvailable(), "holds for too long", False),
        (errors.QueryCanceled(), "in time", False),
        (errors.AdminShutdown(), "ended the session, or is starting", True),
        (errors.CrashShutdown(), "ended the session, or is starting", True),
        (errors.CannotConnectNow(), "ended the session, or is starting", True),
        (errors.IdleSessionTimeout(), AWAY, True),
        (errors.IoError(), "disk fails", False),
    ],
)
def test_a_state_of_the_database_is_said_as_what_it_is(
    error: psycopg.Error, says: str, lost: bool
) -> None:
    failure = failure_of(error)
    assert failure is not None
    assert says in failure.text
    assert failure.lost is lost
    with pytest.raises(StoreUnavailable, match=says), store_errors():
        raise error
    with pytest.raises(StoreUnavailable, match=says), store_errors():
        raise OperationalError("as the library hands it on") from error


@pytest.mark.parametrize(
    "error",
    [
        errors.UndefinedTable(),
        errors.UniqueViolation(),
        errors.InsufficientPrivilege(),
        errors.InvalidTextRepresentation(),
        psycopg.ProgrammingError("the query has 2 placeholders but 1 parameters were passed"),
    ],
)
def test_what_was_asked_wrongly_is_no_state_of_the_database(error: psycopg.Error) -> None:
    assert failure_of(error) is None
    with pytest.raises(type(error)), store_errors():
        raise error


def test_values_that_do_not_fit_are_the_callers(database: Database) -> None:
    with database.connect("reader", autocommit=True) as conn:
        for value in ("x", "a\x00b", "\ud800"):
            with pytest.raises((psycopg.Error, UnicodeError)) as refused:
                conn.execute("select %s::text::int", [value])
            assert is_unstorable(refused.value)
    assert not is_unstorable(errors.UndefinedColumn())


def test_an_error_is_told_without_the_row_that_it_quotes(database: Database) -> None:
    with psycopg.connect(database.admin_conninfo, autocommit=True) as admin:
        admin.execute("create temporary table people (email text constraint one_each unique)")
        admin.execute("insert into people values ('ada@example.com')")
        with pytest.raises(errors.UniqueViolation, match="ada@example") as error:
            admin.execute("insert into people values ('ada@example.com')")
    assert told(error.value) == "UniqueViolation (23505, one_each)"
    assert told(ValueError("ada@example.com")) == "ValueError"


def test_an_error_says_why_the_database_cannot_be_used_just_now() -> None:
    with pytest.raises(StoreUnavailable) as error, store_errors():
        raise errors.DiskFull
    assert told(error.value) == "StoreUnavailable (53100): The database's disk is full"
