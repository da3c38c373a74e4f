"""The simulated Stripe's subscriptions: begun, billed, changed, discounted, not paid, ended."""

from collections.abc import Sequence

from simulator.billing import Applied, Coupon, Discount, PromotionCode, Subscription
from simulator.goods import Goods, Price
from simulator.invoices import Invoices
from simulator.objects import Customer
from simulator.sent import Events, SimulatedEvent
from simulator.versions import Shape


class Subscriptions(Invoices):
    """What customers and the shop do with subscriptions, and what their periods bring."""

    def tell_price(self, price: Price) -> Events:
        """A price's own event, with its tiers."""
        self._act()
        kind = "price" if self.billing.has_prices else "plan"
        return [self.emit(f"{kind}.updated", self.billing.price(price))]

    def subscribe(
        self,
        customer: Customer,
        goods: Goods,
        *,
        currency: str | None = None,
        trial_seconds: int = 0,
        pays: bool = True,
    ) -> tuple[Subscription, Events]:
        """A customer begins: with a trial, or with a first invoice that he `pays` or does not.

        In the currency of the prices where no other is named. Before 2019-03-14 a subscription did
        not wait for its first payment.
        """
        subscription = self._new_subscription(customer, goods, currency, trial_seconds)
        if trial_seconds:
            return subscription, [self._subscription_event("created", subscription)]
        waits = self.billing.waits_for_first_payment
        subscription.status = "incomplete" if waits else "active"
        created = self._subscription_event("created", subscription)
        if not pays:
            return subscription, [created, *self._fail(self._new_invoice(subscription))]
        billed = self._collect(self._new_invoice(subscription))
        if not waits:
            return subscription, [created, *billed]
        return subscription, [created, *billed, self._becomes(subscription, "active")]

    def give_up_first_payment(self, subscription: Subscription) -> Events:
        """The first invoice was not paid within a day: it is as if nothing had begun."""
        self._act()
        subscription.ended_at = self.now
        return [self._becomes(subscription, "incomplete_expired")]

    def end_trial(self, subscription: Subscription, *, pays: bool = True) -> Events:
        """The trial is over: the first period begins, or, without a card, a pause."""
        self._wait_for(subscription.trial_end)
        if not pays:
            paused = self._becomes(subscription, "paused", verb="paused")
            return [paused]
        return [*self._renew(subscription), self._becomes(subscription, "active")]

    def renew(self, subscription: Subscription) -> Events:
        """The period is over: another one is billed and paid, or it was the last one."""
        self._wait_for(subscription.period_end)
        if subscription.cancel_at_period_end:
            return self._end(subscription)
        billed = self._renew(subscription)
        return [*billed, self._updated(subscription, {"current_period_end": self.now})]

    def miss_payment(self, subscription: Subscription) -> Events:
        """The period is over, and the card for the next one is declined."""
        self._wait_for(subscription.period_end)
        self._begin_period(subscription)
        failed = self._fail(self._new_invoice(subscription))
        return [*failed, self._becomes(subscription, "past_due")]

    def recover(self, subscription: Subscription) -> Events:
        """Another try to collect what is past due succeeds."""
        self._act()
        paid = self._collect(subscription.invoices[-1])
        return [*paid, self._becomes(subscription, "active")]

    def stop_trying(self, subscription: Subscription) -> Events:
        """Stripe tried often enough; the shop lets the subscription go on unpaid."""
        self._act()
        written_off = self._write_off(subscription.invoices[-1])
        return [*written_off, self._becomes(subscription, "unpaid")]

    def change_items(self, subscription: Subscription, goods: Goods) -> Events:
        """An upgrade or a downgrade, from now on."""
        self._act()
        before = [item.price.id for item in subscription.items]
        subscription.items = self._new_items(goods)
        return [self._updated(subscription, {"items": before})]

    def cancel_later(self, subscription: Subscription, *, really: bool = True) -> Events:
        """The customer wants no other period, or (not `really`) thinks again."""
        self._act()
        subscription.cancel_at_period_end = really
        subscription.canceled_at = self.now if really else None
        return [self._updated(subscription, {"cancel_at_period_end": not really})]

    def cancel_on(self, subscription: Subscription, day: int | None) -> Events:
        """The customer wants to go on until a day (seconds since 1970), or for good."""
        self._act()
        subscription.cancel_at = day
        subscription.canceled_at = None if day is None else self.now
        return [self._updated(subscription, {"cancel_at": None})]

    def pause_collection(self, subscription: Subscription, behavior: str | None) -> Events:
        """The shop stops asking for money, or (without a `behavior`) asks for it again."""
        self._act()
        before, subscription.paused = subscription.paused, behavior
        return [self._updated(subscription, {"pause_collection": before})]

    def cancel(self, subscription: Subscription) -> Events:
        """Over, at once."""
        self._act()
        return self._end(subscription)

    def create_coupon(
        self,
        duration: str,
        currency: str,
        *,
        percent_off: int | None = None,
        amount_off_minor: int | None = None,
    ) -> tuple[Coupon, Events]:
        """The shop makes a coupon."""
        coupon = Coupon(
            self._ids.chance(8), self._act(), duration, percent_off, amount_off_minor, currency
        )
        self._keep("coupon", coupon)
        return coupon, [self.emit("coupon.created", self.billing.coupon(coupon))]

    def create_promotion_code(self, coupon: Coupon, code: str) -> tuple[PromotionCode, Events]:
        """The shop gives a coupon a word that customers can enter."""
        promotion = PromotionCode(self._own_ids.new("promo"), self._act(), coupon, code)
        self._keep("promotion_code", promotion)
        shape = self.billing.promotion_code(promotion)
        return promotion, [self.emit("promotion_code.created", shape)]

    def apply_coupon(self, subscription: Subscription, coupon: Coupon) -> Events:
        """A subscription gets a coupon's discount, in the place of one that it had."""
        now = self._act()
        subscription.discount = Discount(self._ids.new("di"), coupon, now)
        applied = Applied(subscription.discount, subscription.customer, subscription)
        self._keep("discount", applied)
        shape = self.billing.discount(subscription.discount, subscription.customer, subscription)
        given = self.emit("customer.discount.created", shape)
        return [given, self._updated(subscription, {"discount": None})]

    def apply_coupon_to_customer(
        self, customer: Customer, coupon: Coupon, subscriptions: Sequence[Subscription]
    ) -> tuple[Discount, Events]:
        """A customer gets a discount on all that he has, and his subscriptions do not say so."""
        discount = Discount(self._ids.new("di"), coupon, self._act())
        if self.memory is not None:
            self.memory.discounts_of_customers[customer.id] = Applied(discount, customer)
        for subscription in subscriptions:
            subscription.discount_of_customer = discount
        shape = self.billing.discount(discount, customer)
        return discount, [self.emit("customer.discount.created", shape)]

    def end_discount_of_customer(
        self, customer: Customer, discount: Discount, subscriptions: Sequence[Subscription]
    ) -> Events:
        """That is over."""
        self._act()
        if self.memory is not None:
            self.memory.discounts_of_customers.pop(customer.id, None)
        for subscription in subscriptions:
            subscription.discount_of_customer = None
        shape = self.billing.discount(discount, customer)
        return [self.emit("customer.discount.deleted", shape)]

    def end_discount(self, subscription: Subscription) -> Events:
        """The discount is taken away."""
        self._act()
        assert subscription.discount is not None, "there is no discount to end"
        shape = self.billing.discount(subscription.discount, subscription.customer, subscription)
        subscription.discount = None
        ended = self.emit("customer.discount.deleted", shape)
        return [ended, self._updated(subscription, {"discount": shape})]

    def _new_subscription(
        self, customer: Customer, goods: Goods, currency: str | None, trial_seconds: int
    ) -> Subscription:
        now = self._act()
        items = self._new_items(goods)
        first = trial_seconds or items[0].price.period_seconds
        subscription = Subscription(
            id=self._ids.new("sub"),
            created=now,
            customer=customer,
            currency=currency or items[0].price.currency,
            items=items,
            status="trialing",
            period_start=now,
            period_end=now + first,
            trial_end=now + trial_seconds if trial_seconds else None,
        )
        self._keep("subscription", subscription)
        return subscription

    def _wait_for(self, moment: int | None) -> None:
        self.advance(max(0, (moment or 0) - self.now))
        self._act()

    def _begin_period(self, subscription: Subscription) -> None:
        subscription.period_start = self.now
        subscription.period_end = self.now + subscription.items[0].price.period_seconds

    def _renew(self, subscription: Subscription) -> Events:
        self._begin_period(subscription)
        return self._collect(self._new_invoice(subscription))

    def _end(self, subscription: Subscription) -> Events:
        subscription.status, subscription.ended_at = "canceled", self.now
        subscription.canceled_at = subscription.canceled_at or self.now
        return [self._subscription_event("deleted", subscription)]

    def _becomes(
        self, subscription: Subscription, status: str, *, verb: str = "updated"
    ) -> SimulatedEvent:
        previous, subscription.status = subscription.status, status
        return self._subscription_event(verb, subscription, {"status": previous})

    def _updated(self, subscription: Subscription, previous: Shape) -> SimulatedEvent:
        return self._subscription_event("updated", subscription, previous)

    def _subscription_event(
        self, verb: str, subscription: Subscription, previous: Shape | None = None
    ) -> SimulatedEvent:
        shape = self.billing.subscription(subscription)
        return self.emit(f"customer.subscription.{verb}", shape, previous=previous)
