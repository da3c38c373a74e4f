"""Proofs in the background: one at a time, on record with their answer, and no caller waits."""

from collections.abc import Iterator
from contextlib import closing
from threading import Event

import pytest
from structlog.testing import capture_logs

from ledger.domain.events import (
    Metadata,
    ProofFailed,
    ProofFinished,
    ProofStarted,
    RebuildFailed,
    RebuildFinished,
    RebuildStarted,
)
from ledger.errors import ArchiveDamaged, RebuildRunning, UnknownProjection
from ledger.postgres.leadership import REBUILD, take
from projections.engine import background as module
from projections.engine.background import BackgroundTasks
from projections.engine.build import ProjectionContext
from projections.engine.folding import FoldedArchive
from projections.engine.follow import Follower
from projections.engine.rebuild import Progress
from projections.engine.verify import Proof, prove, verify
from tests.projections.engine.toys import delivery
from tests.support.waiting import wait_for

ADA = Metadata(actor="token/1", actor_name="Ada", role="auditor", reason="the year's end")


@pytest.fixture
def filled(engine: ProjectionContext) -> ProjectionContext:
    engine.log.append([delivery("A", n, n) for n in range(1, 6)])
    Follower(engine).catch_up()
    return engine


@pytest.fixture
def background_tasks(filled: ProjectionContext) -> Iterator[BackgroundTasks]:
    with closing(BackgroundTasks(filled)) as background_tasks:
        yield background_tasks


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Proofs take in everything, say so, and then wait until the gate is open."""
    gate = Event()

    def slowly(
        engine: ProjectionContext, cursor: object, progress: Progress, archive: FoldedArchive | None
    ) -> Proof:
        def report(reached: int, upto: int) -> None:
            progress(reached, upto)
            assert gate.wait(10)
            progress(reached, upto)

        return prove(engine, cursor, report, archive)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(module, "prove", slowly)
    return gate


def ended(background_tasks: BackgroundTasks, proof_id: str) -> None:
    wait_for(lambda: background_tasks.progress(proof_id) is None)


def test_a_proof_is_on_record_with_who_wanted_it_and_what_it_came_to(
    background_tasks: BackgroundTasks, filled: ProjectionContext
) -> None:
    expected = verify(filled)
    proof_id, position = background_tasks.start(ADA)
    ended(background_tasks, proof_id)
    started, finished = filled.log.stream(f"proof/{proof_id}")
    assert (started.position, started.meta) == (position, ADA)
    assert started.event == ProofStarted(proof_id=proof_id)
    assert finished.meta == ADA
    assert finished.event == ProofFinished(
        proof_id=proof_id, holds=True, position=5, tables=expected.tables
    )


def test_a_wrong_row_is_named_in_the_record(
    background_tasks: BackgroundTasks, filled: ProjectionContext
) -> None:
    with filled.database.connect("projector", autocommit=True) as conn:
        conn.execute("update read_models.skus set largest = 7 where sku = 'A'")
    proof_id, _ = background_tasks.start(ADA)
    ended(background_tasks, proof_id)
    found = filled.log.stream(f"proof/{proof_id}")[-1].event
    assert isinstance(found, ProofFinished)
    assert not found.holds
    (difference,) = [each for each in found.differences if each["table"] == "skus"]
    assert (difference["missing"], difference["extra"], difference["changed"]) == (0, 0, 1)
    assert difference["first"] == {
        "table": "skus", "key": ["A"], "column": "largest", "live": "7", "proof": "5",
    }  # fmt: skip


def test_while_it_runs_its_progress_is_told(background_tasks: BackgroundTasks, gate: Event) -> None:
    proof_id, _ = background_tasks.start(ADA)
    wait_for(lambda: background_tasks.progress(proof_id) == (5, 5))
    gate.set()
    ended(background_tasks, proof_id)


def test_one_at_a_time_and_who_was_refused_is_not_on_record(
    background_tasks: BackgroundTasks, filled: ProjectionContext, gate: Event
) -> None:
    proof_id, _ = background_tasks.start(ADA)
    head = filled.log.head()
    with closing(BackgroundTasks(filled)) as other:
        for each in (background_tasks, other):
            with pytest.raises(RebuildRunning):
                each.start(ADA)
        assert filled.log.head() == head
        gate.set()
        ended(background_tasks, proof_id)
        ended(other, other.start(ADA).id)


def test_a_rebuild_elsewhere_refuses_it(
    background_tasks: BackgroundTasks, filled: ProjectionContext
) -> None:
    with filled.database.connect("projector", autocommit=True) as conn:
        assert take(conn, REBUILD)
        with pytest.raises(RebuildRunning):
            background_tasks.start(ADA)


def test_a_service_that_ends_ends_its_proof_and_says_so(
    filled: ProjectionContext, gate: Event
) -> None:
    with closing(BackgroundTasks(filled)) as background_tasks:
        proof_id, _ = background_tasks.start(ADA)
        wait_for(lambda: background_tasks.progress(proof_id) == (5, 5))
        background_tasks._stop.set()
        gate.set()
    _, failed = filled.log.stream(f"proof/{proof_id}")
    cause = "Stopped: The work was told to stop before it was done; the process ends."
    assert failed.event == ProofFailed(proof_id=proof_id, cause=cause)


def test_what_an_archive_ended_is_on_record_with_the_cure(filled: ProjectionContext) -> None:
    def changed() -> FoldedArchive:
        raise ArchiveDamaged("The segment 1-2 is not what was sealed. Bring it back.")

    with closing(BackgroundTasks(filled, changed)) as background_tasks:
        rebuild_id, _ = background_tasks.rebuild((), ADA)
        ended(background_tasks, rebuild_id)
    failed = filled.log.stream(f"rebuild/{rebuild_id}")[-1].event
    assert isinstance(failed, RebuildFailed)
    assert "is not what was sealed. Bring it back." in failed.cause
    assert failed.cause.endswith(
        "(where nothing was offloaded, `ledger rebuild --no-archive` does without)"
    )


def test_a_proof_that_breaks_is_told_and_on_record_and_another_may_begin(
    background_tasks: BackgroundTasks, filled: ProjectionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken, capture_logs() as logs:
        broken.setattr(module, "prove", lambda *_: 1 / 0)
        proof_id, _ = background_tasks.start(ADA)
        ended(background_tasks, proof_id)
    assert [line["error"] for line in logs] == ["ZeroDivisionError"]
    _, failed = filled.log.stream(f"proof/{proof_id}")
    assert failed.event == ProofFailed(proof_id=proof_id, cause="ZeroDivisionError")
    again, _ = background_tasks.start(ADA)
    ended(background_tasks, again)
    assert verify(filled).holds


def test_a_rebuild_is_on_record_with_who_wanted_it_and_mends_what_was_wrong(
    background_tasks: BackgroundTasks, filled: ProjectionContext
) -> None:
    with filled.database.connect("projector", autocommit=True) as conn:
        conn.execute("update read_models.skus set largest = 7 where sku = 'A'")
    assert not verify(filled).holds
    rebuild_id, position = background_tasks.rebuild((), ADA)
    ended(background_tasks, rebuild_id)
    started, finished = filled.log.stream(f"rebuild/{rebuild_id}")
    assert (started.position, started.meta, finished.meta) == (position, ADA, ADA)
    assert started.event == RebuildStarted(rebuild_id=rebuild_id)
    names = tuple(sorted(filled.registry.by_name))
    assert finished.event == RebuildFinished(rebuild_id=rebuild_id, names=names, position=position)
    assert verify(filled).holds


def test_no_rebuild_begins_of_what_there_is_not(
    background_tasks: BackgroundTasks, filled: ProjectionContext
) -> None:
    head = filled.log.head()
    with pytest.raises(UnknownProjection):
        background_tasks.rebuild(["none"], ADA)
    assert filled.log.head() == head


def test_a_rebuild_that_breaks_changes_nothing_and_is_on_record(
    background_tasks: BackgroundTasks, filled: ProjectionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken, capture_logs() as logs:
        broken.setattr(module, "rebuild_locked", lambda *_: 1 / 0)
        rebuild_id, _ = background_tasks.rebuild((), ADA)
        ended(background_tasks, rebuild_id)
    assert [line["error"] for line in logs] == ["ZeroDivisionError"]
    _, failed = filled.log.stream(f"rebuild/{rebuild_id}")
    assert failed.event == RebuildFailed(rebuild_id=rebuild_id, cause="ZeroDivisionError")
    assert verify(filled).holds


def test_a_proof_and_a_rebuild_wait_for_nobody_and_are_not_made_together(
    background_tasks: BackgroundTasks, gate: Event
) -> None:
    proof_id, _ = background_tasks.start(ADA)
    with pytest.raises(RebuildRunning):
        background_tasks.rebuild((), ADA)
    gate.set()
    ended(background_tasks, proof_id)
