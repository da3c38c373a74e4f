"""Ray, by its client: a head that has a server for clients, and its nodes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from projections.engine import cluster
from projections.engine.cluster import RETRIES, Answer, Cluster, Kind

LOOK_SECONDS = 0.2


@contextmanager
def connect(address: str) -> Generator[Cluster]:
    """A client of the head."""
    ray: Any = import_module("ray")
    try:
        ray.init(address, log_to_driver=False, logging_level="ERROR")
        yield Ray(ray)
    finally:
        ray.shutdown()


class Ray:
    """A remote call for each task."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    def ends(
        self, work: Callable[[Any], Answer], tasks: Sequence[Any]
    ) -> Generator[Sequence[Answer]]:
        """See `Cluster`."""
        ray = self._ray

        def do(task: Any) -> Answer:
            return work(task)

        call = ray.remote(max_retries=RETRIES, retry_exceptions=True)(do)
        running = [call.remote(task) for task in tasks]
        try:
            while running:
                ended, running = ray.wait(running, num_returns=len(running), timeout=LOOK_SECONDS)
                yield ray.get(ended, timeout=cluster.ALONE_SECONDS)
        finally:
            with suppress(Exception):
                for each in running:
                    ray.cancel(each)

    def workers(self) -> int:
        """See `Cluster`."""
        return int(self._ray.cluster_resources().get("CPU", 0))


kind = Kind(
    name="Ray",
    example="ray://host:10001",
    schemes=("ray",),
    package="ray",
    extra="ray",
    start=(
        "start one with `ray start --head`, and nodes with `ray start --address`, of the same"
        " versions of Ray and Python as here; tokens and certificates are Ray's own settings."
    ),
    connect=connect,
)
