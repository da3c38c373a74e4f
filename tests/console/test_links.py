"""Linking payments by a rule in the console: form, preview, confirmation and report."""

from ledger.domain.access import Role
from tests.console.service import Service, hidden, words
from tests.webhooks.examples import intent

PAGE = "/console/payments/links"


def play(service: Service, key: str) -> str:
    """Orders, and two payments of which one names its order by this key; answers the preview."""
    service.order(id=f"{key}-1")
    for name, label in ((f"pi_{key}_1", f"{key}-1"), (f"pi_{key}_2", f"{key}-9")):
        shown = intent(
            id=name, amount=2000, amount_received=2000, latest_charge=None, metadata={key: label}
        )
        service.fetch("payment_intent", shown)
    return f"{PAGE}?kind=metadata&word={key}"


def test_a_rule_is_previewed_confirmed_and_reported(service: Service) -> None:
    asked_for = play(service, "old_no")
    assert f'href="{PAGE}?kind=email-and-amount"' in service.look("/console/payments").text
    page = service.look(asked_for)
    seen = words(page.text)
    assert "To link 1" in seen
    assert "old_no-9 (payment pi_old_no_2 )" in seen
    asked = hidden(page)
    assert (asked["kind"], asked["word"], asked["upto"]) == ("metadata", "old_no", "pi_old_no_2")
    done = service.send(page, PAGE, reason="the old shop")
    assert done.status_code == 200
    assert "Payments linked: 1" in words(done.text)
    assert "To link 0" in service.see(asked_for)
    assert "old no old_no-1" in service.see("/console/payments/pi_old_no_1")
    assert "the old shop (by metadata:old_no)" in service.see("/console/orders/old_no-1/timeline")
    again = service.send(page, PAGE, reason="the old shop")
    assert main_of(again.text) == main_of(done.text)


def test_a_rule_that_finds_nothing_says_what_else_there_is(service: Service) -> None:
    play(service, "slip_no")
    assert "LEDGER_ORDERS_FROM" in service.see(f"{PAGE}?kind=metadata&word=no_such_key")


def test_some_of_those_that_it_finds_are_linked(service: Service) -> None:
    """With one reason, which names the rule; what is refused stops none of the rest."""
    asked_for = play(service, "till_no")
    page = service.look(asked_for)
    assert 'name="payment.pi_till_no_1" value="till_no-1"' in page.text
    assert 'name="payment.pi_till_no_2"' not in page.text, "its order is not here"
    chosen = {"payment.pi_till_no_2": "till_no-9", "payment.pi_till_no_1": "till_no-1"}
    fields = hidden(page) | chosen | {"reason": "by hand"}
    report = words(service.client.post(f"{PAGE}/chosen", data=fields).text)
    assert "1 done, 1 not. Reason: “by hand”." in report
    assert "Back to payments without an order" in report
    timeline = service.see("/console/orders/till_no-1/timeline")
    assert "“by hand (by metadata:till_no)”" in timeline
    service.enter(Role.AUDITOR)
    fields = hidden(service.look("/console/payments")) | chosen | {"reason": "by hand"}
    assert service.client.post(f"{PAGE}/chosen", data=fields).status_code == 403


def main_of(html: str) -> str:
    """The main part of a page; its frame counts events meanwhile."""
    return words(html.partition("<main")[2].partition("</main>")[0])


def test_a_preview_that_does_not_hold_any_more_comes_again(service: Service) -> None:
    page = service.look(play(service, "ref"))
    refused = service.send(page, PAGE, reason="it", sha256="0" * 64)
    assert refused.status_code == 409
    assert "Not done." in words(refused.text)
    assert "To link 1" in words(refused.text)


def test_a_place_that_is_none_is_refused(service: Service) -> None:
    page = service.look(play(service, "place"))
    refused = service.send(page, PAGE, reason="it", position="first")
    assert refused.status_code == 422
    assert "Not done." in words(refused.text)


def test_a_rule_that_says_nothing_is_told_at_its_form(service: Service) -> None:
    refused = service.look(f"{PAGE}?kind=description&word=Order")
    assert refused.status_code == 422
    assert "Rule: it must have {order} in one place" in words(refused.text)


def test_who_may_not_link_sees_no_form(service: Service) -> None:
    service.enter(Role.AUDITOR)
    assert PAGE not in service.look("/console/payments").text
    assert service.look(PAGE).status_code == 403
