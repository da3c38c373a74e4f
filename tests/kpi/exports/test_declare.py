"""The contract of version 1: which exports there are, and which columns in which order."""

import re
from datetime import date, datetime
from decimal import Decimal

import pytest

from kpi.exports.declare import Export, Kind, Query, Selection, export, exports
from kpi.exports.formats import Format
from kpi.exports.transfer import Asked
from kpi.windows import Window
from ledger.errors import UnknownExport
from projections.engine.reads import Reads
from projections.engine.registry import discover
from projections.engine.tables import trusted
from tests.kpi.builder import LedgerBuilder
from tests.kpi.exports.examples import MARCH, book_a_charge, keep_shop

COLUMNS = {
    "kpi-summary": """
        window_days latest_snapshot_day revenue orders aov refunded_amount refunded_orders
        refund_rate_orders_pct unique_customers repeat_customers repeat_rate_pct wishlisted_users
        purchased_users currency
    """,
    "orders": """
        OrderID Email Total Status CreatedAt RefundStatus RefundPennies RefundedAt Currency PaidAt
        PaymentIntent
    """,
    "products": "Product Units Revenue SKU Currency",
    "customers": "Email Orders TotalSpent Currency FirstOrderAt",
    "journal": """
        Day EntryID TransactionID Part Account Debit Credit Currency Category Type SourceID OrderID
        At
    """,
    "trial_balance": "Period Account Opening Debit Credit Closing Late Currency State",
}
FILES = {
    "kpi-summary": "kpi_summary",
    "orders": "orders_paid",
    "products": "best_sellers",
    "customers": "customers",
    "journal": "journal",
    "trial_balance": "trial_balance",
}
EACH = pytest.mark.parametrize("each", exports(), ids=lambda each: each.name)


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_are_only_ever_appended(name: str) -> None:
    known = COLUMNS[name].split()
    assert [column.name for column in export(name).columns][: len(known)] == known


def test_files_keep_their_names() -> None:
    assert {name: export(name).file for name in FILES} == FILES


@EACH
def test_an_export_has_its_contract(each: Export) -> None:
    assert each.name in COLUMNS.keys() & FILES.keys(), (
        f"{each.name}: write its columns in COLUMNS and its file in FILES"
        " (tests/kpi/exports/test_declare.py), so that they stay"
    )


@EACH
def test_an_export_reads_what_there_is(each: Export) -> None:
    assert set(each.reads) <= discover().by_name.keys()
    assert [column.kind for column in each.columns].count(Kind.CURRENCY) <= 1
    assert each.currency is None or each.columns[each.currency].kind is Kind.CURRENCY
    assert each.about.endswith((".", "?"))


@EACH
def test_a_query_takes_its_filters_and_nothing_else(each: Export) -> None:
    if isinstance(each.rows, Query):
        named = set(re.findall(r"%\((\w+)\)s", each.rows.sql))
        declared = {"first", "last", *each.filters}
        assert named == declared, (
            f"{each.name}.sql uses {sorted(named)}, and its export declares {sorted(declared)}"
        )


SQL_TYPES = {
    Kind.TEXT: {"text"},
    Kind.CURRENCY: {"text"},
    Kind.COUNT: {"int4", "int8"},
    Kind.DECIMAL: {"int4", "int8"},
    Kind.MINOR: {"int4", "int8"},
    Kind.PERCENT: {"numeric"},
    Kind.TIME: {"timestamptz"},
    Kind.DAY: {"date"},
}
"""What a query answers for a column of each kind: money in minor units, which are integers."""
TYPES: dict[Kind, tuple[type, ...]] = {
    Kind.TEXT: (str,),
    Kind.CURRENCY: (str,),
    Kind.COUNT: (int,),
    Kind.DECIMAL: (int,),
    Kind.MINOR: (int,),
    Kind.PERCENT: (Decimal,),
    Kind.TIME: (datetime,),
    Kind.DAY: (date,),
}
"""The same of rows that are made by our own code."""


@EACH
def test_the_columns_are_of_the_kinds_that_are_declared(
    each: Export, builder: LedgerBuilder, reads: Reads
) -> None:
    """What the contract says of a column holds for its values; a format would fail on others."""
    keep_shop(builder)
    book_a_charge(builder)
    selection = Selection(MARCH, {}, 100)
    with reads.snapshot(each.reads) as cursor:
        if isinstance(each.rows, Query):
            given = dict.fromkeys(each.filters) | {"first": MARCH.first, "last": MARCH.last}
            found = cursor.execute(trusted(each.rows.sql), given).description or []
            types = [cursor.connection.adapters.types[column.type_code] for column in found]
            answers = [kind.name if kind else "an unknown type" for kind in types]
            assert len(answers) == len(each.columns), f"{each.name}: a column of the query too many"
            for column, answer in zip(each.columns, answers, strict=True):
                assert answer in SQL_TYPES[column.kind], (
                    f"{each.name}: the column {column.name} is declared as {column.kind}, and its"
                    f" query answers {answer}; it must be {' or '.join(SQL_TYPES[column.kind])}"
                )
            return
        with each.rows(cursor, selection) as blocks:
            rows = [row for block in blocks for row in block]
    assert rows
    for column, values in zip(each.columns, zip(*rows, strict=True), strict=True):
        for value in values:
            assert value is None or type(value) in TYPES[column.kind], (
                f"{each.name}: the column {column.name} is declared as {column.kind}, and has"
                f" {value!r}"
            )


def test_what_is_no_export_is_named() -> None:
    with pytest.raises(UnknownExport, match="kpi-summary"):
        export("orders_paid")


@pytest.mark.parametrize(
    ("by_length", "name"),
    [(True, "orders_paid_30d.csv"), (False, "orders_paid_2026-10-27_2026-11-25.csv")],
)
def test_a_file_is_named_by_its_window(by_length: bool, name: str) -> None:
    window = Window(date(2026, 10, 27), date(2026, 11, 25))
    assert Asked(export("orders"), window, Format.CSV, {}, by_length).file_name == name
