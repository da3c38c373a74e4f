"""An import stores every event of a file as it stands, and names what it could not store."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.domain.events import StripeEventReceived
from ledger.log import APPEND_BYTES, Log
from ledger.postgres.database import Database
from webhooks.ingest import event_files
from webhooks.ingest.append import Difference
from webhooks.ingest.file_import import ImportReport, import_events

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


@pytest.fixture
def log(database: Database) -> Iterator[Log]:
    with Log(database.conninfo("app")) as log:
        yield log


def event(number: int, **changes: object) -> bytes:
    fields = {
        "id": f"evt_{number}",
        "object": "event",
        "type": "customer.created",
        "created": 1_767_600_000,
        "data": {"object": {"id": f"cus_{number}", "name": "Zoë 日本"}},
    }
    return json.dumps(fields | changes, ensure_ascii=False).encode()


def pretty(body: bytes) -> bytes:
    return json.dumps(json.loads(body), indent=2).encode()


def bodies(log: Log) -> list[bytes]:
    return [r.event.body for r in log.read() if isinstance(r.event, StripeEventReceived)]


def places(report: ImportReport) -> list[str]:
    """Where the rejected things stand, without the folder."""
    return [Path(rejection.where).name for rejection in report.rejected]


def take(log: Log, tmp_path: Path, content: bytes, name: str = "events.json") -> ImportReport:
    path = tmp_path / name
    path.write_bytes(content)
    return import_events([path], log, clock=lambda: NOW)


ONE, TWO, THREE = event(1), event(2), event(3)
SPACED = b'{ "id" : "evt_9","type":"a" ,\t"created":1, "data" : {"object": { } } }'
LONE = ONE.replace(b"cus_1", rb"\ud83d\u0000")
DOTTED = ONE.replace(b"evt_1", b"customer.discount.created_00000000000000")
THIN = b'{"id":"evt_65","object":"v2.core.event","type":"a","created":"2026-10-04T15:13:32.2Z"}'
FILES = {
    "ids with dots, and thin events": (DOTTED + b"\n" + THIN, [DOTTED, THIN], []),
    "lines": (ONE + b"\n" + TWO + b"\n", [ONE, TWO], []),
    "lines without an end": (ONE + b"\n" + TWO, [ONE, TWO], []),
    "lines of Windows": (ONE + b"\r\n" + TWO + b"\r\n", [ONE, TWO], []),
    "a byte order mark": (b"\xef\xbb\xbf" + ONE + b"\n" + TWO, [ONE, TWO], []),
    "blank lines": (b"\n \n" + ONE + b"\n\n" + TWO + b"\n\n", [ONE, TWO], []),
    "one line": (ONE, [ONE], []),
    "odd white space in a line": (b"  " + SPACED + b" \n", [SPACED], []),
    "a pretty document": (pretty(ONE) + b"\n", [pretty(ONE)], []),
    "a pretty document below blank lines": (b"\n\n" + pretty(ONE), [pretty(ONE)], []),
    "an array": (b"[" + ONE + b" , " + SPACED + b"]", [ONE, SPACED], []),
    "an array over lines": (b"[\n" + pretty(ONE) + b",\n" + TWO + b"\n]", [pretty(ONE), TWO], []),
    "an array in a line of lines": (b"[%b]\n%b" % (ONE, TWO), [ONE, TWO], []),
    "a list object": (
        b'{"object": "list", "url": "/v1/events", "data": [%b,\n%b], "has_more": true}'
        % (TWO, ONE),
        [TWO, ONE],
        [],
    ),
    "list objects as lines": (
        b'{"object":"list","data":[%b]}\n{"object":"list","data":[%b]}\n' % (ONE, TWO),
        [ONE, TWO],
        [],
    ),
    "lone surrogates in a line": (LONE + b"\n" + TWO, [LONE, TWO], []),
    "lone surrogates in an array": (b"[%b,%b]" % (LONE, TWO), [LONE, TWO], []),
    "nothing": (b"", [], []),
    "an empty array": (b"[]", [], []),
    "a broken first line": (ONE[:-9] + b"\n" + TWO + b"\n", [TWO], [1]),
    "a broken line between": (b"%b\n%b\n\n%b" % (ONE, TWO[:-1], THREE), [ONE, THREE], [2]),
    "a line that is no event": (ONE + b'\n{"id":"cus_1"}\n7\n' + TWO, [ONE, TWO], [2, 3]),
    "a line that is not UTF-8": (ONE + b"\n" + TWO.replace(b"cus", b"\xff") + b"\n", [ONE], [2]),
    "elements that are no events": (b"[%b,\n1,\n\n{},%b]" % (ONE, TWO), [ONE, TWO], [2, 4]),
    "a broken document": (pretty(ONE)[:-3], [], [1]),
    "a broken array": (b"[\n" + ONE + b",\n" + TWO + b"\n", [TWO], [1, 2]),
    "another object": (pretty(b'{"object":"charge","id":"ch_1"}'), [], [1]),
    "a list of other things": (b'{"object":"list","data":[{"object":"charge"}]}', [], [1]),
    "no JSON": (b"id,type\nevt_1,charge.captured\n", [], [1]),
    "binary": (b"\x1f\x8b\x08\x00" + bytes(range(256)), [], [1]),
    "UTF-16": (ONE.decode().encode("utf-16"), [], [1]),
    "an id that no stream can have": (ONE.replace(b"evt_1", rb"\u0000") + b"\n" + TWO, [TWO], [1]),
}


@pytest.mark.parametrize(("content", "found", "rejected"), FILES.values(), ids=FILES)
def test_content_tells_what_a_file_is(
    log: Log, tmp_path: Path, content: bytes, found: list[bytes], rejected: list[int]
) -> None:
    """Events are stored byte for byte in the file's order; what is none is named by its line."""
    report = take(log, tmp_path, content)
    assert bodies(log) == found
    assert places(report) == [f"events.json:{line}" for line in rejected]
    assert (report.files, report.appended, report.duplicates) == (1, len(found), 0)


def test_how_an_import_is_recorded(log: Log, tmp_path: Path) -> None:
    take(log, tmp_path, ONE)
    [recorded] = log.read()
    assert (recorded.stream, recorded.version) == ("stripe/evt_1", 1)
    assert (recorded.effective_at, recorded.meta.actor) == (NOW, "operator")
    assert recorded.event == StripeEventReceived(
        event_id="evt_1", body=ONE, received_at=NOW, source="import"
    )


def test_running_it_again_appends_the_rest(log: Log, tmp_path: Path) -> None:
    """An interrupted import is finished by the same command; nothing is stored twice."""
    lines = [event(n) for n in range(600)]
    take(log, tmp_path, b"\n".join(lines[:300]))
    report = take(log, tmp_path, b"\n".join(lines))
    assert (report.appended, report.duplicates, report.conflicts) == (300, 300, [])
    assert bodies(log) == lines


def test_an_interrupted_import_keeps_what_it_committed(log: Log, tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(_read: int, _total: int) -> None:
        raise Interrupted

    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(event(n) for n in range(600)))
    with pytest.raises(Interrupted):
        import_events([path], log, progress=interrupt)
    assert log.head() == 256
    report = import_events([path], log)
    assert (report.appended, report.duplicates) == (344, 256)


def test_twins_are_compared_within_a_batch_and_with_the_log(log: Log, tmp_path: Path) -> None:
    other = event(1, type="customer.deleted")
    content = b"\n".join([ONE, pretty(ONE).replace(b"\n", b""), other, TWO])
    report = take(log, tmp_path, content)
    path = str(tmp_path / "events.json")
    assert (report.appended, report.duplicates) == (2, 1)
    assert report.conflicts == [Difference(f"{path}:3", "evt_1", 1)]
    report = take(log, tmp_path, content)
    assert (report.appended, report.duplicates) == (0, 3)
    assert report.conflicts == [Difference(f"{path}:3", "evt_1", 1)]
    assert bodies(log) == [ONE, TWO]


def test_folders_are_read_in_order_and_only_by_name(log: Log, tmp_path: Path) -> None:
    for name, content in {
        "b.jsonl": TWO,
        "a/z.JSON": ONE,
        "c/d/e.ndjson": THREE,
        "readme.md": b"# Events",
        "c/events.csv": b"evt_1",
        "c/noise.json": b"# no JSON",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    report = import_events([tmp_path], log)
    assert bodies(log) == [ONE, TWO, THREE]
    assert (report.files, report.ignored, report.appended) == (4, 2, 3)
    assert places(report) == ["noise.json:1"]


def test_what_is_hidden_in_a_folder_is_passed_over_and_counted(log: Log, tmp_path: Path) -> None:
    """A checkout's `.git` and a Mac's `._x` are none of Stripe's; who names one wants it read."""
    for name, content in {
        "a.json": ONE,
        "._a.json": b"\0\5\26\7",
        ".DS_Store": b"\0",
        ".git/refs/b.json": TWO,
        ".git/config.json": b"{}",
        "c/.d/e.json": b"{}",
        ".f.json": THREE,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    report = import_events([tmp_path], log)
    assert (report.files, report.ignored, report.hidden) == (1, 0, 5)
    assert (bodies(log), report.rejected) == ([ONE], [])
    report = import_events([tmp_path / ".f.json", tmp_path / ".git" / "refs"], log)
    assert (report.files, report.hidden) == (2, 0)
    assert bodies(log) == [ONE, THREE, TWO]


def test_a_file_is_read_whatever_its_name_is(log: Log, tmp_path: Path) -> None:
    assert take(log, tmp_path, ONE, name="events.txt").appended == 1


def test_a_path_that_is_not_there_stops_nothing(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_bytes(ONE)
    report = import_events([tmp_path / "nothing", path], log)
    assert (report.files, report.appended) == (2, 1)
    assert [rejection.cause for rejection in report.rejected] == ["No such file or directory"]


def test_progress_ends_at_the_size_of_all_files(log: Log, tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        lines = b"\n".join(event(n, note=name) for n in range(300))
        (tmp_path / name).write_bytes(lines)
    heard: list[tuple[int, int]] = []
    report = import_events([tmp_path], log, progress=lambda *so_far: heard.append(so_far))
    total = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert heard == sorted(heard)
    assert (heard[0][0] > 0, heard[-1], report.bytes_read) == (True, (total, total), total)


def test_an_event_has_a_size(log: Log, tmp_path: Path) -> None:
    large = event(1, note="x" * APPEND_BYTES)
    report = take(log, tmp_path, large + b"\n" + TWO)
    assert (places(report), bodies(log)) == (["events.json:1"], [TWO])


def test_a_line_and_a_document_have_a_size(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is longer is not read into memory, and the lines after it are."""
    monkeypatch.setattr(event_files, "MAX_DOCUMENT_BYTES", 400)
    report = take(log, tmp_path, b"%b\n%b\n%b\n" % (ONE, event(2, note="x" * 2000), THREE))
    assert (places(report), bodies(log)) == (["events.json:2"], [ONE, THREE])
    report = take(log, tmp_path, pretty(event(4, note="x" * 2000)))
    assert [rejection.cause for rejection in report.rejected] == [
        "A document that is not lines of JSON has at most 400 bytes."
    ]


def test_a_broken_first_line_of_a_large_file(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines are found all the same, those beyond what was read to look for a document too."""
    monkeypatch.setattr(event_files, "MAX_DOCUMENT_BYTES", 1000)
    lines = [event(n) for n in range(1, 30)]
    report = take(log, tmp_path, b"\n".join([ONE[:-1], *lines, b"{}"]))
    assert bodies(log) == lines
    assert places(report) == ["events.json:1", "events.json:31"]
