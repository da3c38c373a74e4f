"""An order in the browser: what is done to it is done, told, and on record; and how it once was."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.console.browser.visitor import Visitor
from tests.console.browser.world import NAMES, Role, World


def state_of(world: World, order_id: str) -> str:
    return world.client.get(f"/orders/{order_id}")["state"]


def last_event(world: World, order_id: str) -> dict[str, Any]:
    """The newest event of an order's own, as auditors see it."""
    return world.one("/audit", object=f"order/{order_id}", kind="order.*")


def test_fulfil(doer: Visitor, world: World) -> None:
    order_id = world.paid_order()
    doer.look(f"/console/orders/{order_id}")
    doer.act("Fulfil", "Fulfil", reason="picked up at the counter")
    doer.is_told("The order is fulfilled.")
    expect(doer.page.locator("#badges")).to_contain_text("Shipped")
    expect(doer.page.locator(".timeline > li").first).to_contain_text("picked up at the counter")
    assert state_of(world, order_id) == "fulfilled"
    event = last_event(world, order_id)
    assert event["kind"] == "order.fulfilled"
    assert event["reason"] == "picked up at the counter"
    assert event["actor_name"] == NAMES[Role.OPS]


def test_cancel(doer: Visitor, world: World) -> None:
    order_id = world.order()
    doer.look(f"/console/orders/{order_id}")
    doer.act("Cancel", "Cancel", reason="she called")
    doer.is_told("The order is canceled")
    expect(doer.page.locator("#badges")).to_contain_text("Canceled")
    assert state_of(world, order_id) == "canceled"


def test_return(doer: Visitor, world: World) -> None:
    order_id = world.sent_order(quantity=2)
    doer.look(f"/console/orders/{order_id}")
    doer.act("Return lines", "Return lines", **{"units of line 1": "1", "reason": "one too many"})
    doer.is_told("The units are back in stock.")
    (line,) = world.client.get(f"/orders/{order_id}")["lines"]
    assert line["returned"] == 1


def test_request_a_refund(doer: Visitor, world: World) -> None:
    """It is on record; no money moved before Stripe says so."""
    order_id = world.paid_order()
    doer.look(f"/console/orders/{order_id}")
    doer.act("Request a refund", "Request a refund", amount="0.35", reason="it came late")
    doer.is_told("The refund is requested.")
    assert last_event(world, order_id)["kind"] == "order.refund_requested"
    assert world.client.get(f"/orders/{order_id}")["refunded_minor"] == 0


def test_a_field_of_a_dialog_is_as_wide_as_its_form(ops: Visitor, told_order: str) -> None:
    page = ops.look(f"/console/orders/{told_order}")
    page.get_by_text("Link a payment").first.click()
    field = page.locator("form[action$='/payments'] [name=reason]")
    assert field.evaluate("it => it.offsetWidth === it.form.offsetWidth")


def test_link_a_payment(doer: Visitor, world: World) -> None:
    order_id, payment_id = world.order(), world.pay(None)
    doer.look(f"/console/orders/{order_id}")
    doer.act("Link a payment", "Link a payment", payment_id=payment_id, reason="paid by phone")
    doer.is_told("The payment is linked.")
    expect(doer.page.locator(f"a[title='{payment_id}']").first).to_be_visible()
    assert state_of(world, order_id) == "paid"


def test_nothing_is_done_without_a_confirmation(doer: Visitor, world: World) -> None:
    order_id = world.order()
    doer.look(f"/console/orders/{order_id}")
    form = doer.open("Cancel")
    form.get_by_label("Reason").fill("by mistake")
    form.get_by_role("button", name="Cancel").click()
    assert form.locator("input:invalid").count() == 1
    assert state_of(world, order_id) == "pending"


def test_what_is_refused_is_said_at_the_form_with_what_was_written(
    doer: Visitor, world: World
) -> None:
    order_id = world.paid_order()
    doer.expects(409, 422)
    page = doer.look(f"/console/orders/{order_id}")
    doer.act("Request a refund", "Request a refund", amount="9.99", reason="too much")
    expect(page.get_by_role("alert")).to_contain_text("Not done.")
    expect(page.locator("input[name='amount']")).to_have_value("9.99")
    expect(page.locator("input[name='amount']")).to_be_visible()


@pytest.fixture
def told_order(world: World) -> str:
    """An order that was placed, paid and sent."""
    return world.sent_order()


def test_the_slider_shows_the_order_as_of_each_of_its_events(ops: Visitor, told_order: str) -> None:
    page = ops.look(f"/console/orders/{told_order}")
    badges, slider = page.locator("#badges"), page.get_by_label("As of its event")
    expect(badges).to_contain_text("Shipped")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator("#where")).to_contain_text("event 1 of")
    expect(page.locator("#where")).to_contain_text("As known on")
    expect(page.locator(".differs").first).to_contain_text("now")
    expect(page.locator(".timeline > .later").first).to_be_visible()
    expect(badges).to_contain_text("Waiting")
    page.keyboard.press("End")
    expect(badges).to_contain_text("Shipped")
    expect(page.locator("#where")).to_contain_text("Now")


def test_the_timeline_tells_what_each_event_changed(ops: Visitor, told_order: str) -> None:
    """And leads to the order as it was after one of them."""
    page = ops.look(f"/console/orders/{told_order}")
    placed = page.locator(".timeline > li").last
    expect(placed).to_contain_text("Order of £1.35 placed")
    expect(placed.get_by_text("changed")).to_be_visible()
    placed.get_by_role("link", name="as of here").click()
    expect(page.locator("#badges")).to_contain_text("Waiting")


def test_filters_are_in_the_address(ops: Visitor) -> None:
    """One chooses, and the list and the address follow; the address alone shows the same."""
    page = ops.look("/console/orders")
    page.locator("summary", has_text="Filter").click()
    page.get_by_role("combobox", name="State", exact=True).select_option("expired")
    page.wait_for_url("**/console/orders?*state=expired*")
    states = page.locator("#list tbody td.at-state")
    expect(page.locator(".chip")).to_have_text("Expired")
    expect(states.filter(has_text="Expired").first).to_be_visible()
    rows = states.count()
    ops.look(page.url)
    expect(states).to_have_count(rows)
    expect(page.locator("select[name=state]")).to_have_value("expired")


def test_a_search_finds_an_order(ops: Visitor, told_order: str) -> None:
    page = ops.look("/console/orders")
    page.get_by_label("Search everything").fill(told_order)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Order {told_order}")).to_be_visible()


def test_a_long_list_goes_on(ops: Visitor) -> None:
    page = ops.look("/console/orders")
    first = page.locator("#list tbody th a").first.inner_text()
    page.get_by_role("link", name="Next page").click()
    page.wait_for_url("**cursor=*")
    expect(page.locator("#list tbody th a").first).not_to_have_text(first)
