"""The values of a figure over the days of a window, ready to be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from markupsafe import Markup

from console.charts import Chart, Series, Values, bars, line, sparkline
from console.units import unit_of, whole

Definition = Mapping[str, Any]
"""What a figure is: an item of `GET /kpi/definitions`."""
Days = list[dict[str, Any]]
"""The days of `GET /kpi/daily`."""


def uncounted(figure: Definition, figures: Mapping[str, Any]) -> int:
    """Of how many things a figure leaves something out that is not known."""
    counter = figures.get(figure["uncounted_by"])
    return counter["value"] if counter else 0


def course(days: Days, figure: Definition, currency: str | None) -> Values:
    """A figure day by day, in whole numbers of its unit."""
    unit = unit_of(figure["unit"], currency)
    return [whole(_of(day, figure, currency).get(figure["id"]), unit) for day in days]


def spark(days: Days, figure: Definition, currency: str | None) -> Markup:
    """A figure's sparkline, which says between which values it moves."""
    unit, values = unit_of(figure["unit"], currency), course(days, figure, currency)
    known = [value for value in values if value is not None]
    told = f"{unit.write(min(known))} to {unit.write(max(known))} a day" if known else "no value"
    return sparkline(f"{figure['label']}: {told}", values)


def chart(
    title: str, days: Days, figures: list[Definition], currency: str | None, *, width: int = 400
) -> Markup:
    """Figures of one unit day by day: bars of what is counted, a line of levels and rates."""
    first = figures[0]
    drawn = Chart(
        f"chart-{first['id']}",
        title,
        unit_of(first["unit"], currency),
        [date.fromisoformat(day["day"]) for day in days],
        [Series(each["label"], course(days, each, currency)) for each in figures],
        width,
    )
    return line(drawn) if first["kind"] in {"ratio", "balance"} or len(figures) > 1 else bars(drawn)


def _of(day: dict[str, Any], figure: Definition, currency: str | None) -> dict[str, Any]:
    """The day's figures of a currency; none where it had none."""
    return day["currencies"].get(currency, {}) if figure["has_currency"] else day["shop"]
