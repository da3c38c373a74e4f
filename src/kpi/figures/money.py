"""Money in and back: what was captured, refunded and disputed, of payments linked to orders."""

from kpi.declare import Facts, Family, Figure, Kind, Ratio, Rows, Sum, Total, Unit

CAPTURES = Facts("revenue_daily", "captures", "revenue_daily")
REFUNDS = Facts("refunds_daily", "refund_movements", "refunds_daily")
DISPUTES = Facts("disputes_daily", "dispute_facts", "disputes_daily")
ORDERS = Facts("sales_daily", "order_sales", "orders_daily")

family = Family(
    10,
    "Money",
    (
        Figure(
            "revenue",
            "Revenue",
            "captured amounts of payments that are linked to an order, less what banks took back of"
            " bank debits",
            Unit.MONEY,
            Kind.ADDITIVE,
            Sum(CAPTURES, "revenue_minor", "amount_minor"),
            dated_by="each capture",
        ),
        Figure(
            "captured_payments",
            "Captured payments",
            "linked payments that brought money in, less those whose money banks took back",
            Unit.COUNT,
            Kind.ADDITIVE,
            Sum(CAPTURES, "captures", "payment_count"),
            dated_by="capture",
        ),
        Figure(
            "orders",
            "Orders",
            "orders that became fully paid, less those of which banks took back what they needed",
            Unit.COUNT,
            Kind.ADDITIVE,
            Sum(ORDERS, "orders", "orders"),
            dated_by="full payment, end of it",
        ),
        Figure(
            "paid_orders_amount",
            "Brought by paid orders",
            "what orders had brought when they became fully paid, each without what exceeds its"
            " total, less the same of those of which banks took back what they needed; 0 where a"
            " payment page left nothing due",
            Unit.MONEY,
            Kind.ADDITIVE,
            Sum(ORDERS, "brought_minor", "brought_minor"),
            dated_by="full payment, end of it",
            since=2,
        ),
        Figure(
            "aov",
            "Average order value",
            "paid_orders_amount / orders",
            Unit.MONEY,
            Kind.RATIO,
            Ratio(("paid_orders_amount",), ("orders",), times=1),
            dated_by="full payment, end of it",
        ),
        Figure(
            "overpaid_amount",
            "Overpaid",
            "the part of revenue that lies beyond what its orders cost: what came after an order's"
            " total was reached, and what is in another currency than the order's",
            Unit.MONEY,
            Kind.ADDITIVE,
            Sum(CAPTURES, "overpaid_minor", "overpaid_minor"),
            dated_by="each capture",
            since=2,
        ),
        Figure(
            "refunded_amount",
            "Refunded amount",
            "refunds of linked payments that succeeded, on the day on which they were made (those"
            " that waited: on which they succeeded), less those that failed later, on that day;"
            " what a charge tells of unknown refunds, on the day on which it does",
            Unit.MONEY,
            Kind.ADDITIVE,
            Sum(REFUNDS, "refunded_minor", "amount_minor"),
            dated_by="refund",
        ),
        Figure(
            "refunded_orders",
            "Refunded orders",
            "orders of which more was refunded in the window than came back",
            Unit.COUNT,
            Kind.DISTINCT,
            Rows("refunded_orders"),
            dated_by="refund",
        ),
        Figure(
            "refund_rate_orders_pct",
            "Refund rate by orders",
            "refunded_orders / orders × 100; two populations, so it may exceed 100",
            Unit.PERCENT,
            Kind.RATIO,
            Ratio(("refunded_orders",), ("orders",)),
            dated_by="each its own",
        ),
        Figure(
            "refund_rate_value_pct",
            "Refund rate by value",
            "refunded_amount / revenue × 100",
            Unit.PERCENT,
            Kind.RATIO,
            Ratio(("refunded_amount",), ("revenue",)),
            dated_by="each its own",
        ),
        Figure(
            "refunded_orders_cohort",
            "Refunded orders, by order",
            "of the orders that the window's `orders` counts, those with a refund to date",
            Unit.COUNT,
            Kind.ADDITIVE,
            Sum(ORDERS, "refunded_orders_cohort", "refunded"),
            dated_by="full payment, end of it",
        ),
        Figure(
            "refunded_amount_cohort",
            "Refunded amount, by order",
            "what was refunded to date of the orders that the window's `orders` counts",
            Unit.MONEY,
            Kind.ADDITIVE,
            Sum(ORDERS, "refunded_minor_cohort", "refunded_minor"),
            dated_by="full payment, end of it",
        ),
        Figure(
            "refund_rate_cohort_pct",
            "Refund rate of the cohort",
            "refunded_orders_cohort / orders × 100",
            Unit.PERCENT,
            Kind.RATIO,
            Ratio(("refunded_orders_cohort",), ("orders",)),
            dated_by="full payment, end of it",
        ),
        Figure(
            "disputed_amount",
            "Disputed amount",
            "funds withdrawn by disputes of linked payments, less those reinstated, without fees;"
            " funds in another currency count by their share of the disputed amount, a lost dispute"
            " as a whole where nothing says what left, a won one as none once most came back",
            Unit.MONEY,
            Kind.ADDITIVE,
            Sum(DISPUTES, "disputed_minor", "amount_minor"),
            dated_by="movement of funds",
        ),
        Figure(
            "dispute_count",
            "Disputes",
            "disputes opened on linked payments; inquiries are none",
            Unit.COUNT,
            Kind.ADDITIVE,
            Sum(DISPUTES, "disputes", "disputes"),
            dated_by="dispute",
        ),
        Figure(
            "dispute_rate_pct",
            "Dispute rate",
            "dispute_count / captured_payments × 100",
            Unit.PERCENT,
            Kind.RATIO,
            Ratio(("dispute_count",), ("captured_payments",)),
            dated_by="each its own",
        ),
        Figure(
            "net_revenue",
            "Net revenue",
            "revenue − refunded_amount − disputed_amount",
            Unit.MONEY,
            Kind.ADDITIVE,
            Total(("revenue",), ("refunded_amount", "disputed_amount")),
            dated_by="each its own",
        ),
    ),
)
