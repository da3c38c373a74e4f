"""What operators and auditors do beside orders: each deed is done, told, and seen in the books."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import expect

from ledger.domain.access import Role
from tests.console.browser.conftest import Entering
from tests.console.browser.visitor import Visitor
from tests.console.browser.world import World

# ── Stock ───────────────────────────────────────────────────────────────────────────────────────


def test_receive_stock(doer: Visitor, world: World) -> None:
    before = world.client.get("/stock/TEAPOT")["on_hand"]
    doer.look("/console/stock/TEAPOT")
    doer.act("Receive", "Receive", quantity="12", reason="delivery note 7")
    doer.is_told("The units are counted in.")
    assert world.client.get("/stock/TEAPOT")["on_hand"] == before + 12
    expect(doer.page.locator("tbody tr", has_text="delivery note 7").first).to_contain_text("+12")


def test_adjust_stock(doer: Visitor, world: World) -> None:
    before = world.client.get("/stock/MUG-RED")["on_hand"]
    doer.look("/console/stock/MUG-RED")
    doer.act("Adjust", "Adjust", change="-1", reason="it broke")
    doer.is_told("The count is corrected.")
    assert world.client.get("/stock/MUG-RED")["on_hand"] == before - 1


def test_list_a_product(doer: Visitor, world: World) -> None:
    doer.look("/console/stock")
    sku = f"BOWL-{world.log.head()}"
    doer.act("List a product", "List it", sku=sku, name="Rice bowl", prices="8.50 gbp, 1200 jpy")
    doer.is_told("The product is listed so.")
    assert world.client.get(f"/stock/{sku}")["prices"] == {"gbp": 850, "jpy": 1200}


# ── Issues ──────────────────────────────────────────────────────────────────────────────────────


def test_run_the_checks(doer: Visitor) -> None:
    doer.look("/console/issues")
    doer.page.get_by_role("button", name="Run all checks now").click()
    doer.is_told("checks ran")


def test_resolve_and_reopen_an_issue(doer: Visitor, world: World) -> None:
    issue_id = world.one("/issues", state="open")["issue_id"]
    doer.look(f"/console/issues/{issue_id}")
    doer.act("Resolve it", "Resolve it", reason="told the customer")
    doer.is_told("The issue is resolved.")
    resolved = world.client.get(f"/issues/{issue_id}")
    assert (resolved["state"], resolved["reason"]) == ("resolved", "told the customer")
    doer.act("Reopen it", "Reopen it", reason="she calls again")
    doer.is_told("The issue is open again.")
    assert world.client.get(f"/issues/{issue_id}")["state"] == "open"


# ── Payments ────────────────────────────────────────────────────────────────────────────────────


def test_link_a_payment_from_its_own_page(doer: Visitor, world: World) -> None:
    order_id, payment_id = world.order(), world.pay(None)
    doer.look(f"/console/payments/{payment_id}")
    doer.act("Link it to its order", "Link", order_id=order_id)
    doer.is_told(f"The payment belongs to order {order_id}.")
    assert world.client.get(f"/payments/{payment_id}")["order_id"] == order_id


def test_payments_are_linked_several_at_once(doer: Visitor, world: World) -> None:
    """Those that were chosen of what a rule finds, each to the order that stands beside it."""
    orders = [world.order() for _ in range(3)]
    word = f"Ticket{world.log.head()}"
    payments = [world.pay(None, description=f"{word} {name}") for name in orders]
    page = doer.look("/console/payments")
    page.get_by_role("link", name="Without an order").click()
    page.get_by_label("By").select_option("description")
    page.get_by_label("Key of metadata, or pattern").fill(f"{word} {{order}}")
    page.get_by_role("button", name="Preview").click()
    for payment in payments[:2]:
        page.get_by_label(f"Choose {payment}", exact=True).check()
    chosen = page.locator("form[data-bulk]")
    chosen.get_by_label("Reason, for the audit log").fill("as the tickets say")
    chosen.get_by_role("button", name="Link those chosen").click()
    expect(page.get_by_text("2 done, 0 not.")).to_be_visible()
    found = [world.client.get(f"/payments/{payment}")["order_id"] for payment in payments]
    assert found == [*orders[:2], None]
    page.get_by_role("link", name="Back to payments without an order").click()
    expect(page.get_by_label(f"Choose {payments[2]}", exact=True)).to_be_visible()
    expect(page.get_by_label(f"Choose {payments[0]}", exact=True)).to_have_count(0)


def test_all_rows_of_a_list_are_chosen_at_once(ops: Visitor, world: World) -> None:
    names = [world.paid_order(), world.paid_order()]
    page = ops.look("/console/orders?state=paid&sort=-placed_at")
    page.get_by_label("Choose all").check()
    for name in names:
        expect(page.get_by_label(f"Choose {name}", exact=True)).to_be_checked()
    expect(page.locator("[data-picked]")).to_contain_text(" chosen")
    page.get_by_label("Choose all").uncheck()
    expect(page.locator("td.at-pick input:checked")).to_have_count(0)


# ── Several at once, and tokens ─────────────────────────────────────────────────────────────────


def test_orders_are_shipped_several_at_once(doer: Visitor, world: World) -> None:
    names = [world.paid_order(), world.paid_order()]
    page = doer.look("/console/orders?state=paid")
    for name in names:
        page.get_by_label(f"Choose {name}", exact=True).check()
    page.get_by_label("Reason, for the audit log").fill("the van left")
    page.get_by_role("button", name="Fulfil those chosen").click()
    expect(page.get_by_text("2 done, 0 not.")).to_be_visible()
    assert {world.client.get(f"/orders/{name}")["state"] for name in names} == {"fulfilled"}


@pytest.mark.parametrize("scripted", [True, False])
def test_a_token_is_issued_and_revoked(enter: Entering, world: World, scripted: bool) -> None:
    visitor, name = enter(Role.ADMIN, java_script_enabled=scripted), f"Till {int(scripted)}"
    page = visitor.look("/console/settings/tokens")
    visitor.act("Issue a token", "Issue it", name=name, reason="a new till")
    expect(page.locator("#token")).to_contain_text("lgr_")
    row = page.locator("tbody tr", has_text=name).first
    row.locator("summary").click()
    row.locator("[name=reason]").fill("it broke")
    row.get_by_role("button", name="Revoke it").click()
    visitor.is_told("The token is revoked.")
    (line,) = [
        each for each in world.client.get("/tokens", limit=200)["items"] if each["name"] == name
    ]
    assert line["state"] == "revoked"


# ── Exports ─────────────────────────────────────────────────────────────────────────────────────


def test_an_export_is_the_file_that_its_manifest_says(enter: Entering, world: World) -> None:
    auditor = enter(Role.AUDITOR)
    page = auditor.look("/console/exports")
    form = page.locator("article[aria-labelledby=export-orders]")
    form.get_by_label("Reason").fill("the year's end")
    saved = auditor.download(form.get_by_role("button", name="Download"))
    content = Path(saved.path()).read_bytes()
    assert content.count(b"\n") > 20
    world.seen(world.log.head())
    auditor.look("/console/exports")
    newest = page.get_by_role("region", name="Who exported what").locator("tbody tr").first
    expect(newest).to_contain_text("the year's end")
    address = newest.get_by_role("link", name="Manifest").get_attribute("href")
    manifest = json.loads(page.request.get(f"{world.url}{address}").text())
    assert manifest["sha256"] == sha256(content).hexdigest()
    assert manifest["rows"] == content.count(b"\n") - 1


# ── Evidence and proofs ─────────────────────────────────────────────────────────────────────────


def test_what_an_event_holds_is_shown_once_asked_for(enter: Entering, world: World) -> None:
    """Its signature is checked again on the spot; and that somebody looked is on record."""
    auditor = enter(Role.AUDITOR)
    position = world.one("/audit", actor="stripe")["position"]
    page = auditor.look(f"/console/events/{position}")
    page.get_by_label("Reason").fill("the bank asks")
    page.get_by_role("button", name="Show what it holds").click()
    expect(page.get_by_text("Signature, checked just now")).to_be_visible()
    expect(page.locator("pre").first).to_contain_text('"object": "event"')
    world.seen(world.log.head())
    assert world.one("/audit", role="auditor")["reason"] == "the bank asks"


def test_the_read_models_are_proven_while_one_watches(enter: Entering) -> None:
    auditor = enter(Role.AUDITOR)
    page = auditor.look("/console/projections")
    auditor.open("Prove").get_by_role("button", name="Prove them now").click()
    expect(page.get_by_text("byte by byte")).to_be_visible(timeout=60_000)


def test_a_projection_is_rebuilt_while_one_watches(admin: Visitor) -> None:
    page = admin.look("/console/projections")
    form = admin.open("Rebuild")
    form.get_by_label("disputes", exact=True).check()
    form.get_by_label("Reason").fill("to see it")
    form.get_by_role("button", name="Rebuild now").click()
    expect(page.get_by_text("in their place")).to_be_visible(timeout=60_000)


# ── Figures ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("days", [7, 90])
def test_the_period_of_home_is_a_link(ops: Visitor, days: int) -> None:
    page = ops.look("/console")
    page.get_by_role("link", name=f"{days} days").click()
    page.wait_for_url(f"**window={days}*")
    chosen = page.get_by_role("link", name=f"{days} days")
    expect(chosen).to_have_attribute("aria-current", "true")


def test_a_figure_is_found_as_one_types(ops: Visitor) -> None:
    page = ops.look("/console/figures")
    page.get_by_label("Find a figure").press_sequentially("refund rate")
    expect(page.get_by_role("status")).not_to_contain_text("77 of")
    expect(page.get_by_role("status")).not_to_contain_text("0 of")
    rows = page.locator("tbody tr")
    expect(rows.first).to_contain_text("efund")
    for row in rows.all():
        expect(row).to_contain_text("efund")
