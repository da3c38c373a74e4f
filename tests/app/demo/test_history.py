"""The demo's history: whenever the demo is started, what happened before can have happened."""

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from app.demo.customers import CUSTOMERS, guest, prospect
from app.demo.history import ShopHistory
from app.demo.seasons import DAYS, SALE, midnight, orders_on
from app.demo.shop import PRODUCTS
from app.demo.timeline import Timeline, Week, time_of
from ledger.domain.order_commands import FulfilOrder, PlaceOrder
from ledger.domain.stock import AdjustStock, ReceiveStock
from ledger.domain.wishlist import AddToWishlist, RemoveFromWishlist
from simulator import SimulatedStripe

NOON = 1_772_366_400
MOMENTS = st.integers(NOON, NOON + 3 * 365 * 86_400)


def weeks(now: int) -> list[Week]:
    return list(ShopHistory(now).timeline.weeks())


def test_the_same_moment_has_the_same_past() -> None:
    assert weeks(NOON) == weeks(NOON)
    assert weeks(NOON) != weeks(NOON + 86_400)


@settings(max_examples=20)
@given(now=MOMENTS)
def test_all_of_it_lies_in_the_ninety_days_before_now(now: int) -> None:
    times = [
        at
        for week in weeks(now)
        for at in (
            *(event.created for event in week.events),
            *(int(entry.at.timestamp()) for entry in (*week.commands, *week.answers)),
        )
    ]
    assert midnight(now, DAYS - 1) <= min(times)
    assert max(times) < now


@settings(max_examples=20)
@given(now=MOMENTS)
def test_nothing_is_sold_before_it_has_arrived(now: int) -> None:
    """Even if nothing that was canceled or sent back were sold again."""
    left: Counter[str] = Counter()
    commands = sorted((c for week in weeks(now) for c in week.commands), key=lambda c: c.at)
    for command in commands:
        if isinstance(command, ReceiveStock):
            left[command.sku] += command.quantity
        if isinstance(command, PlaceOrder):
            left.subtract({line.sku: line.quantity for line in command.lines})
            assert min(left.values()) >= 0
    assert left.keys() == {product.sku for product in PRODUCTS}


@settings(max_examples=20)
@given(now=MOMENTS)
def test_nobody_wishes_twice_for_a_product_and_a_wish_is_struck_off_after_it_was_made(
    now: int,
) -> None:
    made = {}
    struck = {}
    for command in (c for week in weeks(now) for c in week.commands):
        if isinstance(command, AddToWishlist):
            assert (command.customer_id, command.sku) not in made
            made[command.customer_id, command.sku] = command.at
        if isinstance(command, RemoveFromWishlist):
            struck[command.customer_id, command.sku] = command.at
    assert struck.keys() <= made.keys()
    assert all(made[wish] < at for wish, at in struck.items())


@given(now=MOMENTS, seed=st.integers())
def test_the_sale_grows_day_by_day_and_tops_every_day_before_it(now: int, seed: int) -> None:
    days = range(DAYS - 1, 0, -1)
    counts = [orders_on(now, days_ago, Random(seed)) for days_ago in days]
    assert tuple(counts[-len(SALE) :]) == SALE == tuple(sorted(SALE))
    assert max(counts[: -len(SALE)]) < SALE[0]


def test_nobody_shares_a_name_an_address_or_an_id() -> None:
    lookers = {prospect(Random(seed)) for seed in range(500)}
    people = [*CUSTOMERS, *map(guest, range(1, 500)), *lookers]
    assert len({person.name for person in people}) == len(people)
    assert len({person.email for person in people}) == len(people)
    ids = [person.customer_id for person in people if person.customer_id]
    assert len(set(ids)) == len(ids) == len(CUSTOMERS) + len(lookers)


def test_a_diary_is_kept_by_weeks_and_knows_nothing_of_what_lies_ahead() -> None:
    """Weeks end now, and a week is written in the order of its times."""
    timeline = Timeline(NOON)
    for days in (8, 6, 7, 1, 0):
        at = time_of(NOON - days * 86_400)
        timeline.do(AdjustStock(sku="MUG", at=at, change=days))
    timeline.answer(FulfilOrder, "A1", NOON - 1)
    timeline.answer(FulfilOrder, "A2", NOON)
    timeline.report(SimulatedStripe(1, start=NOON).create_customer("ada@example.com", "Ada")[1])
    before, last = timeline.weeks()
    assert [c.at for c in before.commands] == [time_of(NOON - 8 * 86_400)]
    assert [c.at for c in last.commands] == [time_of(NOON - d * 86_400) for d in (7, 6, 1)]
    assert [answer.order_id for answer in last.answers] == ["A1"]
    assert (before.events, last.events) == ([], [])
