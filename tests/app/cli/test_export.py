"""export: a file and its manifest, or standard output; each on record."""

import csv
import io
import json
import os
import stat
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ledger.postgres.database import Database
from tests.app.cli.conftest import Run

RunJson = Callable[..., Any]


@pytest.fixture
def database(after: Callable[..., Database]) -> Database:
    """A sale: an order that costs nothing is paid as it is placed."""
    return after(
        ("stock", "define", "GIFT", "--name", "=Gift", "--price", "0.00 gbp"),
        ("stock", "receive", "GIFT", "3", "--reason", "delivery note"),
        ("order", "place", "--id", "A1", "--currency", "gbp", "--line", "GIFT:2"),
    )


def audited(run_json: RunJson) -> list[dict[str, Any]]:
    return run_json("audit", "--kind", "export.made")["items"]


def test_a_file_has_its_manifest_beside_it(run: Run, run_json: RunJson, environment: Path) -> None:
    told = run("export", "products", "-o", "best.csv", "--reason", "for the accountant").stdout
    assert told.startswith("products to best.csv: 1 row, ")
    file = (environment / "best.csv").read_bytes()
    (row,) = csv.DictReader(io.StringIO(file.decode(), newline=""))
    assert (row["Product"], row["Units"], row["Revenue"]) == ("'=Gift", "2", "0.00")
    manifest = json.loads((environment / "best.csv.manifest.json").read_text())
    assert manifest["sha256"] == sha256(file).hexdigest()
    assert (manifest["file"], manifest["rows"], manifest["complete"]) == ("best.csv", 1, True)
    (line,) = audited(run_json)
    assert line["source"] == f"export/{manifest['export_id']}"
    assert (line["actor"], line["reason"]) == ("operator", "for the accountant")
    assert sorted(path.name for path in environment.glob("*best*")) == [
        "best.csv",
        "best.csv.manifest.json",
    ]


def test_without_a_file_it_goes_to_standard_output(run: Run) -> None:
    result = run("export", "orders", "--format", "jsonl", "--filter", "state=paid")
    assert json.loads(result.stdout)["OrderID"] == "A1"
    assert "orders to standard output: 1 row, " in result.stderr


def test_a_files_ending_says_the_format_where_nothing_else_does(
    run_json: RunJson, environment: Path
) -> None:
    formats = {
        name: run_json("export", "orders", "-o", name, *more)["format"]
        for name, more in (
            ("a.jsonl", ()),
            ("a.PARQUET", ()),
            ("a", ()),
            ("b.parquet", ("--format", "parquet")),
            ("b.txt", ("--format", "jsonl")),
        )
    }
    assert formats == {
        "a.jsonl": "jsonl", "a.PARQUET": "parquet", "a": "csv",
        "b.parquet": "parquet", "b.txt": "jsonl",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "chosen"), [("a.parquet", "csv"), ("a.CSV", "jsonl"), ("a.jsonl", "parquet")]
)
def test_a_format_that_contradicts_the_files_ending_is_wrong_usage(
    run: Run, environment: Path, name: str, chosen: str
) -> None:
    said = run("export", "orders", "-o", name, "--format", chosen, code=2).stderr
    assert f"{chosen} contradicts -o {name}" in " ".join(said.replace("│", " ").split())
    assert not (environment / name).exists()


def test_the_manifest_can_be_the_document(run_json: RunJson) -> None:
    shown = run_json(
        "export", "orders", "--currency", "gbp", "-o", "o.parquet", "--format", "parquet"
    )
    assert (shown["rows"], shown["filter"]) == (1, {"currency": "gbp"})
    assert shown["window"]["days"] == 30


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nothing",), 2, "There is no export 'nothing'"),
        (("orders", "--window", "31"), 2, "7, 30, 90"),
        (("orders", "--filter", "colour=red"), 2, "has no filter 'colour'"),
        (("orders", "--filter", "state"), 2, "write COLUMN=VALUE"),
        (("orders", "--currency", "gbp", "--filter", "currency=eur"), 2, "each once"),
        (("orders", "-o", "o.qif"), 2, "end the name in .csv, .jsonl, .parquet,"),
        (("orders", "-o", "o.xlsx"), 2, "write .csv, which a spreadsheet opens"),
        (("orders", "--format", "xlsx"), 2, "is none of csv, jsonl, parquet"),
        (("orders", "-o", "no/such/folder.csv"), 2, "No such file or directory"),
        (("orders", "-o", "."), 2, "Is a directory"),
        (("orders", "-o", ""), 2, "Is a directory"),
        (("orders", "--json"), 2, "goes with -o"),
    ],
)
def test_what_cannot_be_taken_says_why_and_is_not_on_record(
    run: Run, run_json: RunJson, arguments: tuple[str, ...], code: int, words: str
) -> None:
    told = run("export", *arguments, code=code)
    assert words in " ".join((told.stderr + told.stdout).split())
    assert audited(run_json) == []


def test_only_force_replaces_what_a_link_points_at(run: Run, environment: Path) -> None:
    (environment / "store").mkdir()
    kept = environment / "store" / "kept.csv"
    kept.write_text("of yesterday")
    (environment / "link.csv").symlink_to(kept)
    told = " ".join(run("export", "orders", "-o", "link.csv", code=2).stderr.split())
    assert "is there already" in told
    assert kept.read_text() == "of yesterday"
    run("export", "orders", "-o", "link.csv", "--force")
    assert (environment / "link.csv").is_symlink()
    assert b"A1" in kept.read_bytes()
    assert (environment / "store" / "kept.csv.manifest.json").exists()
    kept.unlink()
    run("export", "orders", "-o", "link.csv", code=2)  # the manifest of another file is there


def test_a_link_that_leads_nowhere_is_refused(run: Run, environment: Path) -> None:
    (environment / "loop.csv").symlink_to(environment / "loop.csv")
    assert "loop" in run("export", "orders", "-o", "loop.csv", code=2).stderr


def test_a_pipe_is_written_to_and_stays_one(run: Run, environment: Path) -> None:
    """A device likewise: as root, a file in the place of /dev/null would harm the machine."""
    pipe = environment / "orders.pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    run("export", "orders", "-o", "orders.pipe")
    reader.join(10)
    assert b"A1" in read[0]
    assert pipe.is_fifo()
    assert not list(environment.glob("*.manifest.json"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_stays_a_device(run: Run, environment: Path) -> None:
    device = environment / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        device.write_bytes(b"")
    except PermissionError:
        pytest.skip("this system lets nobody use a device of his own")
    run("export", "orders", "-o", "null")
    assert device.is_char_device()


def test_a_file_that_is_not_whole_does_not_take_the_name(
    run: Run, run_json: RunJson, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was there stays; what was read of the new one is on record."""
    from kpi.exports.formats import Csv

    (environment / "orders.csv").write_text("of yesterday")

    def interrupted(*_: Any) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(Csv, "block", interrupted)
    run("export", "orders", "-o", "orders.csv", "--force", code=130)
    assert [path.name for path in environment.glob("*orders*")] == ["orders.csv"]
    assert (environment / "orders.csv").read_text() == "of yesterday"
    (line,) = audited(run_json)
    assert line["kind"] == "export.made"
