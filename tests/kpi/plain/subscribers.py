"""Monthly recurring revenue as a plain reading finds it: its changes, customer by customer.

The clauses of docs/mrr.md, one after the other, over each second in which something may change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from ledger.domain.billing_facts import (
    InvoiceFact,
    PriceAmount,
    PriceFact,
    SubscriptionFact,
    SubscriptionItem,
)
from tests.kpi.plain.discounted import Discounts, less
from tests.kpi.plain.said import Said, all_of
from tests.kpi.plain.things import by_clock

COUNTED = {"active", "past_due"}
MOST = 10**15


class Standing(NamedTuple):
    """A subscription at a time; `pays` is whether it makes its customer a subscriber."""

    mrr_minor: int
    active: int
    uncounted: int
    pays: bool


NONE = Standing(0, 0, 0, pays=False)


class Version(NamedTuple):
    """What a subscription is from a time on; versions are in the order in which they count."""

    at: datetime
    pays_not: bool
    subscription_id: str
    customer: tuple[str, str]
    standing: Standing


class Change(NamedTuple):
    """What changed at a time; `kind` names the movement of money, None if there is none."""

    at: datetime
    subscription_id: str
    customer: tuple[str, str]
    kind: str | None
    mrr_minor: int
    subscriptions: int
    uncounted: int
    began: bool
    ended: bool


def read_changes(said: Said) -> Iterator[Change]:
    """Who has any MRR in a currency, known or not, is a subscriber in it."""
    now: dict[tuple[str, tuple[str, str]], Standing] = {}
    paying: dict[tuple[str, str], set[str]] = defaultdict(set)
    ever: set[tuple[str, str]] = set()
    for at, _, name, customer, after in read_versions(said):
        before, had = now.get((name, customer), NONE), bool(paying[customer])
        now[name, customer] = after
        (paying[customer].add if after.pays else paying[customer].discard)(name)
        has = bool(paying[customer])
        began, ended = has and not had, had and not has
        moved = after.mrr_minor - before.mrr_minor
        kind = None
        if moved or before.pays != after.pays:
            rises = moved > 0 or (moved == 0 and after.pays)
            kind = kind_of(began, ended, rises, returning=customer in ever)
        yield Change(
            at,
            name,
            customer,
            kind,
            moved,
            after.active - before.active,
            after.uncounted - before.uncounted,
            began,
            ended,
        )
        if after.pays:
            ever.add(customer)


def kind_of(began: bool, ended: bool, rises: bool, *, returning: bool) -> str:
    if began:
        return "reactivation_mrr" if returning else "new_mrr"
    if ended:
        return "churned_mrr"
    return "expansion_mrr" if rises else "contraction_mrr"


def read_versions(said: Said) -> list[Version]:
    """Every subscription at every second in which something may change."""
    prices, discounts = Prices(said), Discounts(said)
    reports: dict[str, dict[datetime, SubscriptionFact]] = defaultdict(dict)
    for at, fact in sorted(all_of(said, SubscriptionFact), key=by_clock):
        reports[fact.subscription_id][at.effective_at] = fact  # of one second the last one
    lives = [Life(list(own.items()), prices, discounts) for own in reports.values()]
    return sorted(version for life in lives for version in life.versions())


class Life:
    """All reports of one subscription, one a second, in Stripe's order."""

    def __init__(
        self,
        reports: list[tuple[datetime, SubscriptionFact]],
        prices: Prices,
        discounts: Discounts,
    ) -> None:
        self.reports, self.prices, self.discounts = reports, prices, discounts
        self.begun_at = self._begun_at()

    def _begun_at(self) -> datetime:
        """One that is first heard of late was active since it began, or since its trial ended."""
        at, first = self.reports[0]
        if first.state.word not in {*COUNTED, "canceled"}:
            return at
        begun = first.started_at or first.created_at
        begun = max(begun, first.trial_end or begun)
        asked = asked_at(at, first)
        return begun if begun < min(at, asked or at) else at

    def versions(self) -> Iterator[Version]:
        """Of one that changes its customer or currency, nothing is left to the former."""
        former: tuple[str, str] | None = None
        for at in sorted(self._times()):
            fact, standing = self.at(at)
            owner = (fact.customer_id, fact.currency)
            if former not in (None, owner):
                yield Version(at, True, fact.subscription_id, former, NONE)
            former = owner
            yield Version(at, not standing.pays, fact.subscription_id, owner, standing)

    def _times(self) -> set[datetime]:
        times = {self.begun_at}
        for at, fact in self.reports:
            times |= {at, asked_at(at, fact) or at, over_at(at, fact) or at}
            times |= self.discounts.changes_of(fact.customer_id)
        return {at for at in times if at >= self.begun_at}

    def at(self, time: datetime) -> tuple[SubscriptionFact, Standing]:
        """What holds then: the report before, and when the one after it says that it ended."""
        earlier = [report for report in self.reports if report[0] <= time]
        later = [report for report in self.reports if report[0] > time]
        since, fact = earlier[-1] if earlier else (self.begun_at, self.reports[0][1])
        is_active = fact.state.word in COUNTED if earlier else True
        asked = asked_at(since, fact) if earlier else None
        if later:
            over, soon = over_at(*later[0]), asked_at(*later[0])
            is_active = is_active and not (over and since < over <= time)
            asked = soon if soon and since < soon <= time else asked
        if not is_active or (asked and asked <= time):
            is_strange = bool(earlier) and fact.word is not None
            return fact, NONE._replace(active=int(is_active), uncounted=int(is_strange))
        return fact, self._worth(fact, time)

    def _told_at(self, fact: SubscriptionFact) -> datetime:
        return next(at for at, each in self.reports if each is fact)

    def _worth(self, fact: SubscriptionFact, time: datetime) -> Standing:
        """List prices by the month, less what lasts forever; rounded once, half to even."""
        a_month = Fraction(fact.invoices, fact.parts)
        is_known = not fact.items_missing and not fact.discounts_missing
        listed, unpriced = Fraction(0), False
        for item in fact.items:
            amount = self.prices.monthly(fact, item, self._told_at(fact))
            if amount is None:
                unpriced = True
                continue
            own = self.discounts.named(item.discount_ids)
            reduced = less(
                amount,
                own,
                currency=fact.currency,
                invoices_a_month=a_month,
                products=[item.product_id],
            )
            listed += reduced.left
            is_known = is_known and (reduced.is_known or amount == 0)
        is_own = bool(fact.discount_ids)
        if is_own or fact.discounts_missing:
            names = self.discounts.named(fact.discount_ids)
        else:
            names = self.discounts.of_customer(fact.customer_id, time)
        left, all_known = less(
            listed,
            names,
            currency=fact.currency,
            invoices_a_month=a_month,
            products=[item.product_id for item in fact.items],
            is_own=is_own,
        )
        something = listed > 0 or unpriced or not is_known
        is_known = is_known and not unpriced and (all_known or not something)
        minor = round(left)
        if minor > MOST:
            minor, is_known = 0, False
        return Standing(minor, 1, int(not is_known), pays=minor > 0 or not is_known)


def asked_at(at: datetime, fact: SubscriptionFact) -> datetime | None:
    """When an end was asked for: at once, with the period, or some day."""
    if fact.state.word == "canceled" or fact.cancel_at_period_end or fact.cancel_at is not None:
        return min(fact.canceled_at or fact.ended_at or at, at)
    return None


def over_at(at: datetime, fact: SubscriptionFact) -> datetime | None:
    return min(fact.ended_at or at, at) if fact.state.word == "canceled" else None


class Prices:
    """What prices cost that a subscription's reports do not say."""

    def __init__(self, said: Said) -> None:
        self._told: dict[tuple[str, str], PriceAmount] = {}
        for _, fact in sorted(
            all_of(said, PriceFact), key=lambda r: (r[0].effective_at, r[0].source)
        ):
            self._told |= {(fact.price_id, a.currency): a for a in fact.amounts}
        invoices: dict[str, list[tuple[datetime, InvoiceFact]]] = defaultdict(list)
        for at, fact in sorted(all_of(said, InvoiceFact), key=by_clock):
            invoices[fact.invoice_id].append((at.effective_at, fact))
        self._invoiced: dict[tuple[str, str, str], list[tuple[datetime, str, Fraction]]]
        self._invoiced = defaultdict(list)
        for name, reports in invoices.items():
            units: dict[tuple[str, str, str], Fraction] = {}
            made: dict[tuple[str, str, str], datetime] = {}
            for _, fact in reports:
                for line in fact.lines:
                    key = (line.subscription_id, line.price_id, fact.currency)
                    units[key] = Fraction(line.unit)
                    made[key] = min(fact.created_at, made.get(key, fact.created_at))
            for key, unit in units.items():
                self._invoiced[key].append((made[key], name, unit))

    def monthly(
        self, fact: SubscriptionFact, item: SubscriptionItem, at: datetime
    ) -> Fraction | None:
        """By the month, in minor units; by the report, an invoice, or the price's own event."""
        if item.monthly is not None:
            return Fraction(item.monthly, fact.parts)
        if item.asked is None or item.price_id is None:
            return None
        rate = Fraction(item.asked.rate, fact.parts)
        lines = self._invoiced[fact.subscription_id, item.price_id, fact.currency]
        if item.asked.per_unit and lines:
            since = [line for line in lines if line[0] >= at]
            before = [line for line in lines if line[0] < at]
            latest = max((line[0] for line in before), default=None)
            best = min(since) if since else min(line for line in before if line[0] == latest)
            return rate * best[2] * item.asked.packs
        told = self._told.get((item.price_id, fact.currency))
        charged = None if told is None else charged_for(told, item.asked.packs)
        return None if charged is None else rate * charged


def charged_for(price: PriceAmount, units: int) -> Fraction | None:
    """A period of so many units."""
    if price.unit is not None:
        return Fraction(price.unit) * units
    below, total = 0, Fraction(0)
    for tier in price.tiers:
        in_it = units if tier.up_to is None else min(units, tier.up_to)
        if not price.graduated and in_it == units:
            return Fraction(tier.unit) * units + Fraction(tier.flat)
        if units > below or units == 0:
            total += Fraction(tier.unit) * (in_it - below) + Fraction(tier.flat)
        if in_it == units:
            return total
        below = in_it
    return None
