"""What a chart draws: a figure day by day, as the table that stands beside it.

Scripts draw it with Apache ECharts from that table; without them the table is what is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

from markupsafe import Markup

from console import sparkline
from console.writing import SYMBOLS, day, figure
from ledger.domain.money import decimals

Definition = Mapping[str, Any]
"""What a figure is: an item of `GET /kpi/definitions`."""
Days = Sequence[Mapping[str, Any]]
"""The days of `GET /kpi/daily`."""

PER_CENT_DIGITS: Final = 2
MONEY, PERCENT = "money", "percent"


class Value(NamedTuple):
    """A value as it is written, and in whole numbers of its unit; None where there is none."""

    text: str
    raw: int | None


class Day(NamedTuple):
    """A row: the day, how an axis and an address write it, where it leads, and its values."""

    name: str
    short: str
    iso: str
    address: str | None
    values: list[Value]


class Series(NamedTuple):
    """A course: its name and its days, of which it has as many as the others."""

    name: str
    days: Days


class Drawn(NamedTuple):
    """A chart: `kind` is line or bar; `digits` of its whole numbers stand behind the point.

    The signs stand before and after its numbers.
    """

    title: str
    kind: str
    digits: int
    sign_before: str
    sign_after: str
    series: list[Series]
    days: list[Day]


def chart(
    title: str,
    definition: Definition,
    currency: str | None,
    days: Days,
    *,
    before: Days | None = None,
    address: str | None = None,
) -> Drawn:
    """A figure day by day, beside the days `before`; `address` with a day's two dates shows it.

    What is counted is drawn as bars, levels and rates as a line; beside others, all as lines.
    """
    series = [Series(definition["label"], days)]
    if before:
        series.append(Series("Previous period", before))
    is_line = before is not None or definition["kind"] in {"ratio", "balance"}
    digits, sign_before, sign_after = _unit(definition["unit"], currency)
    return Drawn(
        title,
        "line" if is_line else "bar",
        digits,
        sign_before,
        sign_after,
        series,
        [_day(series, n, definition, currency, address) for n in range(len(days))],
    )


def spark(days: Days, definition: Definition, currency: str | None) -> Markup:
    """A figure's course as a small drawing, which says between which values it moves."""
    found = [_of(each, definition, currency) for each in days]
    known = [value for value in found if value is not None]
    unit, label = definition["unit"], definition["label"]
    told = "no value"
    if known:
        told = f"{figure(min(known), unit, currency)} to {figure(max(known), unit, currency)} a day"
    return sparkline.draw([_whole(value, unit) for value in found], f"{label}: {told}")


def uncounted(definition: Definition, figures: Mapping[str, Any]) -> int:
    """Of how many things a figure leaves something out that is not known."""
    counter = figures.get(definition["uncounted_by"])
    return counter["value"] if counter else 0


def _day(
    series: Sequence[Series],
    number: int,
    definition: Definition,
    currency: str | None,
    address: str | None,
) -> Day:
    text: str = series[0].days[number]["day"]
    moment, unit = date.fromisoformat(text), definition["unit"]
    values: list[Value] = []
    for each in series:
        there = each.days[number] if number < len(each.days) else None
        value = None if there is None else _of(there, definition, currency)
        values.append(Value(figure(value, unit, currency), _whole(value, unit)))
    where = address and f"{address}from={text}&to={text}"
    return Day(day(text), f"{moment.day} {moment:%b}", text, where, values)


def _of(there: Mapping[str, Any], definition: Definition, currency: str | None) -> Any:
    """The figure on a day; None where the currency had none."""
    figures = there["currencies"].get(currency, {}) if definition["has_currency"] else there["shop"]
    return figures.get(definition["id"])


def _whole(value: float | None, unit: str) -> int | None:
    """A value in whole numbers: only per cent are none as they come."""
    if value is None:
        return None
    return round(value * 10**PER_CENT_DIGITS) if unit == PERCENT else int(value)


def _unit(unit: str, currency: str | None) -> tuple[int, str, str]:
    """How many digits stand behind the point, and the signs before and after a number."""
    if unit == PERCENT:
        return PER_CENT_DIGITS, "", " %"
    if unit == MONEY and currency is not None:
        symbol = SYMBOLS.get(currency, "")
        return decimals(currency), symbol, "" if symbol else f" {currency.upper()}"
    return 0, "", ""
