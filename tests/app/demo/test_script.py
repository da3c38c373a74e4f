"""The demo's script: whatever its dice say, what it asks for can be had."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from app.demo.script import Script
from app.demo.seasons import SALE
from app.demo.shop import PEOPLE, PRODUCTS, customer_id_of

NOON = 1_772_366_400


@settings(max_examples=50)
@given(run=st.integers(1, 10**6))
def test_no_run_orders_more_than_the_shop_has_received_for_it(run: int) -> None:
    """Of the signed print there is one; two want it, the second after the first one's expiry."""
    wanted: Counter[str] = Counter()
    for placed in Script(run).orders:
        wanted.update({line["sku"]: line["quantity"] for line in placed.body["lines"]})
    assert wanted.pop(f"PRINT-{run}") == 2
    assert wanted <= Counter({product.sku: product.units for product in PRODUCTS})


@settings(max_examples=50)
@given(run=st.integers(1, 10**6))
def test_who_wishes_is_somebody_who_may_order_and_wishes_once(run: int) -> None:
    wishes = [(wish["customer_id"], wish["sku"]) for wish in Script(run).wishes]
    assert len(set(wishes)) == len(wishes)
    assert {customer for customer, _ in wishes} <= {customer_id_of(person) for person in PEOPLE}
    assert {sku for _, sku in wishes} <= {product.sku for product in PRODUCTS}


def test_the_same_run_at_the_same_time_is_the_same() -> None:
    one, same, other = Script(1), Script(1), Script(2)
    assert (one.orders, one.wishes) == (same.orders, same.wishes)
    assert [e.body for e in one.send(NOON)] == [e.body for e in same.send(NOON)]
    assert one.orders != other.orders


@settings(max_examples=20)
@given(run=st.integers(1, 10**6))
def test_everything_happens_within_seconds_and_nothing_before_the_orders(run: int) -> None:
    script = Script(run)
    times = [event.created for event in script.send(NOON)]
    assert NOON <= min(times) <= max(times) <= NOON + 6
    given_back = [event for events in script.send_goodwill(NOON + 9) for event in events]
    assert {event.created for event in given_back} == {NOON + 9}


def test_a_day_of_the_demo_is_no_larger_than_a_day_of_its_sale() -> None:
    assert SALE[-1] - 2 <= len(Script(1).orders) <= SALE[-1] + 3
