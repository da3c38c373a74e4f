"""Discounts: what they take off, by their own word or their coupon's."""

from ledger.domain.billing_facts import CouponFact
from tests.projections.billing import discount, terms
from tests.projections.models import Models

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
