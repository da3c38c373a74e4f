"""Single payments of a shop with a past, and what becomes of them later.

Whatever moves money is told to the books right after the simulator did it; its time is the
simulator's `now`, when the balance transaction was made.
"""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import TypedDict

from msgspec import Struct

from simulator.billing import Invoice, Payout
from simulator.goods import DAY, Price
from simulator.objects import Customer, Dispute, Payment, Refund
from simulator.past.agenda import Agenda, Plan
from simulator.past.truth import Books
from simulator.stripe import SimulatedStripe

_GUESTS_PERCENT = 20
_NEW_PERCENT = 45
_WITH_ORDER_ID_PERCENT = 4
_REFUNDED_PERMILLE = 60
_DISPUTED_PERMILLE = 6
_ASKED_PERMILLE = 2
_LONG_PERMILLE = 15
_LONG = 40
_PIECES = 13
_PRICES_MINOR = {"jpy": (480, 980, 2400, 5200), "kwd": (1200, 3500, 8900, 21_750)}
_PLAIN_PRICES_MINOR = (490, 1290, 2990, 7900)
_NAMES = ("Ada", "Ben", "Cleo", "Dov", "Eva", "Finn", "Gita", "Hugo", "Ines", "Jun", "Kim", "Lea")


class Sale(Struct, frozen=True):
    """A payment that came in, with what the books need to take it back."""

    payment: Payment
    amount_minor: int
    at: int

    @property
    def currency(self) -> str:
        """The currency that was paid in."""
        return self.payment.currency


class Buyer(TypedDict):
    """Who buys, and for which order of the shop's own, if the shop says so."""

    order_id: str | None
    customer: Customer | None
    email: str


class Sales:
    """Sells once, and lets refunds, disputes and bounces follow on later days."""

    def __init__(
        self, stripe: SimulatedStripe, books: Books, agenda: Agenda, currencies: tuple[str, ...]
    ) -> None:
        self._stripe = stripe
        self._books = books
        self._agenda = agenda
        self._random: Random = stripe.random
        self._customers: list[Customer] = []
        self._orders = 0
        self._currencies = currencies
        self._prices = {currency: self._price_list(currency) for currency in currencies}
        self._ways: dict[Callable[[str], None], int] = {
            self._by_card: 38,
            self._on_page: 34,
            self._by_invoice: 8,
            self._by_debit: 6,
            self._held: 5,
            self._after_a_decline: 6,
            self._given_up: 2,
            self._page_expired: 1,
        }

    def sell(self) -> None:
        """Somebody buys something, or tries to."""
        way = self._random.choices(tuple(self._ways), tuple(self._ways.values()))[0]
        way(self.currency())

    def currency(self) -> str:
        """One of the shop's currencies; half of all sales are in the first one."""
        if self._random.randrange(2):
            return self._currencies[0]
        return self._random.choice(self._currencies)

    def customer(self) -> Customer:
        """A new customer, or one who was here before."""
        if not self._customers or self._random.randrange(100) < _NEW_PERCENT:
            name = self._random.choice(_NAMES)
            email = f"{name.lower()}.{len(self._customers) + 1}@example.com"
            customer, _ = self._stripe.create_customer(email, name)
            self._customers.append(customer)
            self._books.new_customer(customer.created)
        else:
            customer = self._random.choice(self._customers)
        return customer

    # ── Ways to pay ─────────────────────────────────────────────────────────────────────────────

    def _by_card(self, currency: str) -> None:
        payment = self._asked(currency)
        self._stripe.pay_by_card(payment)
        self.came_in(payment, payment.amount_minor)

    def _after_a_decline(self, currency: str) -> None:
        payment = self._asked(currency)
        self._stripe.decline(payment)
        self._stripe.pay_by_card(payment)
        self.came_in(payment, payment.amount_minor)

    def _given_up(self, currency: str) -> None:
        payment = self._asked(currency)
        self._stripe.decline(payment, "insufficient_funds")
        self._stripe.cancel_payment(payment)

    def _held(self, currency: str) -> None:
        """Authorised; captured on another day, whole or in part, or let go."""
        payment = self._asked(currency, manual_capture=True)
        self._stripe.authorize(payment)
        end = self._random.choice((self._capture, self._capture, self._capture_part, self._let_go))
        self._later(1, 5, partial(end, payment))

    def _capture(self, payment: Payment) -> None:
        self._stripe.capture(payment)
        self.came_in(payment, payment.amount_minor)

    def _capture_part(self, payment: Payment) -> None:
        part = payment.amount_minor // 20 * 10
        self._stripe.capture(payment, part)
        self.came_in(payment, part)

    def _let_go(self, payment: Payment) -> None:
        self._stripe.expire_hold(payment)

    def _by_debit(self, currency: str) -> None:
        """The bank pays or refuses days later, and now and then takes it back after that."""
        payment = self._asked(currency)
        self._stripe.start_bank_debit(payment)
        refused = self._random.randrange(10) == 0
        end = self._stripe.bounce if refused else self._settle
        self._later(3, 6, partial(end, payment))

    def _settle(self, payment: Payment) -> None:
        self._stripe.settle(payment)
        if self._random.randrange(20):
            self.came_in(payment, payment.amount_minor)
        else:
            sale = self._count(payment, payment.amount_minor)
            self._later(2, 30, partial(self._bounce, sale))

    def _bounce(self, sale: Sale) -> None:
        charge = sale.payment.charge
        self._stripe.bounce(sale.payment)
        self._books.bounced(
            sale.currency, sale.amount_minor, self._stripe.now, sale.at, charge.created
        )

    def _on_page(self, currency: str) -> None:
        goods = self._goods(currency)
        session, _ = self._stripe.open_checkout(
            _sum(goods, currency), currency, goods=goods, **self._buyer()
        )
        self._stripe.complete_checkout(session)
        assert session.payment is not None
        self.came_in(session.payment, session.total_minor)

    def _page_expired(self, currency: str) -> None:
        goods = self._goods(currency)
        session, _ = self._stripe.open_checkout(_sum(goods, currency), currency, goods=goods)
        self._stripe.expire_checkout(session)

    def _by_invoice(self, currency: str) -> None:
        """Billed once; most invoices are paid, a few are voided, some of a paid one is credited."""
        invoice, _ = self._stripe.bill(self.customer(), self._goods(currency), currency)
        if self._random.randrange(15) == 0:
            self._stripe.void_invoice(invoice)
            return
        self._stripe.pay_invoice(invoice)
        assert invoice.payment is not None
        sale = self._count(invoice.payment, invoice.due_minor)
        if self._random.randrange(20) == 0:
            part = max(10, sale.amount_minor // 40 * 10)
            self._later(1, 10, partial(self._credit, invoice, sale, part))

    def _credit(self, invoice: Invoice, sale: Sale, part: int) -> None:
        self._stripe.credit(invoice, part, "product_unsatisfactory")
        self._books.refunded(sale.currency, part, self._stripe.now)

    # ── What follows ────────────────────────────────────────────────────────────────────────────

    def came_in(self, payment: Payment, amount_minor: int) -> None:
        """Money came in just now, and some of it does not stay."""
        sale = self._count(payment, amount_minor)
        luck = self._random.randrange(1000)
        if luck < _REFUNDED_PERMILLE:
            self._later(1, 25, partial(self._refund, sale))
        elif luck < _REFUNDED_PERMILLE + _DISPUTED_PERMILLE:
            self._later(5, 60, partial(self._dispute, sale))
        elif luck < _REFUNDED_PERMILLE + _DISPUTED_PERMILLE + _ASKED_PERMILLE:
            self._later(5, 60, partial(self._ask, sale))

    def _count(self, payment: Payment, amount_minor: int) -> Sale:
        """Tell the books that a payment came in just now."""
        sale = Sale(payment, amount_minor, self._stripe.now)
        payer = payment.customer.id if payment.customer else str(payment.email)
        self._books.captured(
            sale.currency,
            amount_minor,
            sale.at,
            payment.charge.created,
            payer,
            held=payment.manual_capture,
        )
        return sale

    def _refund(self, sale: Sale, *, pending: bool = False) -> None:
        """All of it or a part, at once or pending; some fail after they had succeeded."""
        if self._random.randrange(40) == 0 and not pending:
            self._refund_in_pieces(sale)
            return
        part = max(10, sale.amount_minor // 30 * 10)
        amount = self._random.choice((sale.amount_minor, sale.amount_minor, part))
        pending = pending or self._random.randrange(15) == 0
        status = "pending" if pending else "succeeded"
        refund, _ = self._stripe.refund(sale.payment, amount, status=status)
        self._books.refunded(sale.currency, amount, self._stripe.now, pending=pending)
        if pending:
            self._later(2, 9, partial(self._settle_refund, refund))
        elif self._random.randrange(25) == 0:
            self._later(2, 20, partial(self._fail_refund, refund))

    def _refund_in_pieces(self, sale: Sale) -> None:
        """A little back again and again."""
        for _ in range(_PIECES):
            self._stripe.refund(sale.payment, sale.amount_minor // _PIECES // 10 * 10)
            self._books.refunded(
                sale.currency, sale.amount_minor // _PIECES // 10 * 10, self._stripe.now
            )

    def _settle_refund(self, refund: Refund) -> None:
        self._stripe.settle_refund(refund)
        self._books.refund_settled(
            refund.charge.payment.currency, refund.amount_minor, self._stripe.now, refund.created
        )

    def _fail_refund(self, refund: Refund) -> None:
        self._stripe.fail_refund(refund)
        self._books.refund_failed(
            refund.charge.payment.currency, refund.amount_minor, self._stripe.now, refund.created
        )

    def _dispute(self, sale: Sale) -> None:
        dispute, _ = self._stripe.open_dispute(sale.payment)
        self._books.disputed(sale.currency, sale.amount_minor, self._stripe.now)
        if self._random.randrange(2):
            self._later(1, 8, partial(self._stripe.answer_dispute, dispute))
        self._later(20, 70, partial(self._end_dispute, dispute))

    def _end_dispute(self, dispute: Dispute) -> None:
        won = dispute.answered and self._random.randrange(3) == 0
        end = self._stripe.win_dispute if won else self._stripe.lose_dispute
        end(dispute)
        self._books.dispute_ended(
            dispute.charge.payment.currency,
            dispute.amount_minor,
            self._stripe.now,
            dispute.created,
            won=won,
        )

    def _ask(self, sale: Sale) -> None:
        """An inquiry, which moves no money."""
        dispute, _ = self._stripe.open_dispute(sale.payment, inquiry=True)
        self._later(5, 30, partial(self._stripe.close_inquiry, dispute))

    def leave_open(self, currency: str) -> None:
        """What is not over at the end: a pending refund, a dispute, a debit under way."""
        for then in (partial(self._refund, pending=True), self._dispute):
            payment = self._asked(currency)
            self._stripe.pay_by_card(payment)
            then(self._count(payment, payment.amount_minor))
        self._stripe.start_bank_debit(self._asked(currency))

    # ── Payouts ─────────────────────────────────────────────────────────────────────────────────

    def pay_out(self, currency: str) -> None:
        """What is available goes to the bank; one in a hundred comes back after it was paid."""
        payout, _ = self._stripe.pay_out_available(currency)
        if payout is not None:
            self._books.paid_out(currency, payout.amount_minor, payout.created, payout.arrival_date)
            self._agenda.plan(payout.arrival_date, partial(self._arrive, payout))

    def _arrive(self, payout: Payout) -> None:
        self._stripe.finish_payout(payout)
        self._books.payout_paid(payout.currency, payout.amount_minor, payout.created)
        if self._random.randrange(100) == 0:
            self._later(1, 3, partial(self._fail_payout, payout))

    def _fail_payout(self, payout: Payout) -> None:
        self._stripe.fail_payout(payout)
        self._books.payout_paid(payout.currency, payout.amount_minor, payout.created, count=-1)
        self._books.payout_failed(payout.currency, payout.amount_minor, self._stripe.now)

    # ── Details ─────────────────────────────────────────────────────────────────────────────────

    def _asked(self, currency: str, *, manual_capture: bool = False) -> Payment:
        payment, _ = self._stripe.create_payment(
            _sum(self._goods(currency), currency),
            currency,
            manual_capture=manual_capture,
            description=f"Order {10_000 + self._orders}" if self._orders % 3 else None,
            **self._buyer(),
        )
        return payment

    def _buyer(self) -> Buyer:
        """Who buys: a customer, or a guest of whom only the address is known."""
        self._orders += 1
        named = self._random.randrange(100) < _WITH_ORDER_ID_PERCENT
        order_id = f"P{10_000 + self._orders}" if named else None
        if self._random.randrange(100) < _GUESTS_PERCENT:
            email = f"guest.{self._orders}@example.com"
            return {"order_id": order_id, "customer": None, "email": email}
        customer = self.customer()
        return {"order_id": order_id, "customer": customer, "email": customer.email}

    def _goods(self, currency: str) -> list[tuple[Price, int]]:
        prices = self._random.sample(self._prices[currency], self._random.choice((1, 1, 1, 2, 3)))
        if self._random.randrange(1000) < _LONG_PERMILLE:  # more than Stripe shows at once
            many = self._random.choice((12, _LONG))
            prices = self._random.choices(self._prices[currency], k=many)
        return [(price, self._random.choice((1, 1, 1, 2, 4))) for price in prices]

    def _price_list(self, currency: str) -> list[Price]:
        amounts = _PRICES_MINOR.get(currency, _PLAIN_PRICES_MINOR)
        return [self._stripe.new_price(amount, currency, interval="") for amount in amounts]

    def _later(self, first: int, last: int, what: Plan) -> None:
        """Plan something for a time on one of these days from now."""
        at = self._stripe.now + self._random.randrange(first * DAY, last * DAY)
        self._agenda.plan(at, what)


def _sum(goods: list[tuple[Price, int]], currency: str) -> int:
    return sum(price.charged(units, currency) for price, units in goods)
