"""`ledger archive`, and rebuilds that read it, as a person runs them."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.books import balance_log
from benchmarks.logs import filled, shop_log
from ledger.archive import sealing, segments
from ledger.archive.sealing import Span
from ledger.archive.segments import Manifest
from ledger.archive.store import Store
from ledger.errors import ArchiveUnavailable
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine.rebuild import rebuild_lock
from tests.app.cli.conftest import Run
from tests.support.servers import Server

RunJson = Callable[..., Any]
EVENTS, SEGMENT = 1_060, "000000000001-000000001000"


@pytest.fixture(scope="module")
def shop(servers: Callable[[str], Server]) -> Iterator[Database]:
    server = servers("embedded")
    database = server.create()
    with Log(database.conninfo("app")) as log:
        filled(log, shop_log("verbs", EVENTS))
    yield database
    server.drop(database)


@pytest.fixture
def database(servers: Callable[[str], Server], shop: Database) -> Iterator[Database]:
    """A copy: what is on record of proofs tells the next one something."""
    server = servers("embedded")
    database = server.clone(shop)
    yield database
    server.drop(database)


@pytest.fixture
def archive(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = environment / "archive"
    monkeypatch.setenv("LEDGER_ARCHIVE", str(folder))
    monkeypatch.setenv("LEDGER_ARCHIVE_SEGMENT_EVENTS", "1000")
    return folder


def test_what_is_sealed_is_shown_and_verified_and_read_by_a_rebuild(
    run: Run, run_json: RunJson, archive: Path
):
    assert "1 segment can be sealed" in (status := run("archive", "status").stdout)
    assert status.endswith("nothing is sealed yet\n")
    assert "these settings: 0 of 0" in status, "of nothing there are no folds"
    offered = run("archive", "offload", "--older-than", "0").stdout
    assert "nothing is sealed, and only what is sealed may leave" in offered
    said = run("task", "merge", "1/2", code=3).stderr.replace("\n", " ")
    assert "from position 1 on: `ledger archive seal`" in said
    assert "nothing is sealed in" in run("rebuild").stdout
    said = run("archive", "seal").stdout
    assert said.startswith("sealed: 1 segment, 1,000 events, ")
    assert run_json("archive", "seal")["sealed"] == []
    assert "; the next ends at 2,000" in " ".join(run("archive", "seal").stdout.split())
    state = run_json("archive", "status")
    assert (state["segments"], state["up_to_position"]) == (1, 1_000)
    assert state["not_sealed"] == state["head"] - 1_000
    assert state["findings"] == []
    verified = run("archive", "verify").stdout.splitlines()[-1]
    assert verified == "every segment is what was sealed, and what the log says"
    rebuilt = run_json("rebuild")
    assert rebuilt["from_archive_up_to"] == 1_000
    assert rebuilt["position"] > EVENTS
    assert run_json("rebuild", "--no-archive")["from_archive_up_to"] == 0
    assert run_json("rebuild", "orders")["from_archive_up_to"] == 0
    proof = run_json("verify")
    assert proof["holds"] is True
    assert proof["log"]["sealed"] == proof["folded"]["last"] == 1_000
    assert (proof["folded"]["made"], proof["folded"]["believed"]) == (0, 65)
    assert "up to position 1,000 the log was compared with what was sealed" in proof["not_covered"]
    from_scratch = run("verify", "--from-scratch").stdout
    assert "checked: that the log is what was sealed up to position 1,000" in from_scratch
    assert "up to position 1,000: 65 parts were made, 0 were there" in from_scratch
    alone = run_json("verify", "--no-archive")
    assert (alone["holds"], alone["folded"], alone["log"]["sealed"]) == (True, None, 0)


def test_what_is_wrong_is_named_with_the_cure(run: Run, run_json: RunJson, archive: Path):
    run("archive", "seal")
    file = archive / f"{SEGMENT}.parquet"
    file.write_bytes(file.read_bytes() + b"x")
    (found,) = run_json("archive", "verify", code=1)["findings"]
    assert found["name"] == SEGMENT
    assert f"remove {SEGMENT}.json, and `ledger archive seal` makes the segment" in found["what"]
    refused = run("rebuild", "--believe-the-log", code=3).stderr
    assert "is not what was sealed" in refused.replace("\n", " ")
    (archive / f"{SEGMENT}.json").unlink()
    run("archive", "seal")
    run("archive", "verify")
    forged = json.loads((archive / f"{SEGMENT}.json").read_text()) | {"root": "00" * 32}
    (archive / f"{SEGMENT}.json").write_text(json.dumps(forged))
    proof = run_json("verify", code=1)
    assert (proof["holds"], proof["log"]["faults"], proof["log"]["sealed"]) == (True, {}, 0)
    (reason,) = proof["log"]["not_compared"]
    assert "another root than its manifest" in reason
    (found,) = run_json("archive", "verify", code=1)["findings"]
    assert "another root than its manifest" in found["what"]
    (archive / f"{SEGMENT}.json").unlink()
    run("archive", "seal")
    run("verify")
    file.unlink()
    (found,) = run_json("archive", "status", code=1)["findings"]
    assert found["what"].startswith("Its file is missing.")


def test_segments_behind_a_gap_are_told_of_and_compared(
    run: Run, run_json: RunJson, archive: Path, database: Database
):
    (made,) = sealing.seal(database, str(archive), [Span(501, 1_000)])
    assert made.first == 501
    for verb in ("rebuild", "verify"):
        said = run(verb).stderr.replace("\n", " ")
        assert "none in the 1 segment behind the gap: `ledger archive seal` fills it." in said
    proof = run_json("verify")
    assert (proof["log"]["sealed"], proof["log"]["sealed_beyond"]) == (0, [[501, 1_000]])
    assert "the log is what was sealed from 501 to 1,000" in run("verify").stdout


def test_an_archive_that_is_not_this_logs_leaves_it_not_compared(
    run: Run, run_json: RunJson, archive: Path, fresh_database: Callable[[], Database],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    """Of another log, empty, or not to be reached: never damage of the log, and never silence."""
    other = fresh_database()
    with Log(other.conninfo("app")) as log:
        filled(log, shop_log("another", EVENTS))
    list(sealing.seal(other, str(archive), [Span(1, 500)]))
    wrong = {
        archive: "is of another log: it has none of the events here. Name another place for the",
        archive.with_name("empty"): "empty: `ledger archive seal` seals full segments.",
        "nowhere://bucket": "The archive at nowhere://bucket: ",
    }
    for address, said in wrong.items():
        monkeypatch.setenv("LEDGER_ARCHIVE", str(address))
        told = " ".join(run("verify", code=1).stdout.split())
        assert "NOT compared with the archive: " in told
        assert said in told
        assert "the log is damaged" not in told
        proof = run_json("verify", code=1)
        assert (proof["holds"], proof["log"]["sealed"], proof["folded"]) == (True, 0, None)
        assert said in run_json("status")["last_proof"]["found"][0]
    run("rebuild", "--no-archive")
    monkeypatch.setenv("LEDGER_ARCHIVE_SEGMENT_EVENTS", "100000")
    monkeypatch.setenv("LEDGER_ARCHIVE", str(archive.with_name("empty")))
    assert "Nothing is sealed in " in run("verify").stdout, "no segment is full yet"


@pytest.mark.parametrize("verb", [("seal",), ("offload", "--older-than", "0")])
def test_what_lies_there_is_looked_at_while_nobody_else_changes_it(
    run: Run,
    archive: Path,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    verb: tuple[str, ...],
):
    """An offload that had looked before another one ended ended in a traceback."""
    looked = segments.manifests

    def looks(store: Store) -> list[Manifest]:
        with pytest.raises(ArchiveUnavailable, match="is at work"), sealing.alone(database):
            pass
        return looked(store)

    monkeypatch.setattr(segments, "manifests", looks)
    run("archive", *verb)


def test_a_rebuild_that_an_archive_prevents_says_how_to_do_without(run: Run, archive: Path):
    run("archive", "seal")
    file = archive / f"{SEGMENT}.parquet"
    file.write_bytes(file.read_bytes()[:-1])
    said = run("rebuild", code=3).stderr
    assert "is not what was sealed" in said
    assert "(where nothing was offloaded, `ledger rebuild --no-archive` does without)" in said
    run("rebuild", "--no-archive")


def test_a_proof_says_that_nothing_was_looked_at_where_the_only_copy_does_not_answer(
    run: Run, archive: Path, monkeypatch: pytest.MonkeyPatch
):
    """Also where read models are behind: their events cannot be read, either."""
    run("archive", "seal")
    run("archive", "offload", "--older-than", "0")

    def away(*_: object, **__: object) -> None:
        raise ArchiveUnavailable("The archive at s3://gone: no route to host")

    for _ in ("without read models", "with all of them"):
        with monkeypatch.context() as broken:
            broken.setattr(Store, "_files_in", away)
            said = " ".join(run("verify", code=3).stderr.split())
        assert "no route to host" in said
        assert "nothing of the log was looked at" in said
        assert "verified: " in run("verify").stdout


def test_what_is_left_over_is_listed_and_removed_and_never_a_segment(
    run: Run, run_json: RunJson, archive: Path, database: Database
):
    run("archive", "seal")
    run("task", "fold", "1/1")
    (fold,) = (archive / "folds").rglob("*-*")
    fold.write_bytes(fold.read_bytes()[:-5])
    other = archive / "folds" / ("0" * 16) / ("1" * 16) / SEGMENT
    merged = archive / "merged" / ("0" * 16) / ("1" * 16) / "part-07"
    killed = [archive / f"{SEGMENT}.parquet.{'a' * 32}.part", fold.with_name(f"x.{'b' * 32}.part")]
    writing, mine = archive / f"x.{'c' * 32}.part", archive / "folds" / "mine.txt"
    for path in (other, merged, *killed, writing, mine):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    for path in killed:
        os.utime(path, (0, 0))
    kept = {path for path in archive.rglob("*") if path.is_file()} - {other, merged, *killed}
    state = run_json("archive", "status")
    assert state["torn_folds"] == [str(fold.relative_to(archive))]
    assert (state["folds_made"], len(state["left_over"])) == (0, 4)
    shown = run("archive", "status").stdout
    assert f"not whole, and made again by the next rebuild: {state['torn_folds'][0]}" in shown
    assert "left over: 4 objects, 20 bytes; `ledger archive clean`" in shown
    assert all(path.name in shown for path in killed)
    assert "would be removed: 4 objects, 20 bytes" in run("archive", "clean", "--dry-run").stdout
    assert all(path.exists() for path in (other, merged, *killed))
    removed = run_json("archive", "clean")["removed"]
    assert {archive / each["name"] for each in removed} == {other, merged, *killed}
    assert {path for path in archive.rglob("*") if path.is_file()} == kept
    assert not (archive / "merged").exists(), "folders without a file go, too"
    with rebuild_lock(database):  # what is at work may read what would be removed
        assert "Another rebuild or proof is at work" in run("archive", "clean", code=3).stderr
        assert "removed: 0 objects" in run("archive", "clean", "--dry-run").stdout
    assert "removed: 0 objects" in run("archive", "clean").stdout
    told = run("verify").stdout
    assert f"parts that were not whole, and were made again: 1\n  {state['torn_folds'][0]}" in told
    assert run_json("archive", "status")["torn_folds"] == []


def test_doctor_says_how_far_the_archive_goes_and_what_is_wrong_with_it(
    run_json: RunJson, run: Run, archive: Path, monkeypatch: pytest.MonkeyPatch
):
    def told() -> tuple[str, str]:
        (found,) = [each for each in run_json("doctor", code=1) if each["what"] == "archive"]
        return found["verdict"], found["found"]

    verdict, found = told()
    assert verdict == "note"
    assert "0 segments up to position 0 of " in found
    assert "1 segment can be sealed: `ledger archive seal`" in found
    run("archive", "seal")
    verdict, found = told()
    assert verdict == "fine"
    assert "1 segment up to position 1,000 of " in found
    run("verify")
    file = archive / f"{SEGMENT}.parquet"
    file.rename(file.with_suffix(".away"))
    verdict, found = told()
    assert verdict == "wrong"
    assert (
        "It is none of the archive's: move it elsewhere. And 1 more: `ledger archive sta" in found
    )
    monkeypatch.setenv("LEDGER_ARCHIVE", str(archive.with_name("empty")))
    assert told()[0] == "wrong"
    assert "before 1,000, up to which the last proof compared: is it the right one?" in told()[1]
    monkeypatch.setenv("LEDGER_ARCHIVE", "nowhere://bucket")
    assert told()[0] == "wrong"
    assert "nowhere://bucket" in told()[1]


def test_without_an_archive_it_says_what_to_set(run: Run):
    for verb in ("seal", "status", "verify", "clean"):
        said = run("archive", verb, code=3).stderr.replace("\n", " ")
        assert "set LEDGER_ARCHIVE, or give --to" in said
    for asked in (["rebuild", "--on", "processes"], ["verify", "--from-scratch"]):
        said = run(*asked, code=2).stderr.replace("\n", " ")
        assert "set LEDGER_ARCHIVE, seal the log with" in said


def test_an_engine_that_is_none_is_refused(
    run: Run, archive: Path, monkeypatch: pytest.MonkeyPatch
):
    run("archive", "seal")
    said = run("rebuild", "--on", "spark://x", code=2).stderr.replace("\n", " ")
    assert "is no engine" in said
    monkeypatch.setenv("LEDGER_ENGINE", "http://127.0.0.1:1")
    for verb in ("rebuild", "verify"):
        said = run(verb, code=2).stderr.replace("\n", " ")
        assert "'http://127.0.0.1:1' is no engine" in said
    run("rebuild", "--on", "processes")
    run("rebuild", "--no-archive")


def test_shares_of_the_work_are_done_without_a_database(
    run: Run, run_json: RunJson, archive: Path, monkeypatch: pytest.MonkeyPatch
):
    run("archive", "seal")
    with monkeypatch.context() as away:
        away.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
        too_early = run("task", "merge", "1/2", code=3).stderr.replace("\n", " ")
        assert "is not there: `ledger task fold`" in too_early
        folded = [run_json("task", "fold", share) for share in ("1/1", "1/1")]
        merged = [run_json("task", "merge", share) for share in ("2/2", "1/2", "1/2")]
    assert [each["made"] for each in folded] == [1, 0]
    assert [each["made"] for each in merged] == [32, 32, 0]
    objects = {path: path.stat().st_mtime_ns for path in archive.rglob("*") if path.is_file()}
    run("rebuild")
    assert {
        path: path.stat().st_mtime_ns for path in archive.rglob("*") if path.is_file()
    } == objects
    assert run_json("verify")["holds"] is True
    for wrong in ("0/2", "3/2", "1", "a/b"):
        assert "it is no share" in run("task", "fold", wrong, code=2).stderr.replace("\n", " ")


def test_where_another_log_was_sealed_nothing_is(
    run: Run, run_json: RunJson, archive: Path, fresh_database: Callable[[], Database],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    run("archive", "seal")
    monkeypatch.setenv("DATABASE_URL", fresh_database().admin_conninfo)
    for verb in ("status", "verify"):
        (found,) = run_json("archive", verb, code=1)["findings"]
        assert found["name"] == SEGMENT
        assert "of another log" in found["what"]
    before = sorted(path.name for path in archive.iterdir())
    said = run("archive", "seal", code=3).stderr.replace("\n", " ")
    assert "Nothing was sealed." in said
    said = run("archive", "clean", code=3).stderr.replace("\n", " ")
    assert "Nothing was removed." in said
    assert sorted(path.name for path in archive.iterdir()) == before


def test_a_proof_says_why_it_folded_nothing_from_the_archive(
    run: Run, archive: Path, database: Database
):
    run("archive", "seal")
    run("rebuild")
    with database.connect("projector") as conn:
        conn.execute(
            "update read_models.projections set stopped_at = 2, stopped_because = 'a bug'"
            " where name = 'stock'"
        )
    told = run("verify", code=1).stdout.replace("\n", " ")
    run("rebuild")
    assert "nothing was folded from the archive: not every projection follows" in told


class TestOffloaded:
    """Old states leave the database, and every verb says what it said before."""

    def test_what_left_is_proven_and_read_as_before(
        self, run: Run, run_json: RunJson, archive: Path
    ):
        run("archive", "seal")
        run("rebuild")
        order = run_json("list", "order")["items"][-1]["order_id"]
        verbs = (
            f"history order {order}",
            f"show order {order} --as-of 900",
            f"explain order {order}",
        )
        before = {verb: run_json(*verb.split()) for verb in verbs}
        orders = run_json("digest")["tables"]["orders"]["sha256"]
        assert (
            "due, and nothing has left: 1 segment, 1,000 events"
            in run("archive", "offload", "--older-than", "0", "--dry-run").stdout
        )
        assert run_json("archive", "status")["offloaded"] == 0
        young = run_json("archive", "offload", "--older-than", "1")
        assert young["offloaded"] == []
        assert young["none_because"].startswith("the oldest segment that has not left ends at ")
        left = run_json("archive", "offload", "--older-than", "0")
        assert (left["offloaded"], left["none_because"]) == ([SEGMENT], None)
        again = run_json("archive", "offload", "--older-than", "0")
        assert again["none_because"] == "all that is sealed has left already"
        said = run("archive", "offload", "--older-than", "9999999", code=2).stderr
        assert "--older-than" in said, "no traceback of a date before the year 1"
        assert "offloaded: 0 segments" in run("archive", "offload", "--older-than", "0").stdout
        assert "only here: the states of 1,000 events" in run("archive", "status").stdout
        assert run("archive", "verify").stdout.endswith("and what the log says\n")
        for verb, said in before.items():
            assert run_json(*verb.split()) == said
        for how in ((), ("--from-scratch",), ("--no-archive",)):
            assert run_json("verify", *how)["holds"] is True
            assert run_json("rebuild", *how[1:])["position"] > EVENTS
        assert run_json("rebuild", "--no-archive")["from_archive_up_to"] == 0
        assert run_json("digest")["tables"]["orders"]["sha256"] == orders

    def test_the_last_proof_is_known_where_the_segment_of_its_record_left(
        self, run: Run, run_json: RunJson, archive: Path, database: Database
    ):
        """It was damage of the log that its record could not be read: no rebuild was made."""
        run("archive", "seal")
        run("rebuild")
        recorded = run_json("verify")["recorded_at_position"]
        assert recorded > 1_000
        with Log(database.conninfo("app")) as log:
            filled(log, balance_log(1_000))
        run("archive", "seal")
        assert len(run_json("archive", "offload", "--older-than", "0")["offloaded"]) == 2
        archive.rename(archive.with_name("away"))
        last = run_json("status")["last_proof"]
        assert (last["holds"], last["log_is_damaged"], last["cure"]) == (True, False, None)
        archive.with_name("away").rename(archive)
        run("rebuild")
        assert run_json("verify")["holds"] is True

    def test_a_proof_names_what_the_archive_has_no_more(
        self, run: Run, run_json: RunJson, archive: Path, monkeypatch: pytest.MonkeyPatch
    ):
        run("archive", "seal")
        run("rebuild")
        run("archive", "offload", "--older-than", "0")
        file = archive / f"{SEGMENT}.parquet"
        whole = file.read_bytes()
        file.write_bytes(whole[:5_000] + bytes(100) + whole[5_100:])
        proof = run_json("verify", "--no-archive", code=1)
        assert set(proof["log"]["faults"]) == {"state"}
        assert proof["log"]["faults"]["state"][0]["first"] == 1
        assert len(proof["halted"]) > 40
        assert "left the database for the archive" in proof["halted"][0]["because"]
        file.unlink()
        said = run("rebuild", "--no-archive", "--believe-the-log", code=3).stderr
        assert "bring back from a copy" in " ".join(said.split())
        assert run_json("list", "order")["items"], "a rebuild of nothing takes no table's place"
        assert (
            "events whose state is neither in the log"
            in run("verify", "--no-archive", code=1).stdout
        )
        assert "bring it back" in run("archive", "status", code=1).stdout
        monkeypatch.delenv("LEDGER_ARCHIVE")
        said = run("verify", code=3).stderr.replace("\n", " ")
        assert "LEDGER_ARCHIVE" in said
        said = run("rebuild", "--believe-the-log", code=3).stderr.replace("\n", " ")
        assert "LEDGER_ARCHIVE" in said

    def test_a_proof_names_it_too_where_the_read_models_stand_before_it(
        self, run: Run, run_json: RunJson, archive: Path
    ):
        run("archive", "seal")
        run("archive", "offload", "--older-than", "0")
        with sealing.alone(Database(os.environ["DATABASE_URL"])):
            said = run("archive", "offload", "--older-than", "0", code=3).stderr
        assert "try again once it has ended" in " ".join(said.split())
        (archive / f"{SEGMENT}.parquet").unlink()
        proof = run_json("verify", code=1)
        assert set(proof["log"]["faults"]) >= {"state"}
        assert proof["holds"] is False
