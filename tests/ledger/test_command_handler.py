"""The command handler: commands of many threads and processes against one log."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.command_handler import CommandHandler, Result
from ledger.domain.events import (
    CommandAccepted,
    Line,
    Metadata,
    OrderCanceled,
    OrderPlaced,
    RecordedEvent,
    StockReleased,
    StockReserved,
)
from ledger.domain.order import Canceled, NoOrder, Pending
from ledger.domain.order_commands import (
    CancelOrder,
    ExpireOrder,
    FulfilOrder,
    OrderMoney,
    PlaceOrder,
    ReturnLines,
)
from ledger.domain.stock import AdjustStock, ListProduct, ReceiveStock
from ledger.domain.streams import belongs
from ledger.errors import (
    AlreadyExists,
    Conflict,
    IdempotencyMismatch,
    InvalidCommand,
    OutOfStock,
    Refused,
    StoreUnavailable,
    UnknownOrder,
    UnknownProduct,
    WrongState,
)
from ledger.log import APPEND_EVENTS, Log
from ledger.postgres.database import Database
from tests.support.damage import cut, restore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
META = Metadata(actor="shop")
UNPAID = OrderMoney(
    paid_minor=0,
    refunded_minor=0,
    pending_refund_minor=0,
    currency="eur",
    fully_paid=False,
    position=0,
)
PAID = replace(UNPAID, paid_minor=10**6, fully_paid=True)


def command_handler_of(log: Log, money: OrderMoney = UNPAID) -> CommandHandler:
    return CommandHandler(log, lambda order_id: money)


@pytest.fixture
def make_log(database: Database) -> Iterator[Callable[[], Log]]:
    logs: list[Log] = []

    def make() -> Log:
        logs.append(Log(database.conninfo("app")))
        return logs[-1]

    yield make
    for log in logs:
        log.close()


@pytest.fixture
def log(make_log: Callable[[], Log]) -> Log:
    return make_log()


@pytest.fixture
def command_handler(log: Log) -> CommandHandler:
    return command_handler_of(log)


def stock_up(command_handler: CommandHandler, **units: int) -> None:
    for sku, quantity in units.items():
        command_handler.execute(ListProduct(sku=sku, at=NOW, name=sku, prices={"eur": 500}), META)
        command_handler.execute(ReceiveStock(sku=sku, at=NOW, quantity=quantity), META)


def place(order_id: str, *skus: str, quantity: int = 1) -> PlaceOrder:
    return PlaceOrder(
        order_id=order_id,
        at=NOW,
        currency="eur",
        lines=tuple(Line(sku=s, name=s, quantity=quantity, unit_minor=500) for s in skus),
        expires_at=NOW + timedelta(minutes=30),
    )


def cancel(order_id: str) -> CancelOrder:
    return CancelOrder(order_id=order_id, at=NOW, money=UNPAID)


def try_all(handlers: list[CommandHandler], commands: list[PlaceOrder]) -> Counter[str]:
    """Execute all commands at once, spread over the command handlers; counts what came of them."""

    def attempt(number: int) -> str:
        try:
            handlers[number % len(handlers)].execute(commands[number], META)
        except Refused as refusal:
            return type(refusal).__name__
        return "placed"

    with ThreadPoolExecutor(64) as pool:
        return Counter(pool.map(attempt, range(len(commands))))


def reserved(log: Log) -> Counter[str]:
    events = [recorded.event for recorded in log.read(limit=10_000)]
    return sum(
        (Counter({e.sku: e.quantity}) for e in events if isinstance(e, StockReserved)), Counter()
    )


def whole(log: Log) -> list[RecordedEvent]:
    return log.read(limit=10_000)


def test_an_order_and_its_stock_are_one_append(log: Log, command_handler: CommandHandler) -> None:
    stock_up(command_handler, MUG=5, TEA=5)
    before = log.head()
    result = command_handler.execute(place("A1", "MUG", "TEA"), META)
    added = log.read(before)
    reserved = ("stock.reserved.v1",) * 2
    assert result == Result(before + 3, {"id": "A1"}, ("order.placed.v1", *reserved))
    assert [(r.stream, r.version) for r in added] == [
        ("order/A1", 1),
        ("stock/MUG", 3),
        ("stock/TEA", 3),
    ]
    assert len({r.recorded_at for r in added}) == 1
    assert all(r.effective_at == NOW for r in added)


def test_a_customers_key_is_no_damage_to_the_log(log: Log, command_handler: CommandHandler) -> None:
    stock_up(command_handler, MUG=5)
    ann = Metadata(actor="token/1", role="customer")
    for key, owner in (("key-1", "ann"), ("key-1", "ann/é"), ("a/b", "ann"), ("key-1", None)):
        order = place(f"A-{key}-{owner}".replace("/", ".").replace("é", "e"), "MUG")
        command_handler.execute(order, ann, key=key, key_owner=owner, request_sha256="aa")
    assert all(belongs(each.stream, each.event) for each in log.read())


def test_what_belongs_to_an_order_says_so(log: Log, command_handler: CommandHandler) -> None:
    """An order's events and those of its stock correlate; a cause that was given is kept."""
    stock_up(command_handler, MUG=5)
    start = log.head()
    meta = Metadata(actor="ops", causation="stripe/evt_1")
    command_handler.execute(place("A1", "MUG"), meta, key="key-1", request_sha256="aa")
    assert all(r.meta.correlation is None for r in whole(log)[:start])
    for recorded in log.read(start):
        assert recorded.meta.correlation == "order/A1"
        assert recorded.meta.causation == "stripe/evt_1"


def test_a_command_handler_knows_what_others_did(make_log: Callable[[], Log]) -> None:
    one, two = command_handler_of(make_log()), command_handler_of(make_log())
    stock_up(one, MUG=1)
    two.execute(place("A1", "MUG"), META)
    with pytest.raises(OutOfStock):
        one.execute(place("A2", "MUG"), META)
    one.execute(cancel("A1"), META)
    assert two.execute(place("A3", "MUG"), META).value == {"id": "A3"}


def test_an_order_can_be_asked_for_its_state(command_handler: CommandHandler) -> None:
    stock_up(command_handler, MUG=1)
    assert command_handler.order("A1") == NoOrder()
    command_handler.execute(place("A1", "MUG"), META)
    assert isinstance(command_handler.order("A1"), Pending)
    command_handler.execute(cancel("A1"), META)
    assert isinstance(command_handler.order("A1"), Canceled)


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (place("A1", "MUG"), AlreadyExists),
        (place("A2", "MUG", quantity=50), OutOfStock),
        (place("A2", "CUP"), UnknownProduct),
        (place("A2", "MUG", "M\0G"), InvalidCommand),
        (place("a/b", "MUG"), InvalidCommand),
        (cancel("B1"), UnknownOrder),
        (cancel("B\0"), InvalidCommand),
        (FulfilOrder(order_id="A1", at=NOW, money=UNPAID), WrongState),
        (ReceiveStock(sku="CUP", at=NOW, quantity=1), UnknownProduct),
        (ReceiveStock(sku="C\0P", at=NOW, quantity=1), InvalidCommand),
        (AdjustStock(sku="MUG", at=NOW, change=-5), InvalidCommand),
        (ReturnLines(order_id="A1", at=NOW, quantities={"MUG": 1}), InvalidCommand),
    ],
)
def test_a_refused_command_leaves_the_log_as_it_was(
    log: Log, command_handler: CommandHandler, command: Any, refusal: type[Refused]
) -> None:
    """Nothing is stored, not even its key; the reasons that two of them lack are asked for."""
    stock_up(command_handler, MUG=5)
    command_handler.execute(place("A1", "MUG"), META)
    before = whole(log)
    for _ in range(2):
        with pytest.raises(refusal):
            command_handler.execute(command, META, key="key-1", request_sha256="00")
    assert whole(log) == before


def test_a_reason_is_kept(log: Log, command_handler: CommandHandler) -> None:
    stock_up(command_handler, MUG=5)
    command_handler.execute(
        AdjustStock(sku="MUG", at=NOW, change=-1), Metadata(actor="ops", reason="broken")
    )
    assert whole(log)[-1].meta == Metadata(actor="ops", reason="broken")


def test_canceling_again_changes_nothing_and_answers_the_same(
    log: Log, command_handler: CommandHandler
) -> None:
    stock_up(command_handler, MUG=5)
    command_handler.execute(place("A1", "MUG"), META)
    first = command_handler.execute(cancel("A1"), META, key="k", request_sha256="00")
    events = [r.event for r in whole(log)[-3:]]
    assert events[:2] == [
        OrderCanceled(order_id="A1"),
        StockReleased(sku="MUG", order_id="A1", quantity=1),
    ]
    head = log.head()
    again = command_handler.execute(cancel("A1"), META)
    assert again.value == first.value
    assert again.position == head - 2
    assert log.head() == head


@pytest.mark.parametrize("fresh", [False, True])
def test_a_key_answers_the_same_again(make_log: Callable[[], Log], fresh: bool) -> None:
    """The same key and request: one order, one answer; also from a new handler."""
    log = make_log()
    command_handler = command_handler_of(log)
    stock_up(command_handler, MUG=5)
    first = command_handler.execute(place("A1", "MUG"), META, key="key-1", request_sha256="aa")
    head = log.head()
    assert first.position == head
    if fresh:
        command_handler = command_handler_of(make_log())
    assert (
        command_handler.execute(place("A2", "MUG"), META, key="key-1", request_sha256="aa") == first
    )
    with pytest.raises(IdempotencyMismatch, match="key-1"):
        command_handler.execute(place("A3", "MUG"), META, key="key-1", request_sha256="bb")
    assert log.head() == head


def test_a_key_is_remembered_where_nothing_had_to_be_done(
    log: Log, command_handler: CommandHandler
) -> None:
    stock_up(command_handler, MUG=5)
    command_handler.execute(place("A1", "MUG"), META)
    command_handler.execute(cancel("A1"), META)
    command_handler.execute(cancel("A1"), META, key="key-1", request_sha256="aa")
    last = whole(log)[-1]
    assert (last.stream, type(last.event)) == ("command/key-1", CommandAccepted)
    with pytest.raises(IdempotencyMismatch):
        command_handler.execute(cancel("A1"), META, key="key-1", request_sha256="bb")


@pytest.mark.parametrize("processes", [1, 2])
def test_a_key_that_many_use_at_once_makes_one_order(
    make_log: Callable[[], Log], processes: int
) -> None:
    log = make_log()
    handlers = [
        command_handler_of(log),
        *(command_handler_of(make_log()) for _ in range(processes - 1)),
    ]
    stock_up(handlers[0], MUG=50)

    def attempt(number: int) -> Result:
        command = place(f"A{number}", "MUG")
        command_handler = handlers[number % processes]
        return command_handler.execute(command, META, key="key-1", request_sha256="aa")

    with ThreadPoolExecutor(32) as pool:
        results = list(pool.map(attempt, range(32)))
    assert results == results[:1] * 32
    assert sum(isinstance(r.event, OrderPlaced) for r in whole(log)) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "a\0b"])
def test_a_key_is_a_line_of_text(command_handler: CommandHandler, key: str) -> None:
    with pytest.raises(InvalidCommand, match="key"):
        command_handler.execute(cancel("A1"), META, key=key, request_sha256="00")


def test_64_buyers_of_20_units_get_20(log: Log, command_handler: CommandHandler) -> None:
    """No oversell, and no error but *out of stock*."""
    stock_up(command_handler, MUG=20)
    outcome = try_all([command_handler], [place(f"A{n}", "MUG") for n in range(64)])
    assert outcome == {"placed": 20, "OutOfStock": 44}
    assert reserved(log) == {"MUG": 20}


def test_opposite_orders_at_two_command_handlers_neither_deadlock_nor_oversell(
    make_log: Callable[[], Log],
) -> None:
    logs = [make_log(), make_log()]
    handlers = [command_handler_of(log) for log in logs]
    stock_up(handlers[0], MUG=30, TEA=40)
    commands = [place(f"A{n}", *(("MUG", "TEA") if n % 3 else ("TEA", "MUG"))) for n in range(120)]
    assert try_all(handlers, commands) == {"placed": 30, "OutOfStock": 90}
    assert reserved(logs[0]) == {"MUG": 30, "TEA": 30}
    positions = [recorded.position for recorded in whole(logs[0])]
    assert positions == list(range(1, len(positions) + 1))


def test_large_orders_share_appends_as_far_as_they_fit(
    log: Log, command_handler: CommandHandler
) -> None:
    skus = [f"S{n}" for n in range(100)]
    stock_up(command_handler, **dict.fromkeys(skus, 50))
    outcome = try_all([command_handler], [place(f"A{n}", *skus) for n in range(9)])
    assert outcome == {"placed": 9}
    appends = Counter(r.recorded_at for r in whole(log))
    assert max(appends.values()) <= APPEND_EVENTS
    assert sum(reserved(log).values()) == 900


def test_a_command_handler_that_forgets_sells_no_more_and_no_less(
    log: Log, command_handler: CommandHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.command_handler.MAX_REMEMBERED", 3)
    skus = ["MUG", "TEA", "CUP", "POT"]
    stock_up(command_handler, **dict.fromkeys(skus, 10))
    pairs = [pair for pair in permutations(skus, 2) for _ in range(3)]
    outcome = try_all([command_handler], [place(f"A{n}", *pair) for n, pair in enumerate(pairs)])
    assert outcome.keys() == {"placed", "OutOfStock"}
    assert len(command_handler._remembered) <= 3
    held = reserved(log)
    assert sum(held.values()) == 2 * outcome["placed"]
    assert max(held.values()) == 10
    left_over = [sku for sku in skus if held[sku] < 10]
    assert len(left_over) < 2, "no pair was refused that there was"


def test_who_always_comes_second_gives_up_with_a_conflict(
    make_log: Callable[[], Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process takes the version between our load and our append, again and again."""
    log, rival = make_log(), command_handler_of(make_log())
    command_handler = command_handler_of(log)
    stock_up(command_handler, MUG=1)
    load = command_handler._load

    def overtaken(calls: Any) -> Any:
        streams = load(calls)
        rival.execute(ReceiveStock(sku="MUG", at=NOW, quantity=1), META)
        return streams

    monkeypatch.setattr(command_handler, "_load", overtaken)
    with pytest.raises(Conflict):
        command_handler.execute(place("A1", "MUG"), META)
    assert isinstance(command_handler.order("A1"), NoOrder)
    monkeypatch.undo()
    assert command_handler.execute(place("A1", "MUG"), META).value == {"id": "A1"}


def test_a_key_finds_out_what_became_of_a_lost_answer(
    log: Log, command_handler: CommandHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks after the commit: the repeat gets the answer, and no second order."""
    stock_up(command_handler, MUG=5)
    append = log.append

    def lose_the_answer(entries: Any) -> Any:
        append(entries)
        raise StoreUnavailable("connection lost")

    monkeypatch.setattr(log, "append", lose_the_answer)
    with pytest.raises(StoreUnavailable):
        command_handler.execute(place("A1", "MUG"), META, key="key-1", request_sha256="aa")
    monkeypatch.undo()
    head = log.head()
    again = command_handler.execute(place("A1", "MUG"), META, key="key-1", request_sha256="aa")
    assert again == Result(head, {"id": "A1"}, ("order.placed.v1", "stock.reserved.v1"))
    assert log.head() == head


def test_an_order_that_is_paid_can_be_sent_and_come_back(log: Log) -> None:
    command_handler = command_handler_of(log, PAID)
    stock_up(command_handler, MUG=5)
    command_handler.execute(place("A1", "MUG", quantity=3), META)
    command_handler.execute(
        FulfilOrder(order_id="A1", at=NOW, money=command_handler.money("A1")), META
    )
    with pytest.raises(WrongState, match="fulfilled"):
        command_handler.execute(ExpireOrder(order_id="A1", at=NOW, money=UNPAID), META)
    back = ReturnLines(order_id="A1", at=NOW, quantities={"MUG": 2})
    command_handler.execute(back, Metadata(actor="ops", reason="did not fit"))
    with pytest.raises(InvalidCommand):
        command_handler.execute(back, Metadata(actor="ops", reason="did not fit"))


# ── A log that is not the one that was known ────────────────────────────────────────────────────


@pytest.mark.parametrize("go_back", [cut, restore])
def test_what_is_remembered_counts_no_longer_once_the_log_went_back(
    make_log: Callable[[], Log], database: Database, go_back: Callable[[Database, int], None]
) -> None:
    log = make_log()
    command_handler = command_handler_of(log)
    stock_up(command_handler, MUG=5)
    backup = log.head()
    command_handler.execute(place("A1", "MUG", quantity=5), META)
    go_back(database, backup)
    with pytest.raises(UnknownOrder):
        command_handler.execute(cancel("A1"), META)
    command_handler.execute(place("A2", "MUG", quantity=5), META)
    assert versions_are_whole(log)


def test_a_restored_log_that_grew_on_is_noticed_as_well(
    make_log: Callable[[], Log], database: Database
) -> None:
    """The head is where it was or beyond, but what stands there is something else."""
    log = make_log()
    command_handler = command_handler_of(log)
    stock_up(command_handler, MUG=9)
    backup = log.head()
    command_handler.execute(place("A1", "MUG", quantity=5), META)
    restore(database, backup)
    other = command_handler_of(make_log())
    for number in range(5):
        other.execute(place(f"B{number}", "MUG"), META)
    with pytest.raises(UnknownOrder):
        command_handler.execute(cancel("A1"), META)
    command_handler.execute(place("A1", "MUG", quantity=4), META)
    with pytest.raises(OutOfStock):
        command_handler.execute(place("A2", "MUG"), META)
    assert versions_are_whole(log)


def test_a_log_that_was_put_back_between_load_and_append_takes_nothing(
    make_log: Callable[[], Log], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is stored, and the caller who comes again is served."""
    log = make_log()
    command_handler = command_handler_of(log)
    stock_up(command_handler, MUG=5)
    backup = log.head()
    command_handler.execute(place("A1", "MUG"), META)
    with monkeypatch.context() as late:
        late.setattr(command_handler._watch, "was_replaced", lambda: False)
        cut(database, backup)
        with pytest.raises(StoreUnavailable, match="log is not the one"):
            command_handler.execute(cancel("A1"), META)
    assert log.head() == backup
    with pytest.raises(UnknownOrder):
        command_handler.execute(cancel("A1"), META)
    command_handler.execute(place("A1", "MUG", quantity=5), META)


def versions_are_whole(log: Log) -> bool:
    """Whether each stream's versions are 1, 2, 3 … in the log's order."""
    seen = Counter[str]()
    for recorded in log.read():
        seen[recorded.stream] += 1
        if recorded.version != seen[recorded.stream]:
            return False
    return True
