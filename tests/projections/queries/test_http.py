"""Reading over HTTP: lists, one thing and its past, events, and waiting for what was just done."""

from contextlib import closing
from datetime import UTC, datetime
from threading import Timer
from typing import Any, Final

import psycopg
import pytest

from api.openapi import describe
from api.operations import operations
from ledger.domain.events import Metadata, NewEvent, StripeEventReceived
from ledger.errors import InvalidRequest
from projections.engine import positions, reads
from projections.engine.follow import Follower
from projections.engine.proofs import answer, put_on_record
from projections.engine.reads import Reads
from projections.engine.registry import discover
from projections.engine.verify import verify
from projections.queries.http import routes
from projections.queries.listing import Lister, encoded
from simulator import Purchase
from tests.projections.engine.counter import STATUSES, Counter
from tests.support.addresses import address


def test_one_order_shows_its_lines_and_payments(counter: Counter):
    order = counter.sell("refunded_in_parts")
    found = counter.get(f"/orders/{order.id}", after=counter.follow())
    assert (found["state"], found["refund_state"]) == ("paid", "full")
    assert found["received_minor"] == found["refunded_minor"] == order.total_minor
    assert [line["sku"] for line in found["lines"]] == [line.sku for line in order.lines]
    (payment,) = found["payments"]
    assert payment["refunded_minor"] == order.total_minor
    assert found["placed_at"].endswith("Z")
    assert not {"ranked_by", "newest_by", "latest_by"} & found.keys()


def test_pages_hold_every_row_once_while_the_log_grows(counter: Counter):
    sold = [counter.sell().id for _ in range(5)]
    counter.follow()
    page = counter.get("/orders", limit=2)
    listed = [row["order_id"] for row in page["items"]]
    while page["next"]:
        counter.sell()
        counter.follow()
        page = counter.get("/orders", limit=2, cursor=page["next"])
        listed += [row["order_id"] for row in page["items"]]
    assert listed == sold[::-1]


def test_a_list_without_a_sort_is_in_the_order_of_its_key(counter: Counter):
    counter.follow()
    skus: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = counter.get("/stock", limit=2, **cursor)
        skus += [row["sku"] for row in page["items"]]
        if not page["next"]:
            break
        cursor = {"cursor": page["next"]}
    assert skus == sorted(skus)
    assert len(skus) == 5


@pytest.mark.parametrize(
    ("path", "query", "count"),
    [
        ("/orders", {}, 2),
        ("/orders", {"state": "paid"}, 1),
        ("/orders", {"state": "pending", "payment_state": "unpaid"}, 1),
        ("/orders", {"unallocated": "true"}, 0),
        ("/orders", {"to_ship": "true"}, 1),
        ("/payments", {"state": "succeeded"}, 1),
        ("/refunds", {"state": "succeeded"}, 1),
        ("/refunds", {"state": "failed"}, 1),
        ("/disputes", {}, 0),
    ],
)
def test_filters(counter: Counter, path: str, query: dict[str, str], count: int):
    counter.sell("refund_failed")
    counter.shop.place()
    counter.follow()
    assert len(counter.get(path, **query)["items"]) == count


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/orders", {"limit": "0"}),
        ("/orders", {"limit": "201"}),
        ("/orders", {"colour": "red"}),
        ("/orders", {"unallocated": "perhaps"}),
        ("/orders", {"state": "a\0b"}),
        ("/orders", {"cursor": "nonsense"}),
        ("/orders", {"cursor": "WyIxIl0="}),
        ("/orders", {"cursor": "WyJ3aGVuIiwiQTEiXQ=="}),
        ("/orders", {"after": "-1"}),
        ("/orders", {"after": "1000000"}),
        ("/orders/A1/history", {"after": "1000000"}),
        ("/orders/A1", {"as_of": "yesterday"}),
        ("/orders/A1", {"as_of": "2026-03-01T12:00:00"}),
        ("/orders/A1/history", {"cursor": "x"}),
        ("/stock/MUG/movements", {"cursor": "9" * 30}),
        ("/orders/a%00b", {}),
        ("/orders/a%00b/history", {}),
        ("/stock/a%00b/movements", {}),
        ("/events", {"after": "x"}),
    ],
)
def test_what_does_not_fit_is_refused(counter: Counter, path: str, query: dict[str, str]):
    counter.follow()
    assert counter.get(path, 422, **query)["code"] == "invalid_request"


@pytest.mark.parametrize(
    "path",
    ["/orders/none", "/orders/none/history", "/payments/none", "/stock/none", "/events/9999"],
)
def test_what_is_not_there_is_not_found(counter: Counter, path: str):
    counter.follow()
    assert counter.get(path, 404)["code"] == "not_found"


def test_a_history_is_every_event_that_touched_the_order_or_its_payments(counter: Counter):
    order = counter.sell("much_trouble")
    counter.sell("much_trouble")
    counter.shop.fulfil(order)
    last = counter.follow()
    of_order: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = counter.get(f"/orders/{order.id}/history", after=last, limit=7, **cursor)
        of_order += page["items"]
        if not page["next"]:
            break
        cursor = {"cursor": page["next"]}
    kinds = {each["kind"] for each in of_order}
    assert {"order.placed", "order.fulfilled", "stock.sold", "charge.dispute.created"} <= kinds
    positions_shown = [each["position"] for each in of_order]
    assert positions_shown == sorted(set(positions_shown))
    assert all(
        order.id in str(event.event) or event.stream.startswith("stripe/")
        for event in counter.engine.log.at(positions_shown)
    )
    assert "payload" not in of_order[0]


def test_a_history_shows_what_events_hold_when_asked(counter: Counter):
    order = counter.sell()
    counter.follow()
    shown = counter.get(f"/orders/{order.id}/history", payload=True, limit=200)["items"]
    assert shown[0]["payload"]["total_minor"] == order.total_minor
    assert all(each["payload"]["body"] for each in shown if each["actor"] == "stripe")


def without_end(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "as_of_position"}


def test_every_answer_says_up_to_which_position_it_goes(counter: Counter):
    """The follower's, not the log's; what is not there yet is told from what is never there."""
    order = counter.sell()
    reached = counter.follow()
    later = counter.shop.place()
    head = counter.append()
    of_read_models = (
        "/orders",
        f"/orders/{order.id}",
        f"/orders/{order.id}/history",
        f"/orders/{order.id}/explain",
        "/stock/MUG/movements",
        "/disputes",
        "/audit",
        "/events/unreadable",
    )
    for path in of_read_models:
        assert counter.get(path)["as_of_position"] == reached, path
    assert counter.get("/events")["as_of_position"] == head
    assert counter.get(f"/orders/{order.id}/explain", as_of=reached - 1)["as_of_position"] < reached
    for path in (f"/orders/{later.id}", f"/orders/{later.id}/explain"):
        told = counter.get(path, 404)["detail"]
        assert told == f"No order {later.id!r} as of position {reached}."
    assert Follower(counter.engine).catch_up() == head
    assert counter.get(f"/orders/{later.id}")["as_of_position"] == head
    assert counter.get("/events/9999", 404)["detail"] == f"No event '9999' as of position {head}."


def test_an_empty_list_says_why(counter: Counter):
    order, head = counter.sell(), counter.follow()
    assert counter.get("/orders")["empty"] is None
    disputes = counter.get("/disputes")["empty"]
    assert disputes.startswith(f"No disputes yet, as of position {head}. Stripe reports them")
    assert counter.get("/orders", state="canceled")["empty"] == (
        f"No orders with state=canceled, as of position {head}."
    )
    fitting = f"that fit what was asked for, as of position {head}."
    assert counter.get("/orders", placed_before="2001-01-01")["empty"] == f"No orders {fitting}"
    history = counter.get(f"/orders/{order.id}/history", recorded_before="2001-01-01")
    assert history["empty"] == f"No events {fitting}"
    assert counter.get("/events/unreadable")["empty"].endswith(
        "Every event of Stripe's could be read."
    )


NO_POSITION: Final = {
    "/kpi/definitions": "the contract, which is no answer of the log",
    "/exports": "what can be exported, which is no answer of the log",
    "/books/rules": "the rules of posting, which are no answer of the log",
    "/me": "who calls",
    "/alerts": "the settings, which are no answer of the log",
    "/events/{position}": "an event, which never changes",
    "/verify/{id}": "a proof, which says itself up to where it goes",
    "/rebuild/{id}": "a rebuild, which says itself how far it is",
    "/status": "the head, and where each read model stands",
    "/healthz": "a probe",
    "/readyz": "a probe",
}


def test_every_operation_that_reads_says_up_to_which_position_it_goes():
    from app.asgi import routes

    reads = {
        route.path_format: declared.answers
        for route, method, declared in operations(routes)
        if method == "GET" and declared.answers is not None
    }
    assert len(reads) > 50
    silent = {path for path, shape in reads.items() if "as_of_position" not in shape.model_fields}
    assert silent == NO_POSITION.keys() & reads.keys()


def test_what_our_own_sql_cannot_compute_is_no_mistake_of_the_caller(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
):
    """A view that divides by zero, a sum that overflows: it breaks, and is logged as broken."""
    counter.follow()

    def broken(_: Lister, cursor: Any, *_more: object, **_others: object) -> object:
        return cursor.execute("select 1 / 0").fetchall()

    monkeypatch.setattr(Lister, "_select", broken)
    for path in ("/orders", "/orders/A1"):
        with pytest.raises(psycopg.errors.DivisionByZero):
            counter.get(path)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/orders", {"cursor": encoded(["-placed_at", "when", "A1"])}),
        ("/orders", {"cursor": encoded(["-total_minor", "12.5", "A1"])}),
        ("/orders", {"cursor": encoded(["-placed_at", "2026-03-01T00:00:00Z", "a\0"])}),
    ],
)
def test_a_cursor_that_was_tampered_with_is_the_callers_mistake(
    counter: Counter, path: str, query: dict[str, str]
):
    counter.follow()
    assert "as it is" in counter.get(path, 422, **query)["detail"]


def test_an_order_as_of_an_earlier_position_or_time(counter: Counter):
    order = counter.sell("refunded_in_parts")
    last = counter.follow()
    history = counter.get(f"/orders/{order.id}/history", limit=200)["items"]
    states: list[Any] = []
    for each in history:
        then = counter.get(f"/orders/{order.id}", as_of=each["position"])
        states.append((then["payment_state"], then["refund_state"]))
    assert states[0] == ("unpaid", "none")
    assert [state for at, state in enumerate(states) if state not in states[:at]] == [
        ("unpaid", "none"),
        ("paid", "none"),
        ("paid", "partial"),
        ("paid", "full"),
    ]
    now = counter.get(f"/orders/{order.id}")
    assert counter.get(f"/orders/{order.id}", as_of=last) == now
    then = counter.get(f"/orders/{order.id}", as_of=history[-1]["recorded_at"])
    assert then.keys() == now.keys()
    assert without_end(then) == without_end(now)
    assert counter.get(f"/orders/{order.id}", 404, as_of=history[0]["position"] - 1)


def test_other_things_have_a_past_too(counter: Counter):
    counter.follow()
    listed, received = counter.get("/stock/MUG/history")["items"]
    now = counter.get("/stock/MUG")
    assert counter.get("/stock/MUG", as_of=listed["position"])["on_hand"] == 0
    then = counter.get("/stock/MUG", as_of=received["position"])
    assert (then["as_of_position"], now["as_of_position"]) == (received["position"], 10)
    assert without_end(then) == without_end(now)


def test_movements_are_pages_of_the_latest_first(counter: Counter):
    for _ in range(3):
        counter.shop.replenish("MUG", 2)
    counter.follow()
    first = counter.get("/stock/MUG/movements", limit=3)
    assert [each["quantity"] for each in first["items"]] == [2, 2, 2]
    rest = counter.get("/stock/MUG/movements", limit=3, cursor=first["next"])
    assert [each["kind"] for each in rest["items"]] == ["received"]
    assert rest["next"] is None


def test_an_event_is_shown_verbatim(counter: Counter):
    counter.sell()
    last = counter.append()
    (stored,) = counter.engine.log.at([last])
    assert isinstance(stored.event, StripeEventReceived)
    shown = counter.get(f"/events/{last}")
    assert shown["data"]["body"].encode() == stored.event.body
    assert shown["data"]["signature"] == stored.event.signature
    assert shown["source"] == stored.stream
    assert len(bytes.fromhex(shown["leaf_hash"])) == 32
    assert shown["leaf_hash_fits"]


CHECKS = {"webhook": "valid", "import": "not_signed", "backfill": "not_signed"}


def test_the_signature_of_an_event_is_checked_anew_however_old_it_is(counter: Counter):
    for _ in range(4):
        counter.sell()
    counter.append()
    stored = [(e.position, e.event) for e in counter.engine.log.read(0)]
    sources = {e.source: at for at, e in stored if isinstance(e, StripeEventReceived)}
    assert sources.keys() == CHECKS.keys()
    for source, position in sources.items():
        assert counter.get(f"/events/{position}")["signature_check"] == CHECKS[source]
    assert counter.get("/events/1")["signature_check"] is None


def test_a_body_that_nobody_signed_and_a_row_that_was_changed_are_told(counter: Counter):
    at = counter.shop.entries[-1].effective_at
    forged = StripeEventReceived(
        event_id="evt_1", body=b"{}", received_at=at, source="webhook", signature="t=1,v1=00"
    )
    counter.engine.log.append([NewEvent("stripe/evt_1", 1, forged, at, Metadata(actor="stripe"))])
    with psycopg.connect(counter.engine.database.admin_conninfo) as conn:
        conn.execute("alter table ledger.stored_events disable trigger all")
        conn.execute("update ledger.stored_events set state = state || ' '")
    shown = counter.get("/events/1")
    assert shown["signature_check"] == "no_present_secret_fits"
    assert not shown["leaf_hash_fits"]


def test_events_are_read_in_the_order_of_the_log(counter: Counter):
    last = counter.append()
    first = counter.get("/events", limit=4)
    assert [each["position"] for each in first["items"]] == [1, 2, 3, 4]
    rest = counter.get("/events", cursor=first["next"], limit=200)
    assert [each["position"] for each in rest["items"]] == [*range(5, last + 1)]
    assert (rest["next"], rest["items"][0]["meta"]["actor"]) == (None, "ops:olga")


def test_a_read_waits_for_what_was_just_done(counter: Counter):
    counter.follow()
    order = counter.shop.place()
    last = counter.append()
    follower = Timer(0.2, Follower(counter.engine).catch_up)
    follower.start()
    assert counter.get(f"/orders/{order.id}", after=last)["state"] == "pending"
    follower.join()


def test_a_read_does_not_wait_for_ever(counter: Counter, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reads, "WAIT_SECONDS", 0.1)
    counter.follow()
    counter.shop.place()
    assert counter.get("/orders", 503, after=counter.append())["code"] == "not_caught_up"


def test_a_read_of_no_projection_waits_for_none(counter: Counter):
    head = counter.append()
    with closing(Reads(counter.engine)) as opened:
        with opened.snapshot((), head) as cursor:
            assert cursor.execute("select 1 as one").fetchall()
        with pytest.raises(InvalidRequest), opened.snapshot((), head + 1):
            pass


def test_a_read_does_not_wait_for_what_stopped(counter: Counter):
    last = counter.follow()
    with counter.engine.database.connect("projector", autocommit=True) as conn:
        positions.stop(conn.cursor(), ["orders"], last + 1, "a test")
    assert counter.get("/orders", 503, after=last + 1)["code"] == "projection_stopped"
    assert counter.get("/orders", after=last)["items"] == []


@pytest.mark.parametrize("path", ["/orders/A1/history", "/orders", "/orders/A1"])
def test_a_read_model_that_was_never_built_is_said_to_be(counter: Counter, path: str):
    """As after an upgrade that brought a new one: the cure is told, and nothing breaks."""
    counter.follow()
    with counter.engine.database.connect("projector", autocommit=True) as conn:
        conn.execute("drop table read_models.links, read_models.orders cascade")
    told = counter.get(path, 503)
    assert told["code"] == "projection_stopped"
    assert "ledger rebuild" in told["detail"]


def test_a_read_model_of_an_earlier_version_is_said_to_be(counter: Counter):
    """A row is as the document says, or there is none."""
    counter.follow()
    with counter.engine.database.connect("projector", autocommit=True) as conn:
        conn.execute("alter table read_models.orders drop column payment_count")
    told = counter.get("/orders", 503)
    assert told["code"] == "projection_stopped"
    assert "ledger rebuild" in told["detail"]


def test_the_status_says_how_far_each_projection_is(counter: Counter):
    last = counter.follow()
    counter.shop.place()
    head = counter.append()
    status = counter.get("/status")
    assert status["head"] == head
    assert {each["name"] for each in status["projections"]} == set(discover().by_name)
    assert {(e["state"], e["lag_events"]) for e in status["projections"]} == {
        ("following", head - last)
    }
    assert status["last_proof"] is None


def test_the_status_tells_the_last_proof_and_the_cure_of_what_it_found(counter: Counter):
    counter.sell()
    counter.follow()
    with counter.engine.database.connect("projector") as conn:
        conn.execute("update read_models.orders set total_minor = 1")
    meta = Metadata(actor="operator", actor_name="ann", role="admin")
    end = answer("1" * 32, verify(counter.engine))
    put_on_record(counter.engine.log, datetime.now(UTC), end, meta)
    last = counter.get("/status")["last_proof"]
    assert (last["by"], last["holds"], last["is_damage"]) == ("ann", False, True)
    assert last["found"] == ["tables that differ: orders"]
    assert "orders" in last["suspects"]
    assert last["cure"] == "`ledger rebuild`, and then `ledger verify`"


def test_the_money_of_an_order_is_known_up_to_the_head(counter: Counter):
    order = counter.sell("refund_failed")
    head = counter.follow()
    with closing(Reads(counter.engine)) as opened:
        money, none = opened.money(order.id), opened.money("none")
    part = Purchase(order.total_minor, order.currency).part_minor
    assert (money.paid_minor, money.refunded_minor) == (order.total_minor, part)
    assert (money.failed_refund_minor, money.pending_refund_minor) == (part, 0)
    assert (money.fully_paid, money.currency, money.position) == (True, order.currency, head)
    assert (none.paid_minor, none.held_minor, none.fully_paid) == (0, 0, False)


def test_every_read_stands_in_the_description():
    paths = describe(routes, "Ledger", "1", STATUSES)["paths"]
    listed = {p.name for p in discover() if p.listing}
    assert {"orders", "payments", "refunds", "disputes", "stock", "customers"} <= listed
    assert {
        each for name in listed for each in (address(name), f"{address(name)}/{{id}}")
    } <= paths.keys()
    filters = {each["name"] for each in paths["/orders"]["get"]["parameters"]}
    assert {"state", "customer_id", "limit", "cursor", "after"} <= filters
    ids = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/orders", {"state": "bogus"}),
        ("/payments", {"state": "bogus"}),
        ("/refunds", {"state": "bogus"}),
    ],
)
def test_a_word_that_does_not_exist_is_refused_with_those_that_do(
    counter: Counter, path: str, query: dict[str, str]
):
    counter.sell()
    counter.follow()
    detail = counter.get(path, 422, **query)["detail"]
    assert "succeeded" in detail or "pending" in detail
    assert counter.get("/refunds", state="failed")["items"] == []


def test_a_currency_may_be_written_in_capitals(counter: Counter):
    order = counter.sell()
    counter.follow()
    found = counter.get("/orders", currency=order.currency.upper())["items"]
    assert [row["order_id"] for row in found] == [order.id]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        *((path, {}) for path in ("/orders/%00", "/orders/A%00/history", "/orders/%00/explain")),
        *((path, {}) for path in ("/payments/%00", "/stock/%00", "/stock/%00/movements")),
        ("/orders/%00", {"as_of": "1"}),
        ("/orders", {"customer_id": "\0"}),
    ],
)
def test_what_no_text_can_hold_is_refused_in_words_of_ours(
    counter: Counter, path: str, query: dict[str, str]
):
    counter.follow()
    refused = counter.get(path, 422, **query)
    assert refused["code"] == "invalid_request"
    assert "U+0000" in refused["detail"]
