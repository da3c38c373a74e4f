"""Amounts of objects that are not translated: in no figure, so they are named as not counted.

Stripe has more kinds of money than the shop's figures count (credit notes, application fees,
transfers, top-ups), and adds kinds. So this goes by what amounts look like, not by a list of kinds,
and looks everywhere in an object:

1. A whole number is an amount if a word of its name says so (amount, total, balance, fee, tax, …)
   and no later one says that it is a count, a share, a rate or a bound: a `usage_fee` is a fee, a
   `fee_percent` is none. Some names are of terms as they are (`unit_amount`), or of a time.
2. Where an object has a currency of its own, or stands under a name of money, and no field of its
   own is an amount above or below nothing, each of its whole numbers is one that is no count,
   share, time or term.
3. An amount's currency is the one beside it, else the next one above.

What sells nothing by itself (a price, a coupon, a shipping rate) has no amounts, and an object of a
kind that is read has events of its own.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

from msgspec import Raw, json

from ledger.domain.facts import AmountsNotCounted, UncountedAmount
from ledger.domain.money import CURRENCIES, MAX_MINOR

_STEMS: Final = ("amount", "total", "balance")
"""A word that begins or ends with one of these is of money: `subtotal`, `balances`."""

# fmt: off
_MONEY: Final = frozenset({
    "available", "charged", "cost", "costs", "credited", "debited", "fee", "fees", "gross",
    "net", "paid", "pending", "received", "refunded", "reversed", "surcharge", "tax", "taxes",
    "tip",
})
# fmt: on
"""Further words of money; those that also count things do so only beside or below a currency."""

_ALONE: Final = frozenset({"cost", "costs", "fee", "fees", "gross", "surcharge", "tax", "taxes"})
"""Those of them that are money without a currency, too."""

# fmt: off
_COUNTED: Final = frozenset({
    "attempt", "attempts", "bps", "count", "counts", "day", "days", "decimal", "decimals",
    "events", "exponent", "hour", "hours", "index", "interval", "items", "length", "minutes",
    "month", "months", "number", "page", "percent", "percentage", "points", "precision",
    "quantity", "score", "seconds", "size", "step", "tokens", "transactions", "units", "usage",
    "version", "week", "weeks", "year", "years",
})
# fmt: on
"""Words of counts, shares and spans: a number with such a name is no amount."""

# fmt: off
_AT_THE_END: Final = frozenset({
    "at", "by", "created", "date", "end", "expires", "id", "ids", "of", "off", "on", "start",
    "time", "timestamp", "type", "until", "updated",
})
# fmt: on
"""How names of times and of references end."""

# fmt: off
_OF_TERMS: Final = frozenset({
    "annual", "estimated", "fixed", "flat", "maximum", "minimum", "monthly", "preset", "unit",
})
_BOUNDS: Final = frozenset({
    "limit", "limits", "metadata", "rate", "rates", "threshold", "thresholds",
})
# fmt: on
"""Words of terms, bounds and guesses: what stands under such a name is no money that moved, unless
another word of it says so: of the second set only a later one (`rate_adjustment_amount`)."""

# fmt: off
_NAMES_OF_TERMS: Final = frozenset({
    "estimated_amount", "fixed_amount", "flat_amount", "maximum_amount", "minimum_amount",
    "preset_amount", "unit_amount", "unit_amount_excluding_tax", "unit_cost",
})
# fmt: on
"""Names of terms, although they speak of money."""

# fmt: off
_TERMS: Final = frozenset({
    "coupon", "discount", "payment_link", "plan", "price", "promotion_code", "shipping_rate",
    "tax_rate",
})
# fmt: on
"""Kinds of objects that say what something would cost."""

# fmt: off
_MAIN: Final = frozenset({
    "amount", "amount_due", "amount_paid", "amount_refunded", "amount_reversed", "amount_total",
    "balance", "net_amount", "total",
})
# fmt: on
"""Under these names any text is an amount that cannot be read; under others, digits are."""

_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_NUMERAL: Final = re.compile(r"\W{0,9}\d[\d.,' ]{0,40}\W{0,9}")
_DEEPEST: Final = 32
_MOST: Final = 100
_MAX_PART: Final = 255

_Found = tuple[str, str, int | None]
"""The path of an amount, its currency (empty if there is none), and what it is, if readable."""


class _Place(NamedTuple):
    """Where in an object the walk is."""

    path: str
    currency: str
    is_money: bool
    depth: int


def uncounted_amounts(thing: Raw, read: Collection[str]) -> AmountsNotCounted | None:
    """What an object carries, if it speaks of money; raises one of UNREADABLE.

    `read` are the kinds of objects that a reading knows.
    """
    said: Any = json.decode(thing)
    if not isinstance(said, dict):
        return None
    fields = cast("dict[str, Any]", said)
    kind = _text(fields.get("object")) or "unknown"
    if kind in _TERMS:
        return None
    # What has no id, there is one of: the balance, or a customer's cash.
    subject_id = _text(fields.get("id")) or _text(fields.get("customer")) or kind
    amounts = amounts_in(fields, read)
    if not amounts and not _speaks_of_money(fields):
        return None
    return AmountsNotCounted(kind=kind, subject_id=subject_id, amounts=amounts)


def amounts_in(
    fields: Mapping[str, Any], read: Collection[str] = ()
) -> tuple[UncountedAmount, ...]:
    """The amounts anywhere in an object, those of a list as one sum; none that is 0.

    Of more than a hundred, the others are one that cannot be read.
    """
    sums: dict[tuple[str, str], int | None] = {}
    for path, currency, minor in _in_fields(fields, _Place("", "", False, 0), read):
        before = sums.get((path, currency), 0)
        sums[path, currency] = None if before is None or minor is None else before + minor
    found = [
        UncountedAmount(part, currency, _readable(minor))
        for (part, currency), minor in sums.items()
        if minor != 0
    ]
    more = [UncountedAmount("more", "", None)] if len(found) > _MOST else []
    return (*found[:_MOST], *more)


def currency_of(value: Any) -> str:
    """A currency in lower case; empty where an amount has none."""
    return value.lower() if isinstance(value, str) and 3 <= len(value) <= 8 else ""


def _readable(minor: int | None) -> int | None:
    return None if minor is None or abs(minor) > MAX_MINOR else minor


def _in_fields(fields: Mapping[str, Any], here: _Place, read: Collection[str]) -> list[_Found]:
    """The amounts in one object: by their names, else (rule 2) whatever may be one."""
    own = currency_of(fields.get("currency"))
    found: list[_Found] = []
    is_named = False
    for name, value in fields.items():
        if not _is_of_terms(name):
            there = _Place(
                _path(here, name),
                _currency_beside(fields, name) or own or here.currency,
                False,
                here.depth + 1,
            )
            says = _is_money(name, with_currency=there.currency != "")
            its_own = _in_value(value, name, there._replace(is_money=says), read)
            says_some = any(minor != 0 for _, _, minor in its_own)
            is_named = is_named or (says_some and not isinstance(value, dict | list))
            found += its_own
    if is_named or not (own or here.is_money or CURRENCIES.issuperset(fields)):
        return found
    plain = [name for name, value in fields.items() if _may_be(name, value)]
    return [*found, *(_plain(name, fields[name], here, own) for name in plain)]


def _plain(name: str, value: int, here: _Place, own: str) -> _Found:
    """A number that no name says to be an amount; it may stand under the name of its currency."""
    if not own and name in CURRENCIES:
        return here.path or name, name, value
    return _path(here, name), own or here.currency, value


def _path(here: _Place, name: str) -> str:
    return (f"{here.path}.{name}" if here.path else name)[:_MAX_PART]


def _in_value(value: Any, name: str, here: _Place, read: Collection[str]) -> list[_Found]:
    """The amounts of a field; a text or a fraction is an amount that cannot be read."""
    if here.depth > _DEEPEST and isinstance(value, dict | list):
        return [(here.path, here.currency, None)] if value else []
    match value:
        case dict():
            fields = cast("dict[str, Any]", value)
            kind = fields.get("object")
            is_apart = isinstance(kind, str) and (kind in read or kind in _TERMS)
            return [] if is_apart else _in_fields(fields, here, read)
        case list():
            deeper = here._replace(depth=here.depth + 1)
            each = cast("list[Any]", value)
            return [found for one in each for found in _in_value(one, name, deeper, read)]
        case bool() | None:
            return []
        case _ if not here.is_money or _is_counted(name, with_currency=here.currency != ""):
            return []
        case int():
            return [(here.path, here.currency, value)]
        case str() if not (_NUMERAL.fullmatch(value) or (value and name in _MAIN)):
            return []
        case _:
            return [(here.path, here.currency, None)]


def _speaks_of_money(value: Any, depth: int = 0) -> bool:
    """Whether something has a currency or a name of money, if only with nothing behind it."""
    if depth > _DEEPEST:
        return False
    if isinstance(value, list):
        return any(_speaks_of_money(each, depth + 1) for each in cast("list[Any]", value))
    return isinstance(value, dict) and any(
        name == "currency"
        or _is_money(name, with_currency=True)
        or _speaks_of_money(inner, depth + 1)
        for name, inner in cast("dict[str, Any]", value).items()
    )


def _currency_beside(fields: Mapping[str, Any], name: str) -> str:
    """The currency of one amount among several: `merchant_currency` is `merchant_amount`'s."""
    stem = name.rpartition("_")[0]
    own = currency_of(fields.get(f"{name}_currency"))
    return own or (currency_of(fields.get(f"{stem}_currency")) if stem else "")


def _may_be(name: str, value: Any) -> bool:
    return type(value) is int and not (_is_counted(name) or _is_of_terms(name))


def _words(name: str) -> tuple[str, ...]:
    return _split(name[:_MAX_PART])


@lru_cache(maxsize=4096)
def _split(name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(name))


def _is_of_terms(name: str) -> bool:
    words = _words(name)
    if "_".join(words) in _NAMES_OF_TERMS:
        return True
    money, bound = _last_money(words, _MONEY), _last(words, _BOUNDS)
    return bound > money or (money < 0 and _last(words, _OF_TERMS) >= 0)


def _is_counted(name: str, *, with_currency: bool = False) -> bool:
    """Whether a name is of a count, a share or a time; beside a currency a later word may be."""
    words = _words(name)
    money = _last_money(words, _MONEY) if with_currency else -1
    return _last(words, _COUNTED) > money or not _AT_THE_END.isdisjoint(words[-1:])


def _is_money(name: str, *, with_currency: bool) -> bool:
    """Whether a name says that it is of an amount."""
    worded = _MONEY if with_currency else _ALONE
    return not _is_of_terms(name) and _last_money(_words(name), worded) >= 0


def _last_money(words: Sequence[str], worded: Collection[str]) -> int:
    """The place of the last word of money; -1 if there is none."""
    said = {
        word for word in words if word.startswith(_STEMS) or word.endswith(_STEMS) or word in worded
    }
    return _last(words, said)


def _last(words: Sequence[str], among: Collection[str]) -> int:
    return max((place for place, word in enumerate(words) if word in among), default=-1)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 255 else None
