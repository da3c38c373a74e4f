"""An object store that refuses, breaks off or forgets: nothing cut counts, and it is told."""

import re
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest

from benchmarks.cluster import bucket
from benchmarks.logs import filled, shop_log
from ledger.archive import sealing, segments
from ledger.archive.store import Store
from ledger.errors import ArchiveUnavailable, SegmentDamaged
from ledger.log import Log
from ledger.postgres.database import Database
from tests.support.servers import Server

EVENTS, SIZE = 600, 300
LARGE = 12 * 1024 * 1024
"""More than a part of an upload holds, so that there are several."""

Answer = Iterable[bytes]
Fault = Callable[[WSGIApplication, WSGIEnvironment, StartResponse], Answer]


class Faults:
    """What is done to requests: a fault for those of a method and path, so many times."""

    def __init__(self) -> None:
        self._given: list[tuple[re.Pattern[str], Fault, list[int]]] = []
        self.met = 0

    def give(self, asked: str, fault: Fault, times: int = 1_000) -> None:
        """From now on, for requests such as `PUT /bucket/archive/name?query`."""
        self._given.append((re.compile(asked), fault, [times]))

    def clear(self) -> None:
        self._given.clear()

    def before(self, plays: WSGIApplication) -> WSGIApplication:
        """The same store with these faults."""

        def answer(asked: WSGIEnvironment, start: StartResponse) -> Answer:
            line = f"{asked['REQUEST_METHOD']} {asked['PATH_INFO']}?{asked['QUERY_STRING']}"
            for pattern, fault, left in self._given:
                if pattern.search(line) and left[0]:
                    left[0] -= 1
                    self.met += 1
                    return fault(plays, asked, start)
            return plays(asked, start)

        return answer


def taken(asked: WSGIEnvironment) -> bytes:
    """The body of a request, which a client sends whatever becomes of it."""
    return asked["wsgi.input"].read(int(asked.get("CONTENT_LENGTH") or 0))


def refusing(status: str, code: str) -> Fault:
    """Takes what is sent, and refuses it as S3 does."""

    def refuse(_: WSGIApplication, asked: WSGIEnvironment, start: StartResponse) -> Answer:
        taken(asked)
        body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [] if asked["REQUEST_METHOD"] == "HEAD" else [body]

    return refuse


def hang_up(_: WSGIApplication, asked: WSGIEnvironment, _start: StartResponse) -> Answer:
    """Breaks off in the middle of what is sent."""
    asked["wsgi.input"].read(int(asked.get("CONTENT_LENGTH") or 0) // 2)
    there: socket.socket = asked["werkzeug.socket"]
    there.shutdown(socket.SHUT_RDWR)
    raise ConnectionError


def forget(_: WSGIApplication, asked: WSGIEnvironment, start: StartResponse) -> Answer:
    """Says that an upload is complete, and has nothing of it."""
    taken(asked)
    body = b"<CompleteMultipartUploadResult><ETag>0</ETag></CompleteMultipartUploadResult>"
    start("200 OK", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


def cut_short(plays: WSGIApplication, asked: WSGIEnvironment, start: StartResponse) -> Answer:
    """Answers half of an object, as if that were all of it."""
    kept: list[Any] = []

    def begin(status: str, headers: list[tuple[str, str]], *_: object) -> Callable[[bytes], object]:
        kept[:] = [status, [each for each in headers if each[0].lower() != "content-length"]]
        return lambda _: None

    body = b"".join(plays(asked, begin))
    half = body[: len(body) // 2]
    start(kept[0], [*kept[1], ("Content-Length", str(len(half)))])
    return [half]


SLOW_DOWN = refusing("503 Slow Down", "SlowDown")
DENIED = refusing("403 Forbidden", "AccessDenied")


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def store(faults: Faults) -> Iterator[Store]:
    with bucket(faults.before) as address:
        yield Store(address)


@pytest.fixture(scope="module")
def world(servers: Callable[[str], Server]) -> Iterator[Database]:
    """A shop's log, which tests only read."""
    server = servers("embedded")
    database = server.create()
    with Log(database.conninfo("app")) as log:
        filled(log, shop_log("faults", EVENTS))
    yield database
    server.drop(database)


def seal(world: Database, store: Store) -> None:
    """What `ledger archive seal` does: all that has no manifest."""
    spans = sealing.missing(segments.manifests(store), EVENTS, SIZE)
    assert list(sealing.seal(world, store.address, spans))


def is_whole(world: Database, store: Store) -> bool:
    manifests = segments.manifests(store)
    assert len(manifests) == EVENTS // SIZE
    found = [*sealing.strange(store, manifests), *sealing.verify(world, store.address, manifests)]
    return found == []


@pytest.mark.parametrize("asked", ["PUT", "GET", "HEAD"])
def test_a_store_that_is_busy_for_a_moment_is_asked_again(
    world: Database, store: Store, faults: Faults, asked: str
):
    faults.give(f"^{asked} .*/archive", SLOW_DOWN, times=2)
    seal(world, store)
    assert is_whole(world, store)
    assert faults.met == 2


@pytest.mark.parametrize(
    ("fault", "what"),
    [(SLOW_DOWN, "json"), (hang_up, "parquet"), (DENIED, "parquet"), (DENIED, "json")],
    ids=["busy for ever", "breaks off", "refused", "refused a manifest"],
)
def test_what_cannot_be_put_is_told_and_is_sealed_by_the_next_call(
    world: Database, store: Store, faults: Faults, fault: Fault, what: str
):
    faults.give(rf"^P.*-000000000300\.{what}", fault)
    with pytest.raises(ArchiveUnavailable, match="The archive at s3://"):
        seal(world, store)
    assert faults.met
    assert segments.manifests(store) == [], "what is not whole has no manifest"
    faults.clear()
    seal(world, store)
    assert is_whole(world, store)


@pytest.mark.parametrize("part", ["partNumber=1", "partNumber=2", r"\?uploadId="])
def test_an_upload_in_parts_that_fails_leaves_nothing_or_what_was_there(
    store: Store, faults: Faults, part: str
):
    for before in (None, b"before"):
        if before is not None:
            store.put("large", before)
        faults.give(f"^P.*/large.*{part}", DENIED)
        met = faults.met
        with pytest.raises(ArchiveUnavailable):
            store.put("large", bytes(LARGE))
        assert faults.met > met
        assert store.get("large") == before
        faults.clear()
    store.put("large", bytes(LARGE))
    assert store.get("large") == bytes(LARGE)


def test_what_a_store_takes_and_forgets_is_noticed_before_it_counts(
    world: Database, store: Store, faults: Faults
):
    faults.give(r"^POST .*-000000000600\.parquet\?uploadId=", forget)
    with pytest.raises(SegmentDamaged, match=r"000000000301-000000000600.parquet is missing"):
        seal(world, store)
    assert [each.first for each in segments.manifests(store)] == [1]
    faults.clear()
    seal(world, store)
    assert is_whole(world, store)


def test_half_of_a_segment_is_never_taken_for_all_of_it(
    world: Database, store: Store, faults: Faults
):
    seal(world, store)
    manifest = segments.manifests(store)[0]
    faults.give(r"^GET .*\.parquet", cut_short)
    with pytest.raises((ArchiveUnavailable, SegmentDamaged)):
        segments.whole(store, manifest)
    assert faults.met


def test_a_store_that_may_not_be_listed_is_not_taken_for_an_empty_one(
    world: Database, store: Store, faults: Faults
):
    seal(world, store)
    faults.give(r"^GET .*\?.*list-type", DENIED)
    with pytest.raises(ArchiveUnavailable, match=r"ACCESS_DENIED|AccessDenied|403"):
        segments.manifests(store)
    assert faults.met
