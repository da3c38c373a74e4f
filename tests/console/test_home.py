"""Home: the figures of a window, what waits for a person, and what each role sees of it."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from kpi.report import COMPLETE
from ledger.domain.access import Role
from ledger.domain.events import Metadata, NewEvent, ProofFinished, StripeObjectObserved
from ledger.domain.streams import stream_of
from projections.engine.proofs import put_on_record
from tests.console.over_ledger import ConsoleOverLedger, console_over
from tests.console.service import words
from tests.kpi.builder import LedgerBuilder
from tests.kpi.checks.scenarios import paid_twice
from tests.support.servers import Server
from tests.webhooks.examples import MADE, charge, customer, dispute, refund, transaction

DAYS = {"from": "2023-11-14", "to": "2023-11-15"}


def disputed(builder: LedgerBuilder) -> None:
    builder.stripe("charge.dispute.created", dispute(charge="ch_1", payment_intent=None))


def checked(builder: LedgerBuilder) -> None:
    builder.run("paid_twice")


@pytest.fixture(scope="module")
def console(servers: Callable[[str], Server]) -> Iterator[ConsoleOverLedger]:
    """Books in which an order of ten pounds was paid twice, which was found, and disputed."""
    with console_over(servers("embedded"), paid_twice, disputed, checked) as console:
        yield console


def test_tiles_show_values_those_before_and_what_they_mean(console: ConsoleOverLedger) -> None:
    console.sign_in(Role.ADMIN)
    page = console.page("/console", **DAYS)
    assert "Figures in GBP" in page
    assert "<strong>£20.00</strong>" in page
    assert "from £0.00" in page
    assert "captured amounts of payments that are linked to an order" in page
    assert "Revenue of orders: £0.00 to £20.00 a day" in page


def test_charts_and_best_sellers_are_of_the_window(console: ConsoleOverLedger) -> None:
    console.sign_in(Role.ANALYST)
    page = console.page("/console", **DAYS)
    assert "14 Nov 2023 £20.00" in words(page)
    assert "MUG" in page
    assert "Nothing was sold in these days." in console.page("/console", window="7")


def test_beside_orders_stands_the_gross_volume_of_all_payments(console: ConsoleOverLedger) -> None:
    console.sign_in(Role.ANALYST)
    page = console.page("/console", **DAYS)
    assert "Gross volume: £0.00 to £20.00 a day" in page
    assert "Best sellers" in page
    assert "is of an order known here" not in page


@pytest.fixture(scope="module")
def without_orders(servers: Callable[[str], Server]) -> Iterator[ConsoleOverLedger]:
    """A shop of which only Stripe knows: two payments, one of a new customer, and a refund."""
    with console_over(servers("embedded"), sold_at_stripe) as console:
        console.builder.follow()
        yield console


def sold_at_stripe(builder: LedgerBuilder) -> None:
    builder.stripe("customer.created", customer(created=MADE))
    for number, amount in enumerate((1000, 2500), 1):
        paid = charge(id=f"ch_{number}", payment_intent=f"pi_{number}", amount=amount, metadata={})
        builder.stripe("charge.succeeded", paid | {"amount_captured": amount})
    builder.stripe("refund.created", refund(charge="ch_2", payment_intent="pi_2", amount=500))


def test_a_shop_without_orders_sees_what_stripe_shows(without_orders: ConsoleOverLedger) -> None:
    """Thirty-five pounds came in, five went back; no figure of orders says zero beside that."""
    without_orders.sign_in(Role.ANALYST)
    page = without_orders.page("/console", **DAYS)
    told = words(page)
    assert (
        "No payment in GBP is of an order known here, so these are figures of all payments" in told
    )
    assert "Gross volume £35.00" in told
    assert "Net volume before fees £30.00" in told
    assert "Payments succeeded 2" in told
    assert "New customers at Stripe 1" in told
    assert "Gross volume by day" in told
    assert "No STRIPE_API_KEY is set, so fees and what payouts paid out are not known" in told
    assert "Revenue of orders" not in told
    assert "Best sellers" not in told


def test_once_a_balance_transaction_is_known_net_volume_is_after_fees(
    without_orders: ConsoleOverLedger,
) -> None:
    """Of ten pounds 45 pence were fees; of the other payment nothing is known yet."""
    without_orders.sign_in(Role.ANALYST)
    booked = transaction(
        amount=1000, fee=45, net=955, source="ch_1", reporting_category="charge", type="charge"
    )
    fetch(without_orders.builder, booked)
    without_orders.builder.follow()
    told = words(without_orders.page("/console", **DAYS))
    assert "Net volume £9.55 from £0.00 not fully counted: 1" in told
    assert "Fees £0.45 from £0.00 not fully counted: 1" in told
    figure = words(without_orders.page("/console/figures/fees", **DAYS))
    assert "Not fully counted: 1 : ledger stripe pull fetches them." in figure


def fetch(builder: LedgerBuilder, shown: dict[str, Any]) -> None:
    """An object of Stripe's as a pull brings it."""
    observed = StripeObjectObserved(
        kind=shown["object"],
        object_id=shown["id"],
        body=json.dumps(shown).encode(),
        fetched_at=builder.at,
        path=f"/v1/{shown['object']}s",
        livemode=False,
    )
    stream = stream_of(observed)
    assert stream is not None
    builder.engine.log.append_new([NewEvent(stream, 1, observed, builder.at, Metadata())])


def test_what_waits_leads_to_its_list(console: ConsoleOverLedger) -> None:
    console.sign_in(Role.OPS)
    page = console.page("/console")
    for address in (
        "/console/issues?state=open&amp;severity=high",
        "/console/disputes?state=open",
        "/console/disputes/dp_1",
    ):
        assert f'href="{address}"' in page


def test_an_analyst_sees_figures_and_issues_but_no_record(console: ConsoleOverLedger) -> None:
    console.sign_in(Role.ANALYST)
    page = console.page("/console", **DAYS)
    assert "/console/issues?state=open" in page
    assert "/console/disputes" not in page
    assert "/console/stock/MUG" not in page


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"window": "14"}, "A window has 7, 30, 90 days"),
        ({"from": "2026-01-02"}, "to: give both dates"),
        ({"from": "2020-01-01", "to": "2025-01-01"}, "a window has 366 days at most"),
    ],
)
def test_days_that_cannot_be_shown_are_told_beside_the_form(
    console: ConsoleOverLedger, query: dict[str, str], told: str
) -> None:
    console.sign_in(Role.ANALYST)
    page = console.page("/console", 400, **query)
    assert told in page
    assert 'name="from"' in page


def test_it_says_what_it_rests_on_and_warns_where_that_is_not_everything(
    console: ConsoleOverLedger,
) -> None:
    console.sign_in(Role.AUDITOR)
    assert "These figures are not complete" in console.page("/console")
    console.builder.follow()
    assert "These figures are not complete" not in console.page("/console")
    assert COMPLETE in console.page("/console")


def test_days_that_are_yet_to_come_are_not_complete(console: ConsoleOverLedger) -> None:
    console.sign_in(Role.ANALYST)
    console.builder.follow()
    days = {"from": "2999-12-10", "to": "2999-12-20"}
    for path in ("/console", "/console/figures/orders"):
        page = console.page(path, **days)
        assert "These figures are not complete" in page
        assert "are yet to come." in page
        assert COMPLETE in page


def test_damage_that_the_last_proof_found_stands_on_home_with_its_cure(
    console: ConsoleOverLedger,
) -> None:
    console.sign_in(Role.AUDITOR)
    assert "No proof is on record yet." in console.page("/console")
    found = ProofFinished(
        proof_id="1" * 32, holds=False, position=1, tables={}, differences=({"table": "orders"},)
    )
    ann = Metadata(actor="operator", actor_name="ann", role="admin")
    log = console.builder.engine.log
    put_on_record(log, datetime.now(UTC), found, ann)
    console.builder.follow()
    for path in ("/console", "/console/projections"):
        page = words(console.page(path))
        assert "The read models are damaged: what is shown may be wrong." in page
        assert "by ann, did not hold up to event 1; tables that differ: orders." in page
        assert "What to do: ledger rebuild, and then ledger verify." in page
    proven = ProofFinished(proof_id="2" * 32, holds=True, position=1, tables={})
    put_on_record(log, datetime.now(UTC), proven, ann)
    page = words(console.page("/console"))
    assert "damaged" not in page
    assert "by ann, held up to event 1." in page


def test_a_damaged_log_is_rebuilt_from_only_by_who_says_so(console: ConsoleOverLedger) -> None:
    console.sign_in(Role.ADMIN)
    assert 'name="believe_log"' not in console.page("/console/projections")
    faults = {"hash": {"count": 1, "places": []}}
    found = ProofFinished(proof_id="3" * 32, holds=False, position=1, tables={}, faults=faults)
    put_on_record(console.builder.engine.log, datetime.now(UTC), found, Metadata())
    assert 'name="believe_log"' in console.page("/console/projections")


def test_htmx_gets_the_main_part_only(console: ConsoleOverLedger) -> None:
    console.sign_in(Role.ANALYST)
    answer = console.browser.get("/console", headers={"hx-request": "true"})
    assert "<h1>Home</h1>" in answer.text
    assert "<html" not in answer.text
