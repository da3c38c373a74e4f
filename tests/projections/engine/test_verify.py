"""The proof finds every wrong row, and every change to the log itself."""

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from projections.engine.build import ProjectionContext
from projections.engine.differences import Difference
from projections.engine.follow import Follower
from projections.engine.rebuild import rebuild
from projections.engine.verify import verify
from tests.projections.engine.test_follow import following
from tests.projections.engine.toys import POISON, correction, delivery, shelves_table
from tests.support.damage import tamper


@pytest.fixture
def filled(engine: ProjectionContext) -> ProjectionContext:
    engine.log.append([delivery("A", 1, 5), delivery("B", 1, 6), correction("B", 2, 4)])
    Follower(engine).catch_up()
    return engine


@pytest.mark.every_server
def test_a_true_ledger_is_proven(filled: ProjectionContext):
    proof = verify(filled)
    assert proof.holds
    assert proof.position == 3
    assert set(proof.tables) == set(filled.registry.tables)


def test_a_proof_that_holds_makes_no_derived_rows_again(
    filled: ProjectionContext, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("projections.engine.verify.finish", None)
    assert verify(filled).holds


def test_events_that_arrive_meanwhile_do_not_make_a_proof_slow(
    filled: ProjectionContext, monkeypatch: pytest.MonkeyPatch
):
    """What came in after the first look is seen beside the live rows, too."""
    monkeypatch.setattr("projections.engine.verify.finish", None)
    versions = iter(range(2, 9))

    def arrive(_reached: int, _upto: int) -> None:
        filled.log.append([delivery("A", next(versions), 9)])
        Follower(filled).catch_up()

    proof = verify(filled, arrive)
    assert proof.holds
    assert proof.position == 4


def test_a_proof_holds_where_sessions_that_wait_in_a_transaction_are_ended(
    filled: ProjectionContext,
):
    """As providers of databases set it; a proof waits with the snapshot that others look at."""
    with psycopg.connect(filled.database.admin_conninfo, autocommit=True) as conn:
        row = conn.execute("select current_database()").fetchone()
        assert row is not None
        name = Identifier(row[0])
        conn.execute(
            SQL("alter database {} set idle_in_transaction_session_timeout = 20").format(name)
        )
    assert verify(filled).holds


def test_a_proof_from_scratch_makes_derived_rows_again(
    filled: ProjectionContext, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("projections.engine.in_place.equal", None)
    proof = verify(filled, from_scratch=True)
    assert proof.holds
    assert not proof.in_place
    assert proof.tables.keys() == filled.registry.tables.keys()


def test_another_collation_is_named(filled: ProjectionContext):
    tamper(
        filled.database,
        """create collation ledger.blind (provider = libc, locale = 'C.UTF-8')""",
        """alter table read_models.shelves alter column sku type text collate ledger.blind""",
    )
    (found,) = verify(filled).differences
    assert found.table == "shelves"
    assert "ledger.blind" in (found.columns or "")


TAMPERINGS = [
    (
        "update read_models.skus set largest = 7 where sku = 'B'",
        Difference("skus", ("B",), "largest", "7", "6"),
    ),
    (
        "delete from read_models.skus where sku = 'A'",
        Difference("skus", ("A",), None, None, "a row"),
    ),
    (
        "insert into read_models.skus (sku) values ('AA')",
        Difference("skus", ("AA",), None, "a row", None),
    ),
    (
        "update read_models.sums set units = 0 where sku = 'A'",
        Difference("sums", ("A",), "units", "0", "5"),
    ),
    (
        "update read_models.shelves set odd = null where sku = 'A'",
        Difference("shelves", ("A",), "odd", "\\N", "1"),
    ),
]


@pytest.mark.parametrize(("tampering", "found"), TAMPERINGS)
def test_a_wrong_row_is_named(filled: ProjectionContext, tampering, found: Difference):
    with filled.database.connect("projector", autocommit=True) as conn:
        conn.execute(tampering)
    proof = verify(filled)
    assert not proof.holds
    assert found in [each.first for each in proof.differences]


LOG_FAULTS = [
    (
        "update ledger.stored_events set state = state || ' ' where notification_id = 2",
        ("hash", 2),
    ),
    ("delete from ledger.stored_events where notification_id = 2", ("missing", 2)),
    ("delete from ledger.stored_events where notification_id = 3", ("missing", 3)),
]


@pytest.mark.parametrize(("forgery", "said"), LOG_FAULTS)
def test_a_forged_log_is_found(filled: ProjectionContext, forgery, said: tuple[str, int]):
    """Somebody with every right takes the triggers away first."""
    with psycopg.connect(filled.database.admin_conninfo, autocommit=True) as conn:
        conn.execute("alter table ledger.stored_events disable trigger all")
        conn.execute(forgery)
    faults = verify(filled).log.faults
    assert said in {(fault.kind, fault.first) for fault in faults}


def test_what_is_stopped_is_not_proven(engine: ProjectionContext):
    engine.log.append([delivery("A", 1, POISON), delivery("B", 1)])
    with following(engine):
        pass
    with pytest.raises(Exception, match="Not following"):
        Follower(engine).catch_up()
    proof = verify(engine)
    assert not proof.holds
    assert {s.name for s in proof.halted} == {"deliveries", "shelves"}
    assert set(proof.tables) == {"counted"}


def test_a_proof_holds_while_events_arrive(filled: ProjectionContext):
    with following(filled):
        for n in range(2, 60):
            filled.log.append([delivery("A", n)])
            if n % 20 == 0:
                assert verify(filled).holds


TWICE = """
    select sku, s.largest, 1 as odd from skus as s
    union all
    select sku, c.change, 2 from corrections as c
"""


def test_a_view_that_comes_to_give_two_rows_for_one_key_is_named(
    engine: ProjectionContext, monkeypatch: pytest.MonkeyPatch
):
    """The follower may put one in the place of the other; the table alone does not show it."""
    monkeypatch.setitem(shelves_table.__dict__, "view", TWICE)
    rebuild(engine)
    for event in (delivery("A", 1, 5), correction("A", 2, 4)):
        engine.log.append([event])
        Follower(engine).catch_up()
    with engine.database.connect("reader") as conn:
        assert conn.execute("select * from read_models.shelves").fetchall() == [("A", 4, 2)]
    proof = verify(engine)
    assert not proof.holds
    assert {each.name for each in proof.halted} == {"deliveries", "shelves"}
    assert {each.because for each in proof.halted} == {
        "it cannot be made from this log: UniqueViolation (23505, shelves_pkey)"
    }
