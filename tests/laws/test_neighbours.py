"""What belongs together may become known late: live rows are still those of a rebuild.

A payment's order is said by its metadata, by a page, by an invoice that a page or a subscription
opened, or by the shop, in any order, and may change. Few things and many ties between them.
"""

import json
from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from ledger.domain.events import (
    Event,
    Line,
    Metadata,
    OrderCanceled,
    OrderPlaced,
    PaymentLinked,
    PaymentUnlinked,
    RecordedEvent,
    StripeEventReceived,
)
from ledger.postgres.database import Database
from projections.engine.flush import flush_function
from projections.engine.flush_function import FlushFunction
from tests.laws.test_projections import a_copy, digests_of, rebuilt
from tests.projections.models import NOON
from tests.webhooks.billing_examples import invoice, invoice_payment
from tests.webhooks.examples import charge, dispute, event, intent, refund, session

EVENTS = 80
ORDERS = tuple(f"A{n}" for n in range(1, 9))
NUMBERS = range(1, 7)


class Story:
    """Events of a few orders, payments, pages and invoices, as they come by chance.

    With `subscribers` one in some is of a subscription that a page of an order opened.
    """

    def __init__(self, seed: int, subscribers: int = 0) -> None:
        self.random = Random(seed)
        self.events: list[RecordedEvent] = []
        self._versions = Counter[str]()
        for order_id in ORDERS:
            self.shop(
                OrderPlaced(
                    order_id=order_id,
                    currency="gbp",
                    lines=(Line(sku="MUG", name="Mug", quantity=1, unit_minor=1000),),
                    total_minor=1000,
                    expires_at=NOON + timedelta(days=30),
                )
            )
        tellers = (
            self.pays,
            self.bounces,
            self.gives_back,
            self.disputes,
            *(self.shows_a_page, self.pays_an_invoice, self.opens_an_invoice) * 2,
            *(self.links,) * 4,
            self.cancels,
            *(self.subscribes,) * subscribers,
        )
        while len(self.events) < EVENTS:
            self.random.choice(tellers)()

    def number(self) -> int:
        return self.random.choice(NUMBERS)

    def order(self) -> dict[str, str]:
        """Metadata that may name an order."""
        return {"order_id": self.random.choice(ORDERS)} if self.random.random() < 0.08 else {}

    def pays(self) -> None:
        n, customer = self.number(), f"cus_{self.number()}"
        more: dict[str, Any] = {"metadata": self.order(), "customer": customer}
        self.stripe(
            "payment_intent.succeeded", intent(id=f"pi_{n}", latest_charge=f"ch_{n}", **more)
        )
        if self.random.random() < 0.5:
            self.stripe("charge.succeeded", charge(id=f"ch_{n}", payment_intent=f"pi_{n}", **more))

    def bounces(self) -> None:
        n = self.number()
        failed = charge(
            id=f"ch_{n}", payment_intent=f"pi_{n}", status="failed", amount_captured=0, paid=False
        )
        self.stripe("charge.failed", failed)

    def gives_back(self) -> None:
        n, of = self.number(), self.number()
        self.stripe(
            "refund.created",
            refund(id=f"re_{n}", charge=f"ch_{of}", payment_intent=f"pi_{of}", amount=100 * n),
        )

    def disputes(self) -> None:
        n = self.number()
        self.stripe(
            "charge.dispute.created", dispute(id=f"du_{n}", charge=f"ch_{n}", payment_intent=None)
        )

    def shows_a_page(self) -> None:
        n = self.number()
        more: dict[str, Any] = {
            "metadata": {"order_id": self.random.choice(ORDERS)},
            "client_reference_id": None,
        }
        match self.random.randrange(3):
            case 0:
                more |= {"payment_intent": f"pi_{self.number()}"}
            case 1:
                more |= {"payment_intent": None, "mode": "subscription", "invoice": f"in_{n}"}
            case _:
                more |= {"payment_intent": None, "mode": "subscription", "invoice": None}
                more |= {"subscription": f"sub_{self.number()}"}
        self.stripe("checkout.session.completed", session(id=f"cs_{self.number()}", **more))

    def pays_an_invoice(self) -> None:
        n = self.number()
        paid = invoice_payment(f"pi_{n}", id=f"inpay_{n}", invoice=f"in_{self.number()}")
        self.stripe("invoice_payment.paid", paid)

    def opens_an_invoice(self) -> None:
        n = self.number()
        of = {"type": "subscription_details", "subscription_details": {"subscription": f"sub_{n}"}}
        opened = invoice(id=f"in_{n}", parent=of, billing_reason="subscription_create")
        self.stripe("invoice.paid", opened)

    def subscribes(self) -> None:
        """On a page that names only its subscription; its payment names another order."""
        n, (of, other) = len(self.events), self.random.sample(ORDERS, 2)
        opens = {
            "type": "subscription_details",
            "subscription_details": {"subscription": f"sub_{n}"},
        }
        page: dict[str, Any] = {"payment_intent": None, "mode": "subscription", "invoice": None}
        page |= {
            "subscription": f"sub_{n}",
            "payment_status": "unpaid",
            "metadata": {"order_id": of},
        }
        page |= {"client_reference_id": None}
        about: dict[str, Any] = {
            "id": f"pi_{n}",
            "latest_charge": None,
            "metadata": {"order_id": other},
        }
        told = [
            ("checkout.session.completed", session(id=f"cs_{n}", **page)),
            (
                "invoice.created",
                invoice(id=f"in_{n}", parent=opens, billing_reason="subscription_create"),
            ),
            (
                "invoice_payment.paid",
                invoice_payment(f"pi_{n}", id=f"inpay_{n}", invoice=f"in_{n}"),
            ),
            ("payment_intent.processing", intent(status="processing", **about)),
        ]
        self.random.shuffle(told)
        for kind, thing in (*told, ("payment_intent.succeeded", intent(**about))):
            self.stripe(kind, thing)

    def links(self) -> None:
        order_id, payment_id = self.random.choice(ORDERS), f"pi_{self.number()}"
        made = self.random.choice((PaymentLinked, PaymentLinked, PaymentUnlinked))
        self.shop(made(order_id=order_id, payment_id=payment_id))

    def cancels(self) -> None:
        if self.random.random() < 0.2:
            self.shop(OrderCanceled(order_id=self.random.choice(ORDERS)))

    def shop(self, said: Event) -> None:
        self._record(f"order/{getattr(said, 'order_id')}", said)  # noqa: B009 - all of these have one

    def stripe(self, kind: str, thing: dict[str, Any]) -> None:
        """An event that happened up to two days ago: what is told late may lie before."""
        event_id = f"evt_{len(self.events)}"
        happened = NOON + timedelta(minutes=30 * len(self.events) - self.random.randrange(2880))
        body = event(kind, thing, id=event_id, created=int(happened.timestamp()))
        received = StripeEventReceived(
            event_id=event_id, body=json.dumps(body).encode(), received_at=NOON, source="import"
        )
        self._record(f"stripe/{event_id}", received)

    def _record(self, stream: str, said: Event) -> None:
        self._versions[stream] += 1
        at = NOON + timedelta(minutes=30 * len(self.events))
        self.events.append(
            RecordedEvent(
                len(self.events) + 1, stream, self._versions[stream], at, at, said, Metadata()
            )
        )


def followed(database: Database, events: list[RecordedEvent], size: int) -> dict[str, str]:
    """Digests after the events in batches of a size."""
    with a_copy(database) as copy:
        copy.create()
        copy.finish()
        copy.follow_durably()
        copy.advance(events[start : start + size] for start in range(0, len(events), size))
        return digests_of(copy)


@pytest.mark.parametrize(
    ("seed", "size", "subscribers"), [(1, 1, 0), (2, 1, 0), (3, 5, 0), (2, 1, 4)]
)
def test_ties_that_become_known_late_end_in_the_rows_of_a_rebuild(
    database: Database, seed: int, size: int, subscribers: int
) -> None:
    events = Story(seed, subscribers).events
    assert followed(database, events, size) == rebuilt(database, events)


@pytest.mark.parametrize(
    ("look", "nothing"), [("_note_neighbours", ()), ("_note_late", "")], ids=["old", "new"]
)
def test_the_stories_have_ties_that_only_old_or_new_rows_tell(
    database: Database, monkeypatch: pytest.MonkeyPatch, look: str, nothing: str | tuple[()]
) -> None:
    """Without a look at the old rows, or at the new ones, the law does not hold."""
    monkeypatch.setattr(FlushFunction, look, lambda *_: nothing)
    events = Story(2).events
    flush_function.cache_clear()
    assert followed(database, events, 1) != rebuilt(database, events)
    flush_function.cache_clear()


def test_a_payment_of_another_order_ends_the_wait_for_a_subscription_page(
    database: Database,
) -> None:
    """The page knows its payment only by the invoice that opens its subscription."""
    story = Story(1)
    story.events = story.events[: len(ORDERS)]
    names_another = {"metadata": {"order_id": "B9"}, "latest_charge": None}
    page: dict[str, Any] = {"payment_intent": None, "mode": "subscription", "invoice": None}
    page |= {"subscription": "sub_1", "payment_status": "unpaid"}
    page |= {"metadata": {"order_id": "A1"}, "client_reference_id": None}
    story.stripe("checkout.session.completed", session(id="cs_1", **page))
    of = {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}}
    opened = invoice(id="in_1", parent=of, billing_reason="subscription_create")
    story.stripe("invoice.created", opened)
    story.stripe("invoice_payment.paid", invoice_payment("pi_1", id="inpay_1", invoice="in_1"))
    story.stripe(
        "payment_intent.processing", intent(id="pi_1", status="processing", **names_another)
    )
    story.stripe("payment_intent.succeeded", intent(id="pi_1", **names_another))
    assert followed(database, story.events, 1) == rebuilt(database, story.events)
