"""Objects as an answer of the API shows them, in the version that the request names."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import msgspec

from simulator.api import errors
from simulator.billing import Applied, Invoice
from simulator.billing_layout import BillingLayout
from simulator.layout import Layout
from simulator.objects import Charge, Customer, Session
from simulator.stripe import SimulatedStripe
from simulator.versions import Shape, listed, shortened

KINDS = {
    "ch": "charge",
    "cn": "credit_note",
    "cs": "checkout.session",
    "cus": "customer",
    "di": "discount",
    "dp": "dispute",
    "du": "dispute",
    "in": "invoice",
    "inpay": "invoice_payment",
    "pi": "payment_intent",
    "po": "payout",
    "price": "price",
    "prod": "product",
    "promo": "promotion_code",
    "py": "charge",
    "pyr": "refund",
    "re": "refund",
    "sub": "subscription",
    "txn": "balance_transaction",
}
"""Stripe's words for objects by the beginnings of their ids."""

DEEPEST = 4  # https://docs.stripe.com/api/expanding_objects


class Shapes:
    """Writes a simulator's objects down as one API version shows them."""

    def __init__(self, stripe: SimulatedStripe, api_version: str) -> None:
        assert stripe.memory is not None
        self._memory = stripe.memory
        livemode = stripe.layout.livemode
        self.layout, self.billing = _layouts(api_version, livemode=livemode)
        layout, billing = self.layout, self.billing
        self._writers: dict[str, Callable[[Any], Any]] = {
            "balance_transaction": lambda thing: layout.transaction(thing, stripe.now),
            "charge": layout.charge,
            "checkout.session": layout.session,
            "coupon": billing.coupon,
            "credit_note": billing.credit_note,
            "customer": self._customer,
            "discount": self._discount,
            "dispute": lambda thing: layout.dispute(thing, stripe.now),
            "event": lambda event: msgspec.Raw(event.body),
            "invoice": billing.invoice,
            "invoice_payment": lambda thing: billing.invoice_payment(thing.invoice),
            "payment_intent": layout.payment_intent,
            "payout": billing.payout,
            "price": billing.listed_price,
            "product": billing.product,
            "promotion_code": billing.promotion_code,
            "refund": layout.refund,
            "subscription": billing.subscription,
        }
        self._included: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("charge", "refunds"): self._refunds,
            ("checkout.session", "line_items"): self._lines,
            ("coupon", "applies_to"): lambda _: None,
            ("coupon", "currency_options"): billing.coupon_options,
            ("invoice", "payments"): self._payments,
            ("price", "currency_options"): billing.price_options,
            ("price", "tiers"): billing.tiers,
        }

    def of(self, kind: str, thing: Any) -> Any:
        """An object of a kind; an event as it was sent, byte for byte but for white space."""
        return self._writers[kind](thing)

    def refunds(self, charge: Charge) -> list[Shape]:
        """All refunds of a charge, the newest first, of which it shows ten itself."""
        return [self.layout.refund(refund) for refund in reversed(charge.refunds)]

    def expand(self, shape: Any, paths: list[str]) -> None:
        """Put whole objects in the place of ids: `customer`, `data.latest_charge.refunds`."""
        for path in paths:
            parts = path.split(".")
            if len(parts) > DEEPEST + 1:
                raise errors.Refused(
                    400,
                    f"You cannot expand more than {DEEPEST} levels of a property.",
                    param="expand",
                )
            self._expand(shape, parts, path)

    def _expand(self, shape: Any, parts: list[str], path: str) -> None:
        if isinstance(shape, list):
            for each in cast("list[Any]", shape):
                self._expand(each, parts, path)
        elif parts and isinstance(shape, dict):
            name, *rest = parts
            fields = cast("Shape", shape)
            if name not in fields:
                self._include(fields, name, path)
            else:
                fields[name] = self._whole(name, fields[name])
            self._expand(fields.get(name), rest, path)

    def _whole(self, name: str, value: Any) -> Any:
        """The object of an id, or the objects of a list of ids; anything else as it is."""
        if isinstance(value, list):
            return [self._whole(name, each) for each in cast("list[Any]", value)]
        if not isinstance(value, str):
            return value
        kind = KINDS.get(value.partition("_")[0], name)  # a coupon's id has no such beginning
        thing = self._memory.shelf(kind).get(value)
        return value if thing is None else self.of(kind, thing)

    def _include(self, shape: Shape, name: str, path: str) -> None:
        """A field that stands in an object only where it is asked for, and where it has a value."""
        include = self._included.get((str(shape.get("object")), name))
        if include is None:
            raise errors.Refused(400, f"This property cannot be expanded ({path}).", param="expand")
        thing = self._memory.shelf(str(shape["object"])).get(str(shape["id"]))
        if (value := include(thing)) is not None:
            shape[name] = value

    def _lines(self, session: Session) -> Shape:
        lines = [self.billing.line_item(line, session) for line in session.lines]
        return shortened(lines, f"/v1/checkout/sessions/{session.id}/line_items")

    def _refunds(self, charge: Charge) -> Shape:
        return shortened(self.refunds(charge), f"/v1/charges/{charge.id}/refunds")

    def _payments(self, invoice: Invoice) -> Shape:
        paid = [self.billing.invoice_payment(invoice)] if invoice.payment_id else []
        return listed(paid, f"/v1/invoice_payments?invoice={invoice.id}")

    def _customer(self, customer: Customer) -> Shape:
        """A customer, with the discount on all that he has."""
        shape = self.layout.customer(customer)
        applied = self._memory.discounts_of_customers.get(customer.id)
        return shape if applied is None else shape | {"discount": self._discount(applied)}

    def _discount(self, applied: Applied) -> Shape:
        return self.billing.discount(applied.discount, applied.customer, applied.subscription)


@lru_cache(maxsize=32)
def _layouts(api_version: str, *, livemode: bool) -> tuple[Layout, BillingLayout]:
    return Layout(api_version, livemode=livemode), BillingLayout(api_version, livemode=livemode)
