"""Limits on what comes in, so that a read model can hold every id, text, quantity and amount."""

import re
from datetime import UTC, datetime
from typing import Final
from unicodedata import category

from ledger.domain.money import CURRENCIES
from ledger.errors import FieldError, InvalidCommand

MAX_ID: Final = 100
MAX_TEXT: Final = 500
# As long as an id of Stripe's: a customer may be known by one. A wishlist's stream is named by it,
# and with an order's id it must fit into an index (2,704 bytes, four a character).
MAX_CUSTOMER_ID: Final = 255
# https://www.rfc-editor.org/errata/eid1690
MAX_EMAIL: Final = 254
MAX_PAYMENT_ID: Final = 255
MAX_LINES: Final = 100
# The most that a shop may allow in one line; what it allows is a setting. The units of
# many orders add up within a bigint; what a line costs is within bounds as the order's total is.
MAX_LINE_UNITS: Final = 10**6
MAX_STOCK_UNITS: Final = 10**9
MAX_WISHES: Final = 200
# Stripe charges at most twelve digits; nine million such amounts add up within a bigint.
MAX_MINOR: Final = 10**12

FIRST_DAY: Final = datetime(2011, 1, 1, tzinfo=UTC)
"""Before Stripe had accounts."""

# Patterns as JSON Schema knows them, for the documentation of what comes in.
# An id stands in addresses and stream names; one that begins with a dot could be a folder's name.
ID_PATTERN: Final = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$"
CURRENCY_PATTERN: Final = r"^([a-z]{3}|usdc)$"  # the one that Stripe has beside ISO 4217's
ANY_CASE_CURRENCY: Final = "^([A-Za-z]{3}|usdc|USDC)$"
# PostgreSQL's text has no NUL, and a list or a log has no place for other control characters.
TEXT_PATTERN: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"

# A payment of a connected account is known by its account too: `pi_1@acct_one`.
PAYMENT_PATTERN: Final = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(@acct_[A-Za-z0-9]{1,64})?$"

CURSOR_PATTERN: Final = r"^[0-9]{1,18}$"
FIGURES_PATTERN: Final = "^[a-z_]+(,[a-z_]+)*$"
OBJECT_PATTERN: Final = "^[a-z]+/.+$"
HOST_PATTERN: Final = r"^[A-Za-z0-9_.:-]+$"
HOST_NAME_PATTERN: Final = r"^[A-Za-z0-9_.-]+$|^\[[0-9A-Fa-f:.]+\]$"
# Stripe: a key of metadata has up to 40 characters, no square brackets.
# https://docs.stripe.com/metadata#data
METADATA_KEY_PATTERN: Final = r"^[^\[\]]{1,40}$"

PERIOD_PATTERN: Final = r"^[1-9]\d{3}-(0[1-9]|1[0-2])$"
SHA256_PATTERN: Final = "^[0-9a-f]{64}$"
# Which engines there are is known where they run (`projections.engine.engines`).
ENGINE_PATTERN: Final = r"^processes$|^[a-z]+://[^/\s]+:[0-9]{1,5}$"
EMAIL_PATTERN: Final = r"^[^\s@,<>]+@[^\s@,<>]+$"
PATTERNS: Final = {
    EMAIL_PATTERN: "must be an e-mail address, as ann@example.com",
    ENGINE_PATTERN: "must be `processes`, or a cluster's address, as dask://host:8786",
    ID_PATTERN: "must be letters, digits, `.`, `_` or `-`, and not begin with a dot",
    CURRENCY_PATTERN: "must be a currency in three small letters, as gbp",
    ANY_CASE_CURRENCY: "must be a currency in three letters, as GBP",
    TEXT_PATTERN: "must be a line of text, without control characters",
    PAYMENT_PATTERN: "must be a payment's id, as pi_3QxYz",
    CURSOR_PATTERN: "must be the `next` of an earlier page as it is",
    FIGURES_PATTERN: "must be ids of figures, commas between",
    OBJECT_PATTERN: "must be written as order/A1",
    HOST_PATTERN: "must be a host's name or address",
    HOST_NAME_PATTERN: "must be a host's name, or an IPv6 address in square brackets",
    PERIOD_PATTERN: "must be a month, as 2026-09",
    SHA256_PATTERN: "must be a SHA-256 in 64 hexadecimal digits, as the preview says it",
    METADATA_KEY_PATTERN: "must be 1 to 40 characters, without square brackets",
}
"""What fits a pattern, for people."""

_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_PAYMENT: Final = re.compile(PAYMENT_PATTERN.strip("^$"))
_CURRENCY: Final = re.compile(r"[a-z]{3}")
_TEXT: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def is_id(value: str, longest: int = MAX_ID) -> bool:
    """Whether it can name an order, a product or a line."""
    return _ID.fullmatch(value) is not None and len(value) <= longest


def is_text(value: str, longest: int = MAX_TEXT) -> bool:
    """Whether it is a line of text, without control characters."""
    return _TEXT.fullmatch(value) is not None and len(value) <= longest


def check_id(name: str, value: str, longest: int = MAX_ID, *, field: str | None = None) -> None:
    """Raise InvalidCommand unless `value` is an id; `field` is where it stands, if not `name`."""
    if not is_id(value, longest):
        must = f"must be 1 to {longest} letters, digits, `.`, `_` or `-`, and not begin with a dot."
        raise _invalid(field or name, f"{name} {value[:longest]!r} {must}", must)


def check_payment_id(value: str) -> None:
    """Raise InvalidCommand unless `value` could be a payment's id."""
    if not _PAYMENT.fullmatch(value) or len(value) > MAX_PAYMENT_ID:
        is_none = f"{value[:MAX_PAYMENT_ID]!r} is no id, as `pi_3QxYz` is."
        raise _invalid("payment_id", f"payment_id {is_none}", is_none)


def check_currency(currency: str) -> None:
    """Raise InvalidCommand unless it is a currency, written as Stripe does."""
    if not _CURRENCY.fullmatch(currency):
        must = f"{currency[:20]!r} must be three lower-case letters."
        raise _invalid("currency", f"Currency {must}", must)
    if currency not in CURRENCIES:
        raise _invalid(
            "currency", f"There is no currency {currency!r} (ISO 4217).", "No such currency."
        )


def check_text(
    name: str, value: str | None, longest: int = MAX_TEXT, *, field: str | None = None
) -> None:
    """Raise InvalidCommand unless `value` is None or a line of text."""
    if value is not None and not is_text(value, longest):
        must = f"must be 1 to {longest} characters, without control characters."
        raise _invalid(field or name, f"{name} {must}", must)


def check_reason(value: str | None) -> None:
    """Raise InvalidCommand unless `value` is None or a line of text that shows something."""
    check_text("reason", value)
    if value is not None and all(category(each)[0] in "CZ" for each in value):
        must = "must say why, not be blank."
        raise _invalid("reason", f"reason {must}", must)


def check_customer_id(value: str | None) -> None:
    """Raise InvalidCommand unless `value` is None or a customer's id."""
    check_text("customer_id", value, MAX_CUSTOMER_ID)


def check_between(
    name: str,
    number: int,
    least: int,
    most: int,
    *,
    field: str | None = None,
    currency: str | None = None,
) -> None:
    """Raise InvalidCommand unless `least` ≤ `number` ≤ `most`; of money, say the currency."""
    if not least <= number <= most:
        must = f"must be from {least} to {most}."
        wrong = FieldError(field or name, "out_of_range", must, number, least, most, currency)
        raise InvalidCommand(f"{name} is {number}; it {must}", wrong)


def _invalid(field: str, message: str, must: str) -> InvalidCommand:
    return InvalidCommand(message, FieldError(field, "invalid", must))
