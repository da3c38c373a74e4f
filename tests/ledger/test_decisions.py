"""Batches: decisions in memory, each on what those before it in the batch decided."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import Raw
from msgspec.structs import replace

from ledger.decisions import Batch, CommandRequest, Result, StreamState
from ledger.domain.aggregate import Command
from ledger.domain.events import CommandAccepted, Line, Metadata, ProductListed, StockReceived
from ledger.domain.order_commands import CancelOrder, OrderMoney, PlaceOrder
from ledger.domain.wishlist import AddToWishlist, RemoveFromWishlist
from ledger.errors import AlreadyExists, IdempotencyMismatch, OutOfStock, Refused

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNPAID = OrderMoney(
    paid_minor=0,
    refunded_minor=0,
    pending_refund_minor=0,
    currency="eur",
    fully_paid=False,
    position=0,
)
NAMES = ["order/A1", "order/A2", "order/A3", "wishlist/ann", "command/k"]


CANCELED = ("order.canceled.v1", "stock.released.v1")
PLACED = ("order.placed.v1", "stock.reserved.v1")


def batch(mugs: int = 5, limit: int = 256) -> Batch:
    listed = StreamState.new("stock/MUG").then(
        ProductListed(sku="MUG", name="Mug", prices={"eur": 500})
    )
    stocked = listed.then(StockReceived(sku="MUG", quantity=mugs), position=2)
    return Batch({"stock/MUG": stocked, **{name: StreamState.new(name) for name in NAMES}}, limit)


def call(command: Command, key: str | None = None, sha: str = "aa") -> CommandRequest:
    return CommandRequest(command, Metadata(actor="shop"), key, sha)


def place(order_id: str) -> PlaceOrder:
    lines = (Line(sku="MUG", name="Mug", quantity=1, unit_minor=500),)
    return PlaceOrder(
        order_id=order_id, at=NOW, currency="eur", lines=lines, expires_at=NOW + timedelta(hours=1)
    )


def positions(batch: Batch) -> range:
    return range(101, 101 + len(batch.entries))


def result(batch: Batch, call: CommandRequest) -> Result:
    accepted = batch.decide(call)
    assert accepted is not None
    return accepted.result(positions(batch))


def streams(batch: Batch) -> dict[str, tuple[int, int]]:
    return {s.name: (s.version, s.position) for s in batch.streams(positions(batch))}


def test_a_second_call_sees_what_the_first_decided() -> None:
    """The last unit goes to the first; canceled in the same batch, it goes to the third."""
    three = batch(mugs=1)
    assert result(three, call(place("A1"))) == Result(102, {"id": "A1"}, PLACED)
    with pytest.raises(OutOfStock):
        three.decide(call(place("A2")))
    canceled = call(CancelOrder(order_id="A1", at=NOW, money=UNPAID))
    assert result(three, canceled) == Result(104, {"id": "A1"}, CANCELED)
    assert result(three, call(place("A3"))) == Result(106, {"id": "A3"}, PLACED)
    assert streams(three) == {
        "order/A1": (2, 103),
        "order/A2": (0, 0),
        "order/A3": (1, 105),
        "stock/MUG": (5, 106),
        "wishlist/ann": (0, 0),
        "command/k": (0, 0),
    }


def test_a_wish_and_its_removal_see_each_other() -> None:
    """The stock stream is looked at only: a wish stands in no buyer's way."""
    wishes = batch()
    add = call(AddToWishlist(customer_id="ann", sku="MUG", at=NOW))
    remove = call(RemoveFromWishlist(customer_id="ann", sku="MUG", at=NOW))
    added = Result(101, {"id": "ann:MUG"}, ("wishlist.added.v1",))
    assert (result(wishes, add), result(wishes, add)) == (added, replace(added, recorded=()))
    assert result(wishes, remove) == Result(102, {"id": "ann:MUG"}, ("wishlist.removed.v1",))
    assert streams(wishes)["wishlist/ann"] == (2, 102)
    assert streams(wishes)["stock/MUG"] == (2, 2)


def test_equal_keys_in_one_batch_are_one_command() -> None:
    two = batch()
    first = result(two, call(place("A1"), key="k"))
    assert first == Result(103, {"id": "A1"}, PLACED)
    assert result(two, call(place("A2"), key="k")) == first
    assert len(two.entries) == 3
    with pytest.raises(IdempotencyMismatch):
        two.decide(call(place("A1"), key="k", sha="bb"))


def test_a_repeat_without_a_key_is_answered_with_where_its_order_stands() -> None:
    again = batch()
    canceled = call(CancelOrder(order_id="A1", at=NOW, money=UNPAID))
    again.decide(call(place("A1")))
    result(again, canceled)
    assert result(again, canceled) == Result(103, {"id": "A1"})
    assert len(again.entries) == 4


@pytest.mark.parametrize("refusal", [AlreadyExists, IdempotencyMismatch])
def test_a_refused_call_leaves_nothing_in_the_batch(refusal: type[Refused]) -> None:
    one = batch()
    one.decide(call(place("A1"), key="k"))
    before = one.entries[:], streams(one)
    refused = {AlreadyExists: call(place("A1")), IdempotencyMismatch: call(place("A2"), "k", "bb")}
    with pytest.raises(refusal):
        one.decide(refused[refusal])
    assert (one.entries, streams(one)) == before


def test_what_does_not_fit_waits_for_the_next_batch() -> None:
    small = batch(limit=3)
    assert small.decide(call(place("A1"))) is not None
    assert small.decide(call(place("A2"))) is None
    assert len(small.entries) == 2
    assert streams(small)["order/A2"] == (0, 0)


def test_what_an_older_version_recorded_is_not_known_of_a_repeat() -> None:
    """Its answers were kept without the topics: unknown is not nothing."""
    kept = CommandAccepted(key="k", request_sha256="aa", result=Raw(b'{"id":"A1"}'))
    remembered = StreamState.new("command/k").then(kept, 7)
    again = Batch({"command/k": remembered, "order/A1": StreamState.new("order/A1")}, 100)
    request = call(place("A1"), key="k")
    assert result(again, request) == Result(7, {"id": "A1"}, None)
