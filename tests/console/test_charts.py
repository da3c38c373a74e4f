"""Charts: the table that one is drawn from has every value; small drawings stay in their frame."""

from datetime import date, timedelta
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.charts import chart, spark
from console.sparkline import draw, share

BEGIN = date(2026, 3, 28)
AMOUNTS = st.integers(-(10**15), 10**15)
VALUES = st.lists(st.none() | AMOUNTS, max_size=40)


def figure(unit: str = "money", kind: str = "additive") -> dict[str, Any]:
    return {"id": "x", "label": "Revenue", "unit": unit, "kind": kind, "has_currency": True}


def days(*values: float | None, currency: str = "gbp") -> list[dict[str, Any]]:
    return [
        {"day": f"{BEGIN + timedelta(n)}", "currencies": {currency: {"x": value}}, "shop": {}}
        for n, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("unit", "currency", "value", "written", "raw"),
    [
        ("money", "gbp", 123_456, "£1,234.56", 123_456),
        ("money", "jpy", -17_600, "−¥17,600", -17_600),
        ("money", "kwd", 5, "0.005\N{NO-BREAK SPACE}KWD", 5),
        ("percent", "gbp", 12.96, "13.0\N{NO-BREAK SPACE}%", 1_296),
        ("count", "gbp", 1_234, "1,234", 1_234),
        ("units", "gbp", None, "–", None),
    ],
)
def test_a_value_is_written_in_its_unit_and_drawn_as_a_whole_number(
    unit: str, currency: str, value: float | None, written: str, raw: int | None
) -> None:
    drawn = chart("Title", figure(unit), currency, days(value, currency=currency))
    assert drawn.days[0].values == [(written, raw)]


def test_each_day_is_a_row_with_its_name_and_where_it_leads() -> None:
    drawn = chart("Title", figure(), "gbp", days(1, 2), address="/console/figures/x?")
    assert [day.name for day in drawn.days] == ["28 Mar 2026", "29 Mar 2026"]
    assert drawn.days[1].short == "29 Mar"
    assert drawn.days[1].address == "/console/figures/x?from=2026-03-29&to=2026-03-29"


def test_the_days_before_are_a_second_course_and_may_be_fewer() -> None:
    drawn = chart("Title", figure(), "gbp", days(1, 2), before=days(7))
    assert [each.name for each in drawn.series] == ["Revenue", "Previous period"]
    assert [[value.raw for value in day.values] for day in drawn.days] == [[1, 7], [2, None]]


@pytest.mark.parametrize(
    ("kind", "before", "shown"),
    [("additive", None, "bar"), ("balance", None, "line"), ("additive", days(1), "line")],
)
def test_what_is_counted_is_bars_and_courses_are_lines(kind: str, before: Any, shown: str) -> None:
    assert chart("Title", figure(kind=kind), "gbp", days(1), before=before).kind == shown


@pytest.mark.parametrize(
    ("unit", "currency", "signs"),
    [
        ("money", "gbp", (2, "£", "")),
        ("money", "kwd", (3, "", " KWD")),
        ("percent", "gbp", (2, "", " %")),
        ("count", "gbp", (0, "", "")),
    ],
)
def test_an_axis_is_written_in_the_unit(
    unit: str, currency: str, signs: tuple[int, str, str]
) -> None:
    drawn = chart("Title", figure(unit), currency, days(1, currency=currency))
    assert (drawn.digits, drawn.sign_before, drawn.sign_after) == signs


def test_a_small_drawing_says_between_which_values_it_moves() -> None:
    told = svg(spark(days(0, 2_000, None), figure(), "gbp")).attrib["aria-label"]
    assert told == "Revenue: £0.00 to £20.00 a day"
    assert svg(spark(days(None), figure(), "gbp")).attrib["aria-label"] == "Revenue: no value"


@given(VALUES)
def test_all_of_a_small_drawing_lies_within_its_frame(values: list[int | None]) -> None:
    root = svg(draw(values, "Orders & <refunds>"))
    assert root.attrib["aria-label"] == "Orders & <refunds>"
    for path in root.iter("path"):
        for point in path.attrib["d"].strip("MZ").split("L"):
            x, y = map(float, point.split())
            assert 0 <= x <= 100
            assert 0 <= y <= 28


@given(AMOUNTS, AMOUNTS)
def test_a_share_is_never_more_than_all(part: int, whole: int) -> None:
    bar = [*svg(share(part, whole)).iter("rect")][-1]
    assert 0 <= float(bar.attrib["width"]) <= 100


def svg(drawing: object) -> Element:
    return fromstring(f"{drawing}")  # noqa: S314 - our own text
