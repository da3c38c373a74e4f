"""Explain: the events that are named make the live row, each by touching the object."""

from collections.abc import Callable
from contextlib import closing
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine.reads import Reads
from projections.queries.explain import explain
from projections.queries.history import history
from projections.queries.listing import Lister
from tests.laws.test_as_of import LISTED, live, some_keys
from tests.support.worlds import World, worlds


@settings(
    max_examples=3,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(world=worlds(), seed=st.integers(0, 99))
def test_what_is_explained_is_the_live_row_and_each_change_is_of_an_event_that_touched_it(
    fresh_database: Callable[[], Database], world: World, seed: int
):
    database, random = fresh_database(), Random(seed)
    with Log(database.conninfo("app")) as log:
        engine = live(database, log, world)
        with closing(Reads(engine)) as reads:
            for projection in LISTED:
                listing = projection.listing
                assert listing is not None
                assert listing.link is not None
                if listing.link == "sku":
                    continue  # hundreds of events: too many for this law's time
                with reads.snapshot() as cursor:
                    keys = some_keys(cursor, listing, random)
                    shown = {key: Lister(listing).whole(cursor, key) for key in keys}
                for key, whole in shown.items():
                    explained = explain(reads, projection, key)
                    fields = explained["fields"]
                    assert {name: field["value"] for name, field in fields.items()} == whole
                    touched = {line["position"] for line in history(reads, listing.link, key).lines}
                    for name, field in fields.items():
                        assert {change["position"] for change in field["changes"]} <= touched
                        made = rows_made if name in listing.parts else value_made
                        made(field["changes"], field["value"])


def value_made(changes: list[dict[str, Any]], value: object) -> None:
    """Each change begins with what the one before left, and the last one leaves the value."""
    before = None
    for change in changes:
        assert change["before"] == before
        before = change["after"]
    assert before == value


def rows_made(changes: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    """Each change takes rows away that are there, and puts others; that leaves the rows."""
    made: list[dict[str, Any]] = []
    for change in changes:
        assert len(change["before"]) == len(change["after"]) > 0
        for before, after in zip(change["before"], change["after"], strict=True):
            assert before != after
            if before is not None:
                made.remove(before)
            if after is not None:
                made.append(after)
    assert sorted(map(repr, made)) == sorted(map(repr, rows))
