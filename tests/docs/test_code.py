"""The code on the pages works: what is printed there is run here."""

import importlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, LiteralString

import pytest

import projections
from ledger.domain.events import Metadata
from ledger.domain.facts import EventContext, RefundState
from ledger.log import Log
from ledger.postgres.database import Database
from projections import refunds
from projections.engine import positions
from projections.engine.build import ProjectionContext
from projections.engine.declare import Projection
from projections.engine.fold import Fold
from projections.engine.follow import Follower
from projections.engine.rebuild import rebuild
from projections.engine.registry import discover
from projections.engine.verify import verify
from tests.docs.pages import README, ROOT, fences
from tests.projections.models import Models, refund
from tests.support.worlds import World, random_world
from webhooks.translate.translator import Translator

NAME = "refund_reasons"
HOWTO = ROOT / "docs" / "howto" / "add-a-projection.md"
READER = Translator(mode="test", order_metadata_key="order_id")
ROWS: LiteralString = """
select reason, asked, succeeded, failed, lines
from read_models.refund_reasons
order by reason
"""


@pytest.fixture
def page_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The projection of the how-to, in a file that is found as those of the product are."""
    code, _ = fences(HOWTO, "python")
    (tmp_path / f"{NAME}.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(projections, "__path__", [*projections.__path__, str(tmp_path)])
    discover.cache_clear()
    yield importlib.import_module(f"projections.{NAME}")
    discover.cache_clear()
    del sys.modules[f"projections.{NAME}"]
    delattr(projections, NAME)


def append(log: Log, world: World) -> None:
    for part in world.split(1 + len(world.entries) // 200):
        log.append_new(part.entries)


def reasons(database: Database) -> list[Any]:
    with database.connect("reader") as conn:
        return conn.execute(ROWS).fetchall()


def followed(database: Database, log: Log) -> ProjectionContext:
    """All read models, the page's among them, ready to follow."""
    engine = ProjectionContext(database, log, discover(), READER)
    with database.connect("projector", autocommit=True) as conn:
        positions.prepare(conn.cursor(), engine.registry, engine.reader, head=0)
    return engine


def test_the_how_tos_projection_follows_and_a_rebuild_is_equal(
    database: Database, page_module: ModuleType
) -> None:
    with Log(database.conninfo("app")) as log:
        engine = followed(database, log)
        assert NAME in engine.registry.by_name
        for part in random_world(1).split(5):
            append(log, part)
            Follower(engine).catch_up()
        live = reasons(database)
        assert sum(succeeded for _, _, succeeded, _, _ in live) > 0
        assert sum(failed for _, _, _, failed, _ in live) > 0
        chosen, _ = rebuild(engine, [NAME])
        assert set(chosen.by_name) == {NAME}
        assert reasons(database) == live
        assert verify(engine).holds


def test_the_how_tos_example_test_passes(database: Database, page_module: ModuleType) -> None:
    _, code = fences(HOWTO, "python")
    scope: dict[str, Any] = {}
    exec(code, scope)  # noqa: S102 - the page's own code
    (example,) = [value for key, value in scope.items() if key.startswith("test_")]
    with database.connect("projector", autocommit=True) as conn:
        example(Models(conn))


def test_the_readmes_projection_makes_a_row() -> None:
    """It is the real one, shortened; the names that it uses are those of that module."""
    (code,) = fences(README, "python")
    scope = vars(refunds).copy()
    exec(code, scope)  # noqa: S102 - the page's own code
    shown = scope["projection"]
    assert isinstance(shown, Projection)
    assert shown is not refunds.projection
    now = datetime(2026, 3, 1, tzinfo=UTC)
    moment = EventContext(1, "stripe/evt_1", 1, "test", now, now, "000000000001.evt_1", Metadata())
    fold = Fold([shown])
    fold.add(moment, [refund(RefundState.FAILED, 400)])
    ((row,),) = [list(rows.values()) for rows in fold.rows.values()]
    made = dict(zip(scope["refunds"].columns, row, strict=True))
    assert (made["refund_id"], made["state"], made["charge_id"]) == ("re_1", "failed", "ch_1")
    assert made["amount_minor"] == 400
