"""Clusters and a bucket on this machine's own address, for trials and measurements."""

import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from threading import Thread
from typing import Final, NamedTuple
from uuid import uuid4
from wsgiref.types import WSGIApplication

from ledger.archive.store import Store

HOST = "127.0.0.1"
START_SECONDS = 120
TOKEN: Final = secrets.token_hex(32)
"""Ray's; a process reads it once."""


class Member(subprocess.Popen[bytes]):
    """A process of a cluster, and those that it started; what they say is in a file, `said`."""

    said: Path

    def kill(self) -> None:
        """End all of them with SIGKILL."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


class Cluster(NamedTuple):
    """A cluster's address for `--on`, and its processes: the head schedules, the others work."""

    address: str
    head: Member
    workers: list[Member]


@contextmanager
def cluster(folder: Path, workers: int = 2, kind: str = "dask") -> Generator[Cluster]:
    """A cluster, whose files are below a folder; ended with the block.

    Each worker has one core. What it and its drivers need to know is in the environment meanwhile.
    """
    with ExitStack() as stack:
        yield STARTS[kind](stack, folder, workers)


def _dask(stack: ExitStack, folder: Path, workers: int) -> Cluster:
    port = _free_port()
    here = ["--host", HOST, "--no-dashboard"]
    alone = ["--nthreads", "1", "--no-nanny", "--local-directory"]

    def started(program: str, *args: str) -> Member:
        return _started(
            stack, sys.executable, "-m", f"distributed.cli.dask_{program}", *args, *here
        )

    head = started("scheduler", "--port", str(port))
    _wait_for(lambda: _listens(port))
    address = f"tcp://{HOST}:{port}"
    folders = [str(folder / f"worker-{number}") for number in range(workers)]
    return Cluster(
        f"dask://{HOST}:{port}",
        head,
        [started("worker", address, *alone, each) for each in folders],
    )


def _ray(stack: ExitStack, _: Path, workers: int) -> Cluster:
    """Nodes of one address, or begun at once, get into each other's way and never join."""
    port, clients = _free_port(), _free_port()
    home = stack.enter_context(TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
    patience = {"RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": str(START_SECONDS)}
    stack.enter_context(_environment(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN, **patience))

    def started(number: int, *args: str) -> Member:
        node = ["--block", "--node-ip-address", f"127.0.0.{number + 1}"]
        ports = ["--min-worker-port", "0", "--max-worker-port", "0"]
        agent = ["--dashboard-agent-listen-port", str(_free_port())]
        memory = ["--object-store-memory", "100000000", "--disable-usage-stats"]
        program = [sys.executable, "-m", "ray.scripts.scripts", "start"]
        return _started(stack, *program, *node, *ports, *agent, *memory, *args)

    for_clients = ["--ray-client-server-port", str(clients), "--include-dashboard", "false"]
    head = started(
        0, "--num-cpus", "0", "--head", "--port", str(port), *for_clients, "--temp-dir", home
    )
    _wait_for(lambda: _listens(clients))
    join = ["--num-cpus", "1", "--address", f"{HOST}:{port}"]
    nodes = list[Member]()
    for number in range(workers):
        nodes.append(started(1 + number, *join))
        _wait_for(lambda: b"Ray runtime started" in nodes[-1].said.read_bytes())
    return Cluster(f"ray://{HOST}:{clients}", head, nodes)


def _spark(stack: ExitStack, folder: Path, workers: int) -> Cluster:
    (home,) = import_module("pyspark").__path__
    program, port = Path(home, "bin", "spark-class"), _free_port()
    stack.enter_context(_environment(SPARK_LOCAL_IP=HOST))

    def started(role: str, *args: str) -> Member:
        name = f"org.apache.spark.deploy.{role.lower()}.{role}"
        return _started(stack, str(program), name, "--host", HOST, "--webui-port", "0", *args)

    head, address = started("Master", "--port", str(port)), f"spark://{HOST}:{port}"
    _wait_for(lambda: _listens(port))
    alone = ["--cores", "1", "--memory", "1g", "--work-dir", str(folder / "spark")]
    return Cluster(address, head, [started("Worker", *alone, address) for _ in range(workers)])


STARTS: Final = {"dask": _dask, "ray": _ray, "spark": _spark}


def _started(stack: ExitStack, *command: str) -> Member:
    said = stack.enter_context(NamedTemporaryFile())  # noqa: SIM115 - it is closed with the cluster
    process = Member(command, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
    process.said = Path(said.name)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


@contextmanager
def _environment(**values: str) -> Generator[None]:
    before = dict(os.environ)
    os.environ |= values
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return taken.getsockname()[1]


def _wait_for(is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"a cluster was not ready within {START_SECONDS} s")
        time.sleep(0.05)


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex((HOST, port)) == 0


@contextmanager
def bucket(
    seen_as: Callable[[WSGIApplication], WSGIApplication] = lambda plays: plays,
) -> Generator[str]:
    """The address of an archive in a bucket of a server that plays S3, in this process.

    It answers as `seen_as` makes of what plays it.
    """
    from moto.moto_server import werkzeug_app as moto  # noqa: PLC0415 - it takes a second
    from werkzeug.serving import make_server  # noqa: PLC0415 - it comes with moto

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    plays = seen_as(moto.DomainDispatcherApplication(moto.create_backend_app))
    server = make_server(HOST, 0, plays, threaded=True, request_handler=moto.MotoRequestHandler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    try:
        with _environment(**keys, AWS_EC2_METADATA_DISABLED="true"):
            store = f"?endpoint_override=http://{HOST}:{server.port}&region=us-east-1"
            name = f"ledger-{uuid4().hex}"  # what it plays outlives it, in this process
            Store(f"s3://{name}{store}&allow_bucket_creation=true").make_folder()
            yield f"s3://{name}/archive{store}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
