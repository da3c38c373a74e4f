"""Small drawings as SVG, without axes: the course of a figure, and a share as a bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from markupsafe import Markup

Values = Sequence[int | None]
"""Whole numbers day by day; None where there is none."""

WIDE, HIGH = 1000, 280
"""Of the drawing, in tenths of its units."""
EDGE: Final = 20


def draw(values: Values, title: str) -> Markup:
    """The course of some values; `title` says which, for who does not see it."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0), max(known, default=0)
    if not any(known):
        low, high = 0, 1
    places = [
        (WIDE * n // max(len(values) - 1, 1), None if value is None else _height(value, low, high))
        for n, value in enumerate(values)
    ]
    runs = [*_runs(places)]
    areas = Markup("").join(
        Markup('<path class="area" d="M{} {}L{}L{} {}Z"/>').format(
            _px(run[0][0]), _px(HIGH), _line(run), _px(run[-1][0]), _px(HIGH)
        )
        for run in runs
    )
    lines = Markup("").join(Markup('<path d="M{}"/>').format(_line(run)) for run in runs)
    return Markup(
        '<svg class="sparkline" viewBox="0 0 100 28" preserveAspectRatio="none" role="img"'
        ' aria-label="{}">{}{}</svg>'
    ).format(title, areas, lines)


def share(part: int, whole: int) -> Markup:
    """How much of a whole a part is, as a bar; the number stands beside it."""
    percent = 0 if whole <= 0 else min(1000 * max(part, 0) // whole, 1000)
    return Markup(
        '<svg class="share" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="whole" width="100" height="4"/><rect width="{}" height="4"/></svg>'
    ).format(_px(percent))


def _height(value: int, low: int, high: int) -> int:
    """How far down a value stands, in tenths; what never changes lies in the middle."""
    if high == low:
        return HIGH // 2
    return EDGE + (HIGH - 2 * EDGE) * (high - value) // (high - low)


def _runs(places: Sequence[tuple[int, int | None]]) -> Iterator[list[tuple[int, int]]]:
    """The points of each run without a gap; a lone one twice, which makes a dot."""
    for is_known, run in groupby(places, key=lambda place: place[1] is not None):
        if is_known:
            points = [(x, y) for x, y in run if y is not None]
            yield points if len(points) > 1 else 2 * points


def _line(run: Sequence[tuple[int, int]]) -> str:
    return "L".join(f"{_px(x)} {_px(y)}" for x, y in run)


def _px(tenths: int) -> str:
    """Tenths, written exactly."""
    whole, tenth = divmod(tenths, 10)
    return f"{whole}.{tenth}" if tenth else str(whole)
