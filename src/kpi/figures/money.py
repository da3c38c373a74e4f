"""Money in and back: what was captured, refunded and disputed, of payments linked to orders."""

from kpi.declare import Balance, Facts, Family, Figure, Ratio, Rows, Sum, Total, Unit

CAPTURES = Facts("revenue_daily", "captures", "revenue_daily")
REFUNDS = Facts("refunds_daily", "refund_movements", "refunds_daily")
DISPUTES = Facts("disputes_daily", "dispute_facts", "disputes_daily")
ORDERS = Facts("sales_daily", "order_sales", "orders_daily")

family = Family(
    10,
    "Money of orders",
    (
        Figure(
            "revenue",
            "Revenue of orders",
            "captured amounts of payments that are linked to an order, less what banks took back of"
            " bank debits",
            Unit.MONEY,
            Sum(CAPTURES, "revenue_minor", "amount_minor"),
            dated_by="each capture",
        ),
        Figure(
            "captured_payments",
            "Captured payments of orders",
            "linked payments that brought money in, less those whose money banks took back",
            Unit.COUNT,
            Sum(CAPTURES, "captures", "payment_count"),
            dated_by="capture",
        ),
        Figure(
            "captured_payments_to_date",
            "Captured payments of orders, to date",
            "linked payments that hold money at the end of the last day; where there is none, those"
            " of all payments are shown instead of figures of orders",
            Unit.COUNT,
            Balance(CAPTURES, "captures", "payment_count"),
            dated_by="capture",
            since=4,
        ),
        Figure(
            "orders",
            "Orders",
            "orders that became fully paid, less those of which banks took back what they needed",
            Unit.COUNT,
            Sum(ORDERS, "orders", "orders"),
            dated_by="full payment, end of it",
        ),
        Figure(
            "paid_orders_amount",
            "Brought by paid orders",
            "what orders had brought when they became fully paid, each without what exceeds what"
            " was due of it, less the same of those of which banks took back what they needed; 0"
            " where a payment page left nothing due",
            Unit.MONEY,
            Sum(ORDERS, "brought_minor", "brought_minor"),
            dated_by="full payment, end of it",
            since=2,
        ),
        Figure(
            "aov",
            "Average order value",
            "paid_orders_amount / orders",
            Unit.MONEY,
            Ratio(("paid_orders_amount",), ("orders",), times=1),
            dated_by="full payment, end of it",
        ),
        Figure(
            "overpaid_amount",
            "Overpaid",
            "the part of revenue that lies beyond what is due of its orders, which is their total"
            " without what payment pages took off: what came after that was reached, what a later"
            " page took off of what was paid, and what is in another currency than the order's",
            Unit.MONEY,
            Sum(CAPTURES, "overpaid_minor", "overpaid_minor"),
            dated_by="each capture or page",
            since=2,
        ),
        Figure(
            "refunded_amount",
            "Refunded amount of orders",
            "refunds of linked payments that succeeded, on the day on which they were made (those"
            " that waited: on which they succeeded), less those that failed later, on that day;"
            " what a charge tells of unknown refunds, on the day on which it does",
            Unit.MONEY,
            Sum(REFUNDS, "refunded_minor", "amount_minor"),
            dated_by="refund",
        ),
        Figure(
            "refunded_orders",
            "Refunded orders",
            "orders of which more was refunded in the window than came back",
            Unit.COUNT,
            Rows("refunded_orders"),
            dated_by="refund",
        ),
        Figure(
            "refund_rate_orders_pct",
            "Refund rate by orders",
            "refunded_orders / orders × 100; two populations, so it may exceed 100",
            Unit.PERCENT,
            Ratio(("refunded_orders",), ("orders",)),
            dated_by="each its own",
        ),
        Figure(
            "refund_rate_value_pct",
            "Refund rate by value",
            "refunded_amount / revenue × 100: of payments that are linked to an order",
            Unit.PERCENT,
            Ratio(("refunded_amount",), ("revenue",)),
            dated_by="each its own",
        ),
        Figure(
            "refunded_orders_cohort",
            "Refunded orders, by order",
            "of the orders that the window's `orders` counts, those with a refund to date",
            Unit.COUNT,
            Sum(ORDERS, "refunded_orders_cohort", "refunded"),
            dated_by="full payment, end of it",
        ),
        Figure(
            "refunded_amount_cohort",
            "Refunded amount, by order",
            "what was refunded to date of the orders that the window's `orders` counts",
            Unit.MONEY,
            Sum(ORDERS, "refunded_minor_cohort", "refunded_minor"),
            dated_by="full payment, end of it",
        ),
        Figure(
            "refund_rate_cohort_pct",
            "Refund rate of the cohort",
            "refunded_orders_cohort / orders × 100",
            Unit.PERCENT,
            Ratio(("refunded_orders_cohort",), ("orders",)),
            dated_by="full payment, end of it",
        ),
        Figure(
            "disputed_amount",
            "Disputed amount of orders",
            "funds withdrawn by disputes of linked payments, less those reinstated, without fees;"
            " funds in another currency count by their share of the disputed amount, a lost dispute"
            " as a whole where nothing says what left, a won one as none once most came back",
            Unit.MONEY,
            Sum(DISPUTES, "disputed_minor", "amount_minor"),
            dated_by="movement of funds",
        ),
        Figure(
            "dispute_count",
            "Disputes of orders",
            "disputes opened on linked payments; inquiries are none",
            Unit.COUNT,
            Sum(DISPUTES, "disputes", "disputes"),
            dated_by="dispute",
        ),
        Figure(
            "dispute_rate_pct",
            "Dispute rate of orders",
            "dispute_count / captured_payments × 100: of payments that are linked to an order",
            Unit.PERCENT,
            Ratio(("dispute_count",), ("captured_payments",)),
            dated_by="each its own",
        ),
        Figure(
            "net_revenue",
            "Net revenue of orders",
            "revenue − refunded_amount − disputed_amount: of payments that are linked to an order",
            Unit.MONEY,
            Total(("revenue",), ("refunded_amount", "disputed_amount")),
            dated_by="each its own",
        ),
    ),
    rests_on="captured_payments_to_date",
)
