"""What a figure leaves out because it is not known stands beside it, wherever it is shown."""

from collections.abc import Callable, Iterator

import pytest

from ledger.domain.access import Role
from tests.console.over_ledger import ConsoleOverLedger, console_over
from tests.kpi.builder import LedgerBuilder
from tests.support.servers import Server
from tests.webhooks.billing_examples import discount, item, price, subscription

DAYS = {"from": "2026-03-01", "to": "2026-03-02"}
TIERED = price(None, billing_scheme="tiered")


def subscribed(builder: LedgerBuilder) -> None:
    """One of 12.00, one with a coupon that is not known, and one of tiers."""
    created = "customer.subscription.created"
    builder.stripe("customer.discount.created", discount())
    builder.stripe(created, subscription(id="sub_1", customer="cus_1"))
    builder.stripe(created, subscription(id="sub_2", customer="cus_2", discounts=["di_1"]))
    builder.stripe(created, subscription(item(price=TIERED), id="sub_3", customer="cus_3"))


@pytest.fixture(scope="module")
def console(servers: Callable[[str], Server]) -> Iterator[ConsoleOverLedger]:
    with console_over(servers("embedded"), subscribed) as console:
        console.sign_in(Role.ADMIN)
        yield console


def test_a_tile_says_how_many_are_not_fully_counted(console: ConsoleOverLedger) -> None:
    page = console.page("/console", **DAYS)
    assert "<strong>£24.00</strong>" in page
    link = "/console/figures/mrr_uncounted_subscriptions?from=2026-03-01&amp;to=2026-03-02"
    assert f'not fully counted: <a class="link" href="{link}&amp;currency=gbp">2</a>' in page
    assert page.count("not fully counted:") == 1


@pytest.mark.parametrize("name", ["mrr", "opening_mrr", "new_mrr"])
def test_so_does_the_page_of_a_figure(console: ConsoleOverLedger, name: str) -> None:
    page = console.page(f"/console/figures/{name}", **DAYS)
    assert "Not fully counted: <a" in page
    assert "Not fully counted" not in console.page("/console/figures/active_subscriptions", **DAYS)


def test_the_page_of_mrr_has_its_rule_clause_by_clause(console: ConsoleOverLedger) -> None:
    page = console.page("/console/figures/mrr", **DAYS)
    assert "a trial counts nothing <small>(docs.stripe.com/billing/subscriptions/analytics)" in page


def test_a_list_tells_which_they_are_and_a_record_why(console: ConsoleOverLedger) -> None:
    page = console.page("/console/subscriptions", mrr_known="false")
    assert "sub_2" in page
    assert "sub_1" not in page
    assert "coupon/QUARTER" in console.page("/console/subscriptions/sub_2")
    assert "price/price_1/gbp" in console.page("/console/subscriptions/sub_3")
