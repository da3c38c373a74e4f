"""What the simulated Stripe takes for a payment: a plain schedule, in whole minor units."""

from msgspec import Struct, field

_THREE_DECIMALS = {"bhd", "jod", "kwd", "omr", "tnd"}


class Detail(Struct, frozen=True):
    """One fee of a transaction: `kind` as in Stripe's `fee_details[].type`; below 0 a credit."""

    kind: str
    amount_minor: int
    description: str


class Fees(Struct, frozen=True):
    """A share of the amount and a fixed part, and a tax on both in some currencies.

    Shares are rounded half up, in currencies of three decimals to tens, as Stripe does.
    """

    hundredths_of_percent: int = 150
    fixed_minor: int = 25
    tax_percent: dict[str, int] = field(default_factory=lambda: {"eur": 21, "gbp": 20})

    def of_payment(self, amount_minor: int, currency: str) -> tuple[Detail, ...]:
        """The fees of a payment that came in."""
        fee = _share(amount_minor, self.hundredths_of_percent, 10_000, currency)
        fee += _share(self.fixed_minor, 1, 1, currency)
        processing = Detail("stripe_fee", fee, "Stripe processing fees")
        percent = self.tax_percent.get(currency)
        if percent is None:
            return (processing,)
        return processing, Detail("tax", _share(fee, percent, 100, currency), "VAT")


class MoreFees(Fees, frozen=True):
    """A plain schedule, and now and then, by the amount, a fee of another type.

    2 % each, by the remainder of the amount: divided by 7 it is 1 (a network's), 2 (tax that is
    withheld) or 3 (a platform's); divided by 91 it is 4 (one of a type that no rule names).
    """

    def of_payment(self, amount_minor: int, currency: str) -> tuple[Detail, ...]:
        """The fees of a payment that came in."""
        plain = super().of_payment(amount_minor, currency)
        more = NEW if amount_minor % 91 == 4 else MORE.get(amount_minor % 7)
        if more is None:
            return plain
        kind, description = more
        return *plain, Detail(kind, _share(amount_minor, 2, 100, currency), description)


MORE = {
    1: ("payment_method_passthrough_fee", "Interchange and scheme fees"),
    2: ("withheld_tax", "Tax withheld"),
    3: ("application_fee", "Platform application fee"),
}
NEW = ("regulatory_fee", "Regulatory fee")
PLAIN_FEES = Fees()
MORE_FEES = MoreFees()


def _share(amount: int, numerator: int, denominator: int, currency: str) -> int:
    unit = 10 if currency in _THREE_DECIMALS else 1
    return (2 * amount * numerator // (denominator * unit) + 1) // 2 * unit
