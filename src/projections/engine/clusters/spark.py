"""Spark, standalone: a master and its workers. The driver, with its Java, runs beside Ledger."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from projections.engine.cluster import RETRIES, Answer, Cluster, Kind

SETTINGS = {
    "spark.app.name": "ledger",
    "spark.log.level": "ERROR",
    "spark.task.maxFailures": str(RETRIES + 1),
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


@contextmanager
def connect(address: str) -> Generator[Cluster]:
    """A driver; workers run the Python of this process, or `PYSPARK_PYTHON`."""
    pyspark: Any = import_module("pyspark")
    settings = pyspark.SparkConf().setMaster(address).setAll(SETTINGS.items())
    with pyspark.SparkContext(conf=settings) as context:
        context.pythonExec = os.environ.get("PYSPARK_PYTHON", sys.executable)
        yield Spark(context)


class Spark:
    """One job, whose partitions are the tasks."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def ends(
        self, work: Callable[[Any], Answer], tasks: Sequence[Any]
    ) -> Generator[Sequence[Answer]]:
        """See `Cluster`. A job answers at its end; its accumulator has what is there till then."""
        context, seen = self._context, 0
        done = context.accumulator([], Lists())
        partitions = context.parallelize(tasks, len(tasks))

        def do(task: Any) -> None:
            done.add([work(task)])

        pool = ThreadPoolExecutor(1, "spark")
        job = pool.submit(partitions.foreach, do)
        try:
            while seen < len(tasks):
                is_over = job.done()
                ended = done.value[seen:]
                seen += len(ended)
                yield ended
                if is_over:
                    job.result()
        finally:
            context.cancelAllJobs()
            pool.shutdown(wait=False)

    def workers(self) -> int:
        """See `Cluster`. Spark tells which tasks run, and not which workers there are."""
        status = self._context.statusTracker()
        stages = map(status.getStageInfo, status.getActiveStageIds())
        return sum(stage.numActiveTasks for stage in stages if stage is not None)


class Lists:
    """How Spark adds up what tasks answered."""

    def zero(self, _: list[Answer]) -> list[Answer]:
        """Of a task that has not ended."""
        return []

    def addInPlace(self, one: list[Answer], other: list[Answer]) -> list[Answer]:  # noqa: N802 - Spark's
        """Add what ended to what had."""
        one.extend(other)
        return one


kind = Kind(
    name="Spark master",
    example="spark://host:7077",
    schemes=("spark",),
    package="pyspark",
    extra="spark",
    start=(
        "start one with `spark-class org.apache.spark.deploy.master.Master`, and workers with"
        " `… .worker.Worker`, of the same versions of Spark and Python as here; Spark needs Java,"
        " and its secrets and certificates are its own settings."
    ),
    connect=connect,
)
