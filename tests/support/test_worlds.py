"""Random worlds are what the laws need: consistent, full of trouble, and repeatable."""

import hashlib
import os
import subprocess
import sys
from collections import Counter, defaultdict

import msgspec
import pytest
import stripe
from hypothesis import given

from ledger.domain.events import (
    AddedToWishlist,
    NewEvent,
    OrderFulfilled,
    OrderPlaced,
    PaymentLinked,
    ProductListed,
    RefundRequested,
    RemovedFromWishlist,
    StockAdjusted,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSold,
    StripeEventReceived,
)
from simulator import API_VERSIONS, CHECKOUT_STORIES, STORIES, SUBSCRIBER_STORIES
from tests.support.lives import LIVES
from tests.support.shop import SECRET
from tests.support.worlds import ALWAYS, World, is_stripes, random_world, worlds

SEEDS = range(20)


def digest(world: World) -> str:
    return hashlib.sha256(msgspec.json.encode(world.entries)).hexdigest()


def bodies(world: World) -> Counter[bytes]:
    return Counter(e.event.body for e in world.entries if isinstance(e.event, StripeEventReceived))


def own(world: World) -> list[NewEvent]:
    return [entry for entry in world.entries if not is_stripes(entry)]


@given(world=worlds())
def test_versions_are_contiguous_and_times_never_decrease(world: World) -> None:
    versions: Counter[str] = Counter()
    for entry in world.entries:
        versions[entry.originator_id] += 1
        assert entry.originator_version == versions[entry.originator_id]
    times = [entry.effective_at for entry in world.entries]
    assert times == sorted(times)


@given(world=worlds())
def test_stock_is_never_negative_and_every_movement_has_its_reason(world: World) -> None:
    """Free units: received + adjusted + released + returned − reserved; held and sold by order."""
    free: Counter[str] = Counter()
    held: Counter[tuple[str, str]] = Counter()
    sold: Counter[tuple[str, str]] = Counter()
    listed: set[str] = set()
    for entry in own(world):
        match entry.event:
            case ProductListed(sku=sku):
                listed.add(sku)
            case StockReceived(sku=sku, quantity=n) | StockAdjusted(sku=sku, change=n):
                free[sku] += n
            case StockReserved(sku=sku, order_id=order, quantity=n):
                free[sku] -= n
                held[order, sku] += n
            case StockReleased(sku=sku, order_id=order, quantity=n):
                free[sku] += n
                held[order, sku] -= n
            case StockSold(sku=sku, order_id=order, quantity=n):
                held[order, sku] -= n
                sold[order, sku] += n
            case StockReturned(sku=sku, order_id=order, quantity=n):
                free[sku] += n
                sold[order, sku] -= n
            case _:
                pass
        assert min([0, *free.values(), *held.values(), *sold.values()]) == 0
        assert listed >= free.keys()


@given(world=worlds())
def test_a_wish_is_added_where_it_is_not_and_removed_where_it_is(world: World) -> None:
    wishes: set[tuple[str, str]] = set()
    for entry in own(world):
        match entry.event:
            case AddedToWishlist(customer_id=customer_id, sku=sku):
                assert (customer_id, sku) not in wishes
                wishes.add((customer_id, sku))
            case RemovedFromWishlist(customer_id=customer_id, sku=sku):
                wishes.remove((customer_id, sku))
            case _:
                pass


@given(world=worlds())
def test_an_order_is_placed_first_and_its_total_adds_up(world: World) -> None:
    for entry in own(world):
        if not entry.originator_id.startswith("order/"):
            continue
        assert (entry.originator_version == 1) is isinstance(entry.event, OrderPlaced)
        if isinstance(entry.event, OrderPlaced):
            order = entry.event
            goods = sum(line.quantity * line.unit_minor for line in order.lines)
            extra = order.shipping_minor + order.tax_minor - order.discount_minor
            assert order.total_minor == goods + extra


def test_the_same_seed_gives_the_same_bytes_in_every_process() -> None:
    code = (
        "from tests.support.test_worlds import digest, random_world;"
        "print(digest(random_world(3)), digest(random_world(3).shuffled(1)))"
    )
    printed = {
        subprocess.check_output(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, text=True
        )
        for seed in ("1", "2")
    }
    world = random_world(3)
    assert printed == {f"{digest(world)} {digest(world.shuffled(1))}\n"}
    assert digest(random_world(4)) != digest(world)


@pytest.mark.parametrize("at_least", [1, 50, 300, 700])
def test_a_world_has_at_least_so_many_entries(at_least: int) -> None:
    assert at_least <= len(random_world(1, at_least).entries) < at_least + 250


@given(world=worlds())
def test_a_world_shuffled_is_the_same_world(world: World) -> None:
    """Own actions keep their order and stay whole; no event is lost, some come twice."""
    shuffled = world.shuffled(1)
    assert own(shuffled) == own(world)
    assert bodies(shuffled).keys() == bodies(world).keys()
    assert bodies(shuffled).total() > bodies(world).total()
    assert list(bodies(shuffled)) != list(bodies(world))
    times = [entry.effective_at for entry in shuffled.entries]
    assert times == sorted(times)
    for entry in shuffled.entries:
        if isinstance(entry.event, StripeEventReceived):
            assert entry.event.received_at == entry.effective_at


@given(world=worlds())
def test_a_log_holds_a_shuffled_world_without_its_repeats(world: World) -> None:
    shuffled = world.shuffled(2)
    once = shuffled.without_repeats()
    assert bodies(once) == bodies(world)
    assert own(once) == own(world)
    kept = iter(shuffled.entries)
    assert all(entry in kept for entry in once.entries), "the order of arrival is kept"


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_the_parts_of_a_world_make_the_world(parts: int) -> None:
    world = random_world(1)
    pieces = world.split(parts)
    assert len(pieces) == parts
    assert tuple(entry for piece in pieces for entry in piece.entries) == world.entries


def test_every_world_has_much_trouble_and_few_worlds_have_all_kinds() -> None:
    kinds = [random_world(seed).kinds for seed in SEEDS]
    assert all(world_kinds >= {*ALWAYS, "much_trouble"} for world_kinds in kinds)
    all_kinds = frozenset[str]().union(*kinds)
    stories = {*STORIES, *CHECKOUT_STORIES, *SUBSCRIBER_STORIES}
    assert all_kinds == {*LIVES, *stories, "twin", "unreadable"}


def test_worlds_mix_versions_currencies_modes_and_accounts() -> None:
    seen: dict[str, set[object]] = defaultdict(set)
    for seed in SEEDS:
        for body in bodies(random_world(seed)):
            event = msgspec.json.decode(body)
            currency = event["data"]["object"].get("currency")
            if isinstance(currency, str):
                seen["currency"].add(currency)
            for name in ("api_version", "livemode"):
                seen[name].add(event[name])
            seen["account"].add(event.get("account"))
    assert seen["api_version"] == set(API_VERSIONS)
    assert seen["currency"] == {"gbp", "usd", "jpy", "kwd", "bhd"}
    assert seen["livemode"] == {True, False}
    assert len(seen["account"]) == 2


def test_the_shops_actions_name_who_why_and_whence() -> None:
    world = random_world(1)
    for entry in own(world):
        assert entry.meta.actor != "stripe"
        assert entry.meta.correlation is not None
        if isinstance(entry.event, RefundRequested | PaymentLinked):
            assert entry.meta.reason
        if isinstance(entry.event, OrderFulfilled | RefundRequested):
            assert 0 < entry.event.based_on_position <= len(world.entries)
    streams = {entry.originator_id for entry in world.entries}
    causes = {entry.meta.causation for entry in own(world)} - {None}
    assert causes
    assert causes <= {stream for stream in streams if stream.startswith("stripe/")}


def test_webhook_entries_carry_a_true_signature() -> None:
    received = [
        entry.event
        for entry in random_world(1).entries
        if isinstance(entry.event, StripeEventReceived)
    ]
    assert {event.source for event in received} == {"webhook", "import", "backfill"}
    for event in received:
        assert (event.signature is not None) is (event.source == "webhook")
        if event.signature:
            verify = stripe.WebhookSignature.verify_header
            assert verify(event.body, event.signature, SECRET)
