"""Amounts that Stripe told and no figure counts; one row an object.

The newest report of an object is right as a whole: what it no longer has was settled since.
"""

from collections.abc import Iterator

import msgspec

from ledger.domain.facts import AmountsNotCounted, EventContext
from projections.engine.declare import Change, Mirror, Projection, key, known, least, newest

# `amounts` are objects of `part`, `currency` (may be empty) and `amount_minor`, which is null where
# the amount could not be read.
uncounted_amounts = Mirror(
    "uncounted_amounts",
    kind=key(),
    subject_id=key(),
    amounts=newest("jsonb"),
    account=known("text"),
    first_at=least("timestamptz"),
)
projection = Projection("uncounted_amounts", tables=(uncounted_amounts,))


@projection.handles(AmountsNotCounted)
def reported(fact: AmountsNotCounted, at: EventContext) -> Iterator[Change]:
    """The amounts as the object has them now."""
    yield uncounted_amounts.report(
        at,
        0,
        kind=fact.kind,
        subject_id=fact.subject_id,
        amounts=msgspec.json.encode(fact.amounts).decode(),
        account=at.account,
        first_at=at.effective_at,
    )
