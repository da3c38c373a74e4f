"""Prices: what a unit costs where a subscription's own reports do not say."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ledger.domain.billing_facts import (
    Asked,
    InvoiceFact,
    InvoiceLine,
    InvoiceState,
    PriceAmount,
    PriceFact,
    PriceTier,
    SubscriptionFact,
)
from ledger.domain.mrr import Price, Tier, monthly
from tests.projections.billing import unpriced
from tests.projections.models import Models, at

SHOWN = ("mrr_minor", "mrr_known", "mrr_unknown_because")
PRICE_GBP = "price/price_1/gbp"


def told(currency: str = "gbp", unit: str = "1300", **more: Any) -> PriceFact:
    """A price's own event."""
    amount = PriceAmount(currency=currency, unit=unit, **more)
    return PriceFact(price_id="price_1", product_id="prod_1", amounts=(amount,))


def tiered(*tiers: PriceTier, graduated: bool) -> PriceFact:
    amount = PriceAmount(currency="gbp", tiers=tiers, graduated=graduated)
    return PriceFact(price_id="price_1", product_id="prod_1", amounts=(amount,))


def invoiced(unit: str, minutes: int, name: str = "in_1", currency: str = "gbp") -> InvoiceFact:
    """An invoice that says what a unit of the subscription's price costs."""
    return InvoiceFact(
        state=InvoiceState.PAID,
        invoice_id=name,
        currency=currency,
        due_minor=0,
        paid_minor=0,
        remaining_minor=0,
        created_at=at(minutes),
        subscription_id="sub_1",
        lines=(InvoiceLine(subscription_id="sub_1", price_id="price_1", unit=unit),),
    )


def seats(packs: int = 3, *, per_unit: bool = True, **more: Any) -> SubscriptionFact:
    """A report that does not say what its seats cost."""
    return unpriced(Asked(rate=1, packs=packs, per_unit=per_unit), **more)


@pytest.mark.parametrize("late", [False, True])
def test_a_price_says_itself_what_it_costs(models: Models, *, late: bool):
    """3 × 13.00, whichever comes first."""
    for fact in (seats(), told()) if late else (told(), seats()):
        models.take(fact)
    assert models.one("subscriptions", *SHOWN) == (3900, True, None)


def test_until_it_does_nothing_is_counted_and_that_is_said(models: Models):
    models.take(seats())
    assert models.one("subscriptions", *SHOWN) == (0, False, PRICE_GBP)
    models.take(told("usd"))
    assert models.one("subscriptions", *SHOWN) == (0, False, PRICE_GBP), "an amount in dollars"


def test_the_newest_report_of_a_price_is_right(models: Models):
    models.take(seats(), minutes=1)
    models.take(told(unit="900"), minutes=3)
    models.take(told(unit="1300"), minutes=2)
    assert models.one("subscriptions", "mrr_minor") == 2700


@pytest.mark.parametrize("late", [False, True])
def test_an_invoice_says_what_a_unit_costs_in_its_currency(models: Models, *, late: bool):
    """3 × 14.00, and not what the price's own event said of another day."""
    facts = (told(), invoiced("1400", 1), invoiced("9999", 1, "in_2", "usd"))
    models.take(seats(), *(() if late else facts), minutes=1)
    if late:
        models.take(*facts, minutes=2)
    assert models.one("subscriptions", *SHOWN) == (4200, True, None)


def test_a_line_of_an_invoice_says_nothing_of_tiers_or_packs(models: Models):
    models.take(seats(per_unit=False), invoiced("1400", 1))
    assert models.one("subscriptions", *SHOWN) == (0, False, PRICE_GBP)


def test_each_report_has_the_price_of_its_own_period(models: Models):
    """10.00 a seat is invoiced with the first report; it rises to 12.00 with the second one, of
    which an invoice comes a minute later; nothing is invoiced after the third."""
    for minutes in (10, 20, 30):
        models.take(seats(1, created_at=at(10)), minutes=minutes)
    models.take(invoiced("1000", 10, "in_1"), invoiced("1200", 21, "in_2"))
    found = models.rows("select at, mrr_minor from subscription_versions order by at")
    assert found == [(at(10), 1000), (at(20), 1200), (at(30), 1200)]


def test_what_a_closed_period_cost_does_not_change_with_a_later_price(models: Models):
    models.take(seats(1, created_at=at(10)), invoiced("1000", 10, "in_1"), minutes=10)
    models.take(seats(1, created_at=at(10)), invoiced("1500", 20, "in_2"), minutes=20)
    found = models.rows("select kind, amount_minor from mrr_movements order by at")
    assert found == [("new", 1000), ("expansion", 500)]


def test_what_is_beyond_any_amount_is_not_known(models: Models):
    models.take(seats(10**12), told(unit=str(10**15)))
    assert models.one("subscriptions", *SHOWN) == (0, False, "amount")


@pytest.mark.parametrize(
    ("units", "graduated", "minor"),
    [
        (0, True, 0),
        (10, True, 1000),
        (11, True, 1580),
        (25, True, 2550),
        (10, False, 1000),
        (11, False, 1380),
        (21, False, 1050),
    ],
)
def test_tiers_that_are_told_by_the_price(
    models: Models, units: int, minor: int, *, graduated: bool
):
    """To 10 at 1.00, to 20 at 0.80 and 5.00 once, 0.50 above."""
    tiers = (
        PriceTier(up_to=10, unit="100", flat="0"),
        PriceTier(up_to=20, unit="80", flat="500"),
        PriceTier(up_to=None, unit="50", flat="0"),
    )
    models.take(seats(units, per_unit=False), tiered(*tiers, graduated=graduated))
    assert models.one("subscriptions", *SHOWN) == (minor, True, None)


def test_more_units_than_the_tiers_speak_of_are_not_known(models: Models):
    only = PriceTier(up_to=10, unit="100", flat="0")
    models.take(seats(11, per_unit=False), tiered(only, graduated=True))
    assert models.one("subscriptions", *SHOWN) == (0, False, PRICE_GBP)


tiers = st.lists(
    st.tuples(st.integers(1, 9), st.integers(0, 99), st.integers(0, 999)), min_size=1, max_size=4
)


@settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=tiers, units=st.integers(0, 40), graduated=st.booleans(), endless=st.booleans())
def test_tiers_cost_the_same_whoever_tells_them(
    models: Models, steps: list[tuple[int, int, int]], units: int, *, graduated: bool, endless: bool
):
    """A report of a subscription that shows them, or the price's own event: two ways, one sum."""
    models.forget()
    ends = [sum(step[0] for step in steps[: n + 1]) for n in range(len(steps))]
    ups: list[int | None] = [*ends[:-1], None if endless else ends[-1]]
    shown = tuple(
        Tier(up, Decimal(unit) / 8, Decimal(flat))
        for up, (_, unit, flat) in zip(ups, steps, strict=True)
    )
    facts = [PriceTier(up_to=t.up_to, unit=str(t.unit), flat=str(t.flat)) for t in shown]
    models.take(seats(units, per_unit=False), tiered(*facts, graduated=graduated))
    cost = monthly(Price(interval="month", tiers=shown, graduated=graduated), units)
    expected = (0, False) if cost is None else (round(Fraction(cost)), True)
    assert models.one("subscriptions", "mrr_minor", "mrr_known") == expected
