"""The vocabulary of facts: complete, without doubles, and ordered."""

from datetime import UTC, datetime
from itertools import pairwise, product

import pytest

from ledger.domain import billing_facts, facts
from ledger.domain.events import (
    CATALOGUE,
    Metadata,
    StripeEventReceived,
    StripeObjectNotTold,
    StripeObjectObserved,
    StripePayoutListed,
)
from ledger.domain.facts import (
    EventContext,
    Fact,
    State,
    StatefulFact,
    all_facts,
    order_key,
    states_of,
)

KINDS = StatefulFact.__subclasses__()
RANKS = {
    "PaymentFact": {"pending": 0, "failed": 0, "processing": 0, "authorized": 10}
    | {"succeeded": 20, "canceled": 20, "unknown": 10},
    "ChargeFact": {"pending": 0, "authorized": 10, "expired": 20, "captured": 30, "failed": 40}
    | {"unknown": 30},
    "RefundFact": {"pending": 0, "requires_action": 10, "succeeded": 20}
    | {"canceled": 30, "failed": 30, "unknown": 20},
    "DisputeFact": {"inquiry": 0, "inquiry: unknown": 5, "inquiry_closed": 10}
    | {"open": 20, "under_review": 20, "appeal: open": 30, "appeal: under_review": 31}
    | {"unknown": 32, "closed": 35, "lost": 35, "won": 35},
    "CheckoutFact": {"open": 0, "completed": 10, "expired": 20, "failed": 20, "paid": 30}
    | {"unknown": 10},
    "CustomerFact": {"active": 0, "deleted": 10},
    "SubscriptionFact": {"incomplete": 0, "trialing": 10, "paused": 20, "active": 30}
    | {"past_due": 40, "unpaid": 50, "incomplete_expired": 60, "canceled": 60, "unknown": 50},
    "InvoiceFact": {"draft": 0, "open": 10, "uncollectible": 20}
    | {"void": 30, "paid": 30, "deleted": 30, "unknown": 20},
    "PayoutFact": {"pending": 0, "in_transit": 10, "paid": 20, "canceled": 30, "failed": 30}
    | {"unknown": 20},
}


def moment(created: int, event_id: str, step: int = 1) -> EventContext:
    at = datetime.fromtimestamp(created, UTC)
    key = order_key(created, step, event_id)
    return EventContext(
        1, f"stripe/{event_id}", 1, "stripe.event_received.v1", at, at, key, Metadata()
    )


def name(state: State) -> str:
    """A state's own name; two of a dispute's may have the same."""
    if "APPEAL" in state.name:
        return f"appeal: {state.word}"
    return "inquiry: unknown" if state.name == "INQUIRY_UNKNOWN" else state.word


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_life_cycles(kind: type[StatefulFact]) -> None:
    """The ranks of the states of each object: what is over cannot be undone by a late report."""
    states = states_of(kind)
    assert {name(state): state.rank for state in states} == RANKS[kind.__name__]
    assert len({name(state) for state in states}) == len(states)


def test_all_facts_are_the_shops_events_and_what_a_provider_reports() -> None:
    """Stored Stripe events are no facts: their translation is."""
    known = all_facts()
    translated = {
        StripeEventReceived,
        StripeObjectNotTold,
        StripeObjectObserved,
        StripePayoutListed,
    }
    assert not translated & set(known)
    assert set(CATALOGUE.values()) - translated < set(known)
    concrete = {
        each
        for each in [*vars(facts).values(), *vars(billing_facts).values()]
        if isinstance(each, type) and issubclass(each, Fact) and not each.__subclasses__()
    }
    assert concrete < set(known)
    assert len(known) == len(set(known))


def test_sort_keys_of_a_moment() -> None:
    """A life cycle sorts by its stage first, plain fields by time first.

    Within a second: what makes an object, what changes it, its end; then rank, then event id.
    """
    times, steps, ids = (999, 1_700_000_000), (0, 1, 2), ("evt_1", "evt_2")
    ranked = [
        moment(t, i, step).ranked(10 * stage + rest)
        for stage, t, step, rest, i in product((0, 2, 6), times, steps, (0, 1, 5), ids)
    ]
    newest = [
        moment(t, i, step).newest(rank)
        for t, step, rank, i in product(times, steps, (0, 2, 10, 60), ids)
    ]
    for keys in (ranked, newest):
        assert all(earlier < later for earlier, later in pairwise(keys))
