"""Ids of several accounts: no two objects share a name, and no field is forgotten."""

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from ledger.domain.accounts import StripeId, name_of, qualified, qualified_id
from ledger.domain.billing_facts import (
    InvoicePaymentFact,
    SubscriptionFact,
    SubscriptionItem,
    SubscriptionState,
)
from ledger.domain.facts import DisputeFact, DisputeState, Fact, FundsMovement, leaves
from tests.projections.models import NOON

IDS = st.sampled_from(["LOYAL", "LOYAL@acct_1", "LOYAL@acct_1@", "a@b", "@acct_1", ""]) | st.text()
ACCOUNTS = st.none() | st.from_regex(r"acct_[A-Za-z0-9]{1,64}", fullmatch=True)

SHOPS_OWN = {
    "order_id": "what the shop wrote into metadata",
    "request_id": "what the ledger wrote into metadata: one of its own events",
}


@given(IDS, ACCOUNTS)
def test_a_name_says_what_it_was_made_of(bare: str, account: str | None) -> None:
    assert name_of(qualified_id(bare, account)) == (bare, account)


@pytest.mark.parametrize("own", ["pi_1", "LOYAL", "ann@example.com", "a@b"])
def test_our_own_ids_stay_as_they_are(own: str) -> None:
    assert qualified_id(own, None) == own


def structs_in(hint: Any) -> Iterator[type[Struct]]:
    if isinstance(hint, type) and issubclass(hint, Struct):
        yield hint
    for inner in get_args(hint):
        yield from structs_in(inner)


def is_id(hint: Any) -> bool:
    return hint == StripeId or any(map(is_id, get_args(hint)))


def fields_of(kind: type[Struct]) -> Iterator[tuple[str, str, Any]]:
    """Every field of a struct and of those within it: whose it is, its name and type."""
    hints = get_type_hints(kind, include_extras=True)
    for name in kind.__struct_fields__:
        yield kind.__name__, name, hints[name]
        for inner in structs_in(hints[name]):
            yield from fields_of(inner)


def test_every_id_of_a_providers_fact_is_qualified() -> None:
    """A new field whose name ends in `_id` is a `StripeId`, or named here with the reason."""
    fields = [field for fact in leaves(Fact) for field in fields_of(fact)]
    ids = [(owner, name, hint) for owner, name, hint in fields if name.endswith(("_id", "_ids"))]
    assert len(ids) > 50
    forgotten = {(owner, n) for owner, n, hint in ids if n not in SHOPS_OWN and not is_id(hint)}
    assert forgotten == set()


def test_ids_within_a_fact_are_qualified_too() -> None:
    moved = FundsMovement(
        transaction_id="txn_1", amount_minor=-1, fee_minor=0, currency="gbp", created_at=NOON
    )
    dispute = DisputeFact(
        state=DisputeState.OPEN,
        dispute_id="dp_1",
        amount_minor=1,
        currency="gbp",
        created_at=NOON,
        charge_id="ch_1",
        reason="fraudulent",
        movements=(moved,),
    )
    told = qualified(dispute, "acct_1")
    assert (told.dispute_id, told.charge_id, told.payment_id, told.reason) == (
        "dp_1@acct_1",
        "ch_1@acct_1",
        None,
        "fraudulent",
    )
    assert told.movements[0].transaction_id == "txn_1@acct_1"


def test_ids_in_lists_within_lists_are_qualified_too() -> None:
    item = SubscriptionItem(
        item_id=None,
        price_id="price_1",
        product_id="prod_1",
        quantity=1,
        unit_minor="100",
        interval="month",
        interval_count=1,
        metered=False,
        monthly=100,
        discount_ids=("di_1",),
    )
    subscription = SubscriptionFact(
        state=SubscriptionState.ACTIVE,
        subscription_id="sub_1",
        customer_id="cus_1",
        currency="gbp",
        created_at=NOON,
        items=(item,),
        parts=1,
        invoices=1,
        discount_ids=("di_2", "di_3"),
    )
    told = qualified(subscription, "acct_1")
    assert told.discount_ids == ("di_2@acct_1", "di_3@acct_1")
    (inner,) = told.items
    assert (inner.price_id, inner.product_id, inner.item_id) == (
        "price_1@acct_1",
        "prod_1@acct_1",
        None,
    )
    assert inner.discount_ids == ("di_1@acct_1",)


def test_a_fact_of_our_own_account_is_left_alone() -> None:
    fact = InvoicePaymentFact(invoice_id="in_1", payment_id="pi_1")
    assert qualified(fact, None) == fact
