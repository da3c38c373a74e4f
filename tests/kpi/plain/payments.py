"""Payments as a plain reading finds them: what came in, when, for which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from ledger.domain.events import PaymentLinked
from ledger.domain.facts import ChargeFact, CheckoutFact, DisputeFact, PaymentFact, RefundFact
from tests.kpi.plain.claims import funds, is_contested, moved, stand_ins
from tests.kpi.plain.said import Amount, Said, all_of
from tests.kpi.plain.things import Thing, known_of, things


class Payment(NamedTuple):
    """A payment at the end of all reports.

    `received` came in, and went where banks took it back. `refunds` went to the customer (above
    nothing) or came back, `disputed` likewise to and from the bank; `disputes` counts those opened.
    """

    payment_id: str
    currency: str
    order_id: str | None
    customer_id: str | None
    email: str | None
    received: list[Amount]
    succeeded_at: datetime | None
    failed_at: datetime | None
    refunds: list[Amount]
    disputed: list[Amount]
    disputes: list[Amount]

    @property
    def received_minor(self) -> int:
        """What came in and is not with the bank again."""
        return sum(amount.value for amount in self.received)

    @property
    def refunded_minor(self) -> int:
        """What is with the customer now."""
        return sum(amount.value for amount in self.refunds)


class Reported(NamedTuple):
    """All of Stripe's objects that money hangs on, and which payment each charge belongs to."""

    intents: dict[str, Thing]
    charges: dict[str, Thing]
    refunds: dict[str, Thing]
    disputes: dict[str, Thing]
    pages: dict[str, Thing]
    payments_of_charges: dict[str, str]

    def payment_of(self, thing: Thing) -> str | None:
        """A charge's, refund's or dispute's: by its charge, else the one that it names."""
        charge_id = thing.known("charge_id")
        if charge_id is None:
            return thing.known("payment_id")
        return self.payments_of_charges.get(charge_id, charge_id)

    def of(self, kind: dict[str, Thing], payment_id: str, currency: str) -> list[Thing]:
        """Those of a payment that are in its currency: other money is no part of it."""
        return [
            each
            for each in kind.values()
            if self.payment_of(each) == payment_id and each.newest.currency == currency
        ]


def read_payments(said: Said) -> list[Payment]:
    """All payments; a charge without a payment intent is one of its own."""
    reported = reported_in(said)
    links = {fact.payment_id: fact.order_id for _, fact in all_of(said, PaymentLinked)}
    of_charges = {reported.payment_of(charge) for charge in reported.charges.values()}
    return [read(reported, links, each) for each in {*reported.intents, *of_charges} if each]


def reported_in(said: Said) -> Reported:
    """All of Stripe's objects that money hangs on."""
    return Reported(
        things(said, PaymentFact, "payment_id"),
        things(said, ChargeFact, "charge_id"),
        things(said, RefundFact, "refund_id"),
        things(said, DisputeFact, "dispute_id"),
        things(said, CheckoutFact, "session_id"),
        payments_of_charges(said),
    )


def payments_of_charges(said: Said) -> dict[str, str]:
    """Whatever names a charge and a payment says that they belong together."""
    found: dict[str, str] = {}
    for _, fact in all_of(said, PaymentFact, ChargeFact, RefundFact, DisputeFact):
        if fact.charge_id is not None and fact.payment_id is not None:
            found[fact.charge_id] = max(fact.payment_id, found.get(fact.charge_id, ""))
    return found


def read(reported: Reported, links: dict[str, str], payment_id: str) -> Payment:
    intent = reported.intents.get(payment_id, Thing())
    currency = currency_of(reported, intent, payment_id)
    charges = reported.of(reported.charges, payment_id, currency)
    refunds = reported.of(reported.refunds, payment_id, currency)
    disputes = reported.of(reported.disputes, payment_id, currency)
    pages = [page for page in reported.pages.values() if page.known("payment_id") == payment_id]
    received = in_time(received_of(intent, charges))
    received_minor = sum(amount.value for amount in received)
    return Payment(
        payment_id,
        currency,
        order_of(intent, charges, pages) or links.get(payment_id),
        first_known("customer_id", intent, charges, pages),
        first_known("email", intent, charges, pages),
        received,
        succeeded_at(received),
        None if received_minor else failed_at(intent, charges),
        in_time([*moved(refunds), *stand_ins(charges, refunds)]),
        [amount for each in disputes for amount in funds(each)],
        [Amount(each.made_at(), 1) for each in disputes if is_contested(each)],
    )


def currency_of(reported: Reported, intent: Thing, payment_id: str) -> str:
    if intent.newest is not None:
        return intent.newest.currency
    own = [c for c in reported.charges.values() if reported.payment_of(c) == payment_id]
    return max(charge.newest.currency for charge in own)


# ── Money in ────────────────────────────────────────────────────────────────────────────────────


def in_time(amounts: Iterable[Amount]) -> list[Amount]:
    return sorted((amount for amount in amounts if amount.value), key=lambda amount: amount.at)


def received_of(intent: Thing, charges: list[Thing]) -> Iterator[Amount]:
    """What the intent or its charges say came in, whichever is more, and what banks took back.

    What the intent said of a charge that failed since is that charge's, beside what others took.
    """
    of_word = [charge for charge in charges if taken_back(charge, intent) > captured(charge)]
    by_themselves = [charge for charge in charges if charge not in of_word]
    told = sorted([*totals_of_charges(by_themselves), *totals_of_intent(intent)])
    most: dict[str, int] = {}
    so_far = 0
    for at, of_that_time in groupby(told, key=lambda each: each[0]):
        for _, name, total in of_that_time:
            most[name] = max(total, most.get(name, 0))
        by_charges = sum(total for name, total in most.items() if name)
        by_intent = most.get("", 0)
        received_minor = by_charges + by_intent if of_word else max(by_charges, by_intent)
        yield Amount(at, received_minor - so_far)
        so_far = received_minor
    for charge in charges:
        if back := taken_back(charge, intent):
            yield Amount(ended_at(charge), -back)


def totals_of_intent(intent: Thing) -> Iterator[tuple[datetime, str, int]]:
    for at, fact in intent.reports:
        yield at.effective_at, "", fact.received_minor


def totals_of_charges(charges: list[Thing]) -> Iterator[tuple[datetime, str, int]]:
    """When each total of a charge was taken: as a report says; else, the first, with the charge.

    What was held before, or follows another total, was taken when it was first told.
    """
    for charge in charges:
        held = charge.since(lambda fact: fact.state.word == "authorized") is not None
        totals = {fact.captured_minor for _, fact in charge.reports if fact.captured_minor}
        for total in sorted(totals):
            of_total = [(at, f) for at, f in charge.reports if f.captured_minor == total]
            captured_at = max(fact.captured_at for _, fact in of_total)
            if captured_at > charge.made_at():
                at = captured_at
            elif held or total > min(totals):
                at = min(at.effective_at for at, _ in of_total)
            else:
                at = charge.made_at()
            yield at, charge.newest.charge_id, total


def taken_back(charge: Thing, intent: Thing) -> int:
    """What a charge that failed had brought before.

    Where its capture was never told, the intent's word holds for its present charge, unless that
    is a later attempt.
    """
    if charge.state != "failed":
        return 0
    paid_at = intent.since(has_money)
    is_present = intent.reports and intent.newest.charge_id == charge.newest.charge_id
    if is_present and paid_at is not None and charge.made_at() <= paid_at:
        return max(captured(charge), intent.known("received_minor"))
    return captured(charge)


def captured(charge: Thing) -> int:
    """The most that it is known to have taken."""
    return charge.known("captured_minor")


def has_money(fact: PaymentFact) -> bool:
    """A hold that is taken in several parts brings money before it succeeds."""
    return fact.state.word == "succeeded" or fact.received_minor > 0


def succeeded_at(received: list[Amount]) -> datetime | None:
    """When money first came in, or first after a bank had taken some back."""
    backs = [amount.at for amount in received if amount.value < 0]
    since = [a.at for a in received if a.value > 0 and all(a.at > back for back in backs)]
    return min(since or [amount.at for amount in received if amount.value > 0], default=None)


def failed_at(intent: Thing, charges: list[Thing]) -> datetime | None:
    """When a payment without money was over: the bank took it back, or it was canceled.

    A refused attempt ends nothing. A bare hold is over when it lapsed.
    """
    reversed_at = [ended_at(each) for each in charges if taken_back(each, intent)]
    if reversed_at:
        return max(reversed_at)
    if intent.reports:
        canceled_at = intent.since(lambda fact: fact.state.word == "canceled")
        return canceled_at if intent.state == "canceled" else None
    if any(charge.state in {"pending", "authorized"} for charge in charges):
        return None
    return max((ended_at(each) for each in charges if each.state == "expired"), default=None)


def ended_at(charge: Thing) -> Any:
    return charge.since(lambda fact: fact.state.word in {"failed", "expired"})


# ── Whose it is ─────────────────────────────────────────────────────────────────────────────────


def order_of(intent: Thing, charges: list[Thing], pages: list[Thing]) -> str | None:
    """What the metadata of the intent, its charges or its pages name; else a page's reference."""
    for some in ([intent], charges, pages):
        named = [found for each in some if (found := each.latest_named("order_id"))]
        if named:
            return max(named)[1]
    return known_of(pages, "reference")


def first_known(name: str, intent: Thing, charges: list[Thing], pages: list[Thing]) -> str | None:
    known = (known_of(some, name) for some in ([intent], charges, pages))
    return next((value for value in known if value is not None), None)
