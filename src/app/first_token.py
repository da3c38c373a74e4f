"""The first access token: made when a service starts on a ledger that never had one.

No caller has rights by where it calls from, so a token has to exist before the first call.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, NamedTuple

from ledger.domain.access import STREAM, Role
from ledger.domain.events import Metadata
from ledger.errors import SettingsError
from ledger.log import Log
from ledger.tokens import issue_first

FILE: Final = "admin-token"
NAME: Final = "first administrator"
META: Final = Metadata(actor="system", reason="first start: no access token was ever issued")


class FirstToken(NamedTuple):
    """An administrator's token, and the file beside the ledger that keeps it."""

    token: str
    file: Path


def make_first_token(log: Log, home: Path) -> FirstToken | None:
    """Make an administrator's token and keep it in `home`; None where one was ever issued.

    Of several services that start together, one makes it. Raises `SettingsError` where `home`
    cannot keep it; then none was issued.
    """
    if log.stream(STREAM):
        return None
    with _draft(home) as draft:
        made = issue_first(log, Role.ADMIN, NAME, META, keep=lambda token: _write(draft, token))
        if made is None:
            return None
        return FirstToken(made.token, draft.replace(home.resolve() / FILE))


@contextmanager
def _draft(home: Path) -> Generator[Path]:
    """A new file that only we may read, and that no link can stand in for; removed in the end."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=home, prefix=f".{FILE}.", delete=False) as file:
            draft = Path(file.name)
    except OSError as error:
        raise SettingsError(
            f"LEDGER_HOME: {home} cannot keep the first access token: {error.strerror}. Name a"
            " folder that you may write to, or issue a token first: ledger token issue admin"
            " --name NAME"
        ) from error
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _write(file: Path, token: str) -> None:
    """Write it down for good: it cannot be shown again once it is issued."""
    with file.open("w") as opened:
        opened.write(f"{token}\n")
        opened.flush()
        os.fsync(opened.fileno())
