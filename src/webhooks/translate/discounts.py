"""What Stripe's coupons and discounts say, as facts.

A discount carries its coupon until 2025-09-30, and only the coupon's id since.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from msgspec.structs import replace

from ledger.domain.billing_facts import CouponFact, DiscountFact, Terms
from ledger.domain.facts import Fact, PartNotUnderstood
from webhooks.translate.billing_objects import Coupon, Discount, DiscountList, Discounts
from webhooks.translate.objects import Envelope
from webhooks.translate.payments import at, id_of, unknown_words
from webhooks.translate.prices import decimal_text

_DURATIONS = frozenset({"forever", "once", "repeating"})
_MAX_NAME = 255  # characters, as of Stripe's ids


def coupon_facts(coupon: Coupon, event: Envelope, _metadata_key: str) -> list[Fact]:
    """A coupon; of one that does not say how long it lasts it is not known what it takes off."""
    terms = _terms(coupon)
    if terms is None:
        return [] if event.type == "coupon.deleted" else [*_unknown(coupon)]
    made = coupon.created
    if made is None and event.type == "coupon.created":
        made = event.created
    fact = CouponFact(
        coupon_id=coupon.id,
        terms=terms,
        name=coupon.name,
        created_at=None if made is None else at(made),
        deleted=event.type == "coupon.deleted",
    )
    return [fact, *_unknown(coupon)]


def discount_facts(discount: Discount, event: Envelope, _metadata_key: str) -> list[Fact]:
    """A discount, made, changed or ended; when one of a subscription applies, that says itself."""
    coupon = _coupon(discount)
    fact = replace(discount_fact(discount), ended=event.type == "customer.discount.deleted")
    return [fact, *(_unknown(coupon) if isinstance(coupon, Coupon) else ())]


def discount_fact(discount: Discount, subscription_id: str | None = None) -> DiscountFact:
    """A discount that an event is about, or that its subscription or customer shows."""
    coupon = _coupon(discount)
    subscription_id = id_of(discount.subscription) or subscription_id
    return DiscountFact(
        discount_id=discount.id or _nameless(discount, subscription_id),
        coupon_id=coupon if coupon is None or isinstance(coupon, str) else coupon.id,
        terms=_terms(coupon) if isinstance(coupon, Coupon) else None,
        subscription_id=subscription_id,
        customer_id=id_of(discount.customer),
        customer_wide=_is_customer_wide(discount, subscription_id),
        started_at=None if discount.start is None else at(discount.start),
        ends_at=None if discount.end is None else at(discount.end),
    )


def listed(discounts: Discounts | DiscountList | None) -> Discounts:
    """The discounts of a list, in whichever way Stripe writes it."""
    return discounts.data if isinstance(discounts, DiscountList) else discounts or []


def missing(*lists: Discounts | DiscountList | None) -> int:
    """How many discounts these lists do not show, at least."""
    cut = (each for each in lists if isinstance(each, DiscountList))
    return sum(each.at_least(len(each.data)) - len(each.data) for each in cut)


def names_of(discounts: Sequence[str | Discount], subscription_id: str) -> tuple[str, ...]:
    """The ids of discounts, of which some or all are shown whole."""
    return tuple(
        each if isinstance(each, str) else discount_fact(each, subscription_id).discount_id
        for each in discounts
    )


def shown(discounts: Discounts, subscription_id: str) -> Iterator[DiscountFact]:
    """The discounts that are more than an id."""
    for each in discounts:
        if isinstance(each, Discount):
            yield discount_fact(each, subscription_id)


def _unknown(coupon: Coupon) -> Iterator[Fact]:
    """A duration that is missing, or that this version does not know."""
    if coupon.duration is None:
        yield PartNotUnderstood(
            kind="coupon", part="duration", subject_id=coupon.id, cause="it is not told"
        )
    yield from unknown_words("coupon", coupon.id, ("duration", coupon.duration, _DURATIONS))


def _is_customer_wide(discount: Discount, subscription_id: str | None) -> bool:
    """Whether nothing narrower than a customer is named."""
    narrower = (
        subscription_id,
        discount.subscription_item,
        discount.invoice,
        discount.invoice_item,
        discount.checkout_session,
    )
    return discount.customer is not None and not any(narrower)


def _coupon(discount: Discount) -> Coupon | str | None:
    return discount.coupon or (discount.source.coupon if discount.source else None)


def _nameless(discount: Discount, subscription_id: str | None) -> str:
    """A discount of before 2020-08-27 is known by what it stands on, its coupon and its start."""
    coupon = _coupon(discount)
    coupon_id = coupon if coupon is None or isinstance(coupon, str) else coupon.id
    on = subscription_id or id_of(discount.customer)
    if on is None or coupon_id is None:
        raise ValueError("the discount names neither itself nor what it is of")
    name = f"{on}/{coupon_id}/{discount.start or 0}"
    if len(name) > _MAX_NAME:
        raise ValueError("what the discount is of has too long a name")
    return name


def _terms(coupon: Coupon) -> Terms | None:
    if coupon.duration is None:
        return None
    return Terms(
        duration=coupon.duration,
        percent_off=None if coupon.percent_off is None else _percent(coupon.percent_off),
        amount_off_minor=coupon.amount_off,
        currency=coupon.currency.lower() if coupon.currency else None,
        amounts=_amounts(coupon),
        products=tuple(coupon.applies_to.products) if coupon.applies_to else None,
    )


def _amounts(coupon: Coupon) -> dict[str, int] | None:
    """What it takes off in other currencies."""
    if coupon.currency_options is None:
        return None
    options = coupon.currency_options.items()
    return {
        currency.lower(): option.amount_off
        for currency, option in options
        if option.amount_off is not None
    }


def _percent(number: Decimal) -> str:
    text = decimal_text(number)
    if number > 100:
        raise ValueError("the coupon takes more than all of it off")
    return text
