"""A report: the figures of a window, beside those of another if asked, and what they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from kpi.as_of import AsOf, DictCursor, replayed_to, standing
from kpi.declare import CONTRACT_VERSION, Figure, catalogue
from kpi.evaluate import (
    NO_CURRENCY,
    Evaluated,
    Value,
    Values,
    currencies,
    evaluate,
    shown,
)
from kpi.windows import Window
from ledger.errors import FieldError, InvalidRequest


class Shown(NamedTuple):
    """A figure as it is shown: its value, that of the window compared with, the change in per cent.

    None stands for a ratio over zero, for a change from zero, and where nothing is compared.
    """

    value: int | Decimal | None
    previous: int | Decimal | None = None
    change_pct: Decimal | None = None


Figures = dict[str, Shown]


class Report(NamedTuple):
    """Figures by currency and of the whole shop, each in the order of the catalogue."""

    window: Window
    previous: Window | None
    standing: AsOf
    contract_version: int
    currencies: dict[str, Figures]
    shop: Figures


def report(
    cursor: DictCursor,
    window: Window,
    *,
    compare: Window | None = None,
    currency: str | None = None,
    figures: Sequence[Figure] | None = None,
    position: int | None = None,
) -> Report:
    """The figures (all, if none are named) of a window, of one currency or of all.

    `position` is that of replayed tables, which are complete. Raises `ProjectionStopped` where a
    read model that the figures need does not follow.
    """
    windows = [window] if compare is None else [window, compare]
    now, *before = evaluate(cursor, windows, figures)
    _check_currency(cursor, currency, now, figures)
    made = {name: _shown(values, before[0][name] if before else {}) for name, values in now.items()}
    stands = standing(cursor, figures) if position is None else replayed_to(cursor, position)
    return _report(window, compare, stands, made, currency)


def daily(
    cursor: DictCursor,
    window: Window,
    *,
    currency: str | None = None,
    figures: Sequence[Figure] | None = None,
) -> list[Report]:
    """The same of each day of a window, the earliest first; raises what `report` raises."""
    days, stands = window.each_day(), standing(cursor, figures)
    found = [
        {name: _shown(values, {}) for name, values in now.items()}
        for now in evaluate(cursor, days, figures)
    ]
    return [
        _report(day, None, stands, made, currency) for day, made in zip(days, found, strict=True)
    ]


def _check_currency(
    cursor: DictCursor,
    currency: str | None,
    found: Evaluated,
    figures: Sequence[Figure] | None,
) -> None:
    """Raise `InvalidRequest` for a currency in which there never was an amount, if one has any."""
    if currency is None or currency in found:
        return
    known = currencies(cursor, figures)
    if known and currency not in known:
        told = f"no amount is in {currency}; there is {', '.join(known)}."
        raise InvalidRequest(f"currency: {told}", FieldError("currency", "unknown_word", told))


def _report(
    window: Window,
    compare: Window | None,
    stands: AsOf,
    made: dict[str, Figures],
    currency: str | None,
) -> Report:
    shop = made.pop(NO_CURRENCY)
    if currency is not None:
        made = {currency: made.get(currency, {})}
    return Report(window, compare, stands, CONTRACT_VERSION, made, shop)


def _shown(now: Values, before: Values) -> Figures:
    every = catalogue()
    return {name: _one(every[name], now, before) for name in every if name in now}


def _one(figure: Figure, now: Values, before: Values) -> Shown:
    value, previous = now[figure.id], before.get(figure.id)
    return Shown(shown(figure, value), shown(figure, previous), change_pct(value, previous))


def change_pct(value: Value, previous: Value) -> Decimal | None:
    """By how much a value differs from the one before, in per cent of that."""
    if value is None or not previous:
        return None
    change = Fraction(value - previous) / abs(previous)
    return Decimal(round(change * 10_000)).scaleb(-2)
