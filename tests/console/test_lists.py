"""Lists in the console: sorted by their heads, and of days, both of which the API declares."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from console.api import Problem
from console.lists import Offer, days_asked, offers_in
from console.page import PageRequest
from console.record_types import KINDS, Kind
from console.writing import WHO, places
from ledger.domain.access import Role
from projections.engine.registry import discover
from projections.queries.listing import sorts, spans
from simulator import STORIES, Purchase, SimulatedStripe
from tests.console.service import Service, words
from tests.support.addresses import address

LISTINGS = {p.name: p.listing for p in discover() if p.listing}
LISTS = [kind.path for kind in KINDS.values()] + ["orders", "stock", "issues"]
DAY = timedelta(days=1)
# Orders are placed today or, when midnight comes between, tomorrow.
TODAY = datetime.now(UTC).date()
TOMORROW = TODAY + DAY


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.noun)
def test_a_phone_shows_the_key_the_state_one_amount_and_who(kind: Kind) -> None:
    shown = [each for each, place in places(kind.columns).items() if place != "at-home"]
    assert shown[0] == kind.key
    if stateful := {"state", "category"} & set(kind.columns):
        assert stateful & set(shown)
    amounts = [each for each in kind.columns if each.endswith("_minor")]
    assert [each for each in shown if each.endswith("_minor")] == amounts[:1]
    people = [each for each in WHO if each in kind.columns and each != kind.key]
    assert [each for each in shown[1:] if each in WHO] == people[:1]


@pytest.fixture(scope="module")
def offers(shared_house: Service) -> dict[str, Offer]:
    return offers_in(shared_house.client.get("/openapi.json").json())


@pytest.fixture(scope="module")
def shop(shared_house: Service) -> Service:
    """Orders of one, two and three mugs, and a payment of no order with much trouble."""
    service, stripe = shared_house, SimulatedStripe("lists")
    for quantity in (2, 3, 1):
        service.order(id=f"L{quantity}", quantity=quantity, customer_id="ada")
    for events in STORIES["much_trouble"](stripe, Purchase(5000, "gbp", None)):
        service.deliver(events)
    service.enter(Role.ADMIN)
    return service


def listed(text: str) -> list[str]:
    return re.findall(r'<th scope="row"[^>]*><a href="/console/\w+/([^"?]+)"', text)


def head(text: str, label: str) -> tuple[str, str | None]:
    """Where a column's head leads, and how the column says that it is sorted."""
    found = re.search(
        rf'<th scope="col"[^>]*?(?:aria-sort="(\w+)")?><a href="([^"]+)"[^>]*>{label}</a>', text
    )
    assert found, label
    return unescape(found[2]), found[1]


@pytest.mark.parametrize("name", LISTINGS)
def test_what_is_offered_is_what_the_read_model_declares(
    offers: dict[str, Offer], name: str
) -> None:
    offer, listing = offers[address(name)], LISTINGS[name]
    assert set(offer.sorts) == set(sorts(listing))
    assert offer.usual == sorts(listing)[0]
    assert {f"{stem}_after" for stem in offer.stems} <= set(spans(listing.shown))
    if listing.sort and listing.sort in [f"{stem}_at" for stem in offer.stems]:
        assert f"{offer.stems[0]}_at" == listing.sort


def test_lists_of_events_and_histories_are_offered_both_ways(offers: dict[str, Offer]) -> None:
    linked = [f"{address(n)}/{{id}}/history" for n, each in LISTINGS.items() if each.link]
    paged = [f"{address(n)}/{{id}}/{page}" for n, each in LISTINGS.items() for page in each.pages]
    latest_first = ["/audit", "/events/unreadable", *paged]
    for path in ("/events", *linked, *latest_first):
        assert set(offers[path].sorts) == {"position", "-position"}
        assert offers[path].usual == ("-position" if path in latest_first else "position")
        assert offers[path].stems


@pytest.mark.parametrize("path", LISTS)
def test_every_list_is_sorted_by_its_heads_and_has_days(
    shop: Service, offers: dict[str, Offer], path: str
) -> None:
    page = shop.look(f"/console/{path}").text
    offer = offers[f"/{path}"]
    if listed(page):
        shown = re.findall(r'<a href="[^"]*[?&;]sort=(-?\w+)"', page)
        assert {each.removeprefix("-") for each in shown} <= {
            each.removeprefix("-") for each in offer.sorts
        }
        assert page.count("aria-sort=") >= 1
    assert ('type="date"' in page) == bool(offer.stems)
    for way in offer.sorts:
        assert shop.look(f"/console/{path}?sort={way}").status_code == 200


def test_a_head_sorts_the_other_way_and_keeps_the_filters(shop: Service) -> None:
    first = shop.look("/console/orders?customer_id=ada&currency=gbp").text
    address, way = head(first, "Placed")
    assert way == "descending"
    assert head(first, "Total") == ("?customer_id=ada&currency=gbp&sort=-total_minor", None)
    by_total = shop.look(f"/console/orders{head(first, 'Total')[0]}").text
    assert listed(by_total) == ["L3", "L2", "L1"]
    address, way = head(by_total, "Total")
    assert way == "descending"
    up = shop.look(f"/console/orders{address}").text
    assert (listed(up), head(up, "Total")[1]) == (["L1", "L2", "L3"], "ascending")
    assert '<input type="hidden" name="sort" value="total_minor">' in up
    assert head(up, "Placed")[1] is None


def test_pages_go_on_as_sorted_and_a_head_begins_again(shop: Service) -> None:
    for _ in range(51):
        shop.order(customer_id="many")
    asked = f"customer_id=many&sort=order_id&from={TODAY - DAY}&to={TOMORROW}"
    first = shop.look(f"/console/orders?{asked}").text
    (address,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = shop.look(f"/console/orders{unescape(address)}").text
    names = listed(first) + listed(second)
    assert len(names) == 51
    assert names == sorted(names)
    assert "cursor" not in head(second, "Total")[0]
    assert f"to={TOMORROW}" in head(second, "Total")[0]


def test_days_are_of_the_shop_and_the_last_is_one_of_them(shop: Service) -> None:
    bearer = {"authorization": f"Bearer {shop.tokens[Role.ADMIN]}"}
    placed_at = shop.client.get("/orders/L1", headers=bearer).json()["placed_at"]
    day = datetime.fromisoformat(placed_at).date()
    for first, last, found in (
        (day, day, True),
        (TODAY - DAY, "", True),
        ("", TODAY - 2 * DAY, False),
        (TOMORROW + DAY, "", False),
    ):
        page = shop.look(f"/console/orders?customer_id=ada&from={first}&to={last}")
        assert bool(listed(page.text)) is found, (first, last)
    page = shop.look("/console/orders?from=2026-03-02&to=2026-03-01")
    assert page.status_code == 422
    assert "These days end before they begin." in page.text
    page = shop.look("/console/orders?from=yesterday")
    assert page.status_code == 422
    assert "give a date like 2026-03-01" in words(page.text)


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ({"from": "2026-03-01"}, {"placed_after": "2026-03-01", "placed_before": ""}),
        ({"to": "2026-02-28"}, {"placed_after": "", "placed_before": "2026-03-01"}),
        (
            {"from": "2026-03-01", "to": "2026-03-01", "days_of": "paid"},
            {"paid_after": "2026-03-01", "paid_before": "2026-03-02"},
        ),
        ({"to": "9999-12-31"}, {"placed_after": "", "placed_before": ""}),
        ({"to": "soon"}, {"placed_after": "", "placed_before": "soon"}),
        ({"days_of": "paid"}, {}),
    ],
)
def test_the_last_day_ends_where_the_next_begins(
    query: dict[str, str], asked: dict[str, str]
) -> None:
    assert days_asked(Offer(("placed", "paid")), query) == asked


def test_days_of_what_there_is_not_are_refused() -> None:
    with pytest.raises(Problem) as refused:
        days_asked(Offer(("placed", "paid")), {"from": "2026-03-01", "days_of": "born"})
    assert refused.value.title == "There are days of placed, paid."


def test_the_export_is_filled_in_with_the_filters_that_it_has(shop: Service) -> None:
    asked = (
        f"customer_id=ada&payment_state=unpaid&from={TODAY - DAY}&to={TOMORROW}&sort=total_minor"
    )
    page = shop.look(f"/console/orders?{asked}").text
    (address,) = re.findall(r'href="(/console/exports/orders/form[^"]*)"', page)
    form = shop.look(unescape(address)).text.partition('action="/console/exports/orders"')[2]
    form = form.partition("</form>")[0]
    for value in ("ada", f"{TODAY - DAY}", f"{TOMORROW}"):
        assert f'value="{value}"' in form


@pytest.mark.parametrize(
    ("path", "sort"),
    [
        ("/console/stock/MUG", "position"),
        ("/console/events", "position"),
        ("/console/events/unreadable", "position"),
        ("/console/exports", "exported_at"),
    ],
)
def test_lists_within_pages_are_sorted_too(shop: Service, path: str, sort: str) -> None:
    assert shop.look(f"{path}?sort={sort}").status_code == 200
    assert shop.look(f"{path}?sort=colour").status_code == 422


@pytest.mark.parametrize("path", ["orders/L1/timeline", "stock/MUG/history", "customers/ada"])
def test_histories_of_days_and_the_latest_first(shop: Service, path: str) -> None:
    def positions(query: str = "") -> list[int]:
        page = shop.look(f"/console/{path}?{query}").text
        return [int(each) for each in re.findall(r'href="/console/events/(\d+)">event', page)]

    assert len(positions()) > 1
    assert positions() == sorted(positions())
    assert positions("sort=-position")[-1] < positions("sort=-position")[0]
    assert positions(f"from={TODAY - DAY}&to={TOMORROW}") == positions()
    assert positions(f"to={TODAY - 2 * DAY}") == []
    told = words(shop.look(f"/console/{path}?to={TODAY - 2 * DAY}").text)
    assert "None of its events was recorded on these days." in told
    assert "give a date like" in words(shop.look(f"/console/{path}?to=soon").text)


def test_movements_of_days_and_the_earliest_first(shop: Service) -> None:
    def positions(query: str) -> list[str]:
        page = shop.look(f"/console/stock/MUG?{query}").text
        return re.findall(r'<a href="/console/events/(\d+)">', page)

    latest = positions("")
    assert positions("sort=position")[0] == min(positions("sort=position"), key=int)
    assert latest == sorted(latest, key=int, reverse=True)
    assert positions(f"from={TODAY - DAY}&to={TOMORROW}") == latest
    assert positions(f"to={TODAY - 2 * DAY}") == []
    assert "No movements that fit what was asked for, as of event" in words(
        shop.look(f"/console/stock/MUG?to={TODAY - 2 * DAY}").text
    )


def test_a_permission_that_is_misspelt_is_no_permission_that_is_missing() -> None:
    """A menu's line that nobody ever sees would look like a role that may not."""
    page = PageRequest.__new__(PageRequest)
    page.me = {"surfaces": ["see_order"]}
    assert page.may("see_order")
    assert not page.may("see_records")
    with pytest.raises(AssertionError, match="no permission 'see_ordr'; there are public, "):
        page.may("see_ordr")
