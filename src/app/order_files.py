"""Files of orders of the past: CSV and JSON lines, read into commands without a float on the way.

docs/howto/import-orders.md describes the format. A file is read line by line; an order is as many
lines of CSV as it has, one after the other, or one line of JSON.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, tzinfo
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO, cast

from ledger.domain.events import Address, Line
from ledger.domain.money import MAX_MINOR, decimals
from ledger.domain.order_commands import RULES_OF_THE_PAST, PlaceOrder, RecordOrder

MONEY: Final = ("shipping", "tax", "discount", "total")
ADDRESS: Final = tuple(Address.__struct_fields__)
ORDER: Final = ("order_id", "placed_at", "fulfilled_at", "canceled_at", "currency", "customer_id",
    "email", *MONEY, *(f"{name}_minor" for name in MONEY),
)  # fmt: skip
LINE: Final = ("sku", "name", "quantity", "unit_price", "unit_price_minor", "line_id")
COLUMNS: Final = (*ORDER, *(f"address_{name}" for name in ADDRESS), *LINE)

Fields = Mapping[str, Any]


class Problem(NamedTuple):
    """What is wrong with a column of an order's line, and how it is to be written."""

    column: str
    told: str


class Draft(NamedTuple):
    """An order as a file has it: where it begins, and the command for it or what is wrong."""

    line: int
    order_id: str
    command: RecordOrder | None
    problems: tuple[Problem, ...] = ()


class Unreadable(ValueError):
    """A file as a whole cannot be read: its head, its encoding."""


class _Wrong(ValueError):
    def __init__(self, column: str, told: str) -> None:
        super().__init__(told)
        self.problem = Problem(column, told)


def drafts(path: Path, zone: tzinfo) -> Iterator[Draft]:
    """The orders of a file, one after the other; times without a zone are in `zone`.

    JSON lines where the first character is `{`, else CSV. Raises `Unreadable`.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            start = file.read(1)
            while start.isspace():
                start = file.read(1)
            file.seek(0)
            yield from _of_json(file, zone) if start == "{" else _of_csv(file, zone)
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8; save it as UTF-8") from None
    except csv.Error as error:
        raise Unreadable(f"its head is no CSV: {error}") from None


# ── CSV ─────────────────────────────────────────────────────────────────────────────────────────


class _Row(NamedTuple):
    line: int
    fields: dict[str, str]
    surplus: bool


def _of_csv(file: TextIO, zone: tzinfo) -> Iterator[Draft]:
    head = file.readline()
    if not head.strip():
        raise Unreadable("it is empty")
    delimiter = ";" if head.count(";") > head.count(",") else ","
    names = [name.strip().lower() for name in next(csv.reader([head], delimiter=delimiter))]
    _check_head(names)
    begin = file.tell()
    orders = groupby(_rows(file, delimiter, names), key=_order_of)
    apart = _apart(order_id for order_id, _ in orders)
    file.seek(begin)
    for order_id, lines in groupby(_rows(file, delimiter, names), key=_order_of):
        draft = _draft_of_rows(order_id, lines, zone)
        yield draft._replace(command=None, problems=(_APART,)) if order_id in apart else draft


def _order_of(row: _Row) -> str:
    return row.fields["order_id"]


def _apart(order_ids: Iterable[str]) -> set[str]:
    """Those that come again after another one: what stands first is not all of the order."""
    seen, apart = set[str](), set[str]()
    for order_id in order_ids:
        (apart if order_id in seen else seen).add(order_id)
    return apart - {""}


def _check_head(names: list[str]) -> None:
    if unknown := [name for name in names if name not in COLUMNS]:
        raise Unreadable(f"column {unknown[0]!r} is none of {', '.join(COLUMNS)}")
    if twice := [name for name in names if names.count(name) > 1]:
        raise Unreadable(f"column {twice[0]} is there twice")
    if missing := [n for n in ("order_id", "placed_at", "currency", "sku") if n not in names]:
        raise Unreadable(f"column {missing[0]} is missing")


def _rows(file: TextIO, delimiter: str, names: list[str]) -> Iterator[_Row]:
    """Each row with the line of the file on which it begins; empty ones are left out."""
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    begins = 2
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise Unreadable(f"it is no CSV from line {begins} on: {error}") from None
        if cells is None:
            return
        line, begins = begins, reader.line_num + 2
        if any(cell.strip() for cell in cells):
            padded = [*cells, *[""] * (len(names) - len(cells))]
            fields = {name: cell.strip() for name, cell in zip(names, padded, strict=False)}
            yield _Row(line, fields, len(cells) > len(names))


_APART: Final = Problem(
    "order_id", "its lines stand apart; put all lines of an order one after the other"
)


def _draft_of_rows(order_id: str, rows: Iterable[_Row], zone: tzinfo) -> Draft:
    """The order's own columns may stand in each of its lines, or in the first one only."""
    first, order, lines = 0, dict[str, str](), list[dict[str, str]]()
    problems: list[Problem] = []
    for row in rows:
        first = first or row.line
        if row.surplus:
            problems.append(Problem("", f"line {row.line} has more cells than the head"))
        for name, value in row.fields.items():
            if name in LINE or not value:
                continue
            if order.setdefault(name, value) != value:
                told = f"line {row.line} says {value!r}, and an earlier one {order[name]!r}"
                problems.append(Problem(name, told))
        lines.append({name: row.fields.get(name, "") for name in LINE})
    if len(lines) > _MOST_LINES:
        problems.append(Problem("sku", f"an order has at most {_MOST_LINES} lines"))
    if problems:
        return Draft(first, order_id, None, tuple(problems))
    address = {name: order.get(f"address_{name}", "") for name in ADDRESS}
    return _draft(first, order_id, {**order, "address": address, "lines": lines}, zone)


_MOST_LINES: Final = 100


# ── JSON lines ──────────────────────────────────────────────────────────────────────────────────


def _of_json(file: TextIO, zone: tzinfo) -> Iterator[Draft]:
    for number, text in enumerate(file, 1):
        if text.strip():
            yield _draft_of_json(number, text, zone)


def _draft_of_json(number: int, text: str, zone: tzinfo) -> Draft:
    try:
        fields = json.loads(
            text, parse_float=str, parse_constant=str, object_pairs_hook=_without_twins
        )
    except (ValueError, RecursionError) as error:
        return Draft(number, "", None, (Problem("", f"it is no JSON: {error}"),))
    if (fields := _object(fields)) is None:
        return Draft(number, "", None, (Problem("", "it is no JSON object"),))
    order_id = fields.get("order_id")
    known = {*ORDER, "address", "lines"}
    unknown = [
        *(name for name in fields if name not in known),
        *_strangers("address", [fields.get("address")], ADDRESS),
        *_strangers("lines", fields.get("lines"), LINE),
    ]
    shown = order_id if isinstance(order_id, str) else ""
    if unknown:
        return Draft(number, shown, None, (Problem(unknown[0], "there is no such field"),))
    return _draft(number, shown, fields, zone)


def _object(value: Any) -> Fields | None:
    return cast("Fields", value) if isinstance(value, dict) else None


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands in it twice")
    return found


def _strangers(name: str, parts: Any, known: Iterable[str]) -> Iterator[str]:
    for part in _list(parts):
        yield from (f"{name}.{key}" for key in _object(part) or () if key not in {*known})


# ── An order ────────────────────────────────────────────────────────────────────────────────────


def _draft(line: int, order_id: str, fields: Fields, zone: tzinfo) -> Draft:
    try:
        return Draft(line, order_id, _command(fields, zone))
    except _Wrong as wrong:
        return Draft(line, order_id, None, (wrong.problem,))


def _command(fields: Fields, zone: tzinfo) -> RecordOrder:
    currency = _text(fields, "currency", needed=True).lower()
    placed_at = _time(fields, "placed_at", zone)
    if placed_at is None:
        raise _Wrong("placed_at", "it is missing")
    amounts = {name: _amount(fields, name, currency) for name in MONEY}
    placed = PlaceOrder(
        order_id=_text(fields, "order_id", needed=True),
        at=placed_at,
        currency=currency,
        lines=_lines(fields, currency),
        expires_at=placed_at + timedelta(minutes=1),
        customer_id=_text(fields, "customer_id") or None,
        email=_text(fields, "email") or None,
        shipping_minor=amounts["shipping"] or 0,
        tax_minor=amounts["tax"] or 0,
        discount_minor=amounts["discount"] or 0,
        total_minor=amounts["total"],
        shipping_address=_address(fields.get("address")),
        rules=RULES_OF_THE_PAST,
        origin="import",
        reserves_stock=False,
    )
    fulfilled_at = _time(fields, "fulfilled_at", zone, since=placed_at)
    canceled_at = _time(fields, "canceled_at", zone, since=placed_at)
    if fulfilled_at and canceled_at:
        raise _Wrong("canceled_at", "an order is fulfilled or canceled, not both")
    return RecordOrder(
        at=placed_at, placed=placed, fulfilled_at=fulfilled_at, canceled_at=canceled_at
    )


def _lines(fields: Fields, currency: str) -> tuple[Line, ...]:
    shown = _list(fields.get("lines"))
    if not shown:
        raise _Wrong("lines", "there must be one or more")
    return tuple(_line(each, currency) for each in shown)


def _line(told: Any, currency: str) -> Line:
    if (fields := _object(told)) is None:
        raise _Wrong("lines", "each must be a JSON object")
    sku, price = _text(fields, "sku", needed=True), _amount(fields, "unit_price", currency)
    if price is None:
        raise _Wrong("unit_price", "it is missing; unit_price_minor does as well")
    return Line(
        sku=sku,
        name=_text(fields, "name") or sku,
        quantity=_whole(fields, "quantity", 1),
        unit_minor=price,
        line_id=_text(fields, "line_id") or None,
    )


def _address(told: Any) -> Address | None:
    if told is None:
        return None
    if (fields := _object(told)) is None:
        raise _Wrong("address", "it must be a JSON object")
    said = {name: _text(fields, name) or None for name in ADDRESS}
    return Address(**said) if any(said.values()) else None


def _text(fields: Fields, name: str, *, needed: bool = False) -> str:
    value = fields.get(name)
    if value is None or value == "":
        if needed:
            raise _Wrong(name, "it is missing")
        return ""
    if not isinstance(value, str):
        raise _Wrong(name, "it must be a text")
    return value


def _whole(fields: Fields, name: str, default: int) -> int:
    value = fields.get(name)
    if value is None or value == "":
        return default
    if type(value) is int:
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}", value):
        return int(value)
    raise _Wrong(name, f"{value!r} is no whole number")


def _time(
    fields: Fields, name: str, zone: tzinfo, *, since: datetime | None = None
) -> datetime | None:
    text = _text(fields, name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _Wrong(name, f"{text!r} is no time; write 2019-03-31T14:05:00+02:00") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    if moment.year < 1970 or moment > datetime.now(moment.tzinfo):
        raise _Wrong(name, f"{text!r} is no time of the past, from 1970 on")
    if since is not None and moment < since:
        raise _Wrong(name, f"{text!r} is before the order was placed")
    return moment


# ── Amounts ─────────────────────────────────────────────────────────────────────────────────────


def _amount(fields: Fields, name: str, currency: str) -> int | None:
    """Minor units, from `name` as people write it or from `name_minor`; None: neither is there."""
    minor, written = fields.get(f"{name}_minor"), fields.get(name)
    if minor is not None and minor != "":
        if written is not None and written != "":
            raise _Wrong(name, f"it and {name}_minor are both there; write one")
        return _whole(fields, f"{name}_minor", 0)
    if written is None or written == "":
        return None
    if type(written) not in {int, str}:
        raise _Wrong(name, f"{written!r} is no amount")
    try:
        return amount_minor(str(written), currency)
    except ValueError as error:
        raise _Wrong(name, str(error)) from None


_GROUPED: Final = re.compile(r"[1-9][0-9]{0,2}(?:([.,'’ \u00a0\u202f])[0-9]{3})(?:\1[0-9]{3})*")
_PLAIN: Final = re.compile(r"[0-9]{1,16}")


def amount_minor(text: str, currency: str) -> int:
    """What a person wrote in units of a currency, in its minor units; raises ValueError.

    A point or a comma begins the decimals, of which there are at most as many as the currency has;
    thousands may be set apart by a point, a comma, a space or an apostrophe. What could be read in
    two ways is refused; of three decimals, a lone point begins them.
    """
    digits, text = decimals(currency), text.strip()
    is_plain = digits == 3 and text.count(".") == 1 and "," not in text  # 1.234 kwd
    readings = {
        reading
        for whole, fraction in [*_cuts(text)][is_plain:]
        if (reading := _reading(whole, fraction, digits)) is not None
    }
    if len(readings) > 1:
        raise ValueError(f"{text!r} can be read in two ways; write it without thousands, or minor")
    if not readings:
        places = "no decimals" if digits == 0 else f"at most {digits} decimals"
        raise ValueError(f"{text!r} is no amount in {currency or 'it'}, which has {places}")
    (minor,) = readings
    if minor > MAX_MINOR:
        raise ValueError(f"{text!r} is more than any order may come to")
    return minor


def _cuts(text: str) -> Iterator[tuple[str, str]]:
    """The text as a whole number, and as one with decimals after its last point or comma."""
    yield text, ""
    at = max(text.rfind("."), text.rfind(","))
    if at > 0 and text.count(text[at]) == 1:
        yield text[:at], text[at + 1 :]


def _reading(whole: str, fraction: str, digits: int) -> int | None:
    if not (_PLAIN.fullmatch(whole) or _GROUPED.fullmatch(whole)):
        return None
    if fraction and not (_PLAIN.fullmatch(fraction) and len(fraction) <= digits):
        return None
    units = re.sub(r"[^0-9]", "", whole)
    return int(units + fraction.ljust(digits, "0")) if len(units) <= 16 else None
