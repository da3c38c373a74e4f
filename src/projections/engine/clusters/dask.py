"""Dask distributed: a scheduler and its workers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from projections.engine import cluster
from projections.engine.cluster import RETRIES, Answer, Cluster, Kind


@contextmanager
def connect(address: str) -> Generator[Cluster]:
    """A client of the scheduler."""
    distributed: Any = import_module("distributed")
    if address.startswith("tls:"):
        _check_certificates(distributed.Security())
    client = distributed.Client(
        address.replace("dask://", "tcp://", 1),
        timeout=cluster.CONNECT_SECONDS,
        set_as_default=False,
    )
    try:
        yield Dask(client)
    finally:
        client.close(timeout=2)


def _check_certificates(security: Any) -> None:
    """Raise where there are none: a client that finds out by itself leaves a traceback."""
    if security.get_connection_args("client")["ssl_context"] is None:
        raise ValueError("no certificates are set in DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT")


class Dask:
    """A future for each task."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def ends(
        self, work: Callable[[Any], Answer], tasks: Sequence[Any]
    ) -> Generator[Sequence[Answer]]:
        """See `Cluster`."""
        running: set[Any] = set(self._client.map(work, tasks, retries=RETRIES, pure=False))
        try:
            while running:
                ended = {future for future in running if future.done()}
                running -= ended
                yield [future.result(timeout=cluster.ALONE_SECONDS) for future in ended]
                if self._client.status != "running":
                    raise OSError("the scheduler is gone")
        finally:
            for future in running:
                future.release()

    def workers(self) -> int:
        """See `Cluster`."""
        return len(self._client.nthreads(callback_timeout=cluster.CONNECT_SECONDS))


kind = Kind(
    name="Dask scheduler",
    example="dask://host:8786",
    schemes=("dask", "tcp", "tls"),
    package="distributed",
    extra="dask",
    start=(
        "start one with `dask scheduler`, and workers with `dask worker`; tls:// needs Dask's own"
        " settings for certificates."
    ),
    connect=connect,
)
