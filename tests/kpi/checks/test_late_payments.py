"""An order that was paid too late, and given back, counts as sold until it is called off."""

from ledger.domain.events import OrderAllocationFailed, OrderCanceled, OrderExpired
from tests.kpi.builder import LedgerBuilder
from tests.kpi.checks.scenarios import charged, refunded
from tests.kpi.checks.test_pages import evidence


def test_it_is_named_until_it_is_called_off(builder: LedgerBuilder) -> None:
    builder.place()
    builder.shop(OrderExpired(order_id="A1"))
    charged(builder)
    builder.shop(OrderAllocationFailed(order_id="A1", missing={"MUG": 1}))
    assert evidence(builder, "refunded_not_canceled") == []
    refunded(builder, 1000)
    (found,) = evidence(builder, "refunded_not_canceled")
    assert (found["order_id"], found["state"], found["refunded_minor"]) == ("A1", "expired", 1000)
    assert sold(builder) == 1000
    builder.shop(OrderCanceled(order_id="A1"))
    assert evidence(builder, "refunded_not_canceled") == []
    assert sold(builder) == 0


def test_one_that_was_never_paid_in_full_is_no_sale(builder: LedgerBuilder) -> None:
    builder.place(total_minor=3000)
    builder.shop(OrderExpired(order_id="A1"))
    charged(builder)
    refunded(builder, 1000)
    assert evidence(builder, "refunded_not_canceled") == []
    assert sold(builder) == 0


def sold(builder: LedgerBuilder) -> int:
    builder.follow()
    with builder.engine.database.connect("reader") as conn:
        row = conn.execute("select coalesce(sum(revenue_minor), 0) from read_models.line_sales")
        return next(each[0] for each in row)
