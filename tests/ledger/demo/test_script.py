"""The demo's script: whatever its dice say, what it asks for can be had."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.demo.script import Script
from ledger.demo.shop import PEOPLE, PRODUCTS, customer_id_of

NOON = 1_772_366_400


@settings(max_examples=50)
@given(run=st.integers(1, 10**6))
def test_no_run_orders_more_than_the_shop_has_received_for_it(run: int) -> None:
    """Of the signed print there is one; two want it, the second after the first one's expiry."""
    wanted: Counter[str] = Counter()
    for placed in Script(run, NOON).orders:
        wanted.update({line["sku"]: line["quantity"] for line in placed.body["lines"]})
    assert wanted.pop(f"PRINT-{run}") == 2
    assert wanted <= Counter({product.sku: product.units for product in PRODUCTS})


@settings(max_examples=50)
@given(run=st.integers(1, 10**6))
def test_who_wishes_is_somebody_who_may_order_and_wishes_once(run: int) -> None:
    wishes = [(wish["customer_id"], wish["sku"]) for wish in Script(run, NOON).wishes]
    assert len(set(wishes)) == len(wishes)
    assert {customer for customer, _ in wishes} <= {customer_id_of(person) for person in PEOPLE}
    assert {sku for _, sku in wishes} <= {product.sku for product in PRODUCTS}


def test_the_same_run_at_the_same_time_is_the_same() -> None:
    one, same, other = Script(1, NOON), Script(1, NOON), Script(2, NOON)
    assert (one.orders, one.wishes) == (same.orders, same.wishes)
    assert [e.body for e in one.deliveries] == [e.body for e in same.deliveries]
    assert one.orders != other.orders
