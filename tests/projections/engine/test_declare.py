"""Declarations: a handler that gives a change what it does not take hears what it takes."""

from types import SimpleNamespace
from typing import Any

import pytest

from projections.engine.declare import Journal, Mirror, key, known, latest, line, newest

MOMENT: Any = SimpleNamespace(position=1)
vouchers = Mirror(
    "vouchers",
    voucher_id=key(),
    state=newest("text"),
    reason=latest("text"),
    order_id=known("text"),
)
uses = Journal("uses", voucher_id=key(), order_id=line("text"))


@pytest.mark.parametrize(
    ("make", "given", "told"),
    [
        (vouchers.action, {"reasn": "late"}, "vouchers.action: the table has no column 'reasn'"),
        (vouchers.action, {"state": "paid"}, "'state' is a `newest` column, which a report sets"),
        (vouchers.mention, {"reason": "x"}, "'reason' is a `latest` column, which an action sets"),
        (uses.line, {"order": "A1"}, "uses.line: the table has no column 'order'"),
    ],
)
def test_what_a_change_does_not_take_is_refused_with_what_it_takes(
    make: Any, given: dict[str, str], told: str
) -> None:
    """It would be lost: a column goes by what carries it, and another kind of change has that."""
    with pytest.raises(TypeError) as refused:
        make(*([] if make is vouchers.mention else [MOMENT]), voucher_id="V1", **given)
    assert told in str(refused.value)
    assert "It takes voucher_id, " in str(refused.value)


def test_a_report_of_a_fact_takes_columns_only() -> None:
    fact: Any = SimpleNamespace(voucher_id="V1")
    with pytest.raises(TypeError, match=r"vouchers\.report_of: the table has no column 'reasn'"):
        vouchers.report_of(fact, MOMENT, voucher_id="V1", reasn="late")


def test_a_change_without_its_key_names_the_table_and_the_column() -> None:
    make: Any = vouchers.action
    with pytest.raises(TypeError, match=r"vouchers\.action\(\) missing 1 .* 'voucher_id'"):
        make(MOMENT, reason="late")
