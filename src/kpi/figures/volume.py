"""Volume: what all payments brought in and gave back, by Stripe's own terms, without orders.

docs/stripe_figures.md holds each beside the figure of Stripe's dashboard.
"""

from functools import partial

from kpi.declare import Facts, Family, Figure, Ratio, Rows, Sum, Total, Unit

VOLUME = Facts("volume_daily", "volume_movements", "volume_daily")
CUSTOMERS = Facts(
    "customers_daily",
    "made_customers",
    "customers_daily",
    day="ledger.business_day(made_at)",
    has_currency=False,
)
UNKNOWN = Facts("fees_daily", "unknown_fees", "unknown_fees_daily")

_figure = partial(Figure, since=4)

family = Family(
    15,
    "Volume of all payments",
    (
        _figure(
            "gross_volume",
            "Gross volume",
            "captured amounts of all payments, linked to an order or not, before fees, refunds and"
            " disputes, less what banks took back of bank debits",
            Unit.MONEY,
            Sum(VOLUME, "gross_minor", "gross_minor"),
            dated_by="each capture",
        ),
        _figure(
            "bounced_volume",
            "Bounced volume",
            "what banks took back of bank debits: it is taken off gross_volume on that day",
            Unit.MONEY,
            Sum(VOLUME, "bounced_minor", "bounced_minor"),
            dated_by="bounce",
        ),
        _figure(
            "refunded_volume",
            "Refunded volume",
            "refunds of all payments that succeeded, on the day on which they were made (those that"
            " waited: on which they succeeded), less those that failed later, on that day; what a"
            " charge tells of unknown refunds, on the day on which it does",
            Unit.MONEY,
            Sum(VOLUME, "refunded_minor", "refunded_minor"),
            dated_by="refund",
        ),
        _figure(
            "disputed_volume",
            "Disputed volume",
            "funds withdrawn by disputes of all payments, less those reinstated, without fees;"
            " counted as in disputed_amount",
            Unit.MONEY,
            Sum(VOLUME, "disputed_minor", "disputed_minor"),
            dated_by="movement of funds",
        ),
        _figure(
            "net_volume_before_fees",
            "Net volume before fees",
            "gross_volume − refunded_volume − disputed_volume",
            Unit.MONEY,
            Total(("gross_volume",), ("refunded_volume", "disputed_volume")),
            dated_by="each its own",
        ),
        _figure(
            "fees_unknown",
            "Payments whose fee is not known",
            "payments that brought money and of whose charges no balance transaction is known, in"
            " the currency of the payment",
            Unit.COUNT,
            Sum(UNKNOWN, "payments", "1"),
            dated_by="first capture",
            cure="`ledger stripe pull` fetches them",
        ),
        _figure(
            "disputes_opened",
            "Disputes of all payments",
            "disputes opened on payments, linked to an order or not; inquiries are none",
            Unit.COUNT,
            Sum(VOLUME, "disputes", "disputes"),
            dated_by="dispute",
        ),
        _figure(
            "dispute_activity_pct",
            "Dispute activity",
            "disputes_opened / payments_succeeded × 100: disputes by their own day, as card"
            " networks count them",
            Unit.PERCENT,
            Ratio(("disputes_opened",), ("payments_succeeded",)),
            dated_by="each its own",
        ),
        _figure(
            "customers_created",
            "New customers at Stripe",
            "customers that were made at Stripe, whether or not they paid, also where they were"
            " deleted later",
            Unit.COUNT,
            Sum(CUSTOMERS, "made", "1"),
            dated_by="creation at Stripe",
        ),
        _figure(
            "paying_customers",
            "Paying customers",
            "distinct customers (by Stripe's customer, else e-mail, of each account) with a"
            " captured payment in this currency, also where a bank took that back later",
            Unit.COUNT,
            Rows("paying_customers"),
            dated_by="capture",
        ),
        _figure(
            "customer_volume",
            "Volume of customers",
            "the part of gross_volume whose payments name a customer or an e-mail",
            Unit.MONEY,
            Sum(
                VOLUME,
                "customers_minor",
                "case when customer is not null then gross_minor else 0 end",
            ),
            dated_by="each capture",
        ),
        _figure(
            "spend_per_customer",
            "Spend per customer",
            "customer_volume / paying_customers",
            Unit.MONEY,
            Ratio(("customer_volume",), ("paying_customers",), times=1),
            dated_by="capture",
        ),
    ),
)
