"""What others made among the read models, or on top of them: named, never removed."""

from contextlib import closing
from typing import LiteralString

import pytest

from ledger.domain.events import Metadata
from ledger.errors import RebuildBlocked
from projections.engine import rebuild as rebuilding
from projections.engine.background import BackgroundTasks
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.foreign import told
from projections.engine.rebuild import rebuild
from projections.engine.verify import verify
from tests.projections.engine.test_rebuild import live
from tests.projections.engine.toys import delivery
from tests.support.damage import superuser, tamper

VIEW: LiteralString = "create view bi.big as select sku from read_models.skus where largest > 3"
ON_TOP: dict[str, tuple[LiteralString, str]] = {
    "a view": (VIEW, "view bi.big (made of read_models.skus)"),
    "a kept view": (
        "create materialized view bi.kept as select sku from read_models.shelves",
        "materialized view bi.kept (made of read_models.shelves)",
    ),
    "a reference": (
        "create table bi.notes (sku text references read_models.skus)",
        "constraint notes_sku_fkey on table bi.notes (made of read_models.skus)",
    ),
    "a function": (
        "create function bi.f(one read_models.skus) returns int language sql as 'select 1'",
        "function bi.f(read_models.skus) (made of read_models.skus)",
    ),
    "a column": (
        "create table bi.rows (one read_models.skus)",
        "column one of table bi.rows (made of read_models.skus)",
    ),
    "a view among ours": (
        "create view read_models.mine as select sku from read_models.skus",
        "view read_models.mine (made of read_models.skus)",
    ),
}


@pytest.fixture
def filled(engine: ProjectionContext) -> ProjectionContext:
    engine.log.append([delivery("A", n, n) for n in range(1, 6)])
    Follower(engine).catch_up()
    return engine


def oid(engine: ProjectionContext, name: str) -> object:
    with superuser(engine.database) as conn:
        return conn.execute("select to_regclass(%s)::oid", [name]).fetchone()


def seen(engine: ProjectionContext) -> list[str]:
    with engine.database.connect("reader") as conn:
        return told(conn)


@pytest.mark.parametrize(
    ("made", "name"),
    [
        ("create table read_models.scratch (x serial primary key)", "table read_models.scratch"),
        ("create view read_models.one as select 1 as x", "view read_models.one"),
    ],
)
def test_what_others_put_among_the_read_models_stays_there(
    filled: ProjectionContext, made: LiteralString, name: str
) -> None:
    tamper(filled.database, made)
    before, there = live(filled), oid(filled, name.split()[1])
    for names in ([], ["deliveries"], ["counter"]):
        rebuild(filled, names)
    assert oid(filled, name.split()[1]) == there != (None,)
    assert live(filled) == before
    assert seen(filled) == [name]
    proof = verify(filled)
    assert (proof.holds, proof.foreign) == (True, (name,))


@pytest.mark.parametrize(("made", "named"), ON_TOP.values(), ids=ON_TOP)
def test_what_others_built_on_read_models_is_named_before_anything_is_done(
    filled: ProjectionContext, made: LiteralString, named: str
) -> None:
    tamper(filled.database, "create schema bi", made)
    before, there = live(filled), oid(filled, "read_models.skus")
    for names in ([], ["deliveries"]):
        with pytest.raises(RebuildBlocked) as refused:
            rebuild(filled, names)
        assert f"build on them: {named}. Nothing changed; drop" in str(refused.value)
    assert (live(filled), oid(filled, "read_models.skus")) == (before, there)
    assert named in seen(filled)
    rebuild(filled, ["counter"])  # nothing is built on that


def test_what_is_built_on_them_meanwhile_is_named_too(
    filled: ProjectionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    tamper(filled.database, "create schema bi")
    create = rebuilding.ReadModelTables.create

    def build_upon_and_create(copy: rebuilding.ReadModelTables) -> None:
        tamper(filled.database, VIEW)
        create(copy)

    before = live(filled)
    monkeypatch.setattr(rebuilding.ReadModelTables, "create", build_upon_and_create)
    with pytest.raises(RebuildBlocked, match=r"view bi\.big \(made of read_models\.skus\)"):
        rebuild(filled)
    assert live(filled) == before
    assert oid(filled, "bi.big") != (None,)
    assert oid(filled, "rebuild.skus") == (None,), "nothing is left of it"


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("alter table read_models.skus owner to current_user", "table read_models.skus"),
        ("create table read_models.shelves (x int)", "table read_models.shelves"),
        (
            "create table read_models.old (x int constraint skus_pkey primary key)",
            "index read_models.skus_pkey",
        ),
    ],
)
def test_what_stands_in_the_place_of_a_read_model_is_named_and_stays(
    filled: ProjectionContext, made: LiteralString, named: str
) -> None:
    tables = ("shelves_view", "shelves", "skus")
    with filled.database.connect("projector") as conn:
        if "alter" not in made:
            conn.execute("drop view read_models.shelves_view")
            for table in tables[1:]:
                conn.execute(f"drop table read_models.{table}".encode())
    tamper(filled.database, made)
    with pytest.raises(RebuildBlocked, match=rf"{named}\. Nothing changed; drop it or move it"):
        rebuild(filled)
    assert named.startswith("index") or named in seen(filled)


def test_a_rebuild_that_nobody_waits_for_is_refused_before_it_begins(
    filled: ProjectionContext,
) -> None:
    tamper(filled.database, "create schema bi", VIEW)
    head = filled.log.head()
    with (
        closing(BackgroundTasks(filled)) as tasks,
        pytest.raises(RebuildBlocked, match=r"view bi\.big"),
    ):
        tasks.rebuild((), Metadata())
    assert filled.log.head() == head
