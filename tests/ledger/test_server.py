"""The process that serves: where it may listen."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from ledger.domain.access import Role
from ledger.domain.events import Meta
from ledger.errors import SettingsError
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.server import check_access, listen
from ledger.settings import Settings
from ledger.tokens import issue, revoke


def on(host: str) -> Settings:
    return Settings(_env_file=None, ledger_host=host)  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument


@pytest.fixture
def log(database: Database) -> Iterator[Log]:
    with closing(Log(database.conninfo("app"))) as log:
        yield log


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.3.4.5"])
def test_without_a_token_it_listens_on_this_machine(database: Database, host: str) -> None:
    assert check_access(on(host), database) is False


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "shop.example.com"])  # noqa: S104 - it must be refused
def test_without_a_token_no_other_machine_can_reach_it(
    database: Database, log: Log, host: str
) -> None:
    with pytest.raises(SettingsError, match="ledger token issue"):
        check_access(on(host), database)
    made = issue(log, Role.ADMIN, "Ada", Meta())
    assert check_access(on(host), database) is True
    revoke(log, made.token_id, Meta())
    assert check_access(on(host), database) is True


def test_a_name_that_is_no_address_is_told(database: Database) -> None:
    with pytest.raises(SettingsError, match="LEDGER_HOST"), listen(on("no-such-host.invalid")):
        pass
