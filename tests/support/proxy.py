"""A network that one can break: a TCP proxy on loopback before a PostgreSQL's socket."""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo

CHUNK: Final = 64 * 1024
LOOK_SECONDS: Final = 0.05


class Proxy:
    """Hands bytes on between its port of loopback and a unix socket, as long as it is told to.

    Frozen, it goes on to accept connections, and answers nothing: neither new nor old ones.
    """

    def __init__(self, target: Path) -> None:
        self._target = str(target)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._flowing, self._stop, self._lock = Event(), Event(), Lock()
        self._flowing.set()
        self._open: set[socket.socket] = set()
        self._threads = [Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def freeze(self) -> None:
        """Hold back everything from now on."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Let everything through again, what was held back first."""
        self._flowing.set()

    def cut(self) -> int:
        """Reset all connections; answers how many those were."""
        with self._lock:
            cut = list(self._open)
        for each in cut:
            with suppress(OSError):  # RST, as from a machine that knows nothing of it
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.shutdown(socket.SHUT_RDWR)
        return len(cut) // 2

    def close(self) -> None:
        """End it, and all that goes through it."""
        self._stop.set()
        self._flowing.set()
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError):
                client, _ = self._listener.accept()
                thread = Thread(target=self._serve, args=[client], daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            self._wait_until_it_flows()
            with suppress(OSError):
                server.connect(self._target)
                with self._lock:
                    self._open |= {client, server}
                self._hand_on(client, server)
        with self._lock:
            self._open -= {client, server}

    def _hand_on(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while not self._stop.is_set():
                for key, _ in ready.select(LOOK_SECONDS):
                    source, target = key.fileobj, key.data
                    assert isinstance(source, socket.socket)
                    data = source.recv(CHUNK)
                    self._wait_until_it_flows()
                    if not data:
                        return
                    target.sendall(data)

    def _wait_until_it_flows(self) -> None:
        while not self._flowing.is_set() and not self._stop.is_set():
            time.sleep(LOOK_SECONDS)


@contextmanager
def before(conninfo: str) -> Generator[tuple[Proxy, str]]:
    """A proxy before the server of a libpq address, and the address that goes through it."""
    given = conninfo_to_dict(conninfo)
    proxy = Proxy(Path(str(given["host"]), f".s.PGSQL.{given['port']}"))
    try:
        yield proxy, make_conninfo(conninfo, host="127.0.0.1", port=proxy.port)
    finally:
        proxy.close()
