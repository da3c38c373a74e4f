"""Proofs on record: what the last one says stands until a rebuild, or a proof that holds."""

from datetime import UTC, datetime

import pytest

from ledger.domain.events import Metadata, ProofFailed, ProofFinished
from ledger.errors import RebuildRefused
from ledger.log import Log
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.proofs import LAST, LastProof, answer, last_proof, put_on_record
from projections.engine.rebuild import rebuild
from projections.engine.verify import verify
from tests.projections.engine.toys import delivery

ANN = Metadata(actor="operator", actor_name="ann", role="admin")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def filled(engine: ProjectionContext) -> ProjectionContext:
    engine.log.append([delivery("A", n, n) for n in range(1, 6)])
    Follower(engine).catch_up()
    return engine


def proven(engine: ProjectionContext, proof_id: str) -> int:
    position = put_on_record(engine.log, NOW, answer(proof_id, verify(engine)), ANN)
    Follower(engine).catch_up()
    return position


def last(engine: ProjectionContext) -> LastProof | None:
    with engine.database.connect("reader") as conn:
        return last_proof(conn, engine)


def spoil(engine: ProjectionContext) -> None:
    with engine.database.connect("projector") as conn:
        conn.execute("delete from read_models.skus")


def test_without_a_proof_nothing_is_known(filled: ProjectionContext) -> None:
    assert last(filled) is None


def test_one_that_holds_is_told_with_who_made_it(filled: ProjectionContext) -> None:
    assert proven(filled, "1" * 32) == 7
    found = last(filled)
    assert found is not None
    assert (found.id, found.position, found.by, found.holds) == ("1" * 32, 5, "ann", True)
    assert (found.is_damage, found.cure, found.told) == (False, None, "held up to position 5")


def test_a_proof_spoils_no_later_one(filled: ProjectionContext) -> None:
    """It stands in the log like everything else: the next one proves it too."""
    proven(filled, "1" * 32)
    assert verify(filled).holds
    proven(filled, "2" * 32)
    found = last(filled)
    assert found is not None
    assert (found.id, found.position, found.holds) == ("2" * 32, 7, True)


def test_damage_stands_until_what_was_damaged_is_rebuilt(filled: ProjectionContext) -> None:
    spoil(filled)
    proven(filled, "1" * 32)
    found = last(filled)
    assert found is not None
    assert found.is_damage
    damaged = {"deliveries"}
    assert set(found.suspects) == filled.registry.readers(damaged)
    assert found.doubts(damaged)
    assert "tables that differ" in found.told
    assert found.cure == "`ledger rebuild`, and then `ledger verify`"

    rebuild(filled)
    mended = last(filled)
    assert mended is not None
    assert (mended.holds, mended.is_damage, mended.suspects) == (False, False, ())
    assert not mended.doubts(damaged)
    assert mended.cure == "mended since: `ledger verify`"


def test_damage_stands_until_a_proof_holds(filled: ProjectionContext) -> None:
    """Though nothing was rebuilt: it may have been put right by hand."""
    finished = ProofFinished(
        proof_id="1" * 32,
        holds=False,
        position=5,
        tables={},
        differences=({"table": next(iter(filled.registry.tables))},),
    )
    put_on_record(filled.log, NOW, finished, ANN)
    Follower(filled).catch_up()
    damaged = last(filled)
    assert damaged is not None
    assert damaged.is_damage
    proven(filled, "2" * 32)
    found = last(filled)
    assert found is not None
    assert (found.holds, found.is_damage) == (True, False)


@pytest.mark.parametrize(
    "damage", [{"faults": {"hash": {"count": 3, "places": []}}}, {"log_fault": "a gap at 3"}]
)
def test_a_damaged_log_is_mended_by_no_rebuild(
    filled: ProjectionContext, damage: dict[str, object]
) -> None:
    finished = ProofFinished(proof_id="1" * 32, holds=False, position=5, tables={}, **damage)  # pyright: ignore[reportArgumentType]
    put_on_record(filled.log, NOW, finished, ANN)
    Follower(filled).catch_up()
    with pytest.raises(RebuildRefused, match=r"the log is damaged: .*--believe-the-log"):
        rebuild(filled)
    rebuild(filled, believe_log=True)
    found = last(filled)
    assert found is not None
    assert (found.is_damage, found.log_is_damaged, found.suspects) == (True, True, ())
    assert found.doubts({"anything"})
    assert "a rebuild mends nothing" in (found.cure or "")
    assert "the log is damaged: " in found.told


def test_states_that_an_archive_lacks_are_brought_back_and_no_backup_is_restored(
    filled: ProjectionContext,
) -> None:
    """An archive that had not been mounted was told to be a damaged database, with 45 names."""
    finished = ProofFinished(
        proof_id="1" * 32,
        holds=False,
        position=5,
        tables={},
        faults={"state": {"count": 3, "places": []}},
        halted={f"model_{number}": "states are missing" for number in range(11)},
    )
    put_on_record(filled.log, NOW, finished, ANN)
    Follower(filled).catch_up()
    with pytest.raises(RebuildRefused, match=r"not proven: 11 read models\..* bring the archive"):
        rebuild(filled)
    found = last(filled)
    assert found is not None
    assert (found.log_is_damaged, found.only_states_missing) == (True, True)


def test_what_could_not_be_proven_is_in_doubt_with_all_that_read_it(
    filled: ProjectionContext,
) -> None:
    name = filled.registry.projections[0].name
    finished = ProofFinished(
        proof_id="1" * 32, holds=False, position=5, tables={}, halted={name: "a bug", "gone": "?"}
    )
    put_on_record(filled.log, NOW, finished, ANN)
    found = last(filled)
    assert found is not None
    assert set(found.suspects) == filled.registry.readers({name})


def test_one_without_an_answer_takes_nothing_back(filled: ProjectionContext) -> None:
    put_on_record(filled.log, NOW, ProofFailed(proof_id="0" * 32, cause="Oops"), ANN)
    found = last(filled)
    assert found is not None
    assert (found.holds, found.is_damage, found.cure) == (None, False, "`ledger verify`")
    assert found.told == "ended without an answer; Oops; `ledger verify`"
    spoil(filled)
    proven(filled, "1" * 32)
    put_on_record(filled.log, NOW, ProofFailed(proof_id="2" * 32, cause="Oops"), ANN)
    found = last(filled)
    assert found is not None
    assert (found.id, found.is_damage, found.unanswered) == ("1" * 32, True, "Oops")


def test_the_last_one_is_found_by_the_index(filled: ProjectionContext) -> None:
    with filled.database.connect("reader") as conn:
        conn.execute("set enable_seqscan = off")
        plan = "\n".join(row[0] for row in conn.execute("explain " + LAST))
    assert plan.count("stored_events_proofs") == 2


def test_it_is_appended_whole_or_not_at_all(log: Log) -> None:
    """A proof of the terminal is never one that began and has no end."""
    end = ProofFailed(proof_id="1" * 32, cause="Oops")
    assert put_on_record(log, NOW, end, ANN) == 2
    started, ended = log.stream("proof/" + "1" * 32)
    assert (started.effective_at, ended.event, started.meta, ended.meta) == (NOW, end, ANN, ANN)
