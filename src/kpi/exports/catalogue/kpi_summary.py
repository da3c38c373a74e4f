"""The headline figures of a window, one row a currency."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from psycopg.rows import dict_row

from kpi.declare import Unit, figure, projections_of
from kpi.evaluate import NO_CURRENCY, Values, evaluate, shown
from kpi.exports.declare import Blocks, Column, Export, Kind, Selection
from projections.engine.tables import AnyCursor

FIGURES: Final = tuple(
    figure(name)
    for name in (
        "revenue",
        "orders",
        "aov",
        "refunded_amount",
        "refunded_orders",
        "refund_rate_orders_pct",
        "unique_customers",
        "repeat_customers",
        "repeat_rate_pct",
        "wishlisted_users",
        "purchased_users",
    )
)
KINDS: Final = {Unit.MONEY: Kind.DECIMAL, Unit.PERCENT: Kind.PERCENT}


@contextmanager
def _rows(cursor: AnyCursor, selection: Selection) -> Generator[Blocks]:
    with cursor.connection.cursor(row_factory=dict_row) as figures:
        (found,) = evaluate(figures, [selection.window], FIGURES)
    shop = found.pop(NO_CURRENCY)
    wanted = selection.filters.get("currency")
    rows = [
        _row(selection, currency, shop | values)
        for currency, values in found.items()
        if wanted in {None, currency}
    ]
    yield iter([rows] if rows else [])


def _row(selection: Selection, currency: str, values: Values) -> tuple[Any, ...]:
    figures = (shown(each, values[each.id]) for each in FIGURES)
    return (selection.window.days, selection.window.last, *figures, currency)


export = Export(
    "kpi-summary",
    "Summary of figures",
    "kpi_summary",
    columns=(
        Column("window_days", Kind.COUNT),
        Column("latest_snapshot_day", Kind.DAY),
        *(Column(each.id, KINDS.get(each.unit, Kind.COUNT)) for each in FIGURES),
        Column("currency", Kind.CURRENCY),
    ),
    filters=("currency",),
    reads=tuple(projections_of(FIGURES)),
    rows=_rows,
    about="What do the headline figures of the window come to? Those of wishes are the shop's.",
)
