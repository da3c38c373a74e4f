"""A report: the figures of a window, beside those of another if asked, and what they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from kpi.as_of import as_of_figures
from kpi.declare import CONTRACT_VERSION, Family, Figure, catalogue, families
from kpi.evaluate import NO_CURRENCY, Evaluated, Value, Values, currencies, evaluate, shown
from kpi.windows import Window
from ledger.errors import InvalidRequest
from projections.engine.replay import AsOf, DictCursor, replayed_to


class Shown(NamedTuple):
    """A figure as it is shown: its value, that of the window compared with, the change in per cent.

    None stands for a ratio over zero, for a change from zero, and where nothing is compared.
    """

    value: int | Decimal | None
    previous: int | Decimal | None = None
    change_pct: Decimal | None = None


Figures = dict[str, Shown]


COMPLETE: Final = (
    "every event recorded so far that can be read, of the mode that counts, is counted, and no day"
    " of the window is yet to come"
)
"""What it means that a report is complete."""


class Report(NamedTuple):
    """Figures by currency and of the whole shop, each in the order of the catalogue.

    `known_until` is the last day that had begun as of the position.
    """

    window: Window
    previous: Window | None
    rests_on: AsOf
    known_until: date
    contract_version: int
    currencies: dict[str, Figures]
    shop: Figures

    @property
    def complete(self) -> bool:
        """Whether every event so far is counted, and no day of the window is yet to come."""
        return self.rests_on.has_all and self.window.last <= self.known_until


def report(
    cursor: DictCursor,
    window: Window,
    known_until: date,
    *,
    compare: Window | None = None,
    currency: str | None = None,
    figures: Sequence[Figure] | None = None,
    position: int | None = None,
) -> Report:
    """The figures (all, if none are named) of a window, of one currency or of all.

    `position` is that of replayed tables, which have all of it; `known_until` is as `kpi.as_of`
    says. Raises `ProjectionStopped` where a
    read model that the figures need does not follow.
    """
    windows = [window] if compare is None else [window, compare]
    now, *before = evaluate(cursor, windows, figures)
    _check_currency(cursor, currency, now, figures)
    made = {name: _shown(values, before[0][name] if before else {}) for name, values in now.items()}
    stands = as_of_figures(cursor, figures) if position is None else replayed_to(cursor, position)
    return _report(window, compare, stands, known_until, made, currency=currency)


def daily(
    cursor: DictCursor,
    window: Window,
    known_until: date,
    *,
    currency: str | None = None,
    figures: Sequence[Figure] | None = None,
) -> list[Report]:
    """The same of each day of a window, the earliest first; raises what `report` raises."""
    days, stands = window.each_day(), as_of_figures(cursor, figures)
    found = [
        {name: _shown(values, {}) for name, values in now.items()}
        for now in evaluate(cursor, days, figures)
    ]
    return [
        _report(day, None, stands, known_until, made, currency=currency)
        for day, made in zip(days, found, strict=True)
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
        raise InvalidRequest.of_field("currency", told, "unknown_word")


def _report(
    window: Window,
    compare: Window | None,
    stands: AsOf,
    known_until: date,
    made: dict[str, Figures],
    *,
    currency: str | None,
) -> Report:
    shop = made.pop(NO_CURRENCY)
    if currency is not None:
        made = {currency: made.get(currency, {})}
    return Report(window, compare, stands, known_until, CONTRACT_VERSION, made, shop)


def _shown(now: Values, before: Values) -> Figures:
    every = catalogue()
    return {name: _one(every[name], now, before) for name in every if name in now}


def _one(figure: Figure, now: Values, before: Values) -> Shown:
    value, previous = now[figure.id], before.get(figure.id)
    return Shown(shown(figure, value), shown(figure, previous), change_pct(value, previous))


def silent(figures: Figures) -> list[Family]:
    """The families of which these figures, of one currency, say nothing: see `Family.rests_on`."""
    counts = {name: each.value for name, each in figures.items()}
    return [each for each in families() if each.rests_on in counts and not counts[each.rests_on]]


def known(figures: Figures) -> Figures:
    """These figures without those that say nothing: zeros where Stripe shows money."""
    left_out = {each.id for family in silent(figures) for each in family.figures}
    return {name: each for name, each in figures.items() if name not in left_out}


def change_pct(value: Value, previous: Value) -> Decimal | None:
    """By how much a value differs from the one before, in per cent of that."""
    if value is None or not previous:
        return None
    change = Fraction(value - previous) / abs(previous)
    return Decimal(round(change * 10_000)).scaleb(-2)
