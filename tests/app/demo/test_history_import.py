"""Importing a history: it becomes events of the log, and read models that hold together."""

from collections import Counter
from collections.abc import Iterator

import pytest
from psycopg.sql import SQL, Identifier

from app.demo.history import ShopHistory
from app.demo.history_import import IMPORTER, import_history
from app.demo.seasons import DAYS, midnight
from app.demo.timeline import time_of
from kpi.checks.run import run_checks
from ledger.domain.events import StripeEventReceived
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import positions
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.registry import discover
from projections.engine.verify import verify
from webhooks.translate.translator import Translator

MONDAY_MIDNIGHT = 1_772_409_600
SATURDAY_EVENING = MONDAY_MIDNIGHT + 5 * 86_400 + 86_399


@pytest.fixture
def engine(database: Database) -> Iterator[ProjectionContext]:
    with Log(database.conninfo("app")) as log:
        made = ProjectionContext(database, log, discover(), Translator("test", "order_id"))
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), made.registry, made.reader, head=0)
        yield made


def count(engine: ProjectionContext, table: str, column: str) -> Counter[str]:
    query = SQL("select {} from read_models.{}").format(Identifier(column), Identifier(table))
    with engine.database.connect("reader") as conn:
        rows = conn.execute(query).fetchall()
    return Counter(state for (state,) in rows)


@pytest.mark.parametrize("now", [MONDAY_MIDNIGHT, SATURDAY_EVENING])
def test_a_past_is_taken_in_whole_proven_and_sets_off_no_check(
    engine: ProjectionContext, now: int
) -> None:
    """No command is refused, none of the orders waits, and every turn of the story is there."""
    history = ShopHistory(now)
    import_history(engine, history, lambda _label, items: items)
    Follower(engine).catch_up()
    states = count(engine, "orders", "state")
    assert states.total() == history.orders
    assert states.keys() == {"fulfilled", "paid", "expired", "canceled"}
    assert {"partial", "full"} <= count(engine, "orders", "refund_state").keys()
    assert {"won", "lost", "open"} <= count(engine, "disputes", "state").keys()
    assert {"succeeded", "failed"} <= count(engine, "refunds", "state").keys()
    members = count(engine, "subscriptions", "state")
    assert members.keys() == {"active", "canceled", "trialing"}
    assert {"new", "expansion", "contraction", "churned", "reactivation"} <= count(
        engine, "mrr_movements", "kind"
    ).keys()
    assert count(engine, "payouts", "state")["paid"] > 10
    assert verify(engine).holds
    report = run_checks(engine, time_of(now))
    assert report.crashed == []
    assert [f.sentence for outcome in report.outcomes for f in outcome.findings] == []


def test_what_moved_in_has_two_times_and_says_who_brought_it(engine: ProjectionContext) -> None:
    """It happened in the ninety days before; it was recorded now, as an import of the demo."""
    history = ShopHistory(SATURDAY_EVENING)
    import_history(engine, history, lambda _label, items: items)
    for recorded in engine.log.read(limit=10_000):
        assert (recorded.meta.actor, recorded.meta.reason) == (IMPORTER.actor, IMPORTER.reason)
        if isinstance(recorded.event, StripeEventReceived):
            assert recorded.event.source == "import"
        else:
            assert time_of(midnight(SATURDAY_EVENING, DAYS - 1)) <= recorded.effective_at
            assert recorded.effective_at < time_of(SATURDAY_EVENING) < recorded.recorded_at
