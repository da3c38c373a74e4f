"""What the checks see of stock."""

from ledger.domain.events import StockReceived, StockReserved, StockSold
from tests.kpi.builder import LedgerBuilder
from tests.kpi.checks.scenarios import listed


def test_a_pre_order_that_was_sent_before_it_was_counted_in_is_an_issue(
    builder: LedgerBuilder,
) -> None:
    listed(builder, preorder=True)
    builder.shop(StockReserved(sku="MUG", order_id="A1", quantity=2))
    assert not builder.run("negative_stock").findings, "sold ahead is what a pre-order is"
    builder.shop(StockSold(sku="MUG", order_id="A1", quantity=2))
    (finding,) = builder.run("negative_stock").findings
    assert "-2 on hand" in finding.sentence
    builder.shop(StockReceived(sku="MUG", quantity=2))
    assert not builder.run("negative_stock").findings
