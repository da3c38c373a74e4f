"""Outcomes of orders: what customer, shop and bank made of each, over hours and weeks.

A refund of goods that were sent out comes a week later or more: the shop must have sent them before
it hears of it, and it hears of a whole week at once.
"""

from collections.abc import Callable
from random import Random
from typing import Final

from app.demo.timeline import Kind, Timeline, time_of
from ledger.domain.money import step_minor
from ledger.domain.order_commands import (
    CancelOrder,
    ExpireOrder,
    FulfilOrder,
    PlaceOrder,
    ReallocateOrder,
    ReturnLines,
)
from simulator import CHECKOUT_STORIES, STORIES, Purchase, SimulatedStripe, Story
from simulator.goods import DAY
from simulator.objects import Dispute, Payment, Refund

HOUR: Final = 3600


class Sale:
    """An order, and what can be done about it; time passes with `wait` and a little by itself."""

    def __init__(
        self, stripe: SimulatedStripe, timeline: Timeline, order: PlaceOrder, total_minor: int
    ) -> None:
        self.order = order
        self.total_minor = total_minor
        self.random = Random(f"sale {order.order_id}")  # noqa: S311 - a play, not a secret
        self._stripe = stripe
        self._timeline = timeline
        stripe.now = int(order.at.timestamp())
        timeline.do(order)

    @property
    def part_minor(self) -> int:
        """About a fifth of it."""
        step = step_minor(self.order.currency)
        return max(step, self.total_minor // (5 * step) * step)

    def wait(self, hours: int) -> None:
        """Hours pass, more or less."""
        self._stripe.advance(hours * HOUR + self.random.randrange(HOUR))

    def begin(self) -> Payment:
        """The customer is about to pay."""
        payment, events = self._stripe.create_payment(
            self.total_minor, self.order.currency, order_id=self.order.order_id
        )
        self._timeline.report(events)
        return payment

    def pay(self) -> Payment:
        """The customer pays by card."""
        payment = self.begin()
        self._stripe.advance(self.random.randrange(20, 200))
        self._timeline.report(self._stripe.pay_by_card(payment))
        return payment

    def pay_on_the_page(self) -> None:
        """The customer pays on Stripe's page."""
        session, events = self._stripe.open_checkout(
            self.total_minor, self.order.currency, order_id=self.order.order_id
        )
        self._timeline.report(events)
        self._stripe.advance(self.random.randrange(60, 400))
        self._timeline.report(self._stripe.complete_checkout(session))

    def pay_after_declines(self, codes: tuple[str, ...]) -> None:
        """One card after the other is declined, the last one is not."""
        payment = self.begin()
        for code in codes:
            self._timeline.report(self._stripe.decline(payment, code))
        self._timeline.report(self._stripe.pay_by_card(payment))

    def give_up(self) -> None:
        """The card is declined, and that was it."""
        payment = self.begin()
        self._timeline.report(self._stripe.decline(payment, "insufficient_funds"))
        self._stripe.advance(HOUR // 4)
        self._timeline.report(self._stripe.cancel_payment(payment))

    def start_debit(self) -> Payment:
        """The customer's bank is asked for the money."""
        payment = self.begin()
        self._timeline.report(self._stripe.start_bank_debit(payment))
        return payment

    def settle(self, payment: Payment) -> None:
        """The customer's bank has paid, a day later."""
        self.wait(20)
        self._timeline.report(self._stripe.settle(payment))

    def tell(self, story: Story) -> None:
        """All that a story of the simulator tells, an hour between its steps."""
        order = self.order
        purchase = Purchase(self.total_minor, order.currency, order.order_id)
        for events in story(self._stripe, purchase):
            self._timeline.report(events)
            self.wait(1)

    def refund(self, payment: Payment, amount_minor: int | None = None) -> Refund:
        """The shop gives money back, all that is left unless an amount is named."""
        refund, events = self._stripe.refund(payment, amount_minor)
        self._timeline.report(events)
        return refund

    def bounce(self, refund: Refund) -> None:
        """A refund comes back from the customer's bank."""
        self._timeline.report(self._stripe.fail_refund(refund))

    def dispute(self, payment: Payment, reason: str) -> Dispute:
        """The customer's bank takes the money back, for now."""
        dispute, events = self._stripe.open_dispute(payment, reason=reason)
        self._timeline.report(events)
        return dispute

    def win(self, dispute: Dispute) -> None:
        """The shop answers, and the bank agrees with it."""
        self._timeline.report(self._stripe.answer_dispute(dispute))
        self.wait(18 * 24)
        self._timeline.report(self._stripe.win_dispute(dispute))

    def lose(self, dispute: Dispute) -> None:
        """The shop did not answer in time."""
        self._stripe.advance(9 * DAY)
        self._timeline.report(self._stripe.lose_dispute(dispute))

    def expire(self) -> None:
        """The reservation is over."""
        due = int(self.order.expires_at.timestamp())
        self._stripe.advance(max(0, due - self._stripe.now))
        self.answer(ExpireOrder)

    def answer(self, kind: Kind) -> None:
        """The shop does what the money, or the want of it, calls for."""
        self._stripe.advance(self.random.randrange(10, 60))
        self._timeline.answer(kind, self.order.order_id, self._stripe.now)

    def send_out(self) -> None:
        """The goods leave a day or so later."""
        self.wait(self.random.randrange(14, 40))
        self.answer(FulfilOrder)

    def take_back(self) -> int:
        """A unit comes back; answers what was paid for it."""
        line, order = self.order.lines[0], self.order
        units = {line.sku: 1}
        at = time_of(self._stripe.now)
        self._timeline.do(ReturnLines(order_id=order.order_id, at=at, quantities=units))
        goods_minor = sum(each.quantity * each.unit_minor for each in order.lines)
        step = step_minor(order.currency)
        paid_minor = line.unit_minor * (goods_minor - order.discount_minor) // goods_minor
        return paid_minor // step * step


OrderOutcome = Callable[[Sale], None]


def _arrived(sale: Sale) -> Payment:
    """Paid, sent out, and with the customer for a while."""
    payment = sale.pay()
    sale.send_out()
    sale.wait(sale.random.randrange(8, 12) * 24)
    return payment


def kept(sale: Sale) -> None:
    """Most orders."""
    sale.pay()
    sale.send_out()


def kept_by_page(sale: Sale) -> None:
    """Paid on Stripe's page."""
    sale.pay_on_the_page()
    sale.send_out()


def third_card(sale: Sale) -> None:
    """Two cards are declined."""
    sale.pay_after_declines(("card_declined", "expired_card"))
    sale.send_out()


def left(sale: Sale) -> None:
    """Never paid."""
    sale.expire()


def gave_up(sale: Sale) -> None:
    """Declined, and never paid."""
    sale.give_up()
    sale.expire()


def called_off(sale: Sale) -> None:
    """Canceled before it was paid."""
    sale.answer(CancelOrder)


def thought_again(sale: Sale) -> None:
    """Paid, and canceled before anything was sent."""
    payment = sale.pay()
    sale.wait(5)
    sale.refund(payment)
    sale.answer(CancelOrder)


def complained(sale: Sale) -> None:
    """A part of the money goes back."""
    sale.refund(_arrived(sale), sale.part_minor)


def broken(sale: Sale) -> None:
    """All of the money goes back; the goods are lost."""
    sale.refund(_arrived(sale))


def sent_back(sale: Sale) -> None:
    """A unit comes back, and the money for it goes back."""
    payment = _arrived(sale)
    amount_minor = sale.take_back()
    sale.wait(20)
    sale.refund(payment, amount_minor)


def refund_bounced(sale: Sale) -> None:
    """A refund fails after it had succeeded; another one gets there."""
    payment = _arrived(sale)
    refund = sale.refund(payment, sale.part_minor)
    sale.wait(4 * 24)
    sale.bounce(refund)
    sale.wait(24)
    sale.refund(payment, sale.part_minor)


def refunded_weeks_later(sale: Sale) -> None:
    """The money goes back in another month than it came."""
    payment = _arrived(sale)
    sale.wait(25 * 24)
    sale.refund(payment)


def paid_late(sale: Sale) -> None:
    """Expired before the customer paid; the goods are still there when the money comes."""
    sale.expire()
    sale.wait(8 * 24)
    sale.pay()
    sale.answer(ReallocateOrder)
    sale.send_out()


def paid_by_debit(sale: Sale) -> None:
    """The bank takes days; until then the goods are kept."""
    sale.settle(sale.start_debit())
    sale.send_out()


def told(name: str) -> OrderOutcome:
    """What a story of the simulator tells, of an order that is sent out when it is paid."""

    def outcome(sale: Sale) -> None:
        sale.tell((STORIES | CHECKOUT_STORIES)[name])
        sale.send_out()

    return outcome


def dispute_won(sale: Sale) -> None:
    """Disputed, answered, won."""
    payment = _arrived(sale)
    sale.win(sale.dispute(payment, "product_not_received"))


def dispute_lost(sale: Sale) -> None:
    """Disputed, and not answered in time."""
    sale.lose(sale.dispute(_arrived(sale), "fraudulent"))


COMMON: Final[dict[OrderOutcome, int]] = {
    kept: 132,
    kept_by_page: 40,
    paid_by_debit: 4,
    third_card: 5,
    left: 9,
    gave_up: 7,
    called_off: 3,
    thought_again: 3,
    complained: 5,
    sent_back: 8,
    broken: 2,
}
"""How often an order has each of these outcomes."""

UNPAID: Final = frozenset((left, gave_up, called_off))
"""Outcomes of orders that bring nothing."""

RARE: Final[tuple[tuple[int, OrderOutcome], ...]] = (
    (86, told("captured")),
    (82, dispute_won),
    (78, told("inquiry_closed")),
    (74, paid_late),
    (67, refund_bounced),
    (61, dispute_lost),
    (57, told("checkout_paid_later")),
    (54, refunded_weeks_later),
    (47, dispute_won),
    (43, told("inquiry_escalated")),
    (38, paid_late),
    (33, refund_bounced),
    (29, told("captured")),
    (26, dispute_lost),
    (16, dispute_lost),  # opened, and not over yet
)
"""Outcomes of single orders, the first of so many days ago or later."""
