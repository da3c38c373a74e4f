"""Records in the console: lists that keep their filters, and each one with its past."""

import re

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
    leaves,
)
from projections.engine.registry import discover
from simulator import STORIES, Purchase, SimulatedStripe
from tests.console.house import House, words

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
def payment_id(shared_house: House) -> str:
    """A payment of no order, of which a part went back and the bank asks for the rest."""
    house, stripe = shared_house, SimulatedStripe("records")
    house.order(id="A1", customer_id="ada", email="ada@example.com")
    for events in STORIES["much_trouble"](stripe, Purchase(5000, "gbp", None)):
        house.deliver(events)
    listed = house.client.get(
        "/payments", headers={"authorization": f"Bearer {house.tokens[Role.ADMIN]}"}
    )
    return listed.json()["items"][0]["payment_id"]


@pytest.fixture
def world(house: House, payment_id: str) -> House:
    return house


@pytest.mark.parametrize("path", ["payments", "refunds", "disputes"])
def test_a_search_finds_an_object_of_any_kind_by_its_id(world: House, path: str) -> None:
    bearer = {"authorization": f"Bearer {world.tokens[Role.ADMIN]}"}
    row = world.client.get(f"/{path}", headers=bearer).json()["items"][0]
    name = row[f"{path.removesuffix('s')}_id"]
    page = world.client.get("/console/orders", params={"q": name})
    assert page.url.path == f"/console/{path}/{name}"


# ── Kinds ───────────────────────────────────────────────────────────────────────────────────────


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


@pytest.mark.parametrize("noun", KINDS)
def test_every_state_can_be_asked_for(noun: str) -> None:
    states = {vars(fact)["STATE"] for fact in leaves(FACTS[noun])}
    assert set(KINDS[noun].filters["state"]) == states - {UNKNOWN}


def test_every_link_leads_to_a_page() -> None:
    assert set(LINKS.values()) <= set(PAGES)


# ── Lists and ones ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("noun", KINDS)
def test_each_list_is_there_also_when_nothing_fits(world: House, noun: str) -> None:
    kind = KINDS[noun]
    assert "<h1>" in world.look(f"/console/{kind.path}").text
    pages = [world.see(f"/console/{kind.path}?state={each}") for each in kind.filters["state"]]
    assert any(f"No {noun} fits these filters" in page for page in pages)
    assert world.look(f"/console/{kind.path}?state=none").status_code == 422


def test_filters_stand_in_the_address_and_pages_go_on_with_them(
    world: House, payment_id: str
) -> None:
    found = world.look("/console/payments?state=succeeded&currency=gbp")
    assert f"/console/payments/{payment_id}" in found.text
    assert '<option value="succeeded" selected>' in found.text
    assert payment_id not in world.look("/console/payments?state=failed").text
    part = world.look("/console/payments", htmx=True).text
    assert "<html" not in part
    assert payment_id in part


def test_a_payment_shows_what_belongs_to_it_and_all_that_touched_it(
    world: House, payment_id: str
) -> None:
    page = world.look(f"/console/payments/{payment_id}").text
    assert re.search(r"<h2>Charges</h2>.*<h2>Refunds</h2>.*<h2>Disputes</h2>", page, re.DOTALL)
    assert re.search(r'href="/console/refunds/re_\w+"', page)
    text = words(page)
    assert "payment_intent.succeeded by stripe" in text
    assert re.search(r"refunded 0\.00 GBP → \d", text)


@pytest.mark.parametrize("path", ["refunds", "disputes"])
def test_what_was_claimed_back_leads_to_its_payment(
    world: House, payment_id: str, path: str
) -> None:
    one = re.search(rf'href="(/console/{path}/\w+)"', world.look(f"/console/{path}").text)
    assert one
    assert f'href="/console/payments/{payment_id}"' in world.look(one[1]).text


def test_a_customer_shows_his_orders(world: House) -> None:
    page = world.look("/console/customers/ada").text
    assert 'href="/console/orders/A1"' in page
    assert "order.placed by" in words(page)


def test_there_is_no_page_of_what_there_is_not(world: House) -> None:
    assert world.look("/console/payments/none").status_code == 404


def test_only_auditors_are_led_to_events(world: House, payment_id: str) -> None:
    path = f"/console/payments/{payment_id}"
    assert "/console/events/" not in world.look(path).text
    world.enter(Role.AUDITOR)
    assert "/console/events/" in world.look(path).text


# ── Linking ─────────────────────────────────────────────────────────────────────────────────────


def test_only_who_manages_orders_may_link_a_payment(world: House, payment_id: str) -> None:
    world.enter(Role.AUDITOR)
    path = f"/console/payments/{payment_id}"
    page = world.look(path)
    assert "Link it to its order" not in page.text
    assert world.send(page, f"{path}/link", order_id="A1").status_code == 403


def test_a_payment_is_linked_to_its_order_and_a_slip_is_told_at_the_form(
    world: House, payment_id: str
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
