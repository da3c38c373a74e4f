"""The demo's script: orders, what becomes of them at Stripe, and in which order that arrives."""

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Final

from msgspec import Struct

from app.demo.booked import BookedStripe
from app.demo.shop import Body, basket, edition, single, total_minor, wishes
from simulator import CHECKOUT_STORIES, STORIES, Events, Purchase, Story, deliver
from simulator.objects import Payment

CAST: Final = {
    "paid_by_card": 4,
    "paid_at_the_third_try": 1,
    "captured": 1,
    "refunded_in_parts": 1,
    "checkout_paid": 2,
}
"""How many orders each story of the simulator is told about: such as take a customer minutes."""

CURRENCIES: Final = ("gbp", "gbp", "gbp", "usd")
ABANDONED: Final = ("cancel", "expire")


class HurriedStripe(BookedStripe):
    """A Stripe where every action takes a second: the demo's shop is watched, not waited for."""

    def advance(self, seconds: int) -> None:
        """Let a second pass, however long the story would wait."""
        super().advance(min(seconds, 1))

    def _act(self) -> int:
        self.now += 1
        return self.now


Telling = Callable[[], Iterator[Events]]
"""A story that has not begun."""


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
    """Everything that will happen; the same for the same `run` and times (seconds since 1970).

    `run` makes the ids of a second run on the same data others than those of the first. First come
    `orders` and `wishes`, then what Stripe sends from a moment on: `send`.
    """

    def __init__(self, run: int) -> None:
        self.random = Random(f"demo {run}")  # noqa: S311 - a play, not a secret
        self.stripe = HurriedStripe(f"demo {run}")
        self.print = edition(run)
        self.orders: list[Placed] = []
        self.goodwill: list[Goodwill] = []
        self.unlinked: list[tuple[str, str]] = []
        self._run = run
        self._stories = [*self._told(), *self._special()]
        self.wishes = wishes(self.random)

    def send(self, now: int) -> Events:
        """What Stripe delivers, in the order in which it arrives, late and twice at times.

        Nothing happens before `now`, and every story in a few seconds after it.
        """
        tellers = [self._from(now, story) for story in self._stories]
        events = Events()
        while tellers:
            index = self.random.randrange(len(tellers))
            step = next(tellers[index], None)
            if step is None:
                tellers.pop(index)
            else:
                events += step
        self.stripe.now = now
        events += self.stripe.do_something_new()
        return deliver(events, self.random)

    def send_goodwill(self, now: int) -> Iterator[Events]:
        """What Stripe sends when the shop gives money back."""
        for given in self.goodwill:
            self.stripe.now = now - 1
            yield self.stripe.refund(given.payment, given.amount_minor)[1]

    def _from(self, now: int, story: Telling) -> Iterator[Events]:
        """A story that keeps its own time: the demo's moment is a moment for every order."""
        own_now = now - 1
        telling = story()
        while True:
            self.stripe.now = own_now
            events = next(telling, None)
            own_now = self.stripe.now
            if events is None:
                return
            yield events

    def _told(self) -> Iterator[Telling]:
        """Orders with a story of the simulator, and those that are given up."""
        names = [name for name, count in CAST.items() for _ in range(count)]
        for name in names:
            body = self._place(self.random.choice(CURRENCIES))
            yield self._tell((STORIES | CHECKOUT_STORIES)[name], body)
        for then in ABANDONED:
            self._place("gbp", then)

    def _special(self) -> Iterator[Telling]:
        """What no story of the simulator tells, because the shop has a part in it."""
        late = self._place("gbp", "expire")
        sold_out = self._add(single(self._next_id(), self.print, "Ada Byron"), "expire")
        lucky = self._add(single(self._next_id(), self.print, "Emi Sato"))
        twice = self._place("gbp")
        by_card = STORIES["paid_by_card"]
        yield from (self._tell(by_card, body) for body in (late, sold_out, lucky, twice, twice))
        yield partial(self._give_back, self._place("gbp"))
        yield partial(self._pay_without_a_name, self._place("gbp"))

    def _tell(self, story: Story, body: Body) -> Telling:
        purchase = Purchase(total_minor(body), body["currency"], body["id"])
        return partial(story, self.stripe, purchase)

    def _give_back(self, body: Body) -> Iterator[Events]:
        payment, events = self._pay(body, body["id"])
        amount_minor = max(10, total_minor(body) // 40 * 10)
        self.goodwill.append(Goodwill(body["id"], amount_minor, payment))
        yield from events

    def _pay_without_a_name(self, body: Body) -> Iterator[Events]:
        """A payment that does not say for which order it is; the shop links it later."""
        payment, events = self._pay(body, None)
        assert payment.intent_id is not None, "the newest API version has payment intents"
        self.unlinked.append((body["id"], payment.intent_id))
        yield from events

    def _pay(self, body: Body, order_id: str | None) -> tuple[Payment, list[Events]]:
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
