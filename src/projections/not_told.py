"""Not told: objects that others name and that Stripe was asked for in vain; one row an object.

The service asks again, each time after a longer while, and gives up in the end.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from ledger.domain.balance_facts import NotToldFact
from ledger.domain.facts import EventContext
from projections.engine.declare import Change, Mirror, Projection, greatest, key, known, newest

FIRST_WAIT: Final = timedelta(minutes=15)
LAST_TIMES: Final = 10
"""After so many times, three weeks after the first one, the service does not ask any more."""

not_told = Mirror(
    "not_told",
    kind=key(),
    subject_id=key(),
    cause=newest("text"),
    times=greatest("bigint"),
    asked_at=greatest("timestamptz"),
    next_at=greatest("timestamptz"),
    given_up=greatest("boolean"),
    account=known("text"),
)
projection = Projection("not_told", tables=(not_told,))


@projection.handles(NotToldFact)
def asked(fact: NotToldFact, at: EventContext) -> Iterator[Change]:
    """Each wait is twice as long as the one before it: a quarter of an hour to five days."""
    wait = FIRST_WAIT * 2 ** (min(fact.times, LAST_TIMES) - 1)
    given_up = fact.times >= LAST_TIMES
    yield not_told.report_of(fact, at, next_at=fact.asked_at + wait, given_up=given_up)
