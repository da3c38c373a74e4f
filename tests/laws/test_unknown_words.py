"""Words that this version does not know: worlds full of them, in any order of arrival."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from ledger.domain.events import NewEvent, StripeEventReceived
from ledger.postgres.database import Database
from tests.laws.test_projections import a_copy, rebuilt, recorded
from tests.support.worlds import World, random_world, worlds

Databases = Callable[[], Database]

WORDS = ("levitating", "warning_levitating", "appeal_under_review", "open", "captured")
law = settings(
    max_examples=4,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def estranged(world: World, seed: int, one_in: int = 4) -> World:
    """The same world, in which Stripe has new words for the states of many objects."""
    random = Random(f"words {seed}")
    entries = tuple(
        _renamed(entry, random.choice(WORDS)) if random.randrange(one_in) == 0 else entry
        for entry in world.entries
    )
    return World(f"estranged({world.name}, {seed})", entries, world.kinds)


def _renamed(entry: NewEvent, word: str) -> NewEvent:
    if not isinstance(entry.event, StripeEventReceived):
        return entry
    document: Any = json.loads(entry.event.body)
    if not isinstance(document["data"]["object"].get("status"), str):
        return entry
    document["data"]["object"]["status"] = word
    body = json.dumps(document).encode()
    event = msgspec.structs.replace(entry.event, body=body, signature=None)
    return msgspec.structs.replace(entry, event=event)


@law
@given(world=worlds(), seed=st.integers(0, 2**32 - 1))
@example(world=random_world(8, 2000), seed=8)
def test_any_order_of_arrival_ends_in_the_same_world(
    fresh_database: Databases, world: World, seed: int
):
    strange = estranged(world, seed)
    straight, shuffled = fresh_database(), fresh_database()
    in_order = rebuilt(straight, recorded(straight, strange), world=True)
    events = recorded(shuffled, strange.shuffled(seed))
    assert rebuilt(shuffled, events, world=True) == in_order


@law
@given(world=worlds(), seed=st.integers(0, 2**32 - 1))
def test_an_unknown_word_hides_no_event(fresh_database: Databases, world: World, seed: int):
    """Events that could be read with a known word are read; each strange state is listed."""
    database, strange = fresh_database(), estranged(world, seed)
    with a_copy(database) as copy:
        copy.create()
        copy.load([recorded(database, strange)])
        copy.finish()
        causes = copy.cursor.execute("select cause from unreadable_events").fetchall()
        assert not [cause for (cause,) in causes if "unknown" in cause]
        for table in ("charges", "refunds", "disputes", "payouts", "checkouts", "invoices"):
            unlisted = copy.cursor.execute(
                f"select * from {table} where not state_known and not exists"  # noqa: S608 - of ours
                f" (select from not_understood where part = 'status' and word = {table}.state)"
            ).fetchall()
            assert unlisted == []
