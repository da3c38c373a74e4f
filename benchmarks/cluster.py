"""A Dask cluster and a bucket on this machine's own address, for trials and measurements."""

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from ledger.archive.store import Store

HOST = "127.0.0.1"
START_SECONDS = 60


class Cluster(NamedTuple):
    """A scheduler's address for `--on`, and its processes."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Generator[Cluster]:
    """A scheduler and workers, whose files are below a folder; ended with the block."""
    port = _free_port()
    with ExitStack() as stack:
        scheduler = stack.enter_context(_running("dask_scheduler", "--port", str(port)))
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the scheduler did not listen within {START_SECONDS} s")
            time.sleep(0.05)
        options = ["--nthreads", "1", "--no-nanny", "--local-directory"]
        started = [
            stack.enter_context(
                _running(
                    "dask_worker",
                    f"tcp://{HOST}:{port}",
                    *options,
                    str(folder / f"worker-{number}"),
                )
            )
            for number in range(workers)
        ]
        yield Cluster(f"dask://{HOST}:{port}", scheduler, started)


@contextmanager
def _running(program: str, *args: str) -> Generator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", f"distributed.cli.{program}", *args]
    process = subprocess.Popen(  # noqa: S603 - ours
        [*command, "--host", HOST, "--no-dashboard"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return taken.getsockname()[1]


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex((HOST, port)) == 0


@contextmanager
def bucket() -> Generator[str]:
    """The address of an archive in a bucket of a server that plays S3, in this process."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - it takes a second

    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    server = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    before = dict(os.environ)
    os.environ |= keys | {"AWS_EC2_METADATA_DISABLED": "true"}
    try:
        store = f"?endpoint_override=http://{host}:{port}&region=us-east-1"
        name = f"ledger-{uuid4().hex}"  # what it plays outlives it, in this process
        Store(f"s3://{name}{store}&allow_bucket_creation=true").make_folder()
        yield f"s3://{name}/archive{store}"
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.stop()
