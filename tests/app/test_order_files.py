"""Files of orders: read without a float, whatever program wrote them, and refused by the column."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.order_files import Draft, Unreadable, amount_minor, drafts
from ledger.domain.events import Address, Line
from ledger.domain.money import decimals

BERLIN = ZoneInfo("Europe/Berlin")
HEAD = "order_id,placed_at,currency,sku,quantity,unit_price"
ROW = "A1,2019-03-31T12:00:00Z,EUR,MUG,2,12.00"


@pytest.fixture
def written(tmp_path: Path) -> Any:
    def write(content: str | bytes) -> list[Draft]:
        path = tmp_path / "orders"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return [*drafts(path, BERLIN)]

    return write


def wrong(draft: Draft) -> list[str]:
    assert draft.command is None
    return [problem.column for problem in draft.problems]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("cell", [",", ";"])
def test_a_file_may_be_of_any_program(written: Any, mark: str, end: str, cell: str) -> None:
    lines = [HEAD.replace(",", cell), ROW.replace(",", cell), "A1" + cell * 3 + "TEA" + cell * 2]
    lines[2] += "5"
    (draft,) = written(mark + end.join(lines))
    assert (draft.line, draft.order_id, draft.problems) == (2, "A1", ())
    assert draft.command is not None
    placed = draft.command.placed
    assert placed.lines == (
        Line(sku="MUG", name="MUG", quantity=2, unit_minor=1200),
        Line(sku="TEA", name="TEA", quantity=1, unit_minor=500),
    )
    assert (placed.currency, placed.origin, placed.reserves_stock) == ("eur", "import", False)
    assert placed.at == datetime(2019, 3, 31, 12, tzinfo=UTC)


def test_json_lines_say_the_same(written: Any) -> None:
    order = {
        "order_id": "A1",
        "placed_at": "2019-03-31 14:00",
        "currency": "kwd",
        "fulfilled_at": "2019-04-02",
        "customer_id": "c1",
        "email": "ada@example.com",
        "shipping": "1.5",
        "tax_minor": 7,
        "total_minor": 4007,
        "address": {"city": "Ely", "country": "GB"},
        "lines": [{"sku": "MUG", "name": "Mug", "unit_price": 2, "line_id": "one"}],
    }
    number = '{"order_id": "A2", "discount": 0.5, "placed_at": "2019-03-31", "currency": "eur"'
    number += ', "lines": [{"sku": "A", "unit_price": 8.95, "quantity": 2}]}'
    first, second = written(json.dumps(order) + "\n\n" + number)
    assert first.command is not None
    placed = first.command.placed
    assert (placed.shipping_minor, placed.tax_minor, placed.total_minor) == (1500, 7, 4007)
    assert placed.lines == (
        Line(sku="MUG", name="Mug", quantity=1, unit_minor=2000, line_id="one"),
    )
    assert placed.shipping_address == Address(city="Ely", country="GB")
    assert placed.at == datetime(2019, 3, 31, 14, tzinfo=BERLIN)
    assert first.command.fulfilled_at == datetime(2019, 4, 2, tzinfo=BERLIN)
    assert (second.line, second.command is not None) == (3, True)
    assert second.command.placed.lines[0].unit_minor == 895
    assert second.command.placed.discount_minor == 50


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"order_id": None}, "order_id"),
        ({"currency": ""}, "currency"),
        ({"placed_at": "yesterday"}, "placed_at"),
        ({"placed_at": "2999-01-01"}, "placed_at"),
        ({"placed_at": "1969-01-01"}, "placed_at"),
        ({"fulfilled_at": "2019-03-30"}, "fulfilled_at"),
        ({"fulfilled_at": "2019-04-01", "canceled_at": "2019-04-01"}, "canceled_at"),
        ({"shipping": "1.234"}, None),
        ({"shipping": "12,3456"}, "shipping"),
        ({"shipping": "-1"}, "shipping"),
        ({"shipping": "1", "shipping_minor": 100}, "shipping"),
        ({"shipping_minor": "1.5"}, "shipping_minor"),
        ({"shipping_minor": True}, "shipping_minor"),
        ({"tax": "NaN"}, "tax"),
        ({"total": [1]}, "total"),
        ({"lines": []}, "lines"),
        ({"lines": [{"sku": "A"}]}, "unit_price"),
        ({"lines": [{"sku": "A", "unit_price": "1", "quantity": "2.0"}]}, "quantity"),
        ({"lines": [{"sku": "A", "unit_price": "1", "colour": "red"}]}, "lines.colour"),
        ({"address": "Ely"}, "address"),
        ({"colour": "red"}, "colour"),
        ({"email": 7}, "email"),
    ],
)
def test_what_is_wrong_is_named_by_its_column(
    written: Any, change: dict[str, Any], column: str | None
) -> None:
    order = {
        "order_id": "A1",
        "placed_at": "2019-03-31T12:00:00Z",
        "currency": "eur",
        "lines": [{"sku": "MUG", "unit_price": "12.00"}],
    }
    bad, good = written("\n".join(map(json.dumps, (order | change, order | {"order_id": "A2"}))))
    assert good.command is not None
    assert (wrong(bad) if column else [p.column for p in bad.problems]) == [column][: bool(column)]


def test_a_line_that_is_no_json_takes_no_other_along(written: Any) -> None:
    sound = '{"order_id": "A2", "order_id": "A2"}'
    found = written('{"order_id": \n[1]\n' + sound + "\n{}")
    assert [draft.line for draft in found] == [1, 2, 3, 4]
    assert [draft.command for draft in found] == [None] * 4


def test_rows_of_one_order_agree(written: Any) -> None:
    first, second = written(f"{HEAD}\n{ROW}\n{ROW.replace('EUR', 'USD')}\nA2,2019-03-31,eur,A,1,1")
    assert wrong(first) == ["currency"]
    assert (second.line, second.command is not None) == (4, True)
    (surplus,) = written(f"{HEAD}\n{ROW},more")
    assert wrong(surplus) == [""]


def test_an_order_whose_rows_stand_apart_is_imported_not_even_in_part(written: Any) -> None:
    """The first of them look like the whole order."""
    other = ROW.replace("A1", "B1")
    first, between, rest = written(f"{HEAD}\n{ROW}\n{other}\nA1,,,TEA,1,5")
    assert (first.line, first.order_id, wrong(first)) == (2, "A1", ["order_id"])
    assert (rest.line, rest.order_id, wrong(rest)) == (4, "A1", ["order_id"])
    assert "one after the other" in first.problems[0].told
    assert between.command is not None


def test_a_quote_that_stays_open_is_found_on_its_line_before_anything_is_read(written: Any) -> None:
    with pytest.raises(Unreadable, match="no CSV from line 3 on"):
        written("\n".join([HEAD, ROW, ROW.replace("MUG", '"MUG'), ROW]))


def test_an_order_begins_on_the_line_where_it_begins(written: Any) -> None:
    rows = f'{HEAD},name\n\n{ROW},"two\nlines"\n{ROW.replace("A1", "A2")},Mug'
    first, second = written(rows)
    assert (first.line, second.line) == (3, 5)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "order_id,placed_at,currency\n",
        f"{HEAD},colour\n{ROW},red",
        f"{HEAD},sku\n{ROW},A",
        f"{HEAD}\n{ROW}\n".encode("utf-16"),
        f"{HEAD}\nM\u00fcg{ROW}".encode("latin-1"),
        f'{HEAD}\n"A1"x{ROW}',
    ],
)
def test_a_file_that_cannot_be_read_says_so(written: Any, content: str | bytes) -> None:
    with pytest.raises(Unreadable):
        written(content)


# ── Amounts ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("89.50", "eur", 8950),
        ("89,50", "eur", 8950),
        ("89,5", "eur", 8950),
        (" 1.234,50 ", "eur", 123450),
        ("1,234.50", "eur", 123450),
        ("1 234.50", "eur", 123450),
        ("1’234.50", "eur", 123450),
        ("1\u00a0234\u202f567", "eur", None),
        ("1\u202f234\u202f567,89", "eur", 123456789),
        ("1.234", "eur", 123400),
        ("1.234.567", "jpy", 1234567),
        ("1200", "jpy", 1200),
        ("1.234", "kwd", 1234),
        ("1,234.567", "kwd", 1234567),
        ("1,234", "kwd", None),
        ("0,234", "kwd", 234),
        ("12.5", "jpy", None),
        ("1,23,456", "eur", None),
        ("12,34.50", "eur", None),
        (".50", "eur", None),
        ("5.", "eur", 500),
        ("1e3", "eur", None),
        ("٣", "eur", None),
        ("9" * 17, "eur", None),
        ("", "eur", None),
    ],
)
def test_amounts_are_read_as_people_write_them(text: str, currency: str, minor: int | None) -> None:
    if minor is not None:
        assert amount_minor(text, currency) == minor
        return
    with pytest.raises(ValueError, match=r"amount|two ways"):
        amount_minor(text, currency)


@given(
    st.integers(0, 10**12),
    st.sampled_from(["eur", "jpy", "kwd"]),
    st.sampled_from([(",", "."), (".", ","), (" ", "."), (" ", ","), ("'", "."), ("", ".")]),
)
def test_what_is_written_is_read_back_or_refused_and_never_another_amount(
    minor: int, currency: str, marks: tuple[str, str]
) -> None:
    thousands, point = marks
    digits = decimals(currency)
    whole, fraction = divmod(minor, 10**digits)
    text = f"{whole:,}".replace(",", thousands)
    text += f"{point}{fraction:0{digits}d}" if digits else ""
    if digits == 3 and point == "," and 1 <= whole < 1000:
        with pytest.raises(ValueError, match="two ways"):
            amount_minor(text, currency)
    else:
        assert amount_minor(text, currency) == minor
