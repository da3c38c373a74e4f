"""The bodies of commands over HTTP, and what they answer."""

from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from api.operations import Schema
from ledger.domain.events import Address, Line
from ledger.domain.limits import (
    ANY_CASE_CURRENCY,
    CURRENCY_PATTERN,
    ID_PATTERN,
    MAX_CUSTOMER_ID,
    MAX_EMAIL,
    MAX_ID,
    MAX_LINE_UNITS,
    MAX_LINES,
    MAX_MINOR,
    MAX_PAYMENT_ID,
    MAX_STOCK_UNITS,
    MAX_TEXT,
    PAYMENT_PATTERN,
    TEXT_PATTERN,
)

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID, pattern=ID_PATTERN)]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT, pattern=TEXT_PATTERN)]
CustomerId = Annotated[str, Field(min_length=1, max_length=MAX_CUSTOMER_ID, pattern=TEXT_PATTERN)]
Email = Annotated[str, Field(min_length=1, max_length=MAX_EMAIL, pattern=TEXT_PATTERN)]
Currency = Annotated[str, Field(pattern=CURRENCY_PATTERN)]
AnyCaseCurrency = Annotated[
    str, Field(pattern=ANY_CASE_CURRENCY, max_length=4), AfterValidator(lambda code: code.lower())
]
AmountMinor = Annotated[int, Field(ge=0, le=MAX_MINOR)]
Recorded = Annotated[
    list[str] | None,
    Field(
        description="The topics of the events that were recorded; none: it was so already. Null for"
        " the repeat of a key whose answer was kept without them."
    ),
]
UnitsByName = Annotated[dict[Id, Annotated[int, Field(ge=1)]], Field(min_length=1)]


class LineRequest(Schema):
    """One line; `unit_minor` must be what the product is listed for in the order's currency.

    Where the shop's settings allow other prices, its staff may say one. Where they allow a SKU in
    several lines, `line_id` and `name` tell these apart; a line without an id is called by its
    place, from 1.
    """

    sku: Id
    name: Text
    # How many at most is a setting: the endpoint refuses more, and the document served says it.
    quantity: Annotated[int, Field(ge=1, json_schema_extra={"maximum": MAX_LINE_UNITS})]
    unit_minor: AmountMinor
    line_id: Id | None = None

    def line(self) -> Line:
        """The line as it is stored."""
        return Line(**self.model_dump())


class AddressRequest(Schema):
    """A postal address; `country` is best given as two letters (ISO 3166)."""

    name: Text | None = None
    line1: Text | None = None
    line2: Text | None = None
    city: Text | None = None
    region: Text | None = None
    postal_code: Text | None = None
    country: Text | None = None

    def address(self) -> Address:
        """The address as it is stored."""
        return Address(**self.model_dump())


class OrderRequest(Schema):
    """An order. Amounts are in minor units; without an `id` we make one.

    The total is computed: goods + shipping + tax − discount. One that is sent along must agree.

    With `placed_at` it is one of the past, which takes no stock: its products need not be listed,
    nor have the price of today. That is for who may write down such orders.
    """

    id: Id | None = None
    currency: AnyCaseCurrency
    lines: Annotated[list[LineRequest], Field(min_length=1, max_length=MAX_LINES)]
    customer_id: CustomerId | None = None
    email: Email | None = None
    shipping_minor: AmountMinor = 0
    tax_minor: AmountMinor = 0
    discount_minor: AmountMinor = 0
    total_minor: AmountMinor | None = None
    shipping_address: AddressRequest | None = None
    placed_at: AwareDatetime | None = None


class ReasonRequest(Schema):
    """Why, for the audit log, where one wants to say."""

    reason: Text | None = None


class ReasonQuery(Schema):
    """Why, for the audit log, where one wants to say."""

    reason: Text | None = None


class ReturnRequest(Schema):
    """Units that came back in good state, and why.

    By SKU (`quantities`) where it is out in one line of the order, else by line id
    (`line_quantities`).
    """

    quantities: UnitsByName | None = None
    line_quantities: UnitsByName | None = None
    reason: Text


class RefundOrderRequest(Schema):
    """How much shall go back, in minor units of the currency it was paid in."""

    amount_minor: Annotated[int, Field(ge=1, le=MAX_MINOR)]
    reason: Text | None = None


class PaymentRequest(Schema):
    """A payment at the provider (`pi_…`) that is for this order, and how one knows."""

    payment_id: Annotated[
        str, Field(min_length=1, max_length=MAX_PAYMENT_ID, pattern=PAYMENT_PATTERN)
    ]
    expected: Annotated[bool, Field(description="It may be one that Stripe is yet to report.")] = (
        False
    )
    reason: Text | None = None


class ProductRequest(Schema):
    """A product on offer: its prices in minor units by currency; `preorder` may go below zero."""

    name: Text
    prices: Annotated[dict[Currency, AmountMinor], Field(min_length=1)]
    preorder: bool = False


class ReceiveRequest(Schema):
    """Units that arrived."""

    quantity: Annotated[int, Field(ge=1, le=MAX_STOCK_UNITS)]
    reason: Text | None = None


class AdjustRequest(Schema):
    """Units to add or (negative) to take away, and why."""

    change: Annotated[int, Field(ge=-MAX_STOCK_UNITS, le=MAX_STOCK_UNITS)]
    reason: Text


class OrderResponse(Schema):
    """The order, and the position from which reads show what was done (`?after=position`)."""

    id: str
    position: int
    recorded: Recorded


class ProductResponse(Schema):
    """The product, and the position from which reads show what was done (`?after=position`)."""

    sku: str
    position: int
    recorded: Recorded
