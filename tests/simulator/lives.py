"""Lives of shops at the simulated Stripe, chosen by hypothesis: stories, days, payouts."""

from hypothesis import strategies as st
from msgspec import Struct

from simulator import (
    CHECKOUT_STORIES,
    STORIES,
    SUBSCRIBER_STORIES,
    Purchase,
    SimulatedStripe,
)
from simulator.goods import DAY
from simulator.transactions import CATEGORIES

EVERY_STORY = STORIES | CHECKOUT_STORIES | SUBSCRIBER_STORIES
CURRENCIES = ("eur", "jpy", "kwd", "gbp")


class Step(Struct, frozen=True):
    """A story told in a currency; then days pass, and what is available may be paid out."""

    story: str
    currency: str
    amount_minor: int
    days: int
    payout: str | None
    other: str | None


steps = st.builds(
    Step,
    story=st.sampled_from(sorted(EVERY_STORY)),
    currency=st.sampled_from(CURRENCIES),
    amount_minor=st.integers(9, 9000).map(lambda tens: tens * 10),
    days=st.integers(0, 4),
    payout=st.sampled_from([None, "finish", "fail", "cancel", "on its way"]),
    other=st.sampled_from([None, None, *sorted(CATEGORIES), "quantum_entanglement"]),
)
lives = st.lists(steps, min_size=1, max_size=14)


def lived(life: list[Step], *, converts: bool = True) -> SimulatedStripe:
    """A simulator that remembers this life; it `converts` pounds to euros."""
    settles = {"gbp": ("eur", "1.1537")} if converts else {}
    stripe = SimulatedStripe(1, remembers=True, settles=settles)
    for step in life:
        for _ in EVERY_STORY[step.story](stripe, Purchase(step.amount_minor, step.currency)):
            pass
        stripe.advance(step.days * DAY)
        if step.other:
            stripe.move_otherwise(step.other, step.amount_minor, step.currency)
        if step.payout:
            _pay_out(stripe, step.currency, step.payout)
    return stripe


def _pay_out(stripe: SimulatedStripe, currency: str, end: str) -> None:
    payout, _ = stripe.pay_out_available(currency)
    ends = {
        "finish": stripe.finish_payout,
        "fail": stripe.fail_payout,
        "cancel": stripe.cancel_payout,
    }
    if payout is not None and end in ends:
        ends[end](payout)
