"""The exports of a shop that can be added up in the head, and beside its figures."""

import csv
import io
from collections import defaultdict
from contextlib import closing
from decimal import Decimal
from typing import Any

import pyarrow.parquet
import pytest
from psycopg.rows import dict_row

from kpi.declare import catalogue
from kpi.evaluate import Evaluated, evaluate
from kpi.exports.cells import major
from kpi.exports.declare import exports
from kpi.exports.formats import Format
from projections.engine.reads import Reads
from tests.kpi.builder import LedgerBuilder
from tests.kpi.exports.conftest import Take
from tests.kpi.exports.examples import MARCH, asked, book_a_charge, keep_shop, many_orders


@pytest.fixture
def shop(builder: LedgerBuilder) -> LedgerBuilder:
    keep_shop(builder)
    return builder


def lines(file: bytes) -> list[str]:
    return file.decode().splitlines()[1:]


def rows(file: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.decode(), newline="")))


def figures(reads: Reads) -> Evaluated:
    with reads.snapshot() as cursor, closing(cursor.connection.cursor(row_factory=dict_row)) as c:
        (found,) = evaluate(c, [MARCH], catalogue().values())
    return found


def total(found: list[dict[str, str]], column: str) -> dict[str, Decimal]:
    """The sum of a column by currency."""
    sums = defaultdict[str, Decimal](Decimal)
    for row in found:
        sums[row["Currency"]] += Decimal(row[column])
    return dict(sums)


def test_orders_are_those_that_became_fully_paid_the_latest_first(
    shop: LedgerBuilder, take: Take
) -> None:
    """A refund on 3 March stays with its order; the order that nobody paid is not there."""
    assert [line.split(",") for line in lines(take(asked()))] == [
        ["A5", "", "1.250", "paid", "2026-03-02T12:09:00Z", "none", "0", "",
         "kwd", "2026-03-02T12:10:00Z", "pi_A5"],
        ["A4", "bob@example.com", "17600", "paid", "2026-03-02T12:07:00Z", "none", "0", "",
         "jpy", "2026-03-02T12:08:00Z", "pi_A4"],
        ["A3", "ann@example.com", "90.50", "paid", "2026-03-02T12:05:00Z", "none", "0", "",
         "gbp", "2026-03-02T12:06:00Z", "pi_A3"],
        ["A2", "bob@example.com", "10.00", "paid", "2026-03-01T12:03:00Z", "full", "1000",
         "2026-03-03T12:12:00Z", "gbp", "2026-03-01T12:04:00Z", "pi_A2"],
        ["A1", "Ann@example.com", "30.00", "paid", "2026-03-01T12:01:00Z", "partial", "500",
         "2026-03-03T12:11:00Z", "gbp", "2026-03-01T12:02:00Z", "pi_A1"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"currency": "gbp"}, ["A3", "A2", "A1"]),
        ({"refund_state": "partial"}, ["A1"]),
        ({"customer_id": "bob"}, ["A4", "A2"]),
        ({"email": "ann@example.com"}, ["A3"]),
        ({"state": "fulfilled"}, []),
        ({"state": "paid", "currency": "jpy"}, ["A4"]),
        ({"dispute_state": "none", "refund_state": "none"}, ["A5", "A4", "A3"]),
    ],
)
def test_orders_are_filtered_as_on_their_page(
    shop: LedgerBuilder, take: Take, filters: dict[str, str], found: list[str]
) -> None:
    assert [row["OrderID"] for row in rows(take(asked(filters=filters)))] == found


def test_products_are_the_best_sellers_first(shop: LedgerBuilder, take: Take) -> None:
    """Four mugs less the one that came back; one that was never listed has no other name."""
    assert lines(take(asked("products"))) == [
        "LAMP,1,90.50,LAMP,gbp",
        '"Mug, blue",3,30.00,MUG,gbp',
        "COAT,1,17600,COAT,jpy",
        "TEA,1,1.250,TEA,kwd",
    ]
    assert lines(take(asked("products", filters={"sku": "MUG"}))) == ['"Mug, blue",3,30.00,MUG,gbp']


def test_customers_are_those_who_spent_most_first(shop: LedgerBuilder, take: Take) -> None:
    """Ann is one, however she writes herself; who is not known is no customer."""
    assert lines(take(asked("customers"))) == [
        "ann@example.com,2,120.50,gbp,2026-03-01T12:02:00Z",
        "bob@example.com,1,10.00,gbp,2026-03-01T12:04:00Z",
        "bob@example.com,1,17600,jpy,2026-03-02T12:08:00Z",
    ]


def test_the_first_order_may_be_before_the_window(shop: LedgerBuilder, take: Take) -> None:
    second = MARCH._replace(first=MARCH.first.replace(day=2))
    assert lines(take(asked("customers", window=second, filters={"currency": "gbp"}))) == [
        "ann@example.com,1,90.50,gbp,2026-03-01T12:02:00Z"
    ]


def test_the_summary_has_a_row_a_currency(shop: LedgerBuilder, take: Take) -> None:
    """Of three orders in pounds two were refunded; nobody wished for anything."""
    assert lines(take(asked("kpi-summary"))) == [
        "31,2026-03-31,130.50,3,43.50,15.00,2,66.67,2,1,50.00,0,0,gbp",
        "31,2026-03-31,17600,1,17600,0,0,0.00,1,0,0.00,0,0,jpy",
        "31,2026-03-31,1.250,1,1.250,0.000,0,0.00,0,0,0.00,0,0,kwd",
    ]
    assert len(rows(take(asked("kpi-summary", filters={"currency": "jpy"})))) == 1


def test_an_export_agrees_with_the_figures(shop: LedgerBuilder, take: Take, reads: Reads) -> None:
    """What a file adds up to is what the tile of the same window says."""
    told = figures(reads)
    for currency in ("gbp", "jpy", "kwd"):
        values: Any = told[currency]
        only = {"currency": currency}
        orders = rows(take(asked(filters=only)))
        assert len(orders) == values["orders"]
        assert sum(int(row["RefundPennies"]) for row in orders) == values["refunded_amount_cohort"]
        products = rows(take(asked("products", filters=only)))
        assert total(products, "Units") == {currency: values["units"]}
        assert total(products, "Revenue") == {currency: major(values["product_revenue"], currency)}
        customers = rows(take(asked("customers", filters=only)))
        assert len(customers) == values["unique_customers"]
        named = [row for row in orders if row["Email"]]
        assert sum(int(row["Orders"]) for row in customers) == len(named)
        assert total(customers, "TotalSpent") == total(named, "Total")
        (summary,) = rows(take(asked("kpi-summary", filters=only)))
        assert Decimal(summary["revenue"]) == major(values["revenue"], currency)
        assert int(summary["repeat_customers"]) == values["repeat_customers"]


@pytest.mark.parametrize("each", exports(), ids=lambda each: each.name)
def test_formats_say_the_same(shop: LedgerBuilder, take: Take, each: Any) -> None:
    """A file of CSV and one of Parquet have the same headings, rows and amounts."""
    book_a_charge(shop)
    text = rows(take(asked(each.name)))
    table: Any = pyarrow.parquet.read_table(io.BytesIO(take(asked(each.name, Format.PARQUET))))
    assert table.column_names == [column.name for column in each.columns] == list(text[0])
    for column in each.columns:
        if column.kind in {"count", "minor", "decimal"}:
            values = [Decimal(value) for value in table[column.name].to_pylist()]
            assert values == [Decimal(row[column.name]) for row in text]


def test_a_day_without_sales_is_a_file_without_rows(shop: LedgerBuilder, take: Take) -> None:
    """The shop's orders are known, but none was paid in January."""
    january = MARCH._replace(first=MARCH.first.replace(month=1), last=MARCH.last.replace(month=1))
    for each in exports():
        assert lines(take(asked(each.name, window=january))) == []


def test_a_ratio_over_zero_is_zero_in_csv_and_null_in_json(
    builder: LedgerBuilder, take: Take
) -> None:
    """On 3 March there were refunds of earlier orders, and nothing to divide them by."""
    keep_shop(builder)
    third = MARCH._replace(first=MARCH.first.replace(day=3), last=MARCH.first.replace(day=3))
    assert lines(take(asked("kpi-summary", window=third))) == [
        "1,2026-03-03,0.00,0,0.00,15.00,2,0.00,0,0,0.00,0,0,gbp"
    ]
    told = take(asked("kpi-summary", Format.JSONL, third)).decode()
    assert '"aov":null' in told
    assert '"refund_rate_orders_pct":null' in told


def test_there_is_no_last_row_too_many(builder: LedgerBuilder, take: Take) -> None:
    """The known Django system cut exports at 5,000 rows without a word."""
    many_orders(builder, 5_003)
    found = rows(take(asked()))
    assert [row["OrderID"] for row in found] == [f"A{n}" for n in range(5_003, 0, -1)]
    assert total(found, "Total") == {"gbp": major(5_003 * 5_004 // 2, "gbp")}
