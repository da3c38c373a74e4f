"""The books in the browser: months begun, closed and reopened, entries classified, accounts named.

Each test leaves the books as open as it found them: all share one world.
"""

from datetime import UTC, datetime, time

import pytest
from playwright.sync_api import expect

from ledger.domain.access import Role
from ledger.domain.period import Month
from tests.books.ledger import Money
from tests.console.browser.conftest import Entering
from tests.console.browser.visitor import Visitor
from tests.console.browser.world import NAMES, World

PERIODS = "/console/books/periods"


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def bookkeeper(enter: Entering, request: pytest.FixtureRequest) -> Visitor:
    """An accountant whose browser runs scripts, and one whose does not."""
    return enter(Role.ACCOUNTANT, java_script_enabled=request.param)


@pytest.fixture
def month() -> Month:
    """The last one that is over."""
    today = datetime.now(UTC)
    return Month(today.year, today.month).preceding


@pytest.fixture
def begun(world: World, month: Month) -> Month:
    """The month with which the books begin, whatever was entered before."""
    told = {"balances": [], "reason": "from now on"}
    world.seen(world.client.send("POST", f"/books/periods/{month}/begin", told)["position"])
    return month


def unexplained(world: World, month: Month, kind: str) -> str:
    """A transaction of a kind that no rule knows, early in a month; its id."""
    money = Money(world.log)
    money._count = world.log.head()
    at = datetime.combine(month.first, time(3), UTC)
    name = money.moved(at, 500, kind, currency="gbp", description="a game of chess")
    world.seen(world.log.head())
    return name


def named(month: Month) -> str:
    return f"{month.first:%B %Y}"


def test_begin_the_books(bookkeeper: Visitor, world: World, month: Month) -> None:
    """With a month, and with a later one instead, as long as none is closed."""
    earlier = month.preceding
    page = bookkeeper.look(f"{PERIODS}?period={earlier}")
    form = bookkeeper.open(f"Begin the books with {named(earlier)}")
    form.get_by_label("Before it").select_option("nothing")
    form.get_by_label("Reason").fill("all before is on paper")
    form.get_by_role("button", name="Begin the books", exact=True).click()
    bookkeeper.is_told("The books begin with this month.")
    expect(page.get_by_role("heading", name=f"Next: {named(earlier)}")).to_be_visible()
    expect(page.get_by_text("all before is on paper")).to_be_visible()
    bookkeeper.look(f"{PERIODS}?period={month}")
    bookkeeper.act(f"Begin the books with {named(month)}", "Begin the books", reason="later")
    bookkeeper.is_told("The books begin with this month.")
    expect(page.get_by_role("heading", name=f"Next: {named(month)}")).to_be_visible()
    opening = world.client.get("/books/opening")["opening"]
    assert (opening["period"], opening["reason"]) == (str(month), "later")
    assert opening["actor_name"] == NAMES[Role.ACCOUNTANT]


def test_close_a_month_and_reopen_it(bookkeeper: Visitor, world: World, begun: Month) -> None:
    page = bookkeeper.look(PERIODS)
    expect(page.get_by_text("it can be closed")).to_be_visible()
    bookkeeper.act(f"Close {named(begun)}", f"Close {named(begun)}", reason="agrees with Stripe")
    bookkeeper.is_told("The month is closed.")
    row = page.locator("main tbody tr", has_text=named(begun))
    expect(row).to_contain_text("Closed")
    expect(row).to_contain_text("agrees with Stripe")
    assert world.one("/books/periods", sort="-period")["state"] == "closed"
    row.get_by_role("link", name=named(begun)).click()
    expect(page.get_by_text("nothing changes it any more")).to_be_visible()
    bookkeeper.look(PERIODS)
    bookkeeper.act(f"Reopen {named(begun)}", f"Reopen {named(begun)}", reason="a payout lacked")
    bookkeeper.is_told("The month is open again.")
    expect(row).to_contain_text("a payout lacked")
    found = world.one("/books/periods", sort="-period")
    assert (found["state"], found["reason"]) == ("open", "a payout lacked")


def test_an_entry_stands_in_the_way_of_a_close_until_it_is_classified(
    bookkeeper: Visitor, world: World, begun: Month
) -> None:
    name = unexplained(world, begun, "quantum_entanglement")
    bookkeeper.expects(409, 422)
    page = bookkeeper.look(PERIODS)
    offer = bookkeeper.page.locator("details.dialog", has_text=f"Close {named(begun)}")
    expect(offer).not_to_have_class("dialog is-main")
    bookkeeper.act(f"Close {named(begun)}", f"Close {named(begun)}", reason="too early")
    expect(page.get_by_role("alert")).to_contain_text("Not done.")
    expect(page.locator("details.dialog[open] [name=reason]")).to_have_value("too early")
    page.get_by_role("link", name="Not now").locator("visible=true").click()
    page.locator(f"a[href='/console/books/entries/{name}']").click()
    expect(page.locator(".badges")).to_contain_text("In suspense")
    bookkeeper.act("Classify it", "Classify it", account="misc", reason="a game")
    expect(page.get_by_role("alert")).to_contain_text("expenses:misc")
    expect(page.locator("input[name=account]")).to_have_value("misc")
    form = page.locator("details.dialog[open]")
    form.locator("[name=account]").fill("income:games")
    form.get_by_role("button", name="Classify it").click()
    bookkeeper.is_told("The transaction is classified.")
    expect(page.locator("main")).not_to_contain_text("In suspense")
    expect(page.locator("summary", has_text="Classify it otherwise")).to_be_visible()
    expect(page.locator("tbody th", has_text="income:games").first).to_be_visible()
    bookkeeper.look(PERIODS)
    expect(page.get_by_text("it can be closed")).to_be_visible()


def test_entries_are_classified_by_a_rule_that_was_previewed(
    bookkeeper: Visitor, world: World, begun: Month
) -> None:
    kind = f"quantum_game_{world.log.head()}"
    names = [unexplained(world, begun, kind) for _ in range(2)]
    page = bookkeeper.look("/console/books")
    page.get_by_role("link", name="Classify by a rule").click()
    page.get_by_label("Kind").fill(kind)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="What it finds")).to_be_visible()
    page.get_by_role("textbox", name="Account").fill("income:games")
    page.get_by_label("Reason").fill("games")
    page.get_by_label("Yes, book these 2").check()
    page.get_by_role("button", name="Classify 2").click()
    expect(page.get_by_role("heading", name="Transactions classified: 2")).to_be_visible()
    for name in names:
        expect(page.locator("tbody tr", has_text=name)).to_contain_text("Classified")
        entries = world.client.get(f"/books/entries/{name}", after=world.log.head())
        assert entries["classified"] == "income:games"


def test_name_an_account(bookkeeper: Visitor, world: World, month: Month) -> None:
    """What it is called stands where it is listed; a name that cannot be is told at the form."""
    code = str(8400 + world.log.head() % 100)
    bookkeeper.expects(422)
    path = f"/console/books/accounts/income%3Asales?period={month}&currency=gbp"
    page = bookkeeper.look(path)
    bookkeeper.act("Name it", "Name it", code=code, name="a:b", reason="our chart")
    expect(page.get_by_role("alert")).to_contain_text("Not done.")
    form = page.locator("details.dialog[open]")
    expect(form.locator("[name=code]")).to_have_value(code)
    form.locator("[name=name]").fill(f"Sales {code}")
    form.get_by_label("Kind").select_option("income")
    form.get_by_role("button", name="Name it").click()
    bookkeeper.is_told("The account is named.")
    named_so = page.get_by_role("rowheader", name="income:sales", exact=True)
    row = page.locator("tbody tr").filter(has=named_so)
    expect(row).to_contain_text(f"income {code} Sales {code}")
    bookkeeper.look(f"/console/books?period={month}&currency=gbp")
    expect(page.locator("th", has_text="income:sales").first).to_contain_text(f"{code} Sales")
