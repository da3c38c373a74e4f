"""The command line, in this process, on a database of the test's own."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.main import get_command
from typer.testing import CliRunner, Result

from app.cli import app
from ledger.postgres.database import Database
from tests.support.servers import Server

Run = Callable[..., Result]


@pytest.fixture(scope="session", autouse=True)
def tree_of_verbs() -> Iterator[None]:
    """The tree is made once: to make it takes as long as most verbs do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, and none of the settings of the person who runs the tests."""
    from ledger.settings import Settings

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return tmp_path


@pytest.fixture
def after(environment: Path, server: Server) -> Iterator[Callable[..., Database]]:
    """Makes a database as verbs leave it, which are run once for all tests, and followed."""
    with ExitStack() as stack:

        def make(*verbs: tuple[str, ...]) -> Database:
            database = server.filled(verbs, partial(_carry_out, (*verbs, ("follow", "--once"))))
            stack.callback(server.drop, database)
            return database

        yield make


def _carry_out(verbs: tuple[tuple[str, ...], ...], database: Database) -> None:
    runner = CliRunner(env={"DATABASE_URL": database.admin_conninfo})
    for arguments in verbs:
        result = runner.invoke(app, arguments)
        structlog.reset_defaults()
        assert result.exit_code == 0, (result.output, result.exception)


@pytest.fixture
def run(environment: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command and checks its exit code."""
    monkeypatch.setenv("DATABASE_URL", database.admin_conninfo)

    def invoke(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, arguments)
        structlog.reset_defaults()
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return invoke


@pytest.fixture
def empty(
    run: Run, fresh_database: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verbs run on an empty database, where those of the module's other tests are filled."""
    monkeypatch.setenv("DATABASE_URL", fresh_database().admin_conninfo)


@pytest.fixture
def run_json(run: Run) -> Callable[..., Any]:
    """Runs a command with --json; answers the one document that it printed."""

    def invoke(*arguments: str, code: int = 0) -> Any:
        return json.loads(run(*arguments, "--json", code=code).stdout)

    return invoke


@pytest.fixture
def run_list(run_json: Callable[..., Any]) -> Callable[..., list[Any]]:
    """Runs a command that lists something; answers the rows of its document."""

    def invoke(*arguments: str) -> list[Any]:
        document = run_json(*arguments)
        assert document.keys() == {"items", "as_of_position", "empty"}
        assert (document["empty"] is None) == bool(document["items"])
        return document["items"]

    return invoke
