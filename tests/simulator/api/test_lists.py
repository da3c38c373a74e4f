"""Lists and single objects: every page, every filter, and Stripe's own client reading them."""

from collections.abc import Generator
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import stripe
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from simulator import SimulatedStripe
from simulator.api.paging import page
from simulator.api.query import Query, listed, pairs
from simulator.api.resources import RESOURCES
from simulator.goods import DAY
from simulator.memory import EVENT_SECONDS, Shelf
from simulator.objects import Customer
from tests.simulator.api.shop import LIVE, SECRET, Shop, shop

law = settings(max_examples=100, phases=[Phase.explicit, Phase.generate])


@pytest.fixture(scope="module")
def served() -> Generator[Shop]:
    with shop() as each:
        yield each


def ids(answer: dict[str, Any]) -> list[str]:
    return [each["id"] for each in answer["data"]]


def everything(shop: Shop, path: str, limit: int = 100, **params: Any) -> list[dict[str, Any]]:
    """All objects of a list, newest first, by `starting_after`."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        answer = shop.get(path, limit=limit, **params, **cursor)
        found += answer["data"]
        if not answer["has_more"]:
            return found
        cursor = {"starting_after": answer["data"][-1]["id"]}


# ── Paging ──────────────────────────────────────────────────────────────────────────────────────


@law
@given(
    st.lists(st.integers(0, 9), max_size=40).map(sorted),
    st.integers(1, 12),
    st.booleans(),
    st.integers(1, 3),
)
def test_paging_gives_each_object_once_whatever_the_limit_and_direction(
    times: list[int], limit: int, forwards: bool, every: int
) -> None:
    shelf = Shelf()
    for number, created in enumerate(times):
        shelf.add(Customer(f"cus_{number}", created, "", ""))
    wanted = [thing.id for thing in shelf.things if int(thing.id[4:]) % every == 0]

    seen: list[str] = []
    cursor: str | None = "" if not forwards else None
    more = True
    if not forwards:  # from the oldest one on, as a client that catches up does
        seen, cursor = wanted[:1], wanted[0] if wanted else None
        more = cursor is not None
    while more:
        query = Query(
            limit,
            cursor if forwards else None,
            None if forwards else cursor,
            None,
            None,
            {},
        )
        things, more = page(shelf, query, lambda each: int(each.id[4:]) % every == 0, "customer")
        assert len(things) <= limit
        found = [thing.id for thing in things]
        seen = [*reversed(found), *seen] if forwards else [*seen, *reversed(found)]
        cursor = found[-1 if forwards else 0] if found else None
    assert seen == wanted


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.kind)
@pytest.mark.parametrize("limit", [7, 100])
def test_every_list_gives_each_object_once_newest_first(
    served: Shop, resource: Any, limit: int
) -> None:
    found = everything(served, resource.path, limit)
    assert found, "the busy shop has one of each kind"
    assert len({each["id"] for each in found}) == len(found)
    if resource.kind != "event":
        assert {each["object"] for each in found} == {resource.kind}
    times = [each["created"] for each in found]
    assert times == sorted(times, reverse=True)
    for each in found[:2]:
        assert served.get(f"{resource.path}/{each['id']}") == each


def test_a_list_says_what_it_is(served: Shop) -> None:
    answer = served.get("/v1/charges")
    assert (answer["object"], answer["url"], answer["has_more"]) == ("list", "/v1/charges", True)
    assert len(answer["data"]) == 10


def test_ending_before_gives_the_next_newer_ones(served: Shop) -> None:
    newest = ids(served.get("/v1/charges", limit=9))
    answer = served.get("/v1/charges", limit=3, ending_before=newest[8])
    assert (ids(answer), answer["has_more"]) == (newest[5:8], True)
    answer = served.get("/v1/charges", limit=3, ending_before=newest[2])
    assert (ids(answer), answer["has_more"]) == (newest[:2], False)


def test_what_is_made_while_a_client_pages_moves_no_page() -> None:
    with shop() as running:
        first = running.get("/v1/payment_intents", limit=5)
        rest = ids(running.get("/v1/payment_intents", limit=5, starting_after=ids(first)[-1]))
        with running.account.lock:
            payment, _ = running.stripe.create_payment(3000, "eur")
            running.stripe.pay_by_card(payment)
        answer = running.get("/v1/payment_intents", limit=5, starting_after=ids(first)[-1])
        assert ids(answer) == rest
        newer = running.get("/v1/payment_intents", ending_before=ids(first)[0])
        assert ids(newer) == [payment.id]


def test_what_changes_while_a_client_pages_hides_no_other_object() -> None:
    """The subscription at the cursor is canceled and leaves the list, and so does the next."""
    with shop() as running:
        first, second, *rest = ids(running.get("/v1/subscriptions", limit=100))
        assert ids(running.get("/v1/subscriptions", limit=1)) == [first]
        assert running.stripe.memory is not None
        shelf = running.stripe.memory.shelf("subscription")
        with running.account.lock:
            for subscription in shelf.things:
                if subscription.id in {first, second}:
                    running.stripe.cancel(subscription)
        left = running.get("/v1/subscriptions", limit=100, starting_after=first)
        assert ids(left) == rest


@pytest.mark.parametrize("bound", ["gte", "gt", "lt", "lte"])
def test_created_bounds_a_list(served: Shop, bound: str) -> None:
    charges = everything(served, "/v1/charges")
    middle = charges[len(charges) // 2]["created"]
    tests = {
        "gte": middle.__le__,
        "gt": middle.__lt__,
        "lt": middle.__gt__,
        "lte": middle.__ge__,
    }
    found = everything(served, "/v1/charges", 9, created={bound: middle})
    assert found == [each for each in charges if tests[bound](each["created"])]
    exact = everything(served, "/v1/charges", created=middle)
    assert exact == [each for each in charges if each["created"] == middle]


def test_the_parameters_are_read_as_the_libraries_write_them() -> None:
    asked = "created[gte]=5&created[lt]=9&limit=3&type=charge&expand[]=data.source&expand[1]=x"
    assert listed(pairs(asked), {"created", "type"}) == Query(
        3, None, None, 5, 9, {"type": "charge"}
    )


# ── Filters ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "name", "of"),
    [
        ("/v1/charges", "payment_intent", "payment_intent"),
        ("/v1/refunds", "charge", "charge"),
        ("/v1/refunds", "payment_intent", "payment_intent"),
        ("/v1/disputes", "charge", "charge"),
        ("/v1/prices", "product", "product"),
        ("/v1/invoices", "customer", "customer"),
        ("/v1/invoices", "status", "status"),
        ("/v1/invoice_payments", "invoice", "invoice"),
        ("/v1/checkout/sessions", "payment_intent", "payment_intent"),
        ("/v1/balance_transactions", "type", "type"),
        ("/v1/balance_transactions", "source", "source"),
        ("/v1/balance_transactions", "currency", "currency"),
        ("/v1/payouts", "status", "status"),
        ("/v1/events", "type", "type"),
        ("/v1/customers", "email", "email"),
        ("/v1/credit_notes", "invoice", "invoice"),
        ("/v1/promotion_codes", "code", "code"),
    ],
)
def test_a_filter_gives_those_that_have_the_value(
    served: Shop, path: str, name: str, of: str
) -> None:
    all_of_them = everything(served, path)
    value = next(each[of] for each in all_of_them if each[of])
    found = everything(served, path, 3, **{name: value})
    assert found == [each for each in all_of_them if each[of] == value]


def test_canceled_subscriptions_are_left_out_unless_they_are_asked_for(served: Shop) -> None:
    every = everything(served, "/v1/subscriptions", status="all")
    plain = everything(served, "/v1/subscriptions")
    canceled = everything(served, "/v1/subscriptions", status="canceled")
    ended = everything(served, "/v1/subscriptions", status="ended")
    assert {each["status"] for each in canceled} == {"canceled"}
    assert {each["status"] for each in ended} == {"canceled", "incomplete_expired"}
    assert [each for each in every if each["status"] != "canceled"] == plain
    assert len(every) == len(plain) + len(canceled)


def test_the_members_of_a_payout_sum_to_nothing_and_one_by_hand_has_none(served: Shop) -> None:
    payouts = everything(served, "/v1/payouts")
    automatic = [each for each in payouts if each["automatic"]]
    assert automatic
    for payout in automatic:
        members = everything(served, "/v1/balance_transactions", 2, payout=payout["id"])
        assert sum(member["net"] for member in members) == 0
        assert payout["balance_transaction"] in {member["id"] for member in members}
    by_hand = next(each for each in payouts if not each["automatic"])
    with pytest.raises(stripe.InvalidRequestError, match="automatic transfers, not manual"):
        served.get("/v1/balance_transactions", payout=by_hand["id"])


def test_only_events_of_the_last_30_days_are_told() -> None:
    simulated = SimulatedStripe(1, remembers=True)
    simulated.create_customer("old@example.com", "Old")
    simulated.advance(EVENT_SECONDS)
    simulated.create_customer("new@example.com", "New")
    with shop(simulated) as running:
        [event] = everything(running, "/v1/events")
        assert event["data"]["object"]["name"] == "New"
        assert simulated.memory is not None
        old = simulated.memory.events.things[0]
        with pytest.raises(stripe.InvalidRequestError, match="No such event"):
            running.get(f"/v1/events/{old.id}")


def test_an_event_is_told_as_it_was_sent(served: Shop) -> None:
    assert served.stripe.memory is not None
    sent = served.stripe.memory.events.things[-1]
    body = served.answer(f"/v1/events/{sent.id}").body
    assert body == sent.body.decode()


def test_years_of_events_are_forgotten() -> None:
    simulated = SimulatedStripe(1, remembers=True)
    for _ in range(4000):
        simulated.create_customer("sam@example.com", "Sam")
        simulated.advance(DAY // 24)
    assert simulated.memory is not None
    assert len(simulated.memory.shelf("customer")) == 4000
    assert 720 <= len(simulated.memory.events) <= 2200


# ── Parts and whole objects ─────────────────────────────────────────────────────────────────────


def test_an_invoice_shows_ten_lines_and_lists_all(served: Shop) -> None:
    invoice = next(each for each in everything(served, "/v1/invoices") if each["lines"]["has_more"])
    assert len(invoice["lines"]["data"]) == 10
    lines = everything(served, f"/v1/invoices/{invoice['id']}/lines", 5)
    assert len(lines) == 12
    assert lines[:10] == invoice["lines"]["data"]
    assert sum(line["amount"] for line in lines) == invoice["total"]


def test_the_lines_of_an_invoice_less_its_discount_are_its_total(served: Shop) -> None:
    invoices = everything(served, "/v1/invoices")
    for invoice in invoices:
        lines = everything(served, f"/v1/invoices/{invoice['id']}/lines")
        off = sum(each["amount"] for each in invoice["total_discount_amounts"])
        assert sum(line["amount"] for line in lines) == invoice["subtotal"]
        assert invoice["subtotal"] - off == invoice["total"]


def test_a_page_lists_its_lines(served: Shop) -> None:
    sessions = everything(served, "/v1/checkout/sessions", expand=["data.line_items"])
    for session in sessions:
        lines = everything(served, f"/v1/checkout/sessions/{session['id']}/line_items", 1)
        assert lines == session["line_items"]["data"]
        assert sum(line["amount_total"] for line in lines) == session["amount_total"]
        assert served.get(f"/v1/prices/{lines[0]['price']['id']}") == lines[0]["price"]
    assert {len(session["line_items"]["data"]) for session in sessions} == {1, 2}


def test_the_items_of_a_subscription_are_listed(served: Shop) -> None:
    subscription = everything(served, "/v1/subscriptions", status="all")[0]
    items = everything(served, "/v1/subscription_items", subscription=subscription["id"])
    assert items == subscription["items"]["data"]
    with pytest.raises(stripe.InvalidRequestError, match="Missing required param: subscription"):
        served.get("/v1/subscription_items")


def test_ids_are_expanded_to_objects(served: Shop) -> None:
    paths = ["data.balance_transaction", "data.payment_intent.latest_charge", "data.customer"]
    [charge] = served.get("/v1/charges", limit=1, expand=paths)["data"]
    transaction = charge["balance_transaction"]
    assert served.get(f"/v1/balance_transactions/{transaction['id']}") == transaction
    assert charge["payment_intent"]["latest_charge"]["id"] == charge["id"]
    assert charge["customer"]["object"] == "customer"
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        served.get("/v1/charges", expand=["data.nonsense"])


def test_the_tiers_of_a_price_are_told_on_demand(served: Shop) -> None:
    tiered = next(each for each in everything(served, "/v1/prices") if each["tiers_mode"])
    assert "tiers" not in tiered
    assert len(served.get(f"/v1/prices/{tiered['id']}", expand=["tiers"])["tiers"]) == 3


def test_a_deleted_customer_is_a_stub(served: Shop) -> None:
    with served.account.lock:
        customer, _ = served.stripe.create_customer("gone@example.com", "Gone")
        served.stripe.delete_customer(customer)
    assert customer.id not in {each["id"] for each in everything(served, "/v1/customers")}
    assert served.get(f"/v1/customers/{customer.id}") == {
        "id": customer.id,
        "object": "customer",
        "deleted": True,
    }


def test_the_balance_ties_to_the_transactions(served: Shop) -> None:
    balance = served.get("/v1/balance")
    net: dict[str, int] = {}
    for each in everything(served, "/v1/balance_transactions"):
        net[each["currency"]] = net.get(each["currency"], 0) + each["net"]
    shown: dict[str, int] = {}
    for each in (*balance["available"], *balance["pending"]):
        shown[each["currency"]] = shown.get(each["currency"], 0) + each["amount"]
    assert shown == net
    assert balance["livemode"] is False
    assert served.get("/v1/balance", LIVE)["livemode"] is True


def test_an_answer_has_stripes_headers(served: Shop) -> None:
    headers: Any = served.answer("/v1/account").headers
    assert headers["request-id"].startswith("req_")
    assert parsedate_to_datetime(headers["date"]).timestamp() == served.stripe.now
    assert headers["stripe-version"] == "2026-10-28.endive"
    assert served.get("/v1/account")["id"] == "acct_1Shop"


def test_an_older_version_shows_objects_as_they_were(served: Shop) -> None:
    client = served.client(SECRET, stripe_version="2020-08-27")
    answer: Any = client.raw_request("get", "/v1/payment_intents", limit=1).data
    assert "charges" in answer["data"][0]
    assert "charges" not in served.get("/v1/payment_intents", limit=1)["data"][0]


def test_stripes_own_client_reads_every_list_with_its_own_paging(served: Shop) -> None:
    v1 = served.client().v1
    lists: list[tuple[str, Any]] = [
        ("/v1/customers", v1.customers),
        ("/v1/products", v1.products),
        ("/v1/prices", v1.prices),
        ("/v1/payment_intents", v1.payment_intents),
        ("/v1/charges", v1.charges),
        ("/v1/refunds", v1.refunds),
        ("/v1/disputes", v1.disputes),
        ("/v1/checkout/sessions", v1.checkout.sessions),
        ("/v1/invoices", v1.invoices),
        ("/v1/invoice_payments", v1.invoice_payments),
        ("/v1/subscriptions", v1.subscriptions),
        ("/v1/coupons", v1.coupons),
        ("/v1/promotion_codes", v1.promotion_codes),
        ("/v1/payouts", v1.payouts),
        ("/v1/balance_transactions", v1.balance_transactions),
        ("/v1/credit_notes", v1.credit_notes),
        ("/v1/events", v1.events),
    ]
    assert {path for path, _ in lists} == {resource.path for resource in RESOURCES}
    for path, service in lists:
        read = [each.id for each in service.list({"limit": 20}).auto_paging_iter()]
        assert read == [each["id"] for each in everything(served, path)], path


def test_what_a_pull_wants_to_see_whole_is_shown(served: Shop) -> None:
    """Tiers, options, lines, discounts, payments and refunds stand there only on demand."""
    options = [
        each["currency_options"]
        for each in everything(served, "/v1/prices", expand=["data.tiers", "data.currency_options"])
    ]
    assert all(each for each in options)
    assert {"usd", "eur"} in [set(each) for each in options]
    coupons = everything(served, "/v1/coupons", expand=["data.applies_to", "data.currency_options"])
    off = [each for each in coupons if each["amount_off"]]
    assert off
    assert all(
        each["currency_options"] == {"eur": {"amount_off": each["amount_off"]}} for each in off
    )
    assert all("currency_options" not in each for each in coupons if each not in off)
    subscriptions = everything(
        served, "/v1/subscriptions", status="all", expand=["data.discounts.source.coupon"]
    )
    [discount, *_] = [each for s in subscriptions for each in s["discounts"]]
    assert discount["object"] == "discount"
    assert discount["source"]["coupon"]["object"] == "coupon"
    paid = everything(served, "/v1/invoices", status="paid", expand=["data.payments"])
    payments = [each for invoice in paid for each in invoice["payments"]["data"]]
    assert sorted(each["id"] for each in payments) == sorted(
        each["id"] for each in everything(served, "/v1/invoice_payments")
    )
    refunds = [
        each["id"]
        for charge in everything(served, "/v1/charges", expand=["data.refunds"])
        for each in charge["refunds"]["data"]
    ]
    assert sorted(refunds) == sorted(each["id"] for each in everything(served, "/v1/refunds"))


def test_a_customer_shows_the_discount_on_all_that_he_has(served: Shop) -> None:
    with served.account.lock:
        customer, _ = served.stripe.create_customer("half@example.com", "Half")
        coupon, _ = served.stripe.create_coupon("forever", "eur", percent_off=50)
        discount, _ = served.stripe.apply_coupon_to_customer(customer, coupon, [])
    shown = served.get(f"/v1/customers/{customer.id}")["discount"]
    assert (shown["id"], shown["source"]["coupon"]) == (discount.id, coupon.id)
    with served.account.lock:
        served.stripe.end_discount_of_customer(customer, discount, [])
    assert served.get(f"/v1/customers/{customer.id}")["discount"] is None
