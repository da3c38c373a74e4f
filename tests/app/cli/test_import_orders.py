"""import-orders: the orders of an existing shop, each once, whole, and with a word on each."""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from app.order_files import drafts
from app.order_import import Outcome, Told, import_orders
from ledger.command_handler import CommandHandler
from ledger.domain.events import Metadata, OrderCanceled, OrderFulfilled, OrderPlaced
from ledger.domain.order_commands import OrderMoney
from ledger.log import Log
from ledger.postgres.database import Database
from tests.app.cli.conftest import Run

RunJson = Callable[..., Any]
PLACED = "2019-03-31T12:00:00Z"
HEAD = "order_id,placed_at,currency,fulfilled_at,canceled_at,total,sku,quantity,unit_price"
ROWS = [
    f"A1,{PLACED},eur,2019-04-02T08:00:00Z,,29.00,MUG,2,12.00",
    "A1,,,,,,TEA,1,5.00",
    f"A2,{PLACED},jpy,,2019-04-01T08:00:00Z,,MUG,1,1200",
    f"A3,{PLACED},kwd,,,,MUG,3,1.250",
]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def written(*rows: str, name: str = "orders.csv") -> str:
        file = tmp_path / name
        file.write_text("\n".join([HEAD, *rows]))
        return str(file)

    return written


@pytest.fixture
def log(database: Database) -> Iterator[Log]:
    with closing(Log(database.conninfo("app"))) as opened:
        yield opened


def test_orders_are_recorded_once_with_their_ends(
    run: Run, run_json: RunJson, write: Any, log: Log, run_list: RunJson
) -> None:
    file = write(*ROWS)
    assert run("import-orders", file, "--reason", "from the old shop").stdout == (
        "3 imported, 0 there already, 0 there and not the same, 0 wrong\n"
    )
    events = log.read()
    assert [type(each.event) for each in events] == [
        OrderPlaced, OrderFulfilled, OrderPlaced, OrderCanceled, OrderPlaced,
    ]  # fmt: skip
    assert [each.effective_at.day for each in events] == [31, 2, 31, 1, 31]
    assert {each.meta.reason for each in events} == {"from the old shop"}
    again = run_json("import-orders", file)
    assert again == {"new": 0, "same": 3, "differs": 0, "wrong": 0, "not_taken": []}
    shown = {row["order_id"]: row for row in run_list("order", "list")}
    assert {name: row["state"] for name, row in shown.items()} == {
        "A1": "fulfilled",
        "A2": "canceled",
        "A3": "pending",
    }
    assert {row["origin"] for row in shown.values()} == {"import"}
    assert (shown["A1"]["total_minor"], shown["A3"]["total_minor"]) == (2900, 3750)
    run("verify")


def test_a_dry_run_says_what_would_become_of_each_and_records_nothing(
    run: Run, write: Any, log: Log
) -> None:
    rows = [*ROWS, f"A4,{PLACED},eur,,,13.00,MUG,1,12.00", f"A2,{PLACED},jpy,,,,MUG,1,1200"]
    file = write(*rows)
    told = run("import-orders", file, "--dry-run", code=1).stdout.splitlines()
    apart = "order_id: its lines stand apart; put all lines of an order one after the other"
    assert told == [
        f"{file}:2  A1  new  fulfilled, of 2019-03-31, 2 lines, 29.00 EUR",
        f"{file}:4  A2  wrong  {apart}",
        f"{file}:5  A3  new  placed, of 2019-03-31, 1 line, 3.750 KWD",
        f"{file}:6  A4  wrong  The total is 13.00 EUR, but the sum is 12.00 EUR.",
        f"{file}:7  A2  wrong  {apart}",
        "2 would be imported, 0 there already, 0 there and not the same, 3 wrong",
    ]
    assert log.head() == 0


def test_an_order_that_changed_is_named_by_what_differs_and_left(
    run: Run, run_json: RunJson, write: Any, log: Log
) -> None:
    run("import-orders", write(*ROWS))
    head = log.head()
    changed = [
        f"A1,{PLACED},eur,2019-04-03T08:00:00Z,,24.00,MUG,2,12.00",
        "A2,2019-03-30T12:00:00Z,jpy,,2019-04-01T08:00:00Z,,MUG,1,1200",
        f"A3,{PLACED},kwd,2019-04-02T08:00:00Z,,,MUG,3,1.250",
    ]
    found = run_json("import-orders", write(*changed, name="new.csv"), code=1)
    assert (found["new"], found["same"], found["differs"]) == (0, 0, 3)
    words = [each["words"].partition("differs: ")[2] for each in found["not_taken"]]
    at = "is 2019-04-02T08:00:00Z here"
    assert words == [
        f"lines is another here; total is 29.00 EUR here, 24.00 EUR in the file; fulfilled_at {at}",
        "placed_at is 2019-03-31T12:00:00Z here",
        "fulfilled_at is not there here",
    ]
    assert log.head() == head


def test_a_wrong_order_takes_no_other_along_and_a_wrong_file_neither(
    run: Run, write: Any, tmp_path: Path, log: Log
) -> None:
    rows = [f"A 1,{PLACED},eur,,,,MUG,1,1", f"A5,{PLACED},zzz,,,,MUG,1,1", ROWS[2], "A9,,,,,,,,"]
    broken = tmp_path / "broken.csv"
    broken.write_bytes(b"\xff\xfe")
    told = run("import-orders", write(*rows), str(broken), code=1).stdout
    assert "order id 'A 1' must be" in told
    assert "There is no currency 'zzz'" in told
    assert f"{broken}  wrong  it is not UTF-8" in told
    assert [each.stream for each in log.read()] == ["order/A2", "order/A2"]


def test_an_id_that_no_text_of_the_log_can_be_takes_no_other_along(
    run: Run, write: Any, tmp_path: Path, log: Log
) -> None:
    rows = [f"A\0,{PLACED},eur,,,,MUG,1,1", ROWS[2]]
    odd = tmp_path / "odd.jsonl"
    order = {"placed_at": PLACED, "currency": "eur", "lines": [{"sku": "MUG", "unit_price": "1"}]}
    odd.write_text(json.dumps({**order, "order_id": "\ud800"}) + "\n")
    told = run("import-orders", write(*rows), str(odd), code=1).stdout
    assert told.count("must be 1 to 100 letters") == 2
    assert [each.stream for each in log.read()] == ["order/A2", "order/A2"]


# ── Many ────────────────────────────────────────────────────────────────────────────────────────


def no_money(_order_id: str) -> OrderMoney:
    raise AssertionError("orders of the past rest on no money")


def a_file(path: Path, orders: int) -> Path:
    """So many orders of one to three lines, as JSON lines."""
    random = Random(orders)
    with path.open("w") as file:
        for number in range(orders):
            lines = [{"sku": "MUG", "unit_price": "12.00"}] * random.randint(1, 3)
            order = {"order_id": f"A{number}", "placed_at": PLACED, "currency": "eur"}
            file.write(json.dumps({**order, "fulfilled_at": "2019-04-02", "lines": lines}) + "\n")
    return path


def test_killed_anywhere_and_run_again_it_takes_each_once(log: Log, tmp_path: Path) -> None:
    file, meta = a_file(tmp_path / "many.jsonl", 900), Metadata(actor="operator")
    for stop in (100, 400, 10_000):
        handler = CommandHandler(log, no_money)
        told = import_orders(drafts(file, UTC), log, handler, meta, dry=False)
        assert all(each.is_taken for each in islice(told, stop))  # and no more: it is killed
    handler = CommandHandler(log, no_money)
    last = [*import_orders(drafts(file, UTC), log, handler, meta, dry=False)]
    assert {each.outcome for each in last} == {Outcome.SAME}
    assert len(last) == 900
    assert log.head() == 1800


def test_memory_does_not_grow_with_the_file(log: Log, tmp_path: Path) -> None:
    meta = Metadata(actor="operator")

    def peak(orders: int) -> int:
        file = a_file(tmp_path / f"{orders}.jsonl", orders)
        handler = CommandHandler(log, no_money)
        tracemalloc.start()
        for told in import_orders(drafts(file, UTC), log, handler, meta, dry=True):
            assert isinstance(told, Told)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(300)  # what is made once: caches, connections
    small, large = peak(600), peak(3000)
    assert large < small + 2400 * 200, "at most the hash of an id stays"
