"""The process that serves: its socket, and uvicorn around the app."""

import asyncio
import gc
import socket
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from functools import partial
from threading import Event
from typing import Final, cast

import uvicorn

from app.asgi import create_app
from app.connections import Connection, Connections
from app.first_token import FirstToken, make_first_token
from app.processes import when_parent_ends
from ledger.errors import SettingsError
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.settings import Settings

DRAIN_SECONDS: Final = 2.5
"""How long calls have to end by themselves when the service stops; what still waits is ended."""
ANSWERED_SECONDS: Final = 4
"""By when they were answered, however silent the database is; then connections are closed."""


@contextmanager
def listen(settings: Settings) -> Generator[socket.socket]:
    """The service's socket; taken before anything is started, so that a taken port costs nothing.

    No client can connect before uvicorn listens. Raises `SettingsError`.
    """
    host, port = settings.ledger_host, settings.ledger_port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise SettingsError(f"LEDGER_HOST: {host} is no address: {error.strerror}.") from error
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(listener, address)
        yield listener


def first_token(settings: Settings, database: Database) -> FirstToken | None:
    """An administrator's token, made and kept in LEDGER_HOME; None where one was ever issued.

    Raises `SettingsError` where it cannot be kept.
    """
    with closing(Log.of(database, connections=1)) as log:
        return make_first_token(log, settings.ledger_home)


def _bind(listener: socket.socket, address: tuple[object, ...]) -> None:
    try:
        listener.bind(address)
    except OSError as error:
        raise SettingsError(
            f"Port {address[1]} of {address[0]} cannot be used: {error.strerror}."
            " End what uses it, or set LEDGER_PORT."
        ) from error


def _forget_what_stays() -> None:
    """Spare each later collection the objects that were imported: every caller waits for it."""
    gc.collect()
    gc.freeze()


class Service(uvicorn.Server):
    """Uvicorn with our app, which says when it is ready."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._stop = Event()
        super().__init__(
            uvicorn.Config(
                create_app(settings, database, self._stop),
                http=cast("type[asyncio.Protocol]", partial(Connection, Connections())),
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # the caller's own word for where it calls from is no evidence
                timeout_graceful_shutdown=ANSWERED_SECONDS,
            )
        )
        self._ready: Callable[[], None] = lambda: None
        self._stopping: Callable[[], None] = lambda: None

    def serve_on(
        self,
        listener: socket.socket,
        ready: Callable[[], None],
        stopping: Callable[[], None] = lambda: None,
    ) -> None:
        """Serve until a signal comes; raises it again (`KeyboardInterrupt`) in the end.

        Calls `ready` once it serves, and `stopping` as soon as it shall not any more.
        """
        self._ready, self._stopping = ready, stopping
        self.run(sockets=[listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Uvicorn's own start, then the word that we are ready."""
        await super().startup(sockets)
        _forget_what_stays()
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End as uvicorn does, then stop what still waits when its time to end is over."""
        self._stopping()
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._stop.set)
        await super().shutdown(sockets)

    def stop_with_parent(self) -> None:
        """End in good order when the process that started us ends."""

        def stop() -> None:
            self.should_exit = True

        when_parent_ends(stop)
