"""What of Stripe's reports this version does not understand; one row an object, part and word.

Whatever stands beside it was read as ever. A version that knows the word has no such row.
"""

from collections.abc import Iterator

from ledger.domain.facts import EventContext, PartNotUnderstood
from projections.engine.declare import Change, Mirror, Projection, key, least

# `word` is empty where the part is no word at all; then `cause` says why it could not be read.
not_understood = Mirror(
    "not_understood",
    kind=key(),
    part=key(),
    word=key(),
    cause=key(),
    subject_id=key(),
    first_at=least("timestamptz"),
)
projection = Projection("not_understood", tables=(not_understood,))


@projection.handles(PartNotUnderstood)
def found(fact: PartNotUnderstood, at: EventContext) -> Iterator[Change]:
    """Reports of one object that say the same are one row."""
    yield not_understood.mention(
        kind=fact.kind,
        part=fact.part,
        word=fact.word or "",
        cause=fact.cause or "",
        subject_id=fact.subject_id,
        first_at=at.effective_at,
    )
