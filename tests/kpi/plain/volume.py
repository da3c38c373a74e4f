"""The volume of all payments as a plain reading finds it, whatever orders know of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from ledger.domain.facts import CustomerFact
from tests.kpi.plain.claims import funds, is_contested, moved
from tests.kpi.plain.payments import Payment, reported_in
from tests.kpi.plain.said import Amount, Said, all_of


class Part(NamedTuple):
    """A part of a figure of volume, in its own currency."""

    figure: str
    currency: str
    amount: Amount


def volume_of(said: Said, payments: list[Payment]) -> Iterator[Part]:
    """What payments received and refunded, then what is claimed back of anything."""
    for payment in payments:
        for amount in payment.received:
            yield Part("gross_volume", payment.currency, amount)
            if amount.value < 0:
                yield Part("bounced_volume", payment.currency, Amount(amount.at, -amount.value))
            if customer_of(payment):
                yield Part("customer_volume", payment.currency, amount)
        for amount in payment.refunds:
            yield Part("refunded_volume", payment.currency, amount)
    yield from _claimed(said, {each.payment_id: each.currency for each in payments})


def _claimed(said: Said, currencies: dict[str, str]) -> Iterator[Part]:
    """Refunds that are no part of a known payment's money, and all disputes."""
    reported = reported_in(said)
    for refund in reported.refunds.values():
        payment_id, currency = reported.payment_of(refund), refund.newest.currency
        if payment_id is not None and currencies.get(payment_id) != currency:
            yield from (Part("refunded_volume", currency, each) for each in moved([refund]))
    for dispute in reported.disputes.values():
        currency = dispute.newest.currency
        if reported.payment_of(dispute) is None:
            continue
        yield from (Part("disputed_volume", currency, each) for each in funds(dispute))
        if is_contested(dispute):
            yield Part("disputes_opened", currency, Amount(dispute.made_at(), 1))


def customer_of(payment: Payment) -> str | None:
    """Stripe's customer, else the e-mail at the payment's account."""
    if payment.customer_id or not payment.email:
        return payment.customer_id
    _, at, account = payment.payment_id.partition("@")
    return payment.email.lower() + at + account


def payers(payments: list[Payment]) -> Iterator[tuple[str, str, datetime]]:
    """Who paid in which currency, and when."""
    for payment in payments:
        if customer := customer_of(payment):
            for amount in payment.received:
                if amount.value > 0:
                    yield customer, payment.currency, amount.at


def made_customers(said: Said) -> list[datetime]:
    """When each of Stripe's customers was made."""
    found: dict[str, datetime] = {}
    for _, fact in all_of(said, CustomerFact):
        if fact.created_at is not None:
            known = found.get(fact.customer_id, fact.created_at)
            found[fact.customer_id] = min(fact.created_at, known)
    return list(found.values())
