"""The demo's script: orders, what becomes of them at Stripe, and in which order that arrives."""

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Final

from msgspec import Struct

from ledger.demo.shop import PEOPLE, Body, basket, edition, email_of, single, total_minor, wishes
from webhooks.simulator import (
    CHECKOUT_STORIES,
    STORIES,
    SUBSCRIBER_STORIES,
    Events,
    Purchase,
    SimulatedStripe,
    Story,
    deliver,
)
from webhooks.simulator.objects import Payment

CAST: Final = {
    "paid_by_card": 28,
    "paid_at_the_third_try": 4,
    "given_up": 2,
    "captured": 5,
    "captured_in_part": 1,
    "hold_expired": 1,
    "paid_by_debit": 3,
    "debit_refused": 1,
    "debit_reversed": 1,
    "refunded_in_parts": 3,
    "refund_failed": 2,
    "dispute_won": 1,
    "dispute_lost": 1,
    "inquiry_closed": 1,
    "inquiry_escalated": 1,
    "much_trouble": 1,
    "checkout_paid": 8,
    "checkout_paid_later": 2,
    "checkout_refused_later": 1,
}
"""How many orders each story of the simulator is told about."""

SUBSCRIBERS: Final = (
    ("trial_that_lasted", Purchase(1200, "gbp")),
    ("gone_and_back", Purchase(120, "gbp")),
    ("coupons_of_all_kinds", Purchase(9600, "gbp")),
    ("several_items", Purchase(1500, "usd")),
)
"""Stories of subscribers, each with what a unit costs."""

CURRENCIES: Final = ("gbp", "gbp", "gbp", "usd")
ABANDONED: Final = ("cancel", "cancel", "expire")
GOODWILL_ORDERS: Final = 3
LONGEST_WAIT_SECONDS: Final = 5


class HurriedStripe(SimulatedStripe):
    """A Stripe where nothing takes long: the demo's shop is watched, not waited for."""

    def advance(self, seconds: int) -> None:
        """Let a moment pass, however long the story would wait."""
        super().advance(min(seconds, LONGEST_WAIT_SECONDS))


class Placed(Struct, frozen=True):
    """An order that is placed, and what the shop does to it at once: `cancel`, `expire` or ''."""

    body: Body
    then: str = ""


class Goodwill(Struct, frozen=True):
    """A paid order of which the shop gives a part back: asked of us, and done at Stripe."""

    order_id: str
    amount_minor: int
    payment: Payment


class Script:
    """Everything that will happen; the same for the same `run` and `now` (seconds since 1970).

    `run` makes the ids of a second run on the same data others than those of the first.
    """

    def __init__(self, run: int, now: int) -> None:
        self.random = Random(f"demo {run}")  # noqa: S311 - a play, not a secret
        self.stripe = HurriedStripe(f"demo {run}", start=now)
        self.print = edition(run)
        self.orders: list[Placed] = []
        self.goodwill: list[Goodwill] = []
        self.unlinked: list[tuple[str, str]] = []
        self._run = run
        self._now = now
        self.deliveries = deliver(self._events(), self.random)
        self.wishes = wishes(self.random)

    @property
    def duplicates(self) -> int:
        """How many deliveries bring an event that another one brought."""
        return len(self.deliveries) - len({event.id for event in self.deliveries})

    def goodwill_events(self) -> Iterator[Events]:
        """What Stripe sends when the shop gives money back."""
        for given in self.goodwill:
            yield self.stripe.refund(given.payment, given.amount_minor)[1]

    def _events(self) -> Events:
        """All that Stripe sends in the main act, in the order in which it happens."""
        events = [event for act in self._customers() for event in act]
        stories = [*self._told(), *self._special(), *self._subscribers()]
        while stories:
            index = self.random.randrange(len(stories))
            step = next(stories[index], None)
            if step is None:
                stories.pop(index)
            else:
                events += step
        events += [*self.stripe.do_something_new(), *self.stripe.report_balance(81250, "gbp")]
        return [*events, *self._pay_out()]

    def _pay_out(self) -> Events:
        """The shop gets its money."""
        payout, created = self.stripe.pay_out(81250, "gbp")
        return [*created, *self.stripe.finish_payout(payout)]

    def _customers(self) -> Iterator[Events]:
        for person in PEOPLE:
            yield self.stripe.create_customer(email_of(person), person)[1]

    def _told(self) -> list[Iterator[Events]]:
        """Orders with a story of the simulator, the first two in yen and in dinars."""
        names = [name for name, count in CAST.items() for _ in range(count)]
        abroad = iter(("jpy", "kwd"))
        chosen: list[Iterator[Events]] = []
        for name in names:
            currency = next(abroad, self.random.choice(CURRENCIES))
            body = self._place(currency)
            chosen.append(self._tell((STORIES | CHECKOUT_STORIES)[name], body))
        for then in ABANDONED:
            self._place("gbp", then)
        return chosen

    def _subscribers(self) -> list[Iterator[Events]]:
        return [
            self._from_now_on(partial(SUBSCRIBER_STORIES[name], self.stripe, purchase))
            for name, purchase in SUBSCRIBERS
        ]

    def _special(self) -> list[Iterator[Events]]:
        """What no story of the simulator tells, because the shop has a part in it."""
        late = self._place("gbp", "expire")
        sold_out = self._add(single(self._next_id(), self.print, "Ada Byron"), "expire")
        lucky = self._add(single(self._next_id(), self.print, "Emi Sato"))
        twice = self._place("gbp")
        by_card = STORIES["paid_by_card"]
        told = [self._tell(by_card, body) for body in (late, sold_out, lucky, twice, twice)]
        goodwill = [self._give_back(self._place("gbp")) for _ in range(GOODWILL_ORDERS)]
        return [*told, *goodwill, self._pay_without_a_name(self._place("gbp"))]

    def _tell(self, story: Story, body: Body) -> Iterator[Events]:
        return self._from_now_on(
            lambda: story(self.stripe, Purchase(total_minor(body), body["currency"], body["id"]))
        )

    def _from_now_on(self, begin: Callable[[], Iterator[Events]]) -> Iterator[Events]:
        """A story that keeps its own time: the demo's moment is a moment for every order."""
        own_now = self._now
        story = begin()
        while True:
            self.stripe.now = own_now
            events = next(story, None)
            own_now = self.stripe.now
            if events is None:
                return
            yield events

    def _give_back(self, body: Body) -> Iterator[Events]:
        payment, events = self._pay(body, body["id"])
        amount_minor = max(10, total_minor(body) // 40 * 10)
        self.goodwill.append(Goodwill(body["id"], amount_minor, payment))
        return iter(events)

    def _pay_without_a_name(self, body: Body) -> Iterator[Events]:
        """A payment that does not say for which order it is; the shop links it later."""
        payment, events = self._pay(body, None)
        assert payment.intent_id is not None, "the newest API version has payment intents"
        self.unlinked.append((body["id"], payment.intent_id))
        return iter(events)

    def _pay(self, body: Body, order_id: str | None) -> tuple[Payment, list[Events]]:
        self.stripe.now = self._now
        payment, started = self.stripe.create_payment(
            total_minor(body), body["currency"], order_id=order_id
        )
        return payment, [started, self.stripe.pay_by_card(payment)]

    def _place(self, currency: str, then: str = "") -> Body:
        return self._add(basket(self.random, self._next_id(), currency), then)

    def _add(self, body: Body, then: str = "") -> Body:
        self.orders.append(Placed(body, then))
        return body

    def _next_id(self) -> str:
        return f"D{self._run}-{len(self.orders) + 1:02d}"
