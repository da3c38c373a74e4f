"""Fees: what Stripe's balance took in for payments, what fees took of it, and what is left.

Balance transactions say so, which no webhook brings: a payment without one has a fee that is not
known, and is counted by itself (decision 20).
"""

from functools import partial

from kpi.declare import Balance, Facts, Family, Figure, Ratio, Sum, Total, Unit
from projections.fees_daily import PARTS

BALANCE = Facts("fees_daily", "transactions", "fees_daily", day="ledger.business_day(created_at)")

BOOKED = "balance transaction"
_figure = partial(Figure, dated_by=BOOKED, since=4, uncounted_by="fees_unknown")


def _booked(column: str) -> Sum:
    return Sum(BALANCE, column, PARTS[column])


family = Family(
    16,
    "Stripe's balance",
    (
        Figure(
            "transactions_to_date",
            "Balance transactions to date",
            "balance transactions that are known, up to the end of the last day",
            Unit.COUNT,
            Balance(BALANCE, "transactions", "1"),
            dated_by=BOOKED,
            since=4,
        ),
        _figure(
            "settled_gross",
            "Charges in the balance",
            "amounts of charges in the currency of the balance, less those of charges that failed"
            " later",
            Unit.MONEY,
            _booked("charged_minor"),
        ),
        _figure(
            "settled_refunds",
            "Refunds in the balance",
            "refunds in the currency of the balance, less those that failed",
            Unit.MONEY,
            _booked("refunded_minor"),
        ),
        _figure(
            "settled_disputes",
            "Disputes in the balance",
            "what disputes took in the currency of the balance, less what came back, without fees",
            Unit.MONEY,
            _booked("disputed_minor"),
        ),
        _figure(
            "fees",
            "Fees",
            "fees of all balance transactions, with the tax on them, less fees that came back, and"
            " fees that are booked by themselves",
            Unit.MONEY,
            _booked("fees_minor"),
        ),
        _figure(
            "net_volume",
            "Net volume",
            "settled_gross − settled_refunds − settled_disputes − fees, in the currency of the"
            " balance",
            Unit.MONEY,
            Total(("settled_gross",), ("settled_refunds", "settled_disputes", "fees")),
        ),
        _figure(
            "effective_fee_rate_pct",
            "Effective fee rate",
            "fees / settled_gross × 100",
            Unit.PERCENT,
            Ratio(("fees",), ("settled_gross",)),
        ),
    ),
    rests_on="transactions_to_date",
)
