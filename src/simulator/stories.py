"""Whole payments from start to end, as generators that can be played side by side."""

from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

from msgspec import Struct

from simulator.objects import Payment
from simulator.sent import Events
from simulator.stripe import SimulatedStripe

Thing = TypeVar("Thing")
_A_WHILE = 600  # seconds; a year of a busy shop is about a million events


class Purchase(Struct, frozen=True):
    """What a story is about; without an `order_id` nothing links its payment to an order."""

    amount_minor: int
    currency: str
    order_id: str | None = None

    @property
    def part_minor(self) -> int:
        """About a third, in tens, so that every currency allows it."""
        return max(10, self.amount_minor // 30 * 10)


Story = Callable[[SimulatedStripe, Purchase], Iterator[Events]]
"""Each step of a story is the events of one moment; other stories may go on in between."""

STORIES: dict[str, Story] = {}
CHECKOUT_STORIES: dict[str, Story] = {}


def told_in(stories: dict[str, Story]) -> Callable[[Story], Story]:
    """Add a story to a collection, under its function's name."""

    def add(story: Story) -> Story:
        stories[story.__name__] = story
        return story

    return add


def stories_for(stripe: SimulatedStripe) -> dict[str, Story]:
    """The stories that this API version can tell: the payment page needs payment intents."""
    return STORIES | CHECKOUT_STORIES if stripe.layout.has_intents else STORIES


def reported(made: tuple[Thing, Events]) -> Generator[Events, None, Thing]:
    """Report what was made, and hand it on."""
    thing, events = made
    yield events
    return thing


def _started(
    stripe: SimulatedStripe, purchase: Purchase, *, manual_capture: bool = False
) -> Generator[Events, None, Payment]:
    payment = stripe.create_payment(
        purchase.amount_minor,
        purchase.currency,
        order_id=purchase.order_id,
        manual_capture=manual_capture,
    )
    return (yield from reported(payment))


def _paid(stripe: SimulatedStripe, purchase: Purchase) -> Generator[Events, None, Payment]:
    payment = yield from _started(stripe, purchase)
    yield stripe.pay_by_card(payment)
    return payment


def _held(stripe: SimulatedStripe, purchase: Purchase) -> Generator[Events, None, Payment]:
    payment = yield from _started(stripe, purchase, manual_capture=True)
    yield stripe.authorize(payment)
    return payment


@told_in(STORIES)
def paid_by_card(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Most payments."""
    yield from _paid(stripe, purchase)


@told_in(STORIES)
def paid_at_the_third_try(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Two cards are declined, the third is not."""
    payment = yield from _started(stripe, purchase)
    yield stripe.decline(payment)
    yield stripe.decline(payment, "expired_card")
    yield stripe.pay_by_card(payment)


@told_in(STORIES)
def given_up(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """The card is declined, and the shop cancels the payment."""
    payment = yield from _started(stripe, purchase)
    yield stripe.decline(payment)
    yield stripe.cancel_payment(payment)


@told_in(STORIES)
def captured(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Authorised first, taken when the goods leave."""
    payment = yield from _held(stripe, purchase)
    yield stripe.capture(payment)


@told_in(STORIES)
def captured_in_part(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Authorised, taken in part; then all that was taken goes back."""
    payment = yield from _held(stripe, purchase)
    yield stripe.capture(payment, purchase.part_minor)
    yield stripe.refund(payment)[1]


@told_in(STORIES)
def hold_expired(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Authorised, and never captured."""
    payment = yield from _held(stripe, purchase)
    stripe.advance(_A_WHILE)
    yield stripe.expire_hold(payment)


@told_in(STORIES)
def hold_let_go(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Authorised, and canceled by the shop."""
    payment = yield from _held(stripe, purchase)
    yield stripe.cancel_payment(payment)


@told_in(STORIES)
def paid_by_debit(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """A bank debit that arrives, and a refund of it that is called off."""
    payment = yield from _started(stripe, purchase)
    yield stripe.start_bank_debit(payment)
    yield stripe.settle(payment)
    refund = yield from reported(stripe.refund(payment, purchase.part_minor, status="pending"))
    yield stripe.cancel_refund(refund)


@told_in(STORIES)
def debit_refused(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """A bank debit that does not arrive; the customer pays by card instead."""
    payment = yield from _started(stripe, purchase)
    yield stripe.start_bank_debit(payment)
    yield stripe.bounce(payment)
    yield stripe.pay_by_card(payment)


@told_in(STORIES)
def debit_reversed(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """A bank debit that arrives and is taken back."""
    payment = yield from _started(stripe, purchase)
    yield stripe.start_bank_debit(payment)
    yield stripe.settle(payment)
    yield stripe.bounce(payment, "debit_not_authorized")


@told_in(STORIES)
def refunded_in_parts(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Two refunds: one at once, the rest after a while."""
    payment = yield from _paid(stripe, purchase)
    yield stripe.refund(payment, purchase.part_minor)[1]
    refund = yield from reported(stripe.refund(payment, status="pending"))
    yield stripe.settle_refund(refund)


@told_in(STORIES)
def refund_failed(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """A refund succeeds and comes back later; a second one stays."""
    payment = yield from _paid(stripe, purchase)
    refund = yield from reported(stripe.refund(payment, purchase.part_minor))
    stripe.advance(_A_WHILE)
    yield stripe.fail_refund(refund)
    yield stripe.refund(payment, purchase.part_minor)[1]


@told_in(STORIES)
def dispute_won(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """A dispute, answered and won."""
    payment = yield from _paid(stripe, purchase)
    dispute = yield from reported(stripe.open_dispute(payment))
    yield stripe.answer_dispute(dispute)
    stripe.advance(_A_WHILE)
    yield stripe.win_dispute(dispute)


@told_in(STORIES)
def dispute_lost(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """A warning of fraud, then a dispute about a part, never answered."""
    payment = yield from _paid(stripe, purchase)
    yield stripe.warn_of_fraud(payment)
    dispute = yield from reported(stripe.open_dispute(payment, purchase.part_minor))
    stripe.advance(_A_WHILE)
    yield stripe.lose_dispute(dispute)


@told_in(STORIES)
def dispute_lost_in_part(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """The account is in another currency; a third comes back, and the dispute is lost."""
    payment = yield from _paid(stripe, purchase)
    dispute = yield from reported(stripe.open_dispute(payment, inquiry=True))
    yield stripe.move_abroad(dispute, -_abroad(purchase), "sek")
    stripe.advance(_A_WHILE)
    yield stripe.move_abroad(dispute, _abroad(purchase) // 3, "sek")
    yield stripe.lose_dispute(dispute)


@told_in(STORIES)
def dispute_to_and_fro(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Withdrawn in another currency, back at another rate, withdrawn and back again; won."""
    payment = yield from _paid(stripe, purchase)
    dispute = yield from reported(stripe.open_dispute(payment, inquiry=True))
    abroad = _abroad(purchase)
    for minor in (-abroad, abroad - abroad // 50, -abroad, abroad + abroad // 50):
        yield stripe.move_abroad(dispute, minor, "sek")
        stripe.advance(_A_WHILE)
    yield stripe.close_won(dispute)


def _abroad(purchase: Purchase) -> int:
    """What it is in the account's currency, about."""
    return purchase.amount_minor * 11 + 7


@told_in(STORIES)
def inquiry_closed(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """The bank only asks."""
    payment = yield from _paid(stripe, purchase)
    inquiry = yield from reported(stripe.open_dispute(payment, reason="general", inquiry=True))
    yield stripe.answer_dispute(inquiry)
    yield stripe.close_inquiry(inquiry)


@told_in(STORIES)
def inquiry_escalated(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """The bank asks, then disputes; the shop loses."""
    payment = yield from _paid(stripe, purchase)
    inquiry = yield from reported(stripe.open_dispute(payment, reason="general", inquiry=True))
    yield stripe.escalate_inquiry(inquiry)
    yield stripe.lose_dispute(inquiry)


@told_in(STORIES)
def inquiry_refunded(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """The bank asks, and the shop refunds."""
    payment = yield from _paid(stripe, purchase)
    inquiry = yield from reported(stripe.open_dispute(payment, reason="general", inquiry=True))
    yield stripe.refund(payment)[1]
    yield stripe.drop_dispute(inquiry)


@told_in(STORIES)
def much_trouble(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """One payment with a failed, a canceled and a good refund, and a dispute about the rest."""
    payment = yield from _started(stripe, purchase)
    yield stripe.decline(payment)
    yield stripe.pay_by_card(payment)
    failing = yield from reported(stripe.refund(payment, purchase.part_minor, status="pending"))
    canceled = yield from reported(
        stripe.refund(payment, purchase.part_minor, status="requires_action")
    )
    yield stripe.fail_refund(failing, "declined")
    yield stripe.cancel_refund(canceled)
    yield stripe.refund(payment, purchase.part_minor, reason="duplicate")[1]
    dispute = yield from reported(stripe.open_dispute(payment, payment.charge.refundable_minor))
    yield stripe.win_dispute(dispute)


@told_in(CHECKOUT_STORIES)
def checkout_paid(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Paid by card on Stripe's page; only the session's metadata names the order."""
    session = yield from reported(
        stripe.open_checkout(purchase.amount_minor, purchase.currency, order_id=purchase.order_id)
    )
    yield stripe.complete_checkout(session)


@told_in(CHECKOUT_STORIES)
def checkout_paid_later(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Paid by bank debit on Stripe's page; the session's reference names the order."""
    session = yield from reported(
        stripe.open_checkout(purchase.amount_minor, purchase.currency, reference=purchase.order_id)
    )
    yield stripe.complete_checkout(session, bank_debit=True)
    assert session.payment is not None
    stripe.advance(_A_WHILE)
    yield stripe.settle(session.payment)


@told_in(CHECKOUT_STORIES)
def checkout_refused_later(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """Completed on Stripe's page, and the bank refuses later."""
    session = yield from reported(
        stripe.open_checkout(purchase.amount_minor, purchase.currency, reference=purchase.order_id)
    )
    yield stripe.complete_checkout(session, bank_debit=True)
    assert session.payment is not None
    stripe.advance(_A_WHILE)
    yield stripe.bounce(session.payment)


@told_in(CHECKOUT_STORIES)
def checkout_expired(stripe: SimulatedStripe, purchase: Purchase) -> Iterator[Events]:
    """The customer did not complete Stripe's page."""
    session = yield from reported(
        stripe.open_checkout(purchase.amount_minor, purchase.currency, order_id=purchase.order_id)
    )
    yield stripe.expire_checkout(session)
