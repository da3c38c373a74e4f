"""Since which version of the contract a figure is: what was reported before does not have it."""

import pytest

from kpi.declare import CONTRACT_VERSION, Figure, catalogue

FIRST_IN = {
    1: """
        revenue captured_payments orders aov refunded_amount refunded_orders
        refund_rate_orders_pct refund_rate_value_pct refunded_orders_cohort
        refunded_amount_cohort refund_rate_cohort_pct disputed_amount dispute_count
        dispute_rate_pct net_revenue gross_sales discounts returns net_sales shipping taxes
        total_sales units product_revenue unique_customers repeat_customers repeat_rate_pct
        new_customers returning_customers returning_customer_rate_pct wishlisted_users
        purchased_users wishlist_conversion_pct payments_succeeded payments_failed
        payment_success_pct stock_on_hand stock_reserved stock_available
        active_subscriptions opening_mrr mrr new_mrr expansion_mrr contraction_mrr
        churned_mrr reactivation_mrr opening_subscribers new_subscribers churned_subscribers
        subscriber_churn_pct
    """,
    2: """
        paid_orders_amount overpaid_amount stock_held stock_committed
        mrr_uncounted_subscriptions
    """,
    3: "",
}
"""The figures that came with each version before the present one, by id."""

KNOWN = {name: version for version, names in FIRST_IN.items() for name in names.split()}


def test_every_version_that_is_over_has_its_figures_written_down() -> None:
    assert [*FIRST_IN] == [*range(1, CONTRACT_VERSION)], (
        "CONTRACT_VERSION was raised: write in FIRST_IN (tests/kpi/test_contract.py) which figures"
        f' came with version {CONTRACT_VERSION - 1}, or "" where none did'
    )


@pytest.mark.parametrize("figure", catalogue().values(), ids=lambda figure: figure.id)
def test_a_figure_says_since_which_version_it_is(figure: Figure) -> None:
    first = KNOWN.get(figure.id, CONTRACT_VERSION)
    assert figure.since == first, (
        f"{figure.id}: write since={first} where it is declared; a snapshot of an earlier version"
        " of the contract does not have it"
    )


def test_no_figure_is_ever_taken_away() -> None:
    """Who reads a column of an earlier version finds it in this one."""
    assert KNOWN.keys() <= catalogue().keys()
