"""The crash trial itself: what it counts as lost, doubled or moved, and one short round."""

from collections import Counter

import pytest

from ledger.postgres.database import Database
from tests.soak.__main__ import Trial
from tests.soak.books import Findings, examine
from tests.soak.clients import WEBHOOK, Acknowledged, Entry, fill_shelves, load
from tests.soak.services import world
from tests.support.damage import tamper

STORED = [("stripe/evt_1", 1, "stripe.v1"), ("order/1", 1, "order.placed.v2"), ("order/1", 2, "x")]
ACKNOWLEDGED = Counter({Entry("stripe/evt_1", WEBHOOK): 1, Entry("order/1", "order.placed"): 1})


def store(database: Database, *rows: tuple[str, int, str]) -> None:
    for position, (stream, version, topic) in enumerate(rows, 1):
        tamper(
            database,
            "insert into ledger.stored_events values"
            " (%(stream)s, %(version)s, %(topic)s, '', %(position)s, now(), sha256(''))",
            stream=stream,
            version=version,
            topic=topic,
            position=position,
        )


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (STORED, Findings(0, 0, [])),
        (STORED[:1], Findings(1, 0, [])),
        ([], Findings(2, 0, [])),
        ([*STORED, ("stripe/evt_1", 2, "stripe.v1")], Findings(0, 1, [])),
        ([*STORED, ("order/2", 1, "order.placed.v2")], Findings(0, 1, [])),
        ([*STORED, ("order/1", 4, "x")], Findings(0, 0, ["order/1"])),
        ([*STORED[:2], ("order/1", 3, "x")], Findings(0, 0, ["order/1"])),
    ],
    ids=["all", "one lost", "all lost", "a webhook twice", "an order too many", "a hole", "later"],
)
def test_what_the_log_lacks_or_has_too_much_of_is_counted(
    database: Database, rows: list[tuple[str, int, str]], found: Findings
) -> None:
    store(database, *rows)
    assert examine(database, ACKNOWLEDGED, quiet=True) == found
    assert bool(found) is (rows != STORED)


def test_under_load_only_a_webhook_is_told_to_be_one_too_many(database: Database) -> None:
    store(database, *STORED, ("stripe/evt_1", 2, "stripe.v1"), ("order/2", 1, "order.placed.v2"))
    assert examine(database, ACKNOWLEDGED, quiet=False) == Findings(0, 1, [])


def test_a_round_of_the_trial() -> None:
    """Its first one, on one service: kill -9 under load, and all is there that was acknowledged."""
    with world(1) as made:
        known = Acknowledged(1)
        fill_shelves(made, known)
        with load(made, known):
            assert not Trial(made, known, seconds=1, hold=0).round(0)
        assert all(count > 0 for count in known.counts())
        assert not examine(made.database, known.entries(), quiet=True)
