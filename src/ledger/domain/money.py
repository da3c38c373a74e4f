"""Money: integers in minor units, written for people, read from people, and split without loss."""

import re
from collections.abc import Iterable, Sequence

from ledger.errors import InvalidCommand

MAX_MINOR = 10**15
"""No single amount is larger: a thousand times what Stripe takes at most (twelve digits), and
small enough that thousands of them add up within PostgreSQL's bigint."""

# ISO 4217's currencies of today, and one that only docs.stripe.com/currencies has (std).
# fmt: off
CURRENCIES = frozenset({
    "aed", "afn", "all", "amd", "ang", "aoa", "ars", "aud", "awg", "azn", "bam", "bbd",
    "bdt", "bgn", "bhd", "bif", "bmd", "bnd", "bob", "brl", "bsd", "btn", "bwp", "byn",
    "bzd", "cad", "cdf", "chf", "clp", "cny", "cop", "crc", "cup", "cve", "czk", "djf",
    "dkk", "dop", "dzd", "egp", "ern", "etb", "eur", "fjd", "fkp", "gbp", "gel", "ghs",
    "gip", "gmd", "gnf", "gtq", "gyd", "hkd", "hnl", "htg", "huf", "idr", "ils", "inr",
    "iqd", "irr", "isk", "jmd", "jod", "jpy", "kes", "kgs", "khr", "kmf", "kpw", "krw",
    "kwd", "kyd", "kzt", "lak", "lbp", "lkr", "lrd", "lsl", "lyd", "mad", "mdl", "mga",
    "mkd", "mmk", "mnt", "mop", "mru", "mur", "mvr", "mwk", "mxn", "myr", "mzn", "nad",
    "ngn", "nio", "nok", "npr", "nzd", "omr", "pab", "pen", "pgk", "php", "pkr", "pln",
    "pyg", "qar", "ron", "rsd", "rub", "rwf", "sar", "sbd", "scr", "sdg", "sek", "sgd",
    "shp", "sle", "sos", "srd", "ssp", "std", "stn", "svc", "syp", "szl", "thb", "tjs",
    "tmt", "tnd", "top", "try", "ttd", "twd", "tzs", "uah", "ugx", "usd", "uyu", "uzs",
    "ves", "vnd", "vuv", "wst", "xaf", "xcd", "xcg", "xof", "xpf", "yer", "zar", "zmw",
    "zwg",
})
# fmt: on
# docs.stripe.com/currencies: Stripe's decimals, which are not ISO 4217's (UGX, ISK, MGA differ).
# fmt: off
_WITHOUT_DECIMALS = frozenset({
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga",
    "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf",
})
# fmt: on
_WITH_THREE_DECIMALS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
_WHOLE_UNITS_SENT_WITH_TWO = frozenset({"isk", "ugx"})
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]*)?")


def decimals(currency: str) -> int:
    """How many digits of an amount in minor units stand behind the point: 0, 2 or 3.

    None for a currency that is not known: its amounts stay in minor units, no point is guessed.
    """
    if currency in _WITHOUT_DECIMALS or currency not in CURRENCIES:
        return 0
    return 3 if currency in _WITH_THREE_DECIMALS else 2


def step_minor(currency: str) -> int:
    """The smallest amount that Stripe charges; every charge is a multiple of it.

    Ten where there are three decimals (the last is 0), a hundred in ISK and UGX (whole units
    that are sent with two decimals), else one.
    """
    if currency in _WITH_THREE_DECIMALS:
        return 10
    return 100 if currency in _WHOLE_UNITS_SENT_WITH_TWO else 1


def format_money(amount_minor: int, currency: str) -> str:
    """An amount for people: `1250, "gbp"` is "12.50 GBP", `-5, "jpy"` is "-5 JPY"."""
    digits = decimals(currency)
    units, rest = divmod(abs(amount_minor), 10**digits)
    fraction = f".{rest:0{digits}d}" if digits else ""
    return f"{'-' if amount_minor < 0 else ''}{units}{fraction} {currency.upper()}"


def with_code(text: str, currency: str | None) -> str:
    """A text in which a currency's code stands between blanks, with the code as ISO 4217 has it.

    `"fees gbp", "gbp"` is "fees GBP"; of an id such as "fees-gbp" nothing is written otherwise.
    """
    return re.sub(rf"(?<!\S){currency}(?!\S)", currency.upper(), text) if currency else text


def parse_money(text: str) -> tuple[int, str]:
    """What a person wrote, in minor units and its currency: "12.5 GBP" is `(1250, "gbp")`.

    Decimals may be left out; a comma is read as `with_point` does. Raises InvalidCommand for
    anything but a number and a currency, for more decimals than the currency has, for a comma that
    may be of either kind, and for an amount that Stripe could not charge.
    """
    number, _, currency = text.strip().lower().partition(" ")
    currency = currency.strip()
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        raise InvalidCommand(f"write an amount as `12.50 GBP`, not as {text!r}")
    if currency not in CURRENCIES:
        raise InvalidCommand(f"there is no currency {currency!r} (ISO 4217); write one such as GBP")
    amount_minor = _minor(number, currency)
    step = step_minor(currency)
    if amount_minor % step:
        raise InvalidCommand(f"{currency} is charged in steps of {format_money(step, currency)}")
    return amount_minor, currency


def with_point(number: str) -> str:
    """A number as people write it, with a decimal point: "53,30" is "53.30", "1,250.5" "1250.5".

    A comma before groups of three digits sets thousands apart; any other is a decimal one.
    """
    return number.replace(",", "" if _GROUPED.fullmatch(number) else ".")


def parse_prices(texts: Iterable[str]) -> dict[str, int]:
    """Minor units by currency of what a person wrote, such as "12.50 gbp" and "2000 jpy".

    Raises InvalidCommand as `parse_money` does, and where a currency has two prices.
    """
    prices: dict[str, int] = {}
    for amount_minor, currency in map(parse_money, texts):
        if currency in prices:
            raise InvalidCommand(f"there are two prices in {currency}; write one a currency")
        prices[currency] = amount_minor
    return prices


def split(amount_minor: int, weights: Sequence[int]) -> list[int]:
    """Share an amount in proportion to the weights so that the parts add up to it exactly.

    What is left after rounding down goes, one minor unit each, to the largest remainders (the
    largest-remainder method); among equals to the first. A negative amount is the mirror image.
    """
    total = sum(weights)
    assert total > 0, "weights that add up to nothing share nothing"
    assert min(weights) >= 0, "a weight is never negative"
    shares = [divmod(abs(amount_minor) * weight, total) for weight in weights]
    parts = [share for share, _ in shares]
    left = abs(amount_minor) - sum(parts)
    for index in sorted(range(len(shares)), key=lambda i: -shares[i][1])[:left]:
        parts[index] += 1
    return parts if amount_minor >= 0 else [-part for part in parts]


def _minor(number: str, currency: str) -> int:
    """The minor units of a decimal number that a person wrote."""
    digits = decimals(currency)
    written = number.removeprefix("-")
    if digits == 3 and _GROUPED.fullmatch(written) and "." not in written:
        raise InvalidCommand(
            f"{number} {currency} may mean thousands or decimals; write it without a comma"
        )
    units, point, fraction = with_point(written).partition(".")
    if not _is_digits(units) or (point and not _is_digits(fraction)):
        raise InvalidCommand(f"{number!r} is no amount of money; write it as `12.50`")
    if len(fraction) > digits:
        raise InvalidCommand(f"{number} has more decimals than {currency}, which has {digits}")
    amount_minor = int(units + fraction.ljust(digits, "0"))
    if amount_minor > MAX_MINOR:
        raise InvalidCommand(f"no amount is larger than {format_money(MAX_MINOR, currency)}")
    return -amount_minor if number.startswith("-") else amount_minor


def _is_digits(text: str) -> bool:
    """ASCII digits only, and few enough to be an amount."""
    return text.isascii() and text.isdigit() and len(text) <= 20
