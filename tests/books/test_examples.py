"""The examples of docs/posting_rules.md are what the books make of these events."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from app.cli.docs.posting_rules import (
    ADJUSTMENT,
    DISPUTE,
    EXAMPLES,
    PAYOUT,
    REFUND,
    SALE,
    Entry,
    Example,
)
from ledger.domain.balance_facts import TransactionFact, TransactionFee
from ledger.domain.billing_facts import PayoutFact, PayoutState
from ledger.domain.events import Line, OrderPlaced, TransactionClassified
from ledger.domain.facts import (
    AnyFact,
    DisputeFact,
    DisputeState,
    PaymentFact,
    PaymentState,
    RefundFact,
    RefundState,
)
from tests.projections.models import Models, charge
from tests.support.servers import Server


def march(day: int) -> datetime:
    return datetime(2026, 3, day, 12, tzinfo=UTC)


def minutes(day: int) -> int:
    """From noon of the first."""
    return (day - 1) * 24 * 60


def moved(
    day: int, amount: int, category: str, source_id: str | None = None, **more: Any
) -> TransactionFact:
    fees: tuple[TransactionFee, ...] = more.pop("fees", ())
    fee = sum(each.amount_minor for each in fees)
    return TransactionFact(
        **{
            "transaction_id": "txn_1",
            "type": "adjustment",
            "category": category,
            "amount_minor": amount,
            "fee_minor": fee,
            "net_minor": amount - fee,
            "currency": "eur",
            "created_at": march(day),
            "available_at": march(day),
            "source_id": source_id,
            "balance_type": "payments",
            "fees": fees,
        }
        | more
    )


def fee(kind: str, amount: int) -> TransactionFee:
    return TransactionFee(type=kind, amount_minor=amount, currency="eur")


def an_order() -> list[AnyFact]:
    """Of 107.00 eur, and its payment."""
    line = Line(sku="MUG", name="Mug", quantity=1, unit_minor=9_000)
    placed = OrderPlaced(
        order_id="A1",
        currency="eur",
        lines=(line,),
        total_minor=10_700,
        shipping_minor=500,
        tax_minor=1_900,
        discount_minor=700,
        expires_at=march(3),
    )
    paid = PaymentFact(
        state=PaymentState.SUCCEEDED,
        payment_id="pi_1",
        amount_minor=10_700,
        received_minor=10_700,
        currency="eur",
        created_at=march(2),
        order_id="A1",
    )
    return [placed, charge(10_700, currency="eur"), paid]


TOLD: dict[str, list[tuple[int, AnyFact]]] = {
    SALE.title: [
        *((2, fact) for fact in an_order()),
        (
            2,
            moved(
                2,
                10_700,
                "charge",
                "ch_1",
                available_at=march(4),
                fees=(fee("stripe_fee", 186), fee("tax", 39)),
            ),
        ),
    ],
    REFUND.title: [
        *((2, fact) for fact in an_order()),
        (
            5,
            RefundFact(
                state=RefundState.SUCCEEDED,
                refund_id="re_1",
                amount_minor=5_350,
                currency="eur",
                created_at=march(5),
                charge_id="ch_1",
            ),
        ),
        (5, moved(5, -5_350, "refund", "re_1")),
    ],
    PAYOUT.title: [
        (
            6,
            PayoutFact(
                state=PayoutState.PAID,
                payout_id="po_1",
                amount_minor=5_125,
                currency="eur",
                created_at=march(6),
                arrives_at=march(9),
                automatic=True,
                method="standard",
                destination_id="ba_1",
            ),
        ),
        (6, moved(6, -5_125, "payout", "po_1")),
    ],
    DISPUTE.title: [
        (
            20,
            DisputeFact(
                state=DisputeState.LOST,
                dispute_id="dp_1",
                amount_minor=2_000,
                currency="eur",
                created_at=march(10),
                charge_id="ch_1",
            ),
        ),
        (10, moved(10, -2_000, "dispute", "dp_1", fees=(fee("stripe_fee", 1_500),))),
    ],
    ADJUSTMENT.title: [
        (12, moved(12, -300, "other_adjustment")),
        (14, TransactionClassified(transaction_id="txn_1", against="expenses:bank_charges")),
    ],
}


@pytest.fixture(scope="module")
def own(servers: Callable[[str], Server]) -> Iterator[Models]:
    server = servers("embedded")
    database = server.create()
    with database.connect("projector", autocommit=True) as conn:
        yield Models(conn)
    server.drop(database)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.title)
def test_an_example_of_the_page_is_what_is_booked(own: Models, example: Example) -> None:
    own.forget()
    for day, fact in TOLD[example.title]:
        own.take(fact, minutes=minutes(day))
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for part, day, account, minor in own.rows(
        "select part, day::text, account, amount_minor from postings"
        " order by day, part = 'booked' desc, part, slot"
    ):
        found.setdefault((part, day), []).append((account, minor))
    told = [Entry(part, day, tuple(postings)) for (part, day), postings in found.items()]
    assert sorted(told) == sorted(example.entries)
    for entry in example.entries:
        assert sum(minor for _, minor in entry.postings) == 0
