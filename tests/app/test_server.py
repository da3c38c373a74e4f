"""The process that serves: where it listens, and the token that it makes at its first start."""

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from app.server import first_token, listen
from ledger.domain.access import STREAM, Role
from ledger.domain.events import Metadata
from ledger.errors import SettingsError
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.settings import Settings
from ledger.tokens import Issued, digest, issue, revoke


def on(host: str) -> Settings:
    return Settings(_env_file=None, ledger_host=host)  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument


def at(home: Path) -> Settings:
    return Settings(_env_file=None, ledger_home=home)  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument


@pytest.fixture
def log(database: Database) -> Iterator[Log]:
    with closing(Log(database.conninfo("app"))) as log:
        yield log


def kept(home: Path) -> Path:
    return home / "admin-token"


def test_the_first_start_makes_a_token_and_keeps_it_for_us_alone(
    database: Database, log: Log, tmp_path: Path
) -> None:
    home = tmp_path / "not made yet"
    first = first_token(at(home), database)
    assert first is not None
    assert first.file == kept(home)
    assert first.file.read_text() == f"{first.token}\n"
    assert stat.S_IMODE(first.file.lstat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [path.name for path in home.iterdir()] == ["admin-token"]
    issued = Issued(log)
    issued.read()
    token = issued.find(digest(first.token) or "")
    assert token is not None
    assert token.role is Role.ADMIN
    assert first_token(at(home), database) is None, "only the first start"


def test_where_a_token_was_ever_issued_there_is_no_other(
    database: Database, log: Log, tmp_path: Path
) -> None:
    revoke(log, issue(log, Role.OPS, "Omar", Metadata()).token_id, Metadata())
    assert first_token(at(tmp_path / "home"), database) is None
    assert not (tmp_path / "home").exists()


def test_of_services_that_start_together_one_makes_the_token_and_its_file_holds_it(
    database: Database, log: Log, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: first_token(at(tmp_path), database), range(4)))
    (first,) = filter(None, made)
    assert kept(tmp_path).read_text() == f"{first.token}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["admin-token"]
    assert len(log.stream(STREAM)) == 1


def test_a_planted_link_keeps_no_token(database: Database, tmp_path: Path) -> None:
    """Nor is what it leads to changed."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.write_text("as it was")
    elsewhere.chmod(0o644)
    kept(home).symlink_to(elsewhere)
    first = first_token(at(home), database)
    assert first is not None
    assert elsewhere.read_text() == "as it was"
    assert not kept(home).is_symlink()
    assert stat.S_IMODE(kept(home).lstat().st_mode) == 0o600


def test_a_token_that_nobody_could_read_is_not_issued(
    database: Database, log: Log, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"LEDGER_HOME.*ledger token issue"):
        first_token(at(tmp_path / "file"), database)
    assert log.head() == 0


def test_a_name_that_is_no_address_is_told(database: Database) -> None:
    with pytest.raises(SettingsError, match="LEDGER_HOST"), listen(on("no-such-host.invalid")):
        pass
