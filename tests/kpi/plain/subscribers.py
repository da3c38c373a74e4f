"""Monthly recurring revenue as a plain reading finds it: its changes, customer by customer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from ledger.domain.billing_facts import CouponFact, DiscountFact, SubscriptionFact, Terms
from tests.kpi.plain.said import Said, all_of
from tests.kpi.plain.things import by_clock

COUNTED = {"active", "past_due"}


class Change(NamedTuple):
    """What a report changed; `kind` names the movement of money, None if there is none."""

    at: datetime
    currency: str
    kind: str | None
    mrr_minor: int
    subscriptions: int
    began: bool
    ended: bool


def read_changes(said: Said) -> Iterator[Change]:
    """Reports in Stripe's order; who has any MRR in a currency is a subscriber in it."""
    terms = terms_of_discounts(said)
    mrr: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    active: dict[str, int] = {}
    ever: set[tuple[str, str]] = set()
    for at, fact in sorted(all_of(said, SubscriptionFact), key=by_clock):
        customer, name = (fact.customer_id, fact.currency), fact.subscription_id
        before = sum(mrr[customer].values())
        was_active = active.get(name, 0)
        mrr[customer][name] = monthly_minor(fact, terms)
        active[name] = int(fact.STATE in COUNTED)
        after = sum(mrr[customer].values())
        kind = kind_of(before, after, returning=customer in ever)
        began, ended = before == 0 < after, after == 0 < before
        change = active[name] - was_active
        yield Change(at.effective_at, fact.currency, kind, after - before, change, began, ended)
        if after:
            ever.add(customer)


def kind_of(before: int, after: int, *, returning: bool) -> str | None:
    if before == after:
        return None
    if before == 0:
        return "reactivation_mrr" if returning else "new_mrr"
    if after == 0:
        return "churned_mrr"
    return "expansion_mrr" if after > before else "contraction_mrr"


def monthly_minor(fact: SubscriptionFact, terms: dict[str, Terms]) -> int:
    """List prices by the month, less discounts that last forever; rounded once, half to even."""
    if fact.STATE not in COUNTED:
        return 0
    items = [(Fraction(each.monthly, fact.parts), each.discount_ids) for each in fact.items]
    listed = sum((less(amount, fact, terms, ids) for amount, ids in items), Fraction(0))
    return round(less(listed, fact, terms, fact.discount_ids))


def less(
    amount: Fraction, fact: SubscriptionFact, terms: dict[str, Terms], discounts: tuple[str, ...]
) -> Fraction:
    for each in (terms[name] for name in discounts if name in terms):
        if each.duration != "forever":
            continue
        if each.percent_off is not None:
            amount -= amount * Fraction(each.percent_off) / 100
        if each.amount_off_minor is not None and each.currency == fact.currency:
            amount -= each.amount_off_minor * Fraction(fact.invoices, fact.parts)
    return max(amount, Fraction(0))


def terms_of_discounts(said: Said) -> dict[str, Terms]:
    """A discount's own terms, else those of the coupon that it names."""
    coupons = {}
    for _, fact in sorted(all_of(said, CouponFact), key=lambda r: (r[0].effective_at, r[0].source)):
        coupons[fact.coupon_id] = fact.terms
    discounts = [fact for _, fact in all_of(said, DiscountFact)]
    found = {f.discount_id: coupons[f.coupon_id] for f in discounts if f.coupon_id in coupons}
    return found | {f.discount_id: f.terms for f in discounts if f.terms is not None}
