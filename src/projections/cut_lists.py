"""Cut lists: lists within Stripe's objects of which a report shows the first ten; one row a list.

The service reads such lists on, and pulls do: a list that was read to its end is not cut any more.
"""

from collections.abc import Iterator

from ledger.domain.facts import EventContext, ListFact
from projections.engine.declare import Change, Mirror, Projection, key, known, least, newest

cut_lists = Mirror(
    "cut_lists",
    kind=key(),
    subject_id=key(),
    part=key(),
    cut=newest("boolean"),
    shown=newest("bigint"),
    at_least=newest("bigint"),
    url=known("text"),
    element=known("text"),
    account=known("text"),
    first_at=least("timestamptz"),
    indexes=("cut",),
)
projection = Projection("cut_lists", tables=(cut_lists,))


@projection.handles(ListFact)
def reported(fact: ListFact, at: EventContext) -> Iterator[Change]:
    """The newest report of the list says whether anything of it is left out."""
    yield cut_lists.report_of(fact, at, first_at=at.effective_at if fact.cut else None)
