"""The pages of the books: from a month to an account, to an entry, and closing months."""

import json
import re
from collections.abc import Callable, Iterator

import pytest

from ledger.domain.access import Role
from simulator.sent import SimulatedEvent
from tests.books.ledger import Money, on, quiet_shop
from tests.console.service import Service, hidden, open_service, words
from tests.support.servers import Server


@pytest.fixture
def console(servers: Callable[[str], Server]) -> Iterator[Service]:
    """A shop whose August and September of 2024 are known, and an accountant."""
    with open_service(servers) as service:
        quiet_shop(Money(service.log))
        _seen(service)
        service.enter(Role.ACCOUNTANT)
        yield service


def _seen(service: Service) -> None:
    service.call("POST", "/stock/MUG/receive", {"quantity": 1})


def test_every_number_leads_to_what_it_is_made_of(console: Service) -> None:
    page = console.look("/console/books?period=2024-09&currency=eur")
    assert page.status_code == 200
    address = "/console/books/accounts/contra%3Arefunds?period=2024-09&amp;currency=eur"
    assert page.text.count(f'href="{address}"') == 5
    account = console.look(address.replace("&amp;", "&"))
    assert "25.00" in account.text
    assert 'href="/console/books/entries/txn_4"' in account.text
    entry = console.see("/console/books/entries/txn_4")
    for said in ("contra:refunds", "refund, refund failure: against contra:refunds", "−€25.00"):
        assert said in entry
    created = int(on(9, 7).timestamp())
    refund = {"id": "re_1", "object": "refund", "created": created, "amount": 2500}
    event = {"id": "evt_4", "object": "event", "type": "refund.created", "livemode": False}
    told = event | {"created": created, "data": {"object": refund | {"currency": "eur"}}}
    body = json.dumps(told).encode()
    console.deliver([SimulatedEvent("evt_4", "refund.created", created, body)])
    assert "evt_4" in console.see("/console/books/entries/txn_4")
    console.enter(Role.AUDITOR)
    events = console.look("/console/books/entries/txn_4").text
    assert re.search(r'href="/console/events/\d+" title="evt_4"', events)


def test_several_months_are_one_trial_balance(console: Service) -> None:
    page = console.look("/console/books?period=2024-09&to=2024-10")
    assert "Books of September 2024 to October 2024" in words(page.text)
    assert re.search(r"accounts/[^?]+\?period=2024-09&amp;currency=eur", page.text), "its opening"
    assert re.search(r"accounts/[^?]+\?period=2024-10&amp;currency=eur", page.text), "its closing"
    wrong = console.look("/console/books?period=2024-09&to=2024-08")
    assert (wrong.status_code, "To: give a month after" in words(wrong.text)) == (422, True)


def test_a_month_is_closed_and_reopened_with_a_reason(console: Service) -> None:
    periods = "/console/books/periods"
    page = console.look(f"{periods}?period=2024-08")
    assert "it can be closed" in page.text
    closed = console.send(page, f"{periods}/2024-08/close", reason="agrees with the bank")
    assert "The month is closed." in closed.text
    assert "agrees with the bank" in console.see(periods)
    assert "nothing changes it any more" in console.see("/console/books?period=2024-08")
    again = console.client.post(
        f"{periods}/2024-08/close", data=hidden(page) | {"reason": "agrees with the bank"}
    )
    assert again.status_code == 200, "the same form sent twice closes once"
    page = console.look(periods)
    assert re.search(r'title="token/\w+">(?!token)\w+', page.text), "by a name"
    reopened = console.send(page, f"{periods}/2024-08/reopen", reason="a payout was missing")
    assert "The month is open again." in reopened.text


def test_what_stands_in_the_way_is_told_and_classified(console: Service) -> None:
    name = _more(console).moved(on(9, 9), 500, "quantum_entanglement")
    _seen(console)
    periods = "/console/books/periods?period=2024-09"
    assert "suspense:unclassified holds €5.00" in console.see(periods).replace("−", "")
    refused = console.send(
        console.look(periods), "/console/books/periods/2024-09/close", reason="too early"
    )
    assert refused.status_code == 409
    assert "Not done." in refused.text
    entry = f"/console/books/entries/{name}"
    page = console.look(entry)
    wrong = console.send(page, f"{entry}/classify", account="misc", reason="a game")
    assert wrong.status_code == 422
    assert "expenses:misc" in wrong.text
    near = console.send(page, f"{entry}/classify", account="income:sale", reason="a game")
    assert "Account: nothing is booked in income:sale yet, and there is income:sales" in words(
        near.text
    )
    done = console.send(page, f"{entry}/classify", account="income:games", reason="a game")
    assert "The transaction is classified." in done.text
    assert "In suspense" not in done.text
    assert "Classify it otherwise" in done.text, "the last word counts"
    assert "it can be closed" in console.see(periods)


def test_several_are_classified_by_a_rule_once_they_were_seen(console: Service) -> None:
    names = [_more(console).moved(on(9, 9), 500, "quantum_entanglement")]
    _seen(console)
    path = "/console/books/suspense"
    page = console.look(path)
    assert ("€5.00" in page.text, "In suspense" in page.text) == (True, True), "before one types"
    assert 'name="account"' not in page.text
    page = console.look(f"{path}?kind=quantum_entanglement")
    assert f'{path}?kind=quantum_entanglement&amp;currency=eur"' in page.text, "a way to a rule"
    assert "€5.00" in page.text
    wrong = console.send(page, path, account="misc", reason="a game")
    assert (wrong.status_code, "Not done." in wrong.text) == (422, True)
    stale = console.send(page, path, account="income:games", reason="x", sha256="0" * 64)
    assert stale.status_code == 409
    done = console.send(page, path, account="income:games", reason="a game")
    assert "Transactions classified: 1" in done.text
    assert names[0] in done.text
    assert "No transaction is of this kind." in console.see(f"{path}?kind=zzz")
    assert "It finds nothing" in console.see(f"{path}?kind=quantum_entanglement")
    assert "Nothing stands in suspense" in console.see(path)


def test_books_of_a_part_begin_with_what_stripe_held_or_with_nothing(console: Service) -> None:
    _more(console).moved(on(9, 9), 500, account="acct_two")
    _more(console).listed((on(9), on(10, 31)), account="acct_two")
    _seen(console)
    periods = "/console/books/periods"
    page = console.look(f"{periods}?period=2024-10")
    assert "what accounts held then is not known" in page.text
    path = f"{periods}/2024-10/begin"
    refused = console.send(page, path, held="stripe", reason="from now on")
    assert refused.status_code == 409
    assert "Not done." in refused.text
    done = console.send(page, path, held="nothing", reason="from now on")
    assert "The books begin with this month." in done.text
    assert "Next: October 2024" in words(done.text), "the month that was entered, not the last"
    assert "from now on" in done.text
    assert "The books begin with October 2024" in console.see("/console/books?period=2024-10")
    earlier = console.look(f"{periods}?period=2024-09")
    again = console.send(earlier, f"{periods}/2024-09/begin", held="nothing", reason="earlier")
    assert "Next: September 2024" in words(again.text), "as long as no month is closed"


def test_an_account_gets_the_name_of_the_shop(console: Service) -> None:
    account = "/console/books/accounts/income%3Asales"
    page = console.look(f"{account}?period=2024-09&currency=eur")
    wrong = console.send(page, f"{account}/map", period="2024-09", name="a:b", reason="ours")
    assert wrong.status_code == 422
    assert "Not done." in wrong.text
    told = {"period": "2024-09", "code": "8400", "name": "Sales", "kind": "", "reason": "ours"}
    done = console.send(page, f"{account}/map", **told)
    assert "The account is named." in done.text
    assert "8400 Sales" in console.see("/console/books/accounts")
    assert "8400 Sales" in console.see("/console/books?period=2024-09&currency=eur")
    assert "8400" not in console.see("/console/books?period=2024-08&currency=eur")
    other = "/console/books/accounts/contra%3Arefunds"
    page = console.look(f"{other}?period=2024-09&currency=eur")
    taken = console.send(page, f"{other}/map", **told | {"name": "Refunds"})
    assert taken.status_code == 409
    assert "one code is one account" in taken.text


def test_a_category_is_named_and_taken_back(console: Service) -> None:
    path = "/console/books/categories"
    page = console.look(path)
    assert "No categories" in page.text
    assert f'href="{path}"' in console.look("/console/books/accounts").text
    told = {"sku": "MUG-*", "category": "mugs", "period": "2024-09", "reason": "as our chart"}
    wrong = console.send(page, path, **told | {"category": ""})
    assert (wrong.status_code, "Not done." in wrong.text) == (422, True)
    assert 'value="MUG-*"' in wrong.text
    named = console.send(page, path, **told)
    assert "The category is named." in named.text
    assert re.search(r"MUG-\* mugs September 2024 .* as our chart", console.see(path))
    august = console.look("/console/books/periods?period=2024-08")
    console.send(august, "/console/books/periods/2024-08/close", reason="agrees")
    page = console.look(path)
    back = {"sku": "MUG-*", "since": "2024-09", "reason": "not any more"}
    closed = console.send(page, f"{path}/take-back", period="2024-08", **back)
    assert closed.status_code == 409
    assert "from 2024-09 on" in closed.text
    assert 'value="not any more"' in closed.text
    taken = console.send(page, f"{path}/take-back", period="2024-09", **back)
    assert "The category is taken back." in taken.text
    assert "MUG-* none of its own September 2024" in console.see(path)


def test_only_who_may_close_sees_forms(console: Service) -> None:
    console.enter(Role.ANALYST)
    for path in ("", "/categories", "/periods", "/entries/txn_4"):
        page = console.look(f"/console/books{path}")
        assert page.status_code == 200
        assert 'method="post" action="/console/books' not in page.text
    console.enter(Role.OPS)
    assert console.look("/console/books").status_code == 403


def test_what_is_no_month_is_told_on_the_page(console: Service) -> None:
    assert console.look("/console/books?period=september").status_code == 422
    assert console.look("/console/books/periods?period=september").status_code == 422
    assert "Nothing moved" in console.see("/console/books?period=2020-01")
    assert "It has not begun" in console.see("/console/books?period=2999-05")
    assert console.look("/console/books?period=9999-12").status_code == 422


def test_a_figure_of_the_balance_leads_to_entries(console: Service) -> None:
    page = console.look("/console/figures/fees?from=2024-09-01&to=2024-09-30&currency=eur")
    assert 'href="/console/books/entries/txn_3"' in page.text


def _more(service: Service) -> Money:
    money = Money(service.log)
    money._count = 100
    return money
