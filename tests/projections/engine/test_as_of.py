"""`?as_of=` over HTTP: payments, stock, customers and the rest as they were known."""

from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from psycopg.sql import SQL, Identifier

from ledger.domain.events import Metadata, NewEvent, OrderPlaced
from projections.engine import as_of
from tests.projections.engine.counter import Counter
from tests.support.addresses import address

EACH = pytest.mark.parametrize("name", ["payments", "stock", "customers"])


@pytest.fixture
def busy(counter: Counter) -> Counter:
    """A counter where a customer, known by her id, paid, and got some of it back."""
    order = counter.sell("refunded_in_parts")
    (entry,) = (
        each
        for each in counter.shop.entries
        if isinstance(each.event, OrderPlaced) and each.event.order_id == order.id
    )
    assert isinstance(entry.event, OrderPlaced)
    for number, email in enumerate(("ada@example.com", "ada@example.org"), 1):
        placed = OrderPlaced(
            order_id=f"C{number}",
            currency="gbp",
            lines=entry.event.lines,
            total_minor=1,
            expires_at=entry.event.expires_at,
            customer_id="ada",
            email=email,
        )
        counter.shop.entries.append(
            NewEvent(f"order/C{number}", 1, placed, entry.effective_at, Metadata())
        )
    counter.shop.replenish("MUG", 3)
    counter.follow()
    return counter


def key_of(counter: Counter, name: str) -> str:
    """An object with a past: the one that was paid, the one that was sold, the one who ordered."""
    if name == "payments":
        return counter.get("/payments")["items"][0]["payment_id"]
    return {"stock": "MUG", "customers": "ada"}[name]


def past(counter: Counter, name: str) -> tuple[str, list[Any]]:
    """The path of an object, and the lines of its history."""
    path = f"{address(name)}/{key_of(counter, name)}"
    return path, counter.get(f"{path}/history", limit=200)["items"]


@EACH
def test_the_last_position_is_now_and_what_is_yet_to_come_is_refused(busy: Counter, name: str):
    path, lines = past(busy, name)
    now = busy.get(path)
    assert len(lines) >= 2
    assert busy.get(path, as_of=lines[0]["position"]) != now
    head = busy.engine.log.head()
    last = busy.get(path, as_of=lines[-1]["position"])
    assert last["as_of_position"] == lines[-1]["position"]
    assert last | {"as_of_position": now["as_of_position"]} == now
    assert f"ends at {head}" in busy.get(path, 422, as_of=head + 1)["detail"]
    assert "yet to come" in busy.get(path, 422, as_of="2999-01-01T00:00:00Z")["detail"]


@EACH
def test_before_it_was_known_there_was_no_such_thing(busy: Counter, name: str):
    path, lines = past(busy, name)
    assert busy.get(path, 404, as_of=lines[0]["position"] - 1)["code"] == "not_found"
    assert busy.get(path, 404, as_of="1999-01-01T00:00:00Z")["code"] == "not_found"
    assert busy.get(path, 404, as_of=0)["code"] == "not_found"


@EACH
def test_a_time_means_the_same_in_every_zone_and_needs_one(busy: Counter, name: str):
    path, lines = past(busy, name)
    log = busy.engine.log
    first, last = (datetime.fromisoformat(lines[at]["recorded_at"]) for at in (0, -1))
    for moment in (first, last):
        then = busy.get(path, as_of=log.position_at(moment))
        for hours in (-11, 0, 5.5, 14):
            there = moment.astimezone(timezone(timedelta(hours=hours)))
            assert busy.get(path, as_of=there.isoformat()) == then
    naive = last.replace(tzinfo=None).isoformat()
    for wrong in (naive, "2026-03-01", "12:00Z", "-1", "1e3", ""):
        assert busy.get(path, 422, as_of=wrong)["code"] == "invalid_request"


def test_a_customer_had_another_address(busy: Counter):
    _, lines = past(busy, "customers")
    first = busy.get("/customers/ada", as_of=lines[0]["position"])
    assert (first["email"], busy.get("/customers/ada")["email"]) == (
        "ada@example.com",
        "ada@example.org",
    )


def test_a_product_had_fewer_units(busy: Counter):
    _, lines = past(busy, "stock")
    before = busy.get("/stock/MUG", as_of=lines[-2]["position"])
    assert busy.get("/stock/MUG")["on_hand"] == before["on_hand"] + 3


def test_a_payment_was_given_back_bit_by_bit(busy: Counter):
    path, lines = past(busy, "payments")
    amounts = [
        busy.get(path, as_of=line["position"])["refunded_minor"]
        for line in lines
        if not line["kind"].startswith("stock.")
    ]
    assert amounts == sorted(amounts)
    assert amounts[-1] == busy.get(path)["received_minor"] > 0


def test_a_connection_keeps_its_tables_and_nothing_in_them(
    busy: Counter, monkeypatch: pytest.MonkeyPatch
):
    """Until there is too much in them that was rolled back: then it is given up."""
    events = busy.engine.log.read(upto=busy.engine.log.head())

    def looked(copies: as_of.Copies, name: str, found: list[Any]) -> tuple[int, int]:
        """Which session answers, and how many rows it sees."""
        with copies.of(busy.engine.registry.with_reads([name]), found) as copy:
            query = SQL("select count(*) from {}").format(Identifier(name))
            (row,) = copy.cursor.execute(query).fetchall()
            return copy.cursor.connection.info.backend_pid, row[0]

    monkeypatch.setattr(as_of, "CONNECTIONS", 1)
    with closing(as_of.Copies(busy.engine)) as copies:
        session, many = looked(copies, "payments", events)
        assert many > 0
        assert looked(copies, "payments", []) == (session, 0)
        assert looked(copies, "orders", events) == (session, 3)
        assert looked(copies, "payments", events) == (session, many)
        monkeypatch.setattr(as_of, "MOST_ROWS", 0)
        assert looked(copies, "payments", events) == (session, many)
        other, again = looked(copies, "payments", events)
        assert (other == session, again) == (False, many)
