"""Charts: their pictures are exact, and nothing that they are given is left out."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from console.charts import LETTER, Chart, Series, bars, funnel, line, sparkline
from console.units import MOST_TICKS, PERCENT, Unit, ticks, unit_of, whole

GOLDEN = Path(__file__).parent / "golden"
SVG = "{http://www.w3.org/2000/svg}"
POUNDS = Unit(2, "GBP")
BEGIN = date(2026, 3, 28)
AMOUNTS = st.integers(-(10**15), 10**15)
Draw = Callable[[Chart], Markup]
VALUES = st.lists(st.none() | AMOUNTS, min_size=1, max_size=40)


def chart(*series: list[int | None], unit: Unit = POUNDS) -> Chart:
    days = [BEGIN + timedelta(n) for n in range(len(series[0]))]
    named = [Series(f"Series {n}", values) for n, values in enumerate(series, 1)]
    return Chart("chart", "Revenue & <refunds>", unit, days, named)


def svg_of(figure: Markup) -> str:
    text = str(figure)
    return text[text.index("<svg") : text.index("</svg>") + len("</svg>")] + "\n"


def drawn(figure: Markup) -> Element:
    return fromstring(svg_of(figure))  # noqa: S314 - our own text


PICTURES = {
    "bars": bars(chart([12_050, 0, 99_999, None, 4_200])),
    "bars_below_zero": bars(chart([500, -1_250, 300], [-100, 200, None])),
    "line_with_a_gap": line(chart([1_250, None, 900, 1_000], unit=PERCENT)),
    "line_of_two": line(chart([0, 5, 9], [0, 3, 2], unit=Unit())),
    "one_day": line(chart([42])),
    "nothing": bars(chart([0, 0, 0])),
    "funnel": funnel("funnel", "From wish to purchase", [("Wished", 1_200), ("Bought", 300)]),
    "sparkline": sparkline("Orders: 0 to 7 a day", [0, 3, None, 7, 2]),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_the_golden_one(name: str) -> None:
    assert svg_of(PICTURES[name]) == (GOLDEN / f"{name}.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("most", [3, 12_345_678])
def test_what_stands_beside_the_axis_has_room(most: int) -> None:
    """The sign of the unit too, where the labels are shorter than it."""
    shown = chart([100 * most])
    texts = drawn(bars(shown)).iter(f"{SVG}text")
    beside = [each for each in texts if each.get("text-anchor") == "end"]
    assert POUNDS.sign in {each.text for each in beside}
    for each in beside:
        assert LETTER * len(each.text or "") <= int(each.attrib["x"])


@given(AMOUNTS, AMOUNTS)
def test_ticks_cover_all_values_and_zero_with_few_round_steps(a: int, b: int) -> None:
    found = ticks(min(a, b), max(a, b))
    assert found[0] <= min(a, b, 0) <= max(a, b, 0) <= found[-1]
    assert 0 in found
    assert 2 <= len(found) <= MOST_TICKS + 1
    assert str(found.step).rstrip("0") in {"1", "2", "5"}


def test_an_axis_of_nothing_but_zeros_goes_up_to_one() -> None:
    assert chart([0, 0]).labels[-1] == "1.00"
    assert chart([0, 0], unit=Unit()).labels == ["0", "1"]


@given(st.sampled_from([bars, line]), VALUES)
def test_every_value_is_told_in_the_picture_and_in_the_table(
    draw: Draw, values: list[int | None]
) -> None:
    figure = draw(chart(values))
    told = [each.text or "" for each in drawn(figure).iterfind(f"{SVG}g/{SVG}title")]
    assert len(told) == len(values)
    for text, value in zip(told, values, strict=True):
        assert text.endswith(f"Series 1: {POUNDS.write(value)}")
    assert str(figure).count('<td class="number">') == len(values)


@given(st.sampled_from([bars, line]), VALUES)
def test_all_marks_lie_within_the_picture(draw: Draw, values: list[int | None]) -> None:
    root = drawn(draw(chart(values)))
    _, _, wide, high = map(float, root.attrib["viewBox"].split())
    for bar in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(bar.attrib[name]) for name in ("x", "y", "width", "height"))
        assert min(x, y, w, h) >= 0
        assert x + w <= wide
        assert y + h <= high
    for point in root.iter(f"{SVG}circle"):
        assert 0 <= float(point.attrib["cx"]) <= wide
        assert 0 <= float(point.attrib["cy"]) <= high


@given(VALUES)
def test_a_line_has_a_point_for_each_value_that_is_known(values: list[int | None]) -> None:
    points = list(drawn(line(chart(values))).iter(f"{SVG}circle"))
    assert len(points) == sum(value is not None for value in values)


@given(st.lists(st.none() | AMOUNTS, max_size=40))
def test_a_sparkline_of_any_values_can_be_drawn(values: list[int | None]) -> None:
    assert drawn(sparkline("Orders", values)).attrib["aria-label"] == "Orders"


def test_a_title_is_escaped_and_names_the_picture() -> None:
    root = drawn(bars(chart([1])))
    title = root.find(f"{SVG}title")
    assert title is not None
    assert title.text == "Revenue & <refunds>"
    assert root.attrib["aria-labelledby"] == title.attrib["id"]


@pytest.mark.parametrize(
    ("name", "currency", "value", "written"),
    [
        ("money", "gbp", 123_456, "1,234.56 GBP"),
        ("money", "jpy", -17_600, "−17,600 JPY"),
        ("money", "kwd", 5, "0.005 KWD"),
        ("percent", "gbp", 12.96, "12.96 %"),
        ("count", None, 1_234, "1,234"),
        ("units", None, None, "–"),
    ],
)
def test_a_value_is_written_in_its_unit(
    name: str, currency: str | None, value: float | None, written: str
) -> None:
    unit = unit_of(name, currency)
    assert unit.write(whole(value, unit)) == written
