"""Discounts: what they take off, by their own word or their coupon's."""

from collections.abc import Sequence
from itertools import permutations

import pytest
from msgspec.structs import replace

from ledger.domain.billing_facts import CouponFact
from tests.projections.billing import discount, terms
from tests.projections.models import Models, at

TERMS = ("duration", "percent_off", "amount_off_minor", "currency")


def test_a_coupon_says_what_a_discount_that_only_names_it_takes_off(models: Models):
    models.take(discount(None))
    assert models.one("discounts", *TERMS) == (None, None, None, None)
    models.take(CouponFact(coupon_id="OFF", terms=terms(amount_off_minor=300), name="Hello"))
    assert models.one("discounts", *TERMS) == ("forever", None, 300, "gbp")


def test_a_discounts_own_terms_are_not_mixed_with_a_coupons(models: Models):
    """Another coupon was made under the id of one that was deleted."""
    models.take(discount(terms("50")))
    models.take(CouponFact(coupon_id="OFF", terms=terms(amount_off_minor=300)))
    assert models.one("discounts", *TERMS) == ("forever", "50", None, None)


def test_what_was_once_shown_stays_known(models: Models):
    models.take(discount(terms("50"))).take(discount(None))
    assert models.one("discounts", "duration", "percent_off") == ("forever", "50")


# ── An id that had several coupons ──────────────────────────────────────────────────────────────


def coupon(percent_off: str, made: int | None, duration: str = "forever") -> CouponFact:
    """The coupon `OFF` of so many per cent that was made at this minute."""
    return CouponFact(
        coupon_id="OFF",
        terms=terms(percent_off, duration=duration),
        created_at=None if made is None else at(made),
    )


FIRST = coupon("25", 1)
TWO_COUPONS = ((1, FIRST), (9, replace(FIRST, deleted=True)), (40, coupon("50", 40)))


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize(
    ("started", "percent_off"),
    [
        pytest.param(0, None, id="before any that is known"),
        pytest.param(1, "25", id="when the first was made"),
        pytest.param(9, "25", id="in the second in which it was deleted"),
        pytest.param(10, None, id="when there was none that is known"),
        pytest.param(40, "50", id="when the second was made"),
        pytest.param(99, "50", id="later"),
        pytest.param(None, None, id="at a time that is not told"),
    ],
)
def test_a_discount_is_of_the_coupon_that_stood_when_it_started(
    models: Models, order: Sequence[int], started: int | None, percent_off: str | None
):
    models.take(replace(discount(None), started_at=None if started is None else at(started)))
    for n in order:
        minute, report = TWO_COUPONS[n]
        models.take(report, minutes=minute)
    assert models.one("discounts", "percent_off") == percent_off


@pytest.mark.parametrize(
    ("coupons", "percent_off"),
    [
        pytest.param([coupon("25", 1), coupon("50", 1)], None, id="two of one second"),
        pytest.param([coupon("25", 1), coupon("25", 1)], "25", id="one that is told twice"),
        pytest.param([coupon("25", None)], "25", id="one that does not say since when"),
        pytest.param([coupon("25", None), coupon("50", 1)], "50", id="the one that says it"),
        pytest.param([coupon("25", None), coupon("50", 7)], "25", id="the one that is not later"),
        pytest.param([coupon("25", None), coupon("50", None)], None, id="two that do not say it"),
    ],
)
def test_where_it_may_be_of_several_its_terms_are_not_known(
    models: Models, coupons: Sequence[CouponFact], percent_off: str | None
):
    models.take(replace(discount(None), started_at=at(5)), *coupons)
    assert models.one("discounts", "percent_off") == percent_off


def test_a_discount_with_an_end_is_of_no_coupon_that_lasts_forever(models: Models):
    """Its own coupon, of some months, was never told; another one has its id."""
    models.take(replace(discount(None), started_at=at(5), ends_at=at(90)), coupon("50", 1))
    assert models.one("discounts", *TERMS) == (None, None, None, None)
    models.take(coupon("50", 2, duration="repeating"))
    assert models.one("discounts", "duration") == "repeating"


def test_what_is_told_later_of_a_coupons_products_counts(models: Models):
    """Only where Stripe was asked for it: it is the same coupon."""
    models.take(replace(discount(None), started_at=at(5)), coupon("50", 1))
    told = replace(coupon("50", 1), terms=terms("50", products=("prod_1",)))
    models.take(told, minutes=1)
    models.take(coupon("50", 1), minutes=2)
    assert models.one("discounts", "percent_off", "products") == ("50", ["prod_1"])
