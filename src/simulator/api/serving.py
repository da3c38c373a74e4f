"""The API on a port of this machine, for clients that want real HTTP."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from starlette.applications import Starlette


def server_of(application: Starlette) -> uvicorn.Server:
    """A server that logs nothing and sets no date of its own."""
    return uvicorn.Server(
        uvicorn.Config(
            application,
            log_config=None,
            log_level="critical",
            access_log=False,
            date_header=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
    )


def listen(port: int = 0) -> socket.socket:
    """Listen on a port of the loopback, a free one for 0; raises `OSError` where it is taken."""
    return socket.create_server(("127.0.0.1", port))


@contextmanager
def served(application: Starlette, listener: socket.socket | None = None) -> Generator[str]:
    """Serve for the length of the block; gives the base address. Closes the listener."""
    server = server_of(application)
    with listener or listen() as listening:
        serve = server.serve(sockets=[listening])
        thread = Thread(target=asyncio.run, args=(serve,), name="simulated Stripe")
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=30)
            assert not thread.is_alive(), "the server did not end"
