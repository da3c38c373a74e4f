"""Charts as SVG: exact, in whole numbers, with a table of the same values beside each.

They have no colours of their own: series are `currentColor` of the classes series-1, series-2 …,
so that console.css gives them those of light and dark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from itertools import groupby
from typing import Final, NamedTuple

from markupsafe import Markup, escape

from console.units import Unit, ticks


def tag(name: str, /, *content: str, **attributes: object) -> Markup:
    """An element: `tag("a", "Tea & Co", href="/tea", class_="brand", aria_label="…")`.

    Text is escaped, Markup is not; an underscore stands for a hyphen, a last one for nothing.
    """
    given = "".join([f' {_written(key)}="{escape(value)}"' for key, value in attributes.items()])
    inner = "".join([escape(each) for each in content])
    # A page has thousands of elements: Markup's own formatting takes four times as long.
    return Markup(f"<{name}{given}>{inner}</{name}>")  # noqa: S704 - each part was escaped above


@cache
def _written(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


HEIGHT: Final = 220
TOP, RIGHT, BOTTOM = 26, 8, 24
LETTER: Final = 7
"""About how wide a letter of an axis is."""
DAY_LABEL: Final = 60
SPARK: Final = (120, 28)
STEP_WIDTH, STEP_HEIGHT = 400, 46

Values = Sequence[int | None]


class Series(NamedTuple):
    """Values by day, in whole numbers of their chart's unit; None where there is none."""

    name: str
    values: Values


@dataclass(frozen=True)
class Chart:
    """What is drawn: one or several series over the same days. `name` is unique in its page."""

    name: str
    title: str
    unit: Unit
    days: Sequence[date]
    series: Sequence[Series]
    width: int = 400

    @cached_property
    def ticks(self) -> range:
        """The round numbers along the axis of values."""
        known = [value for each in self.series for value in each.values if value is not None]
        return ticks(min(known, default=0), max(known, default=0), self.unit.one)

    @cached_property
    def labels(self) -> list[str]:
        """What is written beside them."""
        whole = not any(tick % self.unit.one for tick in self.ticks)
        return [self.unit.number(tick, whole=whole) for tick in self.ticks]

    @cached_property
    def left(self) -> int:
        """Where the days begin, in pixels: right of the longest label, and of the unit's sign."""
        return LETTER * max(map(len, [self.unit.sign, *self.labels])) + 10

    def edge(self, number: int) -> int:
        """Where a day begins, and the one before it ends, in tenths of a pixel."""
        wide = 10 * (self.width - RIGHT - self.left)
        return 10 * self.left + wide * number // len(self.days)

    def middle(self, number: int) -> int:
        """The middle of a day, in tenths of a pixel."""
        return (self.edge(number) + self.edge(number + 1)) // 2

    def height_of(self, value: int) -> int:
        """How far down a value stands, in tenths of a pixel."""
        span = self.ticks[-1] - self.ticks[0]
        return 10 * TOP + 10 * (HEIGHT - TOP - BOTTOM) * (self.ticks[-1] - value) // span


_Marks = Callable[[Chart, int], Iterator[Markup]]


def line(chart: Chart) -> Markup:
    """A line for each series, for what is a level or a rate; it breaks where there is no value."""
    lines = [
        tag("polyline", points=points, class_=f"line series-{n}")
        for n, each in enumerate(chart.series, 1)
        for points in _runs(
            [(chart.middle(day), _height(chart, value)) for day, value in enumerate(each.values)]
        )
    ]
    return _figure(chart, [*lines, *_days(chart, _points)])


def bars(chart: Chart) -> Markup:
    """A bar for each value, for what adds up; those of a day stand side by side."""
    return _figure(chart, _days(chart, _bars))


def sparkline(title: str, values: Values) -> Markup:
    """The course of some values, without axes: beside a figure that says what they are."""
    width, height = SPARK
    known = [value for value in values if value is not None]
    scale = ticks(min(known, default=0), max(known, default=0))
    apart = 10 * (width - 4) // max(len(values) - 1, 1)
    places = [
        (20 + n * apart, None if value is None else _place(value, scale, height))
        for n, value in enumerate(values)
    ]
    lines = [tag("polyline", points=points, class_="line") for points in _runs(places)]
    return _svg(width, height, tag("title", title), *lines, class_="sparkline", aria_label=title)


def funnel(name: str, title: str, steps: Sequence[tuple[str, int]]) -> Markup:
    """How many of the first step came to each of the next."""
    most = max((reached for _, reached in steps), default=0) or 1
    rows = [_step(n, label, reached, steps[0][1], most) for n, (label, reached) in enumerate(steps)]
    drawing = _drawing(name, title, STEP_WIDTH, STEP_HEIGHT * len(steps), rows)
    table = _table(title, ("Step", "Count"), [(label, f"{count:,}") for label, count in steps])
    return tag("figure", tag("figcaption", title), drawing, table)


def _step(n: int, label: str, reached: int, of: int, most: int) -> Markup:
    share = f" ({round(100 * reached / of)} %)" if n and of else ""
    told = f"{label}: {reached:,}{share}"
    y, wide = n * STEP_HEIGHT, _px(10 * STEP_WIDTH * reached // most)
    return tag(
        "g",
        tag("title", told),
        tag("text", told, x=0, y=y + 14),
        tag("rect", x=0, y=y + 20, width=wide, height=18, class_="bar series-1"),
    )


def _figure(chart: Chart, marks: Sequence[Markup]) -> Markup:
    body = [*_axis(chart), *_calendar(chart), *marks]
    drawing = _drawing(chart.name, chart.title, chart.width, HEIGHT, body)
    heads = ("Day", *(each.name for each in chart.series))
    rows = [
        (f"{day:%d %b %Y}", *(chart.unit.write(each.values[n]) for each in chart.series))
        for n, day in enumerate(chart.days)
    ]
    table = _table(chart.title, heads, rows)
    return tag("figure", tag("figcaption", chart.title), _legend(chart), drawing, table)


def _drawing(name: str, title: str, width: int, height: int, content: Sequence[Markup]) -> Markup:
    labelled = f"{name}-title"
    head = tag("title", title, id=labelled)
    return _svg(width, height, head, *content, class_="chart", aria_labelledby=labelled)


def _svg(width: int, height: int, *content: Markup, **attributes: str) -> Markup:
    size = {"viewBox": f"0 0 {width} {height}", "role": "img"}
    return tag("svg", *content, xmlns="http://www.w3.org/2000/svg", **size, **attributes)


def _legend(chart: Chart) -> Markup:
    if len(chart.series) == 1:
        return Markup("")
    names = [tag("span", each.name, class_=f"series-{n}") for n, each in enumerate(chart.series, 1)]
    return tag("p", *names, class_="legend")


def _axis(chart: Chart) -> Iterator[Markup]:
    """Lines at the ticks, what each stands for, and the unit above them."""
    if chart.unit.sign:
        yield tag("text", chart.unit.sign, x=chart.left - 6, y=12, text_anchor="end")
    for tick, label in zip(chart.ticks, chart.labels, strict=True):
        y = chart.height_of(tick)
        ends = {"x1": chart.left, "x2": chart.width - RIGHT, "y1": _px(y), "y2": _px(y)}
        yield tag("line", class_="axis" if tick else "axis zero", **ends)
        yield tag("text", label, x=chart.left - 6, y=_px(y + 40), text_anchor="end")


def _calendar(chart: Chart) -> Iterator[Markup]:
    """Some of the days, as many as have room, the last one among them."""
    room = max((chart.width - chart.left) // DAY_LABEL, 1)
    stride = -(-len(chart.days) // room)
    for number in range((len(chart.days) - 1) % stride, len(chart.days), stride):
        x = min(chart.middle(number), 10 * (chart.width - RIGHT) - 200)
        yield tag(
            "text", f"{chart.days[number]:%d %b}", x=_px(x), y=HEIGHT - 6, text_anchor="middle"
        )


def _days(chart: Chart, marks: _Marks) -> list[Markup]:
    """Each day with its marks, and what it holds as the tooltip of all its height."""
    return [
        tag(
            "g",
            tag("title", _told(chart, number)),
            tag(
                "rect",
                x=_px(chart.edge(number)),
                y=TOP,
                width=_px(chart.edge(number + 1) - chart.edge(number)),
                height=HEIGHT - TOP - BOTTOM,
                class_="hit",
            ),
            *marks(chart, number),
            class_="day",
        )
        for number in range(len(chart.days))
    ]


def _told(chart: Chart, number: int) -> str:
    values = (f"{each.name}: {chart.unit.write(each.values[number])}" for each in chart.series)
    return "\n".join([f"{chart.days[number]:%d %b %Y}", *values])


def _points(chart: Chart, number: int) -> Iterator[Markup]:
    for n, each in enumerate(chart.series, 1):
        y = _height(chart, each.values[number])
        if y is not None:
            x = _px(chart.middle(number))
            yield tag("circle", cx=x, cy=_px(y), r="2.5", class_=f"point series-{n}")


def _bars(chart: Chart, number: int) -> Iterator[Markup]:
    """From the line of 0 up, or down from it; a fifth of the day's width stays free."""
    begin, end = chart.edge(number), chart.edge(number + 1)
    free = (end - begin) // 10
    wide = (end - begin - 2 * free) // len(chart.series)
    for n, each in enumerate(chart.series):
        top, bottom = sorted((chart.height_of(each.values[number] or 0), chart.height_of(0)))
        x, height = _px(begin + free + n * wide), _px(bottom - top)
        size = {"x": x, "y": _px(top), "width": _px(wide), "height": height}
        yield tag("rect", class_=f"bar series-{n + 1}", **size)


def _height(chart: Chart, value: int | None) -> int | None:
    return None if value is None else chart.height_of(value)


def _place(value: int, scale: range, height: int) -> int:
    """How far down a value of a sparkline stands, in tenths of a pixel."""
    return 20 + 10 * (height - 4) * (scale[-1] - value) // (scale[-1] - scale[0])


def _runs(places: Sequence[tuple[int, int | None]]) -> Iterator[str]:
    """The points of each run without a gap; a lone one twice, which makes a dot."""
    for is_known, run in groupby(places, key=lambda place: place[1] is not None):
        if is_known:
            points = [f"{_px(x)},{_px(y or 0)}" for x, y in run]
            yield " ".join(points if len(points) > 1 else 2 * points)


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """The same values to read, folded up."""
    head = tag("tr", *(tag("th", each, scope="col") for each in heads))
    body = [
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", v, class_="number") for v in row[1:]))
        for row in rows
    ]
    table = tag("table", tag("caption", title), tag("thead", head), tag("tbody", *body))
    return tag(
        "details", tag("summary", "As a table"), tag("div", table, class_="scroll"), class_="data"
    )


def _px(tenths: int) -> str:
    """Tenths of a pixel, written exactly."""
    whole, tenth = divmod(tenths, 10)
    return f"{whole}.{tenth}" if tenth else str(whole)
