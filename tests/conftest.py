"""Fixtures of all tests: a private PostgreSQL for each worker, a clean database for each test."""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from ledger.postgres.database import Database
from tests.support.servers import (
    Server,
    keep_temporary_files_in_memory,
    running,
    short_lived_home,
    system_bin_folder,
)

hypothesis.settings.register_profile(
    "ci", deadline=None, database=None, print_blob=True, derandomize=True, max_examples=25
)
hypothesis.settings.register_profile(
    "thorough", deadline=None, database=None, print_blob=True, max_examples=400
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

keep_temporary_files_in_memory()

_SYSTEM = pytest.param(
    "system",
    marks=pytest.mark.skipif(
        system_bin_folder() is None, reason="no PostgreSQL from 15 on in /usr/lib/postgresql"
    ),
)


SHARED_HOME = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker is None:
        stack = ExitStack()
        config.add_cleanup(stack.close)
        config.stash[SHARED_HOME] = str(stack.enter_context(short_lived_home()))
    else:
        config.stash[SHARED_HOME] = worker["shared_home"]
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what tests start is to hear it
    config.addinivalue_line(
        "markers",
        "every_server: run on the embedded PostgreSQL and on the system's, if one is installed",
    )
    config.addinivalue_line(
        "markers", "processes: work is spread over processes, as in the service"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker what it shares with the others."""
    node.workerinput["shared_home"] = node.config.stash[SHARED_HOME]


def pytest_collection_finish() -> None:
    """Look no longer for garbage among thousands of tests, which stay to the end."""
    gc.collect()
    gc.freeze()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("every_server"):
        metafunc.parametrize("server", ["embedded", _SYSTEM], indirect=True)


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], Server]]:
    """Starts the server of a kind when a test first asks for it, and stops all at the end."""
    with ExitStack() as stack:

        @cache
        def start(kind: str) -> Server:
            return stack.enter_context(running(system_bin_folder() if kind == "system" else None))

        yield start


@pytest.fixture(scope="session")
def shared_home(pytestconfig: pytest.Config) -> Path:
    """A folder of all workers, which goes at the end; who makes something there holds a lock."""
    return Path(pytestconfig.stash[SHARED_HOME])


@pytest.fixture
def server(request: pytest.FixtureRequest, servers: Callable[[str], Server]) -> Server:
    """The worker's server: the embedded one, or what `every_server` asks for."""
    return servers(getattr(request, "param", "embedded"))


@pytest.fixture
def fresh_database(server: Server) -> Iterator[Callable[[], Database]]:
    """Makes a new, migrated database at each call; all are dropped at the end of the test."""
    with ExitStack() as stack:

        def make() -> Database:
            database = server.create()
            stack.callback(server.drop, database)
            return database

        yield make


@pytest.fixture
def database(fresh_database: Callable[[], Database]) -> Database:
    """A migrated database with nothing in it."""
    return fresh_database()


@pytest.fixture
def kept_database(server: Server) -> Iterator[Database]:
    """The same, which the next test gets as new: quicker where only rows change.

    A follower's session stays with it, for `steady_follower`.
    """
    with server.lent() as database:
        yield database


@pytest.fixture
def empty_database(server: Server) -> Iterator[Database]:
    """A database without any schema of ours, for tests of the migrations."""
    database = server.create_empty()
    yield database
    server.drop(database)
