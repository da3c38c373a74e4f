"""One deed to many: each done by itself with one reason, and a report of what became of each."""

import re
from typing import Any

import pytest

from console.api import Api, Problem
from ledger.domain.access import Role
from simulator import SimulatedStripe
from tests.console.service import Service, hidden, words

ORDERS, ISSUES = "/console/orders", "/console/issues"


def paid(service: Service, seed: int, times: int = 1) -> str:
    """An order that was paid, so many times."""
    stripe, name = SimulatedStripe(seed), service.order()
    for _ in range(times):
        payment, events = stripe.create_payment(2000, "gbp", order_id=name)
        service.deliver([*events, *stripe.pay_by_card(payment)])
    return name


def test_orders_are_shipped_together_and_the_rest_is_told(service: Service) -> None:
    first, second, unpaid = paid(service, 1), paid(service, 2), service.order()
    page = service.look(f"{ORDERS}?state=paid")
    assert f'name="order.{first}"' in page.text
    chosen = dict.fromkeys([f"order.{each}" for each in (first, second, unpaid)], "yes")
    fields = hidden(page) | chosen | {"reason": "the van left"}
    report = service.client.post(f"{ORDERS}/fulfil", data=fields)
    text = words(report.text)
    assert "2 done, 1 not. Reason: “the van left”." in text
    assert f'href="{ORDERS}?state=paid">Back to orders' in report.text
    assert re.search(rf"{unpaid} Not done \w", text)
    again = words(service.client.post(f"{ORDERS}/fulfil", data=fields).text)
    assert "2 done, 1 not." in again, "the same form sent twice ships once"
    assert "“the van left”" in service.see(f"{ORDERS}/{first}")


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"reason": "x"}, "Nothing was chosen."), ({"order.A": "yes"}, "A reason is needed.")],
)
def test_nothing_is_done_without_a_choice_and_a_reason(
    service: Service, fields: dict[str, str], why: str
) -> None:
    paid(service, 3)
    page = service.look(ORDERS)
    answer = service.client.post(f"{ORDERS}/fulfil", data=hidden(page) | fields)
    assert answer.status_code == 422
    assert why in words(answer.text)


def test_issues_are_resolved_together(service: Service) -> None:
    names = [paid(service, seed, times=2) for seed in (4, 5)]
    service.send(service.look(ISSUES), "/console/checks/run")
    page = service.look(f"{ISSUES}?check=paid_twice&severity=high")
    chosen = dict.fromkeys([f"issue.paid_twice:{each}" for each in names], "yes")
    sent = hidden(page) | chosen | {"reason": "known", "action": "resolve"}
    told = service.client.post(f"{ISSUES}/decide", data=sent).text
    assert "2 done, 0 not. Reason: “known”." in words(told)
    assert f'href="{ISSUES}?check=paid_twice&amp;severity=high">Back to issues' in told
    for each in names:
        link = (
            rf'<a href="{ISSUES}/paid_twice%3A{each}" title="paid_twice:{each}">[^<]*{each} [^<]+'
        )
        assert re.search(link, told), "an issue is told by what it found"
    assert all(f"issues/paid_twice%3A{each}" not in service.look(ISSUES).text for each in names)
    wrong = service.client.post(f"{ISSUES}/decide", data=sent | {"action": "burn"})
    assert wrong.status_code == 422


def test_a_page_that_is_sent_again_with_another_choice_does_that(service: Service) -> None:
    """As after the browser's way back: the key of the form is the same."""
    first, second = paid(service, 6), paid(service, 7)
    fields = hidden(service.look(f"{ORDERS}?state=paid"))
    for name, reason in ((first, "the van left"), (second, "another van")):
        sent = fields | {f"order.{name}": "yes", "reason": reason}
        assert "1 done, 0 not." in words(service.client.post(f"{ORDERS}/fulfil", data=sent).text)


def test_what_ends_in_between_is_told_with_what_was_done(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that goes away after the first of three: the report says what became of each."""
    names = [paid(service, seed) for seed in (8, 9, 10)]
    fields = hidden(service.look(f"{ORDERS}?state=paid"))
    fields |= dict.fromkeys([f"order.{each}" for each in names], "yes")
    post, asked = Api.post, []

    async def once(self: Api, path: str, *args: Any, **more: Any) -> Any:
        asked.append(path)
        if len(asked) > 1:
            raise Problem(503, {"title": "The store is not there.", "detail": "Wait a moment."})
        return await post(self, path, *args, **more)

    monkeypatch.setattr(Api, "post", once)
    sent = fields | {"reason": "the van left"}
    text = words(service.client.post(f"{ORDERS}/fulfil", data=sent).text)
    assert "1 done, 2 not." in text
    assert "Wait a moment." in text
    assert "It was not tried" in text
    assert len(asked) == 2


def test_who_may_not_act_chooses_nothing(service: Service) -> None:
    service.enter(Role.AUDITOR)
    for path in (ORDERS, ISSUES):
        page = service.look(path)
        assert 'type="checkbox"' not in page.text
    page = service.look(ORDERS)
    sent = hidden(page) | {"order.A1": "yes", "reason": "x"}
    assert service.client.post(f"{ORDERS}/fulfil", data=sent).status_code == 403
