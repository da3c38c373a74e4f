"""Subscriptions: monthly recurring revenue and what moved it, as Stripe's billing reports count.

Clause by clause, with tests, in docs/mrr.md.
"""

from typing import Final

from kpi.declare import Balance, Clause, Facts, Family, Figure, Ratio, Sum, Unit

MOVEMENTS = Facts("mrr_movements", "mrr_movements", "mrr_daily")
UNCOUNTED: Final = "mrr_uncounted_subscriptions"

_ANALYTICS: Final = "docs.stripe.com/billing/subscriptions/analytics"
_BILLING: Final = "support.stripe.com: Billing Analytics"
_COUPONS: Final = "docs.stripe.com/billing/subscriptions/coupons"
_API: Final = "docs.stripe.com/api/subscriptions/object"
_HERE: Final = "a rule of our own"

CLAUSES: Final = (
    Clause("active and past due subscriptions count, no others", _ANALYTICS),
    Clause("a trial counts nothing", _ANALYTICS),
    Clause("an unpaid, canceled, incomplete or paused subscription counts nothing", _ANALYTICS),
    Clause(
        "one whose end was asked for (`cancel_at_period_end`, `cancel_at`) counts nothing from then"
        " on, and again if that is taken back",
        "support.stripe.com: Impact of Subscription Cancellations on MRR",
    ),
    Clause(
        "while its collection is paused it counts as before, whatever becomes of its invoices: its"
        " status does not change",
        "docs.stripe.com/billing/subscriptions/pause-payment",
    ),
    Clause("price × quantity of all items, by the month: a yearly price is a twelfth", _BILLING),
    Clause("a weekly price is 52 twelfths of it, a daily one 365", _HERE),
    Clause("graduated and volume tiers by the quantity", "docs.stripe.com/api/prices/object"),
    Clause("metered prices and taxes count nothing", _ANALYTICS),
    Clause(
        "what costs nothing makes no subscriber; a subscriber is a customer with MRR above nothing",
        _ANALYTICS,
    ),
    Clause(
        "discounts that last forever reduce it; those of once or some months do not (Stripe's"
        " settings to subtract them are off)",
        _ANALYTICS,
    ),
    Clause("discounts of an item come before those of the subscription, in their order", _API),
    Clause("a discount of the customer is for subscriptions without one of their own", _API),
    Clause(
        "a discount has the terms of the coupon that stood when it started, also after that was"
        " deleted and another one was made under its id",
        "docs.stripe.com/api/coupons/delete",
    ),
    Clause("an amount off is taken off each invoice, and never more than there is", _COUPONS),
    Clause(
        "a customer's amount off in another currency is none",
        "docs.stripe.com/invoicing/multi-currency-customers",
    ),
    Clause("currencies are never added, and no exchange rate is used", _HERE),
    Clause(
        "a price's amount counts in its own currency only; in another one it is that of the price's"
        " options, of the subscription's invoice, or not known",
        "docs.stripe.com/products-prices/manage-prices",
    ),
    Clause(
        "what is not known (tiers, terms of coupons, amounts, what Stripe cut from a list) is left"
        f" out, and the subscription counted by `{UNCOUNTED}`; once it is known, it counts from the"
        " report on that it is about",
        _HERE,
    ),
    Clause(
        "a subscription that is first heard of late was active with the same MRR since its"
        " `start_date` (or the end of its trial) until its end was asked for",
        _HERE,
    ),
    Clause("what changes several times within a second is one change, to the last of it", _HERE),
)


def _moved(name: str, label: str, formula: str) -> Figure:
    """A kind of movement of MRR."""
    kind = name.removesuffix("_mrr")
    each = f"case when kind = '{kind}' then amount_minor else 0 end"
    measure = Sum(MOVEMENTS, f"{kind}_minor", each)
    return Figure(name, label, formula, Unit.MONEY, measure, "change", uncounted_by=UNCOUNTED)


family = Family(
    70,
    "Subscriptions",
    (
        Figure(
            "active_subscriptions",
            "Active subscriptions",
            "subscriptions that are active or past due at the end of the last day, also where they"
            " cost nothing or will end",
            Unit.COUNT,
            Balance(MOVEMENTS, "subscriptions", "subscriptions"),
            dated_by="change",
        ),
        Figure(
            "opening_mrr",
            "Opening MRR",
            "mrr at the beginning of the first day",
            Unit.MONEY,
            Balance(MOVEMENTS, "mrr_minor", "amount_minor", opening=True),
            dated_by="change",
            uncounted_by=UNCOUNTED,
        ),
        Figure(
            "mrr",
            "Monthly recurring revenue",
            "price × quantity by the month of subscriptions that are active or past due and whose"
            " end was not asked for, without trials, metered prices and tax; coupons that last"
            " forever reduce it",
            Unit.MONEY,
            Balance(MOVEMENTS, "mrr_minor", "amount_minor"),
            dated_by="change",
            clauses=CLAUSES,
            uncounted_by=UNCOUNTED,
        ),
        Figure(
            UNCOUNTED,
            "Subscriptions not fully counted",
            "subscriptions of which mrr leaves something out, because a price, a discount or an"
            " item is not known",
            Unit.COUNT,
            Balance(MOVEMENTS, "uncounted", "uncounted"),
            dated_by="change",
            since=2,
            cure="`ledger issues list --check mrr_unknown` says why",
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
            Sum(MOVEMENTS, "new_subscribers", "subscribers_new"),
            dated_by="change",
        ),
        Figure(
            "churned_subscribers",
            "Churned subscribers",
            "times that a customer ceased to have MRR",
            Unit.COUNT,
            Sum(MOVEMENTS, "churned_subscribers", "subscribers_churned"),
            dated_by="change",
        ),
        Figure(
            "subscriber_churn_pct",
            "Subscriber churn",
            "churned_subscribers / (opening_subscribers + new_subscribers) × 100; over 30 days it"
            " is Stripe's rate",
            Unit.PERCENT,
            Ratio(("churned_subscribers",), ("opening_subscribers", "new_subscribers")),
            dated_by="change",
        ),
    ),
)
