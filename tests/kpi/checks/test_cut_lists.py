"""Lists that Stripe cut short are missed, and not taken for the whole."""

from tests.kpi.builder import LedgerBuilder
from tests.webhooks.examples import charge, refund


def test_refunds_that_a_charge_does_not_show_are_missed(builder: LedgerBuilder) -> None:
    """Twelve refunds of 0.50, of which the charge lists ten; the other two report themselves."""
    each = [refund(id=f"re_{n:02}", payment_intent=None, amount=50) for n in range(12)]
    shown = {"object": "list", "data": each[:10], "has_more": True, "total_count": 12}
    charged = charge(payment_intent=None, amount_refunded=600, refunds=shown)
    builder.stripe("charge.refunded", charged)
    (found,) = builder.run("charge_refunds_differ").findings
    assert (found.evidence["refunded_minor"], found.evidence["succeeded_minor"]) == (600, 500)
    for one in each[10:]:
        builder.stripe("refund.created", one)
    assert builder.run("charge_refunds_differ").findings == []
