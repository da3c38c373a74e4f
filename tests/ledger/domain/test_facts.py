"""The vocabulary of facts: complete, without doubles, and ordered."""

from datetime import UTC, datetime
from itertools import pairwise, product

import pytest

from ledger.domain import billing_facts, facts
from ledger.domain.events import CATALOGUE, Meta, StripeEventReceived
from ledger.domain.facts import Fact, Moment, StatefulFact, all_facts, leaves

KINDS = StatefulFact.__subclasses__()
RANKS = {
    "PaymentFact": {"pending": 0, "failed": 0, "processing": 0, "authorized": 1}
    | {"succeeded": 2, "canceled": 2},
    "ChargeFact": {"pending": 0, "authorized": 1, "expired": 2, "captured": 3, "failed": 4},
    "RefundFact": {"pending": 0, "requires_action": 1, "succeeded": 2, "canceled": 3, "failed": 3},
    "DisputeFact": {"inquiry": 0, "inquiry_closed": 1, "open": 2, "under_review": 2}
    | {"closed": 3, "lost": 3, "won": 3},
    "CheckoutFact": {"open": 0, "completed": 1, "expired": 2, "failed": 2, "paid": 3},
    "CustomerFact": {"active": 0, "deleted": 1},
    "SubscriptionFact": {"incomplete": 0, "trialing": 1, "paused": 2, "active": 3, "past_due": 4}
    | {"unpaid": 5, "incomplete_expired": 6, "canceled": 6},
    "InvoiceFact": {"draft": 0, "open": 1, "uncollectible": 2}
    | {"void": 3, "paid": 3, "deleted": 3},
    "PayoutFact": {"pending": 0, "in_transit": 1, "paid": 2, "canceled": 3, "failed": 3},
}


def moment(created: int, event_id: str) -> Moment:
    at = datetime.fromtimestamp(created, UTC)
    key = f"{created:012d}.{event_id}"
    return Moment(1, f"stripe/{event_id}", 1, "stripe.event_received.v1", at, at, key, Meta())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_life_cycles(kind: type[StatefulFact]) -> None:
    """The ranks of STRIPE.md's second rule; each state of an object has one class."""
    states = [leaf for leaf in leaves(kind) if issubclass(leaf, StatefulFact)]
    assert {state.STATE: state.RANK for state in states} == RANKS[kind.__name__]
    assert len({state.STATE for state in states}) == len(states)


def test_all_facts_are_the_shops_events_and_what_a_provider_reports() -> None:
    """Stored Stripe events are no facts: their translation is."""
    known = all_facts()
    assert StripeEventReceived not in known
    assert {event for event in CATALOGUE.values() if event is not StripeEventReceived} < set(known)
    concrete = {
        each
        for each in [*vars(facts).values(), *vars(billing_facts).values()]
        if isinstance(each, type) and issubclass(each, Fact) and not each.__subclasses__()
    }
    assert concrete < set(known)
    assert len(known) == len(set(known))


def test_sort_keys_of_a_moment() -> None:
    """A life cycle sorts by rank first, plain fields by time first; the event's id breaks ties."""
    moments = {(t, i): moment(t, i) for t, i in product((999, 1_700_000_000), ("evt_1", "evt_2"))}
    ranks = (0, 2, 12)
    by_rank = [moments[t, i].ranked(r) for r in ranks for t, i in sorted(moments)]
    times = sorted({t for t, _ in moments})
    newest = [moments[t, i].newest(r) for t in times for r in ranks for i in ("evt_1", "evt_2")]
    for keys in (by_rank, newest):
        assert all(earlier < later for earlier, later in pairwise(keys))
