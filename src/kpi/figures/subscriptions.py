"""Subscriptions: monthly recurring revenue and what moved it, as Stripe's billing reports count.

https://docs.stripe.com/billing/subscriptions/analytics
"""

from kpi.declare import Balance, Facts, Family, Figure, Kind, Ratio, Sum, Unit

MOVEMENTS = Facts("mrr_movements", "mrr_movements", "mrr_daily")


def _moved(name: str, label: str, formula: str) -> Figure:
    """A kind of movement of MRR."""
    kind = name.removesuffix("_mrr")
    each = f"case when kind = '{kind}' then amount_minor else 0 end"
    measure = Sum(MOVEMENTS, f"{kind}_minor", each)
    return Figure(name, label, formula, Unit.MONEY, Kind.ADDITIVE, measure, "change")


family = Family(
    70,
    "Subscriptions",
    (
        Figure(
            "active_subscriptions",
            "Active subscriptions",
            "subscriptions that are active or past due at the end of the last day",
            Unit.COUNT,
            Kind.BALANCE,
            Balance(MOVEMENTS, "subscriptions", "subscriptions"),
            dated_by="change",
        ),
        Figure(
            "opening_mrr",
            "Opening MRR",
            "mrr at the beginning of the first day",
            Unit.MONEY,
            Kind.BALANCE,
            Balance(MOVEMENTS, "mrr_minor", "amount_minor", opening=True),
            dated_by="change",
        ),
        Figure(
            "mrr",
            "Monthly recurring revenue",
            "price × quantity by the month of subscriptions that are active or past due, without"
            " trials, metered prices and tax; coupons that last forever reduce it",
            Unit.MONEY,
            Kind.BALANCE,
            Balance(MOVEMENTS, "mrr_minor", "amount_minor"),
            dated_by="change",
        ),
        _moved("new_mrr", "New MRR", "MRR of customers who had never had any"),
        _moved("expansion_mrr", "Expansion MRR", "what customers' MRR rose by"),
        _moved("contraction_mrr", "Contraction MRR", "what it fell by, short of nothing; negative"),
        _moved("churned_mrr", "Churned MRR", "MRR of customers who lost all of it; negative"),
        _moved("reactivation_mrr", "Reactivation MRR", "MRR of customers who came back"),
        Figure(
            "opening_subscribers",
            "Opening subscribers",
            "customers with MRR at the beginning of the first day",
            Unit.COUNT,
            Kind.BALANCE,
            Balance(
                MOVEMENTS, "subscribers", "subscribers_new - subscribers_churned", opening=True
            ),
            dated_by="change",
        ),
        Figure(
            "new_subscribers",
            "New subscribers",
            "times that a customer began to have MRR, for the first time or again",
            Unit.COUNT,
            Kind.ADDITIVE,
            Sum(MOVEMENTS, "new_subscribers", "subscribers_new"),
            dated_by="change",
        ),
        Figure(
            "churned_subscribers",
            "Churned subscribers",
            "times that a customer ceased to have MRR",
            Unit.COUNT,
            Kind.ADDITIVE,
            Sum(MOVEMENTS, "churned_subscribers", "subscribers_churned"),
            dated_by="change",
        ),
        Figure(
            "subscriber_churn_pct",
            "Subscriber churn",
            "churned_subscribers / (opening_subscribers + new_subscribers) × 100; over 30 days it"
            " is Stripe's rate",
            Unit.PERCENT,
            Kind.RATIO,
            Ratio(("churned_subscribers",), ("opening_subscribers", "new_subscribers")),
            dated_by="change",
        ),
    ),
)
