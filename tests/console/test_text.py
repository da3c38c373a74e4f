"""Text that others wrote: on no page does it reverse, hide or break what stands beside it."""

import re

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup, escape

from console.render import link_to, readable
from ledger.domain.text import visible
from simulator import SimulatedStripe
from tests.console.service import Service

OVERRIDE, ISOLATE, NO_WIDTH = "\u202e", "\u2066", "\u200b"
EVIL = f"gnp{OVERRIDE}exe{ISOLATE}a{NO_WIDTH}b"
SHOWN = r"gnp\u202eexe\u2066a\u200bb"
HIDDEN = re.compile("[\u202a-\u202e\u2066-\u2069\u200b\x80-\x9f]")


def page(text: str) -> str:
    return Markup('<p title="{0}">{0}</p>\n<input value="{0}">\t<b>{1}</b>').format(
        text, link_to("order", text)
    )


@given(st.text())
def test_on_a_page_every_text_is_readable_and_every_tag_as_it_was(text: str) -> None:
    shown = readable(page(text))
    tags = re.compile(r'<(?:"[^"]*"|[^>"])*>')
    assert tags.findall(shown) == tags.findall(page(text))
    assert [*map(spaceless, tags.split(shown))] == [
        spaceless(visible(each)) for each in tags.split(page(text))
    ]


def spaceless(text: str) -> str:
    r"""White space, and how `visible` writes it, away: on a page it does no harm."""
    return re.sub(r"\\[tnr]|\s", "", text)


def test_text_in_which_nothing_hides_is_left_alone() -> None:
    for text in ("café", "שלום", "\u0645\u06cc\u200c\u062e\u0648", "👩\u200d🚀", "two\nlines\tand"):
        assert readable(page(text)) == page(text)


def test_what_customers_and_stripe_wrote_is_readable_on_every_page(service: Service) -> None:
    """A product's name, an e-mail address, a reason, and what Stripe says of a payment."""
    service.call("PUT", "/products/EVIL", {"name": EVIL, "prices": {"gbp": 1000}})
    service.call("POST", "/stock/EVIL/receive", {"quantity": 5, "reason": EVIL})
    line = {"sku": "EVIL", "name": EVIL, "quantity": 1, "unit_minor": 1000}
    order = {"id": "E1", "currency": "gbp", "lines": [line], "email": EVIL, "customer_id": EVIL}
    service.call("POST", "/orders", order | {"shipping_address": {"city": EVIL}})
    service.call("POST", "/orders/E1/cancel", {"reason": EVIL})
    stripe = SimulatedStripe("evil")
    payment, events = stripe.create_payment(1000, "gbp", order_id=f"{EVIL}\x85")
    service.deliver([*events, *stripe.pay_by_card(payment)])
    for path in (
        "/console/orders",
        "/console/orders/E1",
        "/console/orders/E1/timeline",
        "/console/orders/E1/explain",
        "/console/stock",
        "/console/stock/EVIL",
        "/console/stock/EVIL/history",
        "/console/payments",
        f"/console/payments/{payment.intent_id}",
        f"/console/orders?customer_id={EVIL}",
    ):
        answer = service.look(path)
        assert answer.status_code == 200, path
        texts = re.sub(r'<(?:"[^"]*"|[^>"])*>', "", answer.text)
        assert escape(SHOWN) in texts, path
        assert HIDDEN.findall(texts) == [], path
