"""How money, times, states and figures are written on the pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from console import glossary
from ledger.domain.money import CURRENCIES, format_money

NONE: Final = "–"
DASH: Final = Markup("–")
SYMBOLS: Final = {
    "aud": "A$", "brl": "R$", "cad": "CA$", "cny": "CN¥", "eur": "€", "gbp": "£", "hkd": "HK$",
    "ils": "₪", "inr": "₹", "jpy": "¥", "krw": "₩", "mxn": "MX$", "nzd": "NZ$", "usd": "$",
    "vnd": "₫",
}  # fmt: skip
"""Of currencies that are known by one; the others are written with their code."""

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86_400, 604_800


# ── Numbers ─────────────────────────────────────────────────────────────────────────────────────


def money(amount_minor: int | None, currency: str | None) -> str:
    """An amount for people: `£1,250.00`, `−$21.00`, `0.005 KWD`; a dash for none."""
    if amount_minor is None or currency is None:
        return NONE
    number = _grouped(format_money(abs(amount_minor), currency).partition(" ")[0])
    return _with_symbol("−" if amount_minor < 0 else "", number, currency)


def _with_symbol(sign: str, number: str, currency: str) -> str:
    symbol = SYMBOLS.get(currency)
    if symbol:
        return f"{sign}{symbol}{number}"
    return f"{sign}{number}\N{NO-BREAK SPACE}{currency.upper()}"


def count(value: int | None) -> str:
    """A whole number with its thousands apart."""
    return NONE if value is None else f"{value:,}".replace("-", "−")


def signed(value: int | None) -> str:
    """By how much something changed: `+3`, `−2`; a dash for nothing."""
    return f"{value:+,}".replace("-", "−") if value else NONE


def figure(value: Any, unit: str, currency: str | None) -> str:
    """A figure of the contract in its unit."""
    if value is None:
        return NONE
    match unit:
        case "money":
            return money(value, currency)
        case "percent":
            return f"{value:.1f}\N{NO-BREAK SPACE}%".replace("-", "−")
        case _:
            return count(value)


def _grouped(amount: str) -> str:
    units, point, rest = amount.partition(".")
    return f"{int(units):,}{point}{rest}"


# ── Times ───────────────────────────────────────────────────────────────────────────────────────


def when(text: str | None, zone: str = "UTC") -> Markup:
    """A time in the reporting zone, `28 Nov 2026, 16:23`, with the exact one beside it."""
    return _shown(text, zone, lambda local: f"{_date(local)}, {local:%H:%M}")


def dated(text: str | None, zone: str = "UTC") -> Markup:
    """The day of a time where there is little room, of this year without it, and the exact time."""
    year = datetime.now(ZoneInfo(zone)).year
    return _shown(text, zone, lambda at: f"{at.day} {at:%b}" if at.year == year else _date(at))


def moment(text: str | None, zone: str = "UTC") -> Markup:
    """A time without its year, where there is little room, with the exact one beside it."""
    return _shown(text, zone, lambda local: f"{local.day} {local:%b}, {local:%H:%M}")


def clock(text: str | None, zone: str = "UTC") -> Markup:
    """The time of the day, to the second, with the exact one beside it."""
    return _shown(text, zone, lambda local: f"{local:%H:%M:%S}")


def ago(text: str | None, zone: str = "UTC") -> Markup:
    """How long ago, `18 min ago`, or how long until then, with the exact time beside it."""
    now = datetime.now(UTC)
    return _shown(
        text, zone, lambda local: _distance(int((now - local).total_seconds())) or _date(local)
    )


def _distance(seconds: int) -> str | None:
    """In words, up to a week away."""
    length, is_past = abs(seconds), seconds >= 0
    if length < MINUTE:
        return "just now"
    if length < HOUR:
        said = f"{length // MINUTE} min"
    elif length < DAY:
        said = f"{length // HOUR} h"
    elif length < 2 * DAY and is_past:
        return "yesterday"
    elif length < WEEK:
        said = f"{length // DAY} day{'s' if length >= 2 * DAY else ''}"
    else:
        return None
    return f"{said} ago" if is_past else f"in {said}"


def _shown(text: str | None, zone: str, say: Callable[[datetime], str]) -> Markup:
    """A time as it is said in the reporting zone, with the exact one beside it; a dash for none."""
    if not text:
        return DASH
    local = datetime.fromisoformat(text).astimezone(ZoneInfo(zone))
    exact = f"{_date(local)}, {local:%H:%M:%S} {zone}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(text, exact, say(local))


def day(text: str | None) -> str:
    """A date, `25 Nov 2026`."""
    return NONE if not text else _date(date.fromisoformat(text[:10]))


def month(text: str) -> str:
    """A month of the books, `September 2026`; what is none stays as it is."""
    try:
        return f"{date.fromisoformat(f'{text}-01'):%B %Y}"
    except ValueError:
        return text


def days(first: str, last: str) -> str:
    """A span of days, `30 Oct – 28 Nov 2026`."""
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    if begin == end:
        return _date(end)
    if (begin.year, begin.month) == (end.year, end.month):
        return f"{begin.day} – {_date(end)}"
    shown = f"{begin.day} {begin:%b}" if begin.year == end.year else _date(begin)
    return f"{shown} – {_date(end)}"


def _date(moment: date) -> str:
    return f"{moment.day} {moment:%b %Y}"


def zone_name(zone: str) -> str:
    """The reporting zone as the top bar says it: `London time`."""
    return "UTC" if zone == "UTC" else f"{zone.rpartition('/')[2].replace('_', ' ')} time"


# ── Words ───────────────────────────────────────────────────────────────────────────────────────


def badge(code: str | None) -> Markup:
    """A state as a small label; its tone says whether it needs a look."""
    if not code:
        return DASH
    shown = Markup('<span class="badge tone-{}">{}</span>')
    return shown.format(glossary.tone(code), glossary.state(code))


_ENGLISH: Final = {"all", "cup", "mop", "top", "try"}
"""Codes of currencies that are words, too."""
_CODES: Final = "|".join(sorted(CURRENCIES - _ENGLISH))
_CODE: Final = re.compile(rf"(?<!\S)({_CODES})(?!\S)")
_AMOUNT: Final = re.compile(rf"(-?)\b(\d+(?:\.\d+)?) ({_CODES})\b", re.IGNORECASE)
_NO_ID: Final = r"(?<![\w-])(?<!SKU )(?<!order )(?<!Order )(?<!line )"
"""What may not stand before a time: an id of the shop's may look like one."""
_MOMENT: Final = re.compile(
    rf"{_NO_ID}(\d{{4}}-\d{{2}}-\d{{2}})[ T](\d{{2}}:\d{{2}})(?::\d{{2}})?(?:\.\d+)?(?: UTC|Z|\b)"
)
_DATE: Final = re.compile(rf"{_NO_ID}\d{{4}}-\d{{2}}-\d{{2}}(?![\w-])")
_MONTH: Final = re.compile(rf"{_NO_ID}\d{{4}}-(?:0[1-9]|1[0-2])(?![\w-])")
_COMMAND: Final = re.compile(r"`((?:ledger|POST|GET) [^`]*)`")
"""A command, or a call of the API, in a sentence."""
_CURE: Final = re.compile(r"(?<=.{20})\. (?=[A-Z`]).*$", re.DOTALL)
"""What to do, which stands in sentences of its own behind what is wrong and why."""
_WHY: Final = re.compile(r"(?:: |; |, (?!\d\d:))(?![^(]*\))")
"""What comes before the why of a finding: no comma of a time's, and nothing in brackets."""
_QUOTED: Final = re.compile(r"`([^`]*)`")
_NAME: Final = re.compile(r"(?<![\w/=-])[a-z]+(?:_[a-z]+)+(?![\w/=-])")
_QUOTED_NAME: Final = re.compile(r"[a-z_]+(?:\.[a-z_]+)*")
"""A name of the API's or of Stripe's in a sentence; commands have blanks."""
_IN_MINOR_UNITS: Final = re.compile(r" By field, in minor units: .*$")
"""What the evidence of an issue says, too."""


def prose(text: str | None) -> str:
    """A sentence of the API's with amounts, times and names as the pages write them."""
    text = _MOMENT.sub(lambda found: f"{day(found[1])}, {found[2]}", spoken(text))
    text = _DATE.sub(lambda found: day(found[0]), text)
    return _MONTH.sub(lambda found: month(found[0]), text)


def marked(text: str | None) -> Markup:
    """The same with its commands as they are typed; nothing of them is written otherwise."""
    parts = _COMMAND.split(text or "")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(prose(part))
        for number, part in enumerate(parts)
    )


def finding(text: str) -> str:
    """What an issue says is wrong and why, without what to do about it."""
    return sentence(prose(_CURE.sub("", text)).rstrip("."))


def reference(text: str) -> str:
    """What an issue is of, where that is a word of a check's: `other_adjustment gbp`."""
    return _CODE.sub(lambda found: found[0].upper(), glossary.words(text))


def what_and_why(text: str) -> tuple[str, str]:
    """The same in two: what stands out, and what is said of it; there may be nothing."""
    what, *why = _WHY.split(finding(text), maxsplit=1)
    return what, why[0] if why else ""


def spoken(text: str | None) -> str:
    """The same for a refusal, whose dates say how one is to be written in a form."""
    parts = _QUOTED.split(_IN_MINOR_UNITS.sub("", text or ""))
    return "".join((_quoted if n % 2 else _unquoted)(part) for n, part in enumerate(parts))


def _quoted(text: str) -> str:
    """A name in words; else what a person is to write, just so."""
    return glossary.words(text) if _QUOTED_NAME.fullmatch(text) else text


def _unquoted(text: str) -> str:
    text = _NAME.sub(lambda found: glossary.words(found[0]), text)
    text = text.replace(" as of position ", " as of event ")
    return _AMOUNT.sub(_written_amount, text)


def _written_amount(found: re.Match[str]) -> str:
    sign, number, currency = found.groups()
    return _with_symbol("−" if sign else "", _grouped(number), currency.lower())


_SNAKE: Final = re.compile(r"[a-z]+(?:_[a-z]+)+")


def named(value: str) -> str:
    """A word of the API's in a column, without its spelling; ids and other texts as they are."""
    return sentence(glossary.words(value)) if _SNAKE.fullmatch(value) else value


def filled(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns in which any of the rows has something, beside the first one."""
    return [each for n, each in enumerate(columns) if n == 0 or any(row.get(each) for row in rows)]


def without_currency(columns: Sequence[str]) -> list[str]:
    """The columns without the currency, where there are amounts, which are written with theirs."""
    has_amounts = any(each.endswith("_minor") for each in columns)
    return [each for each in columns if each != "currency" or not has_amounts]


def sentence(text: str) -> str:
    """The same with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def within(text: str) -> str:
    """The same within a sentence: without its capital, unless all of its word are capitals."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def initials(name: str) -> str:
    """Of who is signed in, for the top bar."""
    parts = [part for part in re.split(r"[\s.@_-]+", name) if part]
    return "".join(
        part[0] for part in (parts[:1] + parts[-1:] if len(parts) > 1 else parts[:1])
    ).upper()


# ── Lists ───────────────────────────────────────────────────────────────────────────────────────

WHO: Final = ("name", "email", "customer_id", "order_id", "payment_id", "reason", "description")
"""Columns that say of whom or of what a row is, the one first that people go by."""
NUMBERS: Final = ("_minor", "_at", "_day", "_count", "position", "quantity", "day", "payments")
"""How the names of columns end that are read one below the other."""
STATES: Final = ("state", "category")


def is_number(column: str) -> bool:
    """Whether what stands in a column is aligned by its end."""
    return column.endswith(NUMBERS)


def places(columns: Sequence[str], row: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Where each column of a list stands on a phone, where a row is a card of three lines.

    On the first line stand its key and an amount, then of whom and when it is, then its states.
    The others are on the row's own page. What a `row` has no value of leaves its place to the next.
    """
    there = [each for each in columns if row is None or row.get(each) not in (None, "")]
    amounts = [each for each in columns if each.endswith("_minor")]
    people = [each for each in WHO if each in there and each != columns[0]]
    times = [each for each in there if each.endswith(("_at", "_day")) or each == "day"]
    states = [each for each in columns if each in STATES or each.endswith("_state")]
    found = {columns[0]: "at-key"}
    for place, names in (
        ("at-amount", amounts[:1]),
        ("at-who", people[:1]),
        ("at-when", times[:1]),
        ("at-state", states[:1]),
        ("at-more", states[1:2]),
    ):
        found |= dict.fromkeys(names, place)
    return {each: found.get(each, "at-home") for each in columns}
