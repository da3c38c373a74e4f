"""Orders of the past reserve no stock: no check misses what they do not hold."""

from datetime import timedelta

import pytest

from ledger.domain.events import Line, OrderOrigin, OrderPlaced
from tests.kpi.builder import LedgerBuilder
from tests.kpi.checks.scenarios import charged
from tests.kpi.checks.test_pages import evidence

CHECKS = ("reservations_differ", "reservation_overdue")


def place(builder: LedgerBuilder, origin: OrderOrigin) -> None:
    """One that was not sent out, of a product that is not listed here."""
    line = Line(sku="GONE", name="Mug", quantity=2, unit_minor=500)
    builder.shop(
        OrderPlaced(
            order_id="A1",
            currency="gbp",
            lines=(line,),
            total_minor=1000,
            expires_at=builder.at + timedelta(minutes=1),
            origin=origin,
            reserves_stock=False,
        )
    )


@pytest.mark.parametrize("origin", ["shop", "import", "checkout", "invoice", "payment"])
def test_one_that_is_paid_holds_nothing_and_needs_nothing(
    builder: LedgerBuilder, origin: OrderOrigin
) -> None:
    place(builder, origin)
    charged(builder)
    assert [evidence(builder, check) for check in CHECKS] == [[], []]


@pytest.mark.parametrize("origin", ["shop", "import"])
def test_one_that_nobody_paid_does_not_expire(builder: LedgerBuilder, origin: OrderOrigin) -> None:
    """What was ordered years ago without being paid may be what a customer still owes."""
    place(builder, origin)
    builder.wait(days=60)
    assert [evidence(builder, check) for check in CHECKS] == [[], []]
