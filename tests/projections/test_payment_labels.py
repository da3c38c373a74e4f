"""What payments say of themselves: their description, and the labels by which orders are found."""

from tests.projections.models import Models
from tests.webhooks.examples import MADE, charge, event, intent, session


def test_labels_of_a_payment_its_charge_and_its_page_are_one(models: Models) -> None:
    models.hear(
        event("charge.succeeded", charge(metadata={"a": "1", "b": "1"}, description="A charge")),
        event("checkout.session.completed", session(metadata={"c": "1", "a": "2"}), id="evt_2"),
    )
    assert models.one("payments", "labels", "description") == (
        {"a": "1", "b": "1", "c": "1"},
        "A charge",
    )
    models.hear(
        event(
            "payment_intent.succeeded",
            intent(metadata={"b": "3"}, description="Order A1"),
            id="evt_3",
        )
    )
    assert models.one("payments", "labels", "description") == (
        {"a": "1", "b": "3", "c": "1"},
        "Order A1",
    )


def test_the_newest_report_says_what_the_metadata_are(models: Models) -> None:
    late = event("payment_intent.succeeded", intent(metadata={"a": "old"}), created=MADE)
    newer = event("payment_intent.succeeded", intent(metadata={"b": "new"}), id="evt_2")
    models.hear(newer, late)
    assert models.one("payments", "labels") == {"b": "new"}
    gone = event("payment_intent.succeeded", intent(metadata={}), id="evt_3", created=MADE + 500)
    models.hear(gone)
    assert models.one("payments", "labels") is None


def test_words_that_are_no_ids_are_not_kept(models: Models) -> None:
    said = {"name": "Ada Lovelace", "email": "ada@example.com", "phone": "+44 20 7946 0000"}
    models.hear(event("payment_intent.succeeded", intent(metadata=said)))
    assert models.one("payments", "labels") is None
