"""Orders in the console: found, looked at as of any of their events, and acted upon."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from console.render import short
from ledger.command_handler import CommandHandler
from ledger.domain.access import Role
from ledger.domain.events import Metadata
from ledger.domain.facts import Sale
from ledger.domain.order_commands import OrderMoney
from ledger.domain.purchase import OrderPurchase, PurchaseObject, order_of
from simulator import SimulatedStripe
from tests.console.service import Service, hidden, words

ADA = {"customer_id": "ada", "email": "ada@example.com"}
BO = {"customer_id": "bo", "email": "bo@example.com"}
PAGE, SEARCH = "/console/orders", "/console/search"


@pytest.fixture(scope="module")
def payment_id(shared_house: Service) -> str:
    """A1 of Ada, paid by this payment and refunded by a quarter; Bo's B1 and B2 are not paid."""
    service, stripe = shared_house, SimulatedStripe(7)
    service.order(id="A1", **ADA)
    payment, events = stripe.create_payment(2000, "gbp", order_id="A1")
    service.deliver([*events, *stripe.pay_by_card(payment)])
    service.deliver(stripe.refund(payment, 500)[1])
    service.order(id="B1", **BO)
    service.order(id="B2", **BO)
    assert payment.intent_id is not None
    return payment.intent_id


@pytest.fixture
def world(service: Service, payment_id: str) -> Service:
    return service


def listed(text: str) -> list[str]:
    return re.findall(r'<th scope="row" class="at-key"><a href="/console/orders/([^"]+)">', text)


# ── Money ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("paid", "beyond"), [(2000, None), (2999, "9.99")])
def test_a_page_says_by_how_much_more_was_captured_than_is_due(
    world: Service, paid: int, beyond: str | None
) -> None:
    stripe, name = SimulatedStripe(paid), world.order()
    payment, events = stripe.create_payment(paid, "gbp", order_id=name)
    world.deliver([*events, *stripe.pay_by_card(payment)])
    shown = words(world.look(f"{PAGE}/{name}").text)
    assert ("Captured beyond what is due" in shown) == (beyond is not None)
    assert f"Captured beyond what is due £{beyond}" in shown or beyond is None


def test_what_was_overpaid_is_in_the_form_and_goes_back_with_a_decimal_comma(
    world: Service,
) -> None:
    stripe, name = SimulatedStripe(5330), world.order()
    payment, events = stripe.create_payment(7330, "gbp", order_id=name)
    world.deliver([*events, *stripe.pay_by_card(payment)])
    page = world.look(f"{PAGE}/{name}")
    assert 'name="amount" inputmode="decimal" required value="53.30"' in page.text
    sent = world.send(page, f"{PAGE}/{name}/refunds", amount="53,30", reason="paid too much")
    assert sent.status_code == 200, words(sent.text)
    assert "Requested refunds, not made yet £53.30" in world.see(f"{PAGE}/{name}")


def test_an_order_whose_money_all_went_back_is_not_to_ship(
    world: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In no list, no count and no badge: it is to be canceled, if anything."""
    monkeypatch.setattr("console.frame.FRESH_SECONDS", -1)
    stripe, name = SimulatedStripe(4711), world.order()
    payment, events = stripe.create_payment(2000, "gbp", order_id=name)
    world.deliver([*events, *stripe.pay_by_card(payment)])
    to_ship = f"{PAGE}?to_ship=true"
    assert name in listed(world.look(to_ship).text)
    many = len(listed(world.look(to_ship).text))
    assert f"Orders {many} to look at" in world.see("/console")
    world.deliver(stripe.refund(payment, 2000)[1])
    assert name not in listed(world.look(to_ship).text)
    assert f"Orders {many - 1} to look at" in world.see("/console")
    text = world.see(f"{PAGE}/{name}")
    assert "To cancel Paid Refunded" in text
    assert "To ship Yes → No" in text, "its timeline says when"
    assert f'name="order.{name}"' not in world.look(f"{PAGE}?state=paid").text


# ── Finding ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=paid&refund_state=partial", ["A1"]),
        ("payment_state=unpaid&customer_id=bo", ["B2", "B1"]),
        ("currency=GBP&email=ada%40example.com", ["A1"]),
        ("dispute_state=lost", []),
        ("unallocated=true", []),
    ],
)
def test_filters_stand_in_the_address(world: Service, query: str, found: list[str]) -> None:
    answer = world.look(f"{PAGE}?{query}")
    assert listed(answer.text) == found
    assert ("No orders with" in answer.text) == (not found)


@pytest.mark.parametrize(
    ("sought", "address"),
    [
        ("A1", "/console/orders/A1"),
        ("a1", "/console/orders/A1"),
        ("#A1", "/console/orders/A1"),
        ("ada", "/console/customers/ada"),
        ("MUG", "/console/stock/MUG"),
    ],
)
def test_a_search_goes_to_the_one_thing_that_it_names(
    world: Service, sought: str, address: str
) -> None:
    assert world.client.get(SEARCH, params={"q": sought}).url.path == address


@pytest.mark.parametrize(
    ("sought", "links"),
    [
        ("ADA@Example.com", ["orders/A1", "customers/ada"]),
        ("bo@example.com", ["orders/B1", "orders/B2", "customers/bo"]),
        ("20.00 gbp", ["orders/A1"]),
    ],
)
def test_a_search_shows_all_that_fit_by_kind(world: Service, sought: str, links: list[str]) -> None:
    page = world.client.get(SEARCH, params={"q": sought})
    assert page.url.path == SEARCH
    assert all(f'href="/console/{link}"' in page.text for link in links)
    assert "Orders" in words(page.text)


def test_a_search_offers_events_to_who_may_see_them(world: Service) -> None:
    for role, offered in ((Role.OPS, False), (Role.AUDITOR, True)):
        world.enter(role)
        assert ("the number of an event" in world.see(SEARCH)) == offered
        assert ("no event" in world.see(f"{SEARCH}?q=nothing-like-it")) == offered


def test_a_search_while_one_types_leads_nowhere(world: Service) -> None:
    part = world.look(f"{SEARCH}?q=A1", htmx=True)
    assert part.url.path == SEARCH
    assert 'href="/console/orders/A1"' in part.text


def test_a_search_finds_a_payment(world: Service, payment_id: str) -> None:
    page = world.client.get(SEARCH, params={"q": payment_id})
    assert page.url.path == f"/console/payments/{payment_id}"


def test_a_search_finds_what_is_no_order(world: Service, payment_id: str) -> None:
    """Of every kind by its id, and an event by its position and by Stripe's own name of it."""
    bearer = {"authorization": f"Bearer {world.tokens[Role.ADMIN]}"}
    lines = world.client.get("/audit?actor=stripe&limit=1", headers=bearer).json()["items"]
    event_id, position = lines[0]["source"].partition("/")[2], lines[0]["position"]
    world.enter(Role.AUDITOR)
    try:
        for sought in (event_id, str(position)):
            page = world.client.get(SEARCH, params={"q": sought})
            assert page.url.path == f"/console/events/{position}"
        beyond = world.client.get(SEARCH, params={"q": "999999999"})
        assert beyond.url.path == SEARCH
    finally:
        world.enter(Role.OPS)
    assert world.client.get(SEARCH, params={"q": event_id}).url.path == SEARCH  # not for operators


def test_a_search_for_nothing_known_says_so_and_lists_nothing(world: Service) -> None:
    answer = world.client.get(SEARCH, params={"q": "A1/history <b>"})
    assert "Nothing was found" in words(answer.text)
    assert "history <b>" not in answer.text
    assert listed(answer.text) == []


def test_pages_follow_each_other_and_keep_the_filter(world: Service) -> None:
    names = [world.order(quantity=1, customer_id="many") for _ in range(51)]
    first = world.look(f"{PAGE}?customer_id=many&told=before")
    (address,) = re.findall(r'rel="next" href="([^"]+)"', first.text)
    assert "told" not in address
    second = world.look(f"{PAGE}{address.replace('&amp;', '&')}")
    assert listed(first.text) + listed(second.text) == names[::-1]
    assert 'rel="next"' not in second.text


def test_htmx_is_answered_the_main_part_only(world: Service) -> None:
    part, whole = world.look(PAGE, htmx=True).text, world.look(PAGE).text
    assert "<html" in whole
    assert "<html" not in part
    assert listed(part) == listed(whole)


# ── Looking ─────────────────────────────────────────────────────────────────────────────────────


def test_the_money_box_shows_how_net_comes_about(world: Service) -> None:
    text = world.see(f"{PAGE}/A1")
    box = "Captured £20.00 Refunded −£5.00 Disputed £0.00 Net £15.00"
    assert box in text
    assert "Order A1 To ship Paid Part refunded" in text
    assert "Blue mug MUG 2 × £10.00 0 £10.00 £20.00" in text


def test_the_timeline_tells_who_did_what_and_what_it_changed(
    world: Service, payment_id: str
) -> None:
    text = world.see(f"{PAGE}/A1/timeline")
    assert text.index("Order of £20.00 placed") < text.index("Payment of £20.00 succeeded")
    assert re.search(r"Order of £20.00 placed \S+ \w+, \S+ recorded \S+ admin here \(admin\)", text)
    assert "Payment of £20.00 succeeded Net £0.00 → £20.00" in text
    assert "Payment state Unpaid → Paid To ship No → Yes Captured £0.00 → £20.00" in text
    assert f"Payments: {short(payment_id)} linked by Metadata" in text
    assert "Refund of £5.00 sent Net £20.00 → £15.00" in text


def test_its_page_tells_so_at_once_unless_there_are_many_events(
    world: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "Payment of £20.00 succeeded Net £0.00 → £20.00"
    page = world.look(f"{PAGE}/A1").text
    assert told in words(page)
    assert 'hx-trigger="load"' not in page
    monkeypatch.setattr("console.pages.order.AT_ONCE", 0)
    page = world.look(f"{PAGE}/A1").text
    assert told not in words(page)
    assert 'hx-trigger="load"' in page


def test_only_who_may_see_evidence_is_led_to_an_events_page(world: Service) -> None:
    assert "/console/events/" not in world.look(f"{PAGE}/A1/timeline").text
    world.enter(Role.AUDITOR)
    assert "/console/events/" in world.look(f"{PAGE}/A1/timeline").text


def test_an_order_is_shown_as_of_each_of_its_events(world: Service) -> None:
    first = world.see(f"{PAGE}/A1/as-of?step=1")
    assert re.search(r"As known on \S+ \w+ \S+ \S+ · event 1 of", first)
    assert "Waiting Unpaid" in first
    last = world.see(f"{PAGE}/A1/as-of?step=999999")
    assert "As known on" not in last
    assert "To ship Paid Part refunded" in last


def test_what_is_known_before_the_order_shows_no_order(world: Service) -> None:
    stripe = SimulatedStripe(8)
    payment, events = stripe.create_payment(2000, "gbp", order_id="EARLY")
    world.deliver([*events, *stripe.pay_by_card(payment)])
    world.order(id="EARLY")
    assert "The order was not known then." in world.see(f"{PAGE}/EARLY/as-of?step=1")


def test_each_column_is_explained_by_its_events(world: Service) -> None:
    text = world.see(f"{PAGE}/A1/explain")
    assert re.search(r"Payment state Paid Unpaid by order placed, event \d", text)


def test_an_order_that_nobody_placed_is_not_found(world: Service) -> None:
    for path in ("X", "X/as-of", "X/timeline", "X/explain"):
        assert world.look(f"{PAGE}/{path}").status_code == 404


# ── Doing ───────────────────────────────────────────────────────────────────────────────────────


def test_an_action_is_done_once_with_its_reason_and_told(world: Service) -> None:
    name = world.order()
    page = world.look(f"{PAGE}/{name}")
    for _ in range(2):
        answer = world.send(page, f"{PAGE}/{name}/expire", reason="he rang us")
        assert answer.status_code == 200
        assert "The order is expired, its stock released." in words(answer.text)
        assert f"Order {name} Expired Not paid" in words(answer.text)
    text = world.see(f"{PAGE}/{name}/timeline")
    assert text.count("Reservation ended, order expired “he rang us”") == 1


def test_goods_that_left_come_back_by_line(world: Service) -> None:
    stripe, name = SimulatedStripe(9), world.order()
    payment, events = stripe.create_payment(2000, "gbp", order_id=name)
    world.deliver([*events, *stripe.pay_by_card(payment)])
    page = world.look(f"{PAGE}/{name}")
    assert f"Order {name} Shipped Paid" in words(
        world.send(page, f"{PAGE}/{name}/fulfil", reason="parcel 7").text
    )
    page = world.look(f"{PAGE}/{name}")
    fields = hidden(page) | {"units of line 1": "1", "reason": "chipped"}
    answer = world.client.post(f"{PAGE}/{name}/return", data=fields)
    assert "Blue mug MUG 2 × £10.00 1 £10.00 £20.00" in words(answer.text)
    changed = "Lines: 1, MUG returned 0 → 1"
    assert changed + " by goods returned" in world.see(f"{PAGE}/{name}/explain")
    text = world.see(f"{PAGE}/{name}/timeline")
    assert changed in text
    assert re.search(r"events? that left the order as it is", text)
    assert "Stock sold: MUG" in text


def test_a_payment_is_linked_with_a_reason(world: Service) -> None:
    stripe, name = SimulatedStripe(10), world.order()
    payment, events = stripe.create_payment(2000, "gbp")
    world.deliver([*events, *stripe.pay_by_card(payment)])
    page = world.look(f"{PAGE}/{name}")
    fields = {"payment_id": payment.intent_id or "", "reason": "by phone"}
    assert world.send(page, f"{PAGE}/{name}/payments", **fields).status_code == 200
    assert "Payment linked “by phone”" in world.see(f"{PAGE}/{name}")


def test_what_is_no_free_payment_is_not_linked_and_a_link_can_be_taken_back(world: Service) -> None:
    stripe, name, other = SimulatedStripe(11), world.order(), world.order()
    payment, events = stripe.create_payment(2000, "gbp")
    world.deliver([*events, *stripe.pay_by_card(payment)])
    payment_id = payment.intent_id or ""

    def linked(order: str, payment_id: str) -> int:
        page = world.look(f"{PAGE}/{order}")
        fields = {"payment_id": payment_id, "reason": "by phone"}
        return world.send(page, f"{PAGE}/{order}/payments", **fields).status_code

    assert linked(name, "pi_nowhere") == 404
    assert linked(name, payment.charge.id) == 422
    assert linked(name, payment_id) == 200
    assert linked(other, payment_id) == 409
    page = world.look(f"{PAGE}/{name}")
    unlink = f"{PAGE}/{name}/payments/{payment_id}/unlink"
    assert f'action="{unlink}"' in page.text
    assert world.client.post(unlink, data={"reason": "wrong one"}).status_code == 403  # no token
    refused = world.client.post(unlink, data=hidden(page) | {"reason": ""})
    assert (refused.status_code, "Not done." in refused.text) == (422, True)
    told = world.send(world.look(f"{PAGE}/{name}"), unlink, reason="wrong one")
    assert "The payment is unlinked." in told.text
    assert "Payment unlinked “wrong one”" in world.see(f"{PAGE}/{name}")
    assert unlink not in world.look(f"{PAGE}/{name}").text
    assert linked(other, payment_id) == 200


def test_what_the_payment_itself_names_has_no_button_to_unlink(world: Service) -> None:
    page = world.look(f"{PAGE}/A1").text
    assert "Linked by" in page
    assert "/unlink" not in page


def test_an_order_made_of_a_payment_says_so_and_leads_to_it(world: Service) -> None:
    stripe = SimulatedStripe(12)
    payment, events = stripe.create_payment(2000, "gbp")
    world.deliver([*events, *stripe.pay_by_card(payment)])
    payment_id, now = payment.intent_id or "", datetime.now(UTC)
    placed = order_of(
        payment_id,
        "payment",
        Sale(currency="gbp", total_minor=2000),
        (),
        placed_at=now,
        reservation=timedelta(minutes=30),
    )
    purchase = OrderPurchase(
        at=now,
        placed=placed,
        object_id=payment_id,
        objects=(PurchaseObject("payment", payment_id),),
        payments=(payment_id,),
    )
    money = OrderMoney(
        paid_minor=0,
        refunded_minor=0,
        pending_refund_minor=0,
        currency="",
        fully_paid=False,
        position=0,
    )
    made = CommandHandler(world.log, lambda _: money).execute(purchase, Metadata())
    bearer = {"authorization": f"Bearer {world.tokens[Role.ADMIN]}"}
    asked = {"after": made.position}
    found = world.client.get(f"/orders/{payment_id}", params=asked, headers=bearer).json()
    assert found["made_of"] == [{"kind": "payment", "object_id": payment_id}]
    shown = f'title="{payment_id}">{short(payment_id)}</a>, takes no stock'
    link = f'Payment <a href="/console/payments/{payment_id}" {shown}'
    assert link in world.look(f"{PAGE}/{payment_id}").text


def test_a_requested_refund_is_withdrawn_with_a_reason(world: Service) -> None:
    page = world.look(f"{PAGE}/A1")
    world.send(page, f"{PAGE}/A1/refunds", amount="3.00", reason="late")
    page = world.look(f"{PAGE}/A1")
    (withdraw,) = re.findall(rf'action="({PAGE}/A1/refunds/[^"]*/withdraw)"', page.text)
    told = world.send(page, withdraw, reason="not late after all")
    assert told.status_code == 200
    text = words(told.text)
    assert "The request is withdrawn." in text
    assert "Requested refunds Request State Requested Amount Open" in text
    assert "Refund request withdrawn “not late after all”" in text
    assert "/withdraw" not in told.text
    again = world.client.post(withdraw, data=hidden(page) | {"reason": ""})
    assert again.status_code == 422
    wrong = withdraw.rpartition(":")[0] + ":1/withdraw"
    refused = world.client.post(wrong, data=hidden(world.look(f"{PAGE}/A1")) | {"reason": "x"})
    assert (refused.status_code, "Not done." in refused.text) == (409, True)


@pytest.mark.parametrize(
    ("action", "fields", "status", "why"),
    [
        (
            "refunds",
            {"amount": "15.01", "reason": "late"},
            422,
            "Amount is £15.01; it must be from £0.01 to £15.00",
        ),
        ("refunds", {"amount": "lots", "reason": "late"}, 422, "'lots' is no amount of money"),
        ("refunds", {"amount": "1", "reason": ""}, 422, "Reason: "),
        ("cancel", {"reason": "late"}, 409, "refund its money first"),
        (
            "return",
            {"units of line 1": "1", "reason": "late"},
            409,
            "only the goods of a fulfilled",
        ),
        ("payments", {"payment_id": "p i", "reason": "late"}, 422, "Payment: "),
    ],
)
def test_a_refusal_is_shown_in_place_with_what_was_written(
    world: Service, action: str, fields: dict[str, str], status: int, why: str
) -> None:
    page = world.look(f"{PAGE}/A1")
    answer = world.client.post(f"{PAGE}/A1/{action}", data=hidden(page) | fields)
    assert answer.status_code == status
    assert "Not done." in answer.text
    assert why in words(answer.text)
    assert not any(each in words(answer.text) for each in ("body.", "_minor"))
    is_offered = action in {"refunds", "payments"}
    assert bool(re.search(r'<details class="dialog[^"]*" open>', answer.text)) == is_offered
    if is_offered:
        assert all(f'value="{text}"' in answer.text for text in fields.values())


def test_a_form_of_another_site_does_nothing(world: Service) -> None:
    answer = world.client.post(f"{PAGE}/B1/cancel", data={"reason": "x", "csrf": "y"})
    assert answer.status_code == 403
    assert "Order B1 Waiting Unpaid" in world.see(f"{PAGE}/B1")


def test_a_role_sees_no_action_that_it_may_not_take(world: Service) -> None:
    world.enter(Role.AUDITOR)
    page = world.look(f"{PAGE}/B1")
    assert "Actions" not in page.text
    assert world.send(page, f"{PAGE}/B1/cancel", reason="x").status_code == 403
    world.enter(Role.ANALYST)
    assert world.look(f"{PAGE}/B1").status_code == 403
