"""Coupons and discounts as a plain reading finds them: what each takes off, of whom, and when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from fractions import Fraction
from typing import NamedTuple

from msgspec.structs import astuple

from ledger.domain.billing_facts import CouponFact, DiscountFact, Terms
from ledger.domain.facts import EventContext
from tests.kpi.plain.said import Said, all_of

ALWAYS = datetime.min.replace(tzinfo=UTC)


class Discount(NamedTuple):
    """A discount; `terms` are None as long as nobody told them."""

    discount_id: str
    terms: Terms | None
    has_end: bool
    customer_id: str | None
    begins_at: datetime
    over_at: datetime | None

    @property
    def lasts_forever(self) -> bool | None:
        """None where it is not known."""
        if self.terms is None:
            return False if self.has_end else None
        words = {"forever": True, "once": False, "repeating": False}
        return words.get(self.terms.duration)

    def amount_off(self, currency: str) -> int | None:
        """What it takes off an invoice in a currency; None where it has no amount in it."""
        assert self.terms is not None
        if self.terms.currency == currency:
            return self.terms.amount_off_minor
        return (self.terms.amounts or {}).get(currency)


class Reduced(NamedTuple):
    """What is left of an amount, and whether that is all that there is to know."""

    left: Fraction
    is_known: bool


class Discounts:
    """All that a log says of discounts."""

    def __init__(self, said: Said) -> None:
        coupons = coupons_by_id(said)
        self._all: dict[str, Discount] = {}
        for name in {fact.discount_id for _, fact in all_of(said, DiscountFact)}:
            reports = [r for r in all_of(said, DiscountFact) if r[1].discount_id == name]
            self._all[name] = discount_of(name, reports, coupons)

    def named(self, names: Iterable[str]) -> list[Discount | None]:
        return [self._all.get(name) for name in names]

    def changes_of(self, customer_id: str) -> set[datetime]:
        """When a discount of all that a customer has begins or ends."""
        own = [each for each in self._all.values() if each.customer_id == customer_id]
        times = {each.begins_at for each in own} | {each.over_at for each in own}
        return {at for at in times if at is not None and at != ALWAYS}

    def of_customer(self, customer_id: str, at: datetime) -> list[Discount | None]:
        """A customer has one at a time: the one that began last, until it is over."""
        begun = [
            each
            for each in self._all.values()
            if each.customer_id == customer_id and each.begins_at <= at
        ]
        if not begun:
            return []
        latest = max(begun, key=lambda each: (each.begins_at, each.discount_id))
        return [latest] if latest.over_at is None or latest.over_at > at else []


class Coupon(NamedTuple):
    """One of the coupons that had an id, one after the other."""

    made_at: datetime
    terms: Terms
    deleted_at: datetime | None


def coupons_by_id(said: Said) -> dict[str, list[Coupon]]:
    """All coupons that there were; what was told later of one's products and currencies counts."""
    by_clock = sorted(all_of(said, CouponFact), key=lambda r: (r[0].effective_at, r[0].source))
    found: dict[str, dict[tuple[datetime, tuple[object, ...]], Coupon]] = defaultdict(dict)
    for at, fact in by_clock:
        terms, made_at = fact.terms, fact.created_at or ALWAYS
        same = (made_at, (*astuple(terms)[:4],))
        before = found[fact.coupon_id].get(same)
        if before is not None and terms.amounts is None and terms.products is None:
            terms = before.terms
        deleted_at = at.effective_at if fact.deleted else before and before.deleted_at
        found[fact.coupon_id][same] = Coupon(made_at, terms, deleted_at)
    return {name: [*own.values()] for name, own in found.items()}


def terms_at(started_at: datetime | None, coupons: list[Coupon]) -> Terms | None:
    """Those of the coupon that stood then; None where that is not known, or may be several."""
    if started_at is not None:
        made = [each for each in coupons if each.made_at <= started_at]
        latest = max((each.made_at for each in made), default=None)
        coupons = [each for each in made if each.made_at == latest]
        if any(each.deleted_at is not None and each.deleted_at < started_at for each in coupons):
            return None
    return coupons[0].terms if len({repr(each.terms) for each in coupons}) == 1 else None


def discount_of(
    name: str, reports: list[tuple[EventContext, DiscountFact]], coupons: dict[str, list[Coupon]]
) -> Discount:
    facts = [fact for _, fact in reports]
    told = [fact.terms for fact in facts if fact.terms is not None]
    coupon_id = max((f.coupon_id for f in facts if f.coupon_id is not None), default=None)
    started_at = max((f.started_at for f in facts if f.started_at is not None), default=None)
    has_end = any(fact.ends_at is not None and not fact.ended for fact in facts)
    terms = told[0] if told else terms_at(started_at, coupons.get(coupon_id or "", []))
    if not told and terms is not None and terms.duration == "forever" and has_end:
        terms = None  # it is another coupon's: what lasts forever has no end
    over = [at.effective_at for at, fact in reports if fact.ended]
    return Discount(
        name,
        terms,
        has_end,
        facts[0].customer_id if all(fact.customer_wide for fact in facts) else None,
        started_at or ALWAYS,
        min(over, default=None),
    )


def less(
    amount: Fraction,
    discounts: list[Discount | None],
    *,
    currency: str,
    invoices_a_month: Fraction,
    products: list[str | None],
    is_own: bool = True,
) -> Reduced:
    """An amount less each discount in turn: only what lasts forever reduces it."""
    left, is_known = amount, True
    for each in discounts:
        forever = None if each is None else each.lasts_forever
        if forever is None:
            is_known = False
            continue
        assert each is not None
        if not forever:
            continue
        assert each.terms is not None
        meant = each.terms.products
        fits = [meant is None or product in meant for product in products]
        is_known = is_known and (all(fits) or not any(fits))
        percent, off = each.terms.percent_off, each.amount_off(currency)
        if percent is None and off is None:
            is_known = is_known and not is_own
        if all(fits):
            left -= left * Fraction(percent or 0) / 100 + (off or 0) * invoices_a_month
    return Reduced(max(left, Fraction(0)), is_known)
