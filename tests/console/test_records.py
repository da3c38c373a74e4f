"""Records in the console: lists that keep their filters, and each one with its past."""

import html
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from console.record_types import KINDS, LINKS
from console.render import PAGES
from ledger.domain.access import Role
from ledger.domain.billing_facts import InvoiceFact, PayoutFact, SubscriptionFact
from ledger.domain.facts import (
    UNKNOWN,
    CheckoutFact,
    CustomerFact,
    DisputeFact,
    PaymentFact,
    RefundFact,
    states_of,
)
from projections.engine.registry import discover
from simulator import STORIES, Purchase, SimulatedStripe
from tests.console.over_ledger import console_over
from tests.console.service import Service, words
from tests.kpi.builder import LedgerBuilder
from tests.support.servers import Server
from tests.webhooks.billing_examples import invoice
from tests.webhooks.examples import charge, dispute, refund

FACTS = {
    "customer": CustomerFact,
    "payment": PaymentFact,
    "refund": RefundFact,
    "dispute": DisputeFact,
    "checkout": CheckoutFact,
    "subscription": SubscriptionFact,
    "invoice": InvoiceFact,
    "payout": PayoutFact,
}


@pytest.fixture(scope="module")
def payment_id(shared_house: Service) -> str:
    """A payment of no order, of which a part went back and the bank asks for the rest."""
    service, stripe = shared_house, SimulatedStripe("records")
    service.order(id="A1", customer_id="ada", email="ada@example.com")
    for events in STORIES["much_trouble"](stripe, Purchase(5000, "gbp", None)):
        service.deliver(events)
    listed = service.client.get(
        "/payments", headers={"authorization": f"Bearer {service.tokens[Role.ADMIN]}"}
    )
    return listed.json()["items"][0]["payment_id"]


@pytest.fixture
def world(service: Service, payment_id: str) -> Service:
    return service


@pytest.mark.parametrize("path", ["payments", "refunds", "disputes"])
def test_a_search_finds_an_object_of_any_kind_by_its_id(world: Service, path: str) -> None:
    bearer = {"authorization": f"Bearer {world.tokens[Role.ADMIN]}"}
    row = world.client.get(f"/{path}", headers=bearer).json()["items"][0]
    name = row[f"{path.removesuffix('s')}_id"]
    page = world.client.get("/console/search", params={"q": name})
    assert page.url.path == f"/console/{path}/{name}"


# ── Kinds ───────────────────────────────────────────────────────────────────────────────────────


STATEFUL = [noun for noun, kind in KINDS.items() if "state" in kind.filters]


@pytest.mark.parametrize("noun", KINDS)
def test_a_kind_shows_and_filters_columns_that_its_list_has(noun: str) -> None:
    kind, listing = KINDS[noun], discover().by_name[KINDS[noun].path].listing
    assert listing is not None
    assert listing.link == noun
    assert listing.table.key == (kind.key,)
    assert set(kind.filters) <= set(listing.filters)
    for related in kind.related:
        other = discover().by_name[related.path].listing
        assert other is not None
        assert related.column in other.filters


@pytest.mark.parametrize("noun", STATEFUL)
def test_every_state_can_be_asked_for(noun: str) -> None:
    states = {state.word for state in states_of(FACTS[noun])}
    assert set(KINDS[noun].filters["state"]) == states - {UNKNOWN}


def test_every_link_leads_to_a_page() -> None:
    assert set(LINKS.values()) <= set(PAGES)


# ── Lists and ones ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("noun", STATEFUL)
def test_each_list_is_there_also_when_nothing_fits(world: Service, noun: str) -> None:
    kind = KINDS[noun]
    assert "<h1>" in world.look(f"/console/{kind.path}").text
    pages = [world.see(f"/console/{kind.path}?state={each}") for each in kind.filters["state"]]
    assert any(re.search(f"No {noun}s (with state=|yet)", page) for page in pages)
    assert world.look(f"/console/{kind.path}?state=none").status_code == 422


def test_balance_transactions_are_listed_and_each_has_a_page(world: Service) -> None:
    """A transaction has no state; its fee and what it came to stand beside its amount."""
    world.fetch(
        "balance_transaction",
        {
            "id": "txn_1",
            "object": "balance_transaction",
            "amount": 2500,
            "fee": 63,
            "net": 2437,
            "currency": "gbp",
            "type": "charge",
            "reporting_category": "charge",
            "source": "ch_1",
            "created": 1_772_366_400,
            "fee_details": [{"amount": 63, "currency": "gbp", "type": "stripe_fee"}],
        },
    )
    listed = words(world.look("/console/transactions?category=charge").text)
    assert "txn_1" in listed
    assert "24.37" in listed
    page = words(world.look("/console/transactions/txn_1").text)
    assert "Stripe fee" in page
    assert "0.63" in page
    assert world.look("/console/transactions?category=none").status_code == 422


def booked(name: str, net: int, **fields: Any) -> dict[str, Any]:
    """A balance transaction."""
    return {
        "id": name,
        "object": "balance_transaction",
        "amount": net,
        "fee": 0,
        "net": net,
        "currency": "gbp",
        "type": "adjustment",
        "reporting_category": "charge",
        "created": 1_772_366_400,
    } | fields


def test_payouts_that_failed_wait_on_home_for_a_while(world: Service) -> None:
    now = int(time.time())
    for name, created in (("po_7", now - 61 * 86_400), ("po_8", now)):
        failed = {
            "id": name, "object": "payout", "amount": 1200, "currency": "gbp", "status": "failed",
            "created": created, "automatic": True,
        }  # fmt: skip
        world.fetch("payout", failed)
    page = world.look("/console").text
    assert "Payouts failed: 1" in words(page)
    found = re.search(r'href="(/console/payouts\?state=failed&amp;[^"]*from=[\d-]{10})"', page)
    assert found
    listed = world.look(html.unescape(found[1])).text
    assert "po_8" in listed
    assert "po_7" not in listed


def test_a_payout_shows_what_it_paid_out_and_each_of_it_leads_back(world: Service) -> None:
    world.fetch("balance_transaction", booked("txn_p1", 2000, source="ch_1"))
    world.fetch("balance_transaction", booked("txn_p2", -2000, reporting_category="payout"))
    paid = {
        "id": "po_9", "object": "payout", "amount": 2000, "currency": "gbp", "status": "paid",
        "created": 1_772_366_400, "balance_transaction": "txn_p2", "automatic": True,
    }  # fmt: skip
    world.fetch("payout", paid)
    world.list_payout("po_9", "txn_p1", "txn_p2")
    page = world.look("/console/payouts/po_9").text
    assert "What it paid out" in words(page)
    assert 'href="/console/transactions/txn_p1"' in page
    assert 'href="/console/payout_members?payout_id=po_9"' in page
    listed = world.look("/console/payout_members?payout_id=po_9").text
    assert "<h1>What payouts paid out</h1>" in listed
    assert "−£20.00" in listed
    back = world.look("/console/transactions/txn_p1").text
    assert "Paid out by" in words(back)
    assert 'href="/console/payouts/po_9"' in back


@pytest.mark.parametrize("path", ["transactions", "payouts", "payout_members"])
def test_what_was_not_asked_of_stripe_is_said_with_the_cure(world: Service, path: str) -> None:
    """No list is empty without a word: this shop has no key, and pulled nothing."""
    assert "No STRIPE_API_KEY is set" in words(world.look(f"/console/{path}").text)
    bearer = {"authorization": f"Bearer {world.tokens[Role.ADMIN]}"}
    answer = world.client.get(f"/{path}", headers=bearer).json()
    assert answer["missing"] == world.client.get("/status", headers=bearer).json()["stripe"]["told"]
    assert "ledger connect" in answer["missing"]


def test_filters_stand_in_the_address_and_pages_go_on_with_them(
    world: Service, payment_id: str
) -> None:
    found = world.look("/console/payments?state=succeeded&currency=gbp")
    assert f"/console/payments/{payment_id}" in found.text
    assert '<option value="succeeded" selected>' in found.text
    assert payment_id not in world.look("/console/payments?state=failed").text
    part = world.look("/console/payments", htmx=True).text
    assert "<html" not in part
    assert payment_id in part


def test_a_payment_shows_what_belongs_to_it_and_all_that_touched_it(
    world: Service, payment_id: str
) -> None:
    page = world.look(f"/console/payments/{payment_id}").text
    assert re.search(r"Charges</h2>.*Refunds</h2>.*Disputes</h2>", page, re.DOTALL)
    assert re.search(r'href="/console/refunds/re_\w+"', page)
    text = words(page)
    assert "Payment confirmed" in text
    assert re.search(r"Refunded £0\.00 → £\d", text)


@pytest.mark.parametrize("path", ["refunds", "disputes"])
def test_what_was_claimed_back_leads_to_its_payment(
    world: Service, payment_id: str, path: str
) -> None:
    one = re.search(rf'href="(/console/{path}/\w+)"', world.look(f"/console/{path}").text)
    assert one
    assert f'href="/console/payments/{payment_id}"' in world.look(one[1]).text


def test_a_customer_shows_his_orders(world: Service) -> None:
    page = world.look("/console/customers/ada").text
    assert 'href="/console/orders/A1"' in page
    assert "Order placed" in words(page)


def test_what_only_other_events_name_has_a_page_that_says_so(
    servers: Callable[[str], Server],
) -> None:
    """No link is dead: the page tells what names the object, and that none of its own came."""

    def named(builder: LedgerBuilder) -> None:
        thing = charge(payment_intent="pi_7", customer="cus_9", metadata={"order_id": "A9"})
        builder.stripe("charge.succeeded", thing)
        builder.stripe("invoice.paid", invoice(customer="cus_9", subscription="sub_9"))
        builder.stripe("refund.created", refund(charge=None, payment_intent="pi_8"))
        builder.stripe("charge.dispute.created", dispute(charge="ch_8", payment_intent="pi_8"))

    with console_over(servers("embedded"), named) as console:
        console.sign_in(Role.ADMIN)
        for path in ("payments", "refunds", "disputes", "invoices"):
            for link in re.findall(r'href="(/console/\w+/\w+)"', console.page(f"/console/{path}")):
                console.page(link)
        page = console.page("/console/customers/cus_9")
        assert "Stripe sent no event of this customer itself" in page
        assert 'href="/console/payments/pi_7"' in page
        assert "Payment succeeded" in page
        assert 'href="/console/invoices/in_1"' in console.page("/console/subscriptions/sub_9")
        assert 'action="/console/payments/pi_8/link"' not in console.page("/console/payments/pi_8")
        assert "No order with this id was placed here" in console.page("/console/orders/A9")
        for path in ("customers/none", "orders/none", "subscriptions/none"):
            console.page(f"/console/{path}", 404)


def test_there_is_no_page_of_what_there_is_not(world: Service) -> None:
    assert world.look("/console/payments/none").status_code == 404


def test_only_auditors_are_led_to_events(world: Service, payment_id: str) -> None:
    path = f"/console/payments/{payment_id}"
    assert "/console/events/" not in world.look(path).text
    world.enter(Role.AUDITOR)
    assert "/console/events/" in world.look(path).text


# ── Linking ─────────────────────────────────────────────────────────────────────────────────────


def test_only_who_manages_orders_may_link_a_payment(world: Service, payment_id: str) -> None:
    world.enter(Role.AUDITOR)
    path = f"/console/payments/{payment_id}"
    page = world.look(path)
    assert "Link it to its order" not in page.text
    assert world.send(page, f"{path}/link", order_id="A1").status_code == 403


def test_a_payment_is_linked_to_its_order_and_a_slip_is_told_at_the_form(
    world: Service, payment_id: str
) -> None:
    path = f"/console/payments/{payment_id}"
    page = world.look(path)
    slip = world.send(page, f"{path}/link", order_id="A9 ?")
    assert slip.status_code in {404, 422}
    assert 'role="alert"' in slip.text
    assert 'value="A9 ?"' in slip.text
    linked = world.send(page, f"{path}/link", order_id="A1")
    assert linked.url.path == path
    assert "The payment belongs to order A1." in words(linked.text)
    assert 'href="/console/orders/A1"' in linked.text
    assert "Link it to its order" not in linked.text
