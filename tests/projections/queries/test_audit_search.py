"""The audit log over HTTP: who did what, found by object, actor, kind, time, text and more."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ledger.domain.events import (
    AccessRefused,
    ExportMade,
    Metadata,
    NewEvent,
    OrderCanceled,
    StripeEventReceived,
)
from tests.projections.engine.counter import Counter

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PETRA = Metadata(
    actor="token/4be1c0de9f21",
    actor_name="Petra",
    role="ops",
    address="198.51.100.9",
    user_agent="curl/8.5",
    request_id="r-77",
    reason="broken in transit, 100%",
    correlation="order/A1",
    causation="stripe/evt_1",
)


def add(counter: Counter, stream: str, event: Any, meta: Metadata = PETRA) -> int:
    """Append an event beside what the shop does; answers its position."""
    (position,) = counter.engine.log.append([NewEvent(stream, 1, event, NOW, meta)])
    counter.shop.entries.append(NewEvent(stream, 1, event, NOW, meta))  # the counter counts them
    return position


def found(counter: Counter, **filters: Any) -> list[int]:
    """The positions of the lines that fit, which must be the latest first."""
    items = counter.get("/audit", limit=200, **filters)["items"]
    positions = [line["position"] for line in items]
    assert positions == sorted(positions, reverse=True)
    return positions


def test_a_line_says_who_what_when_from_where_and_why(counter: Counter):
    counter.append()
    position = add(counter, "order/A1", OrderCanceled(order_id="A1"))
    counter.follow()
    (line,) = counter.get("/audit", limit=1)["items"]
    assert line.pop("recorded_at") > "2026"
    assert line == {
        "position": position,
        "effective_at": "2026-03-01T00:00:00Z",
        "kind": "order.canceled",
        "outcome": "done",
        "actor": "token/4be1c0de9f21",
        "actor_name": "Petra",
        "role": "ops",
        "source": "order/A1",
        "objects": ["order/A1"],
        "reason": "broken in transit, 100%",
        "address": "198.51.100.9",
        "user_agent": "curl/8.5",
        "request_id": "r-77",
        "correlation": "order/A1",
        "causation": "stripe/evt_1",
    }


def test_every_event_is_a_line(counter: Counter):
    counter.sell("much_trouble")
    head = counter.follow()
    assert found(counter) == [*range(head, 0, -1)]


def test_an_order_is_found_with_all_that_touched_it_and_that_it_caused(counter: Counter):
    order = counter.sell("refunded_in_parts")
    counter.sell()
    counter.append()
    refusal = AccessRefused(
        token_id="1", surface="see_order", cause="foreign", method="GET", path="/"
    )
    caused = add(counter, "access/refused-1", refusal, Metadata(correlation=f"order/{order.id}"))
    counter.follow()
    history = counter.get(f"/orders/{order.id}/history", limit=200)["items"]
    touched = [line["position"] for line in history]
    assert found(counter, object=f"order/{order.id}") == [caused, *reversed(touched)]


def test_a_stream_is_found_by_its_name(counter: Counter):
    counter.sell()
    last = counter.follow()
    (event,) = counter.engine.log.at([last])
    assert event.stream.startswith("stripe/evt_")
    assert found(counter, object=event.stream) == [last]
    assert found(counter, object="sku/MUG") == found(counter, object="stock/MUG") != []


def test_an_export_is_found_by_the_id_that_its_list_shows(counter: Counter):
    counter.append()
    made = ExportMade(
        name="orders", format="csv", filter={"window": "30"}, rows=2, sha256="ab" * 32, position=7,
        contract_version=1, columns=("OrderID",), complete=False,
    )  # fmt: skip
    position = add(counter, "export/e1", made, Metadata(actor="token/9", reason="monthly report"))
    counter.follow()
    (listed,) = counter.get("/export_log", name="orders", complete="false")["items"]
    assert (listed["export_id"], listed["reason"]) == ("e1", "monthly report")
    assert found(counter, object=f"export/{listed['export_id']}") == [position]


FITS: list[dict[str, str]] = [
    {"actor": "token/4be1c0de9f21"},
    {"actor": "Petra"},
    {"role": "ops"},
    {"kind": "order.canceled"},
    {"kind": "order.can*"},
    {"kind": "*canceled"},
    {"text": "IN TRANSIT"},
    {"text": "100%"},
    {"text": "petra"},
    {"causation": "stripe/evt_1"},
    {"text": "r-77"},
    {"text": "198.51.100.9"},
    {"actor": "token/4be1c0de9f21", "role": "ops", "kind": "order.*", "text": "broken"},
]
DOES_NOT_FIT: list[dict[str, str]] = [
    {"text": "100%%"},
    {"object": "order/none"},
    {"causation": "stripe/evt_2"},
    {"actor": "token/4be1c0de9f21", "role": "auditor"},
]

NO_WORDS: list[dict[str, str]] = [
    {"role": "op"},
    {"kind": "order%"},
    {"kind": "order_canceled"},
    {"actor": "Peter"},
    {"actor": "4be1c0de9f21"},
]


def test_a_line_is_found_by_all_that_fits_it_and_by_nothing_else(counter: Counter):
    counter.shop.place()
    counter.append()
    position = add(counter, "order/A1", OrderCanceled(order_id="A1"))
    counter.follow()
    for filters in FITS:
        assert found(counter, **filters) == [position], filters
    for filters in DOES_NOT_FIT:
        assert found(counter, **filters) == [], filters
    for filters in NO_WORDS:
        (name,) = filters
        assert f"{name}: " in counter.get("/audit", 422, **filters)["detail"]
    assert "token/4be1c0de9f21 (Petra)" in counter.get("/audit", 422, actor="Peter")["detail"]


def test_a_refused_attempt_has_its_own_outcome(counter: Counter):
    counter.append()
    refusal = AccessRefused(token_id="1", surface="export", cause="role", method="GET", path="/x")
    refused = add(counter, "access/refused-1", refusal)
    counter.follow()
    assert found(counter, outcome="refused") == found(counter, kind="access.*") == [refused]


def test_a_span_of_time_begins_with_its_first_instant_and_ends_before_its_last(counter: Counter):
    first = counter.append()
    counter.shop.place()
    last = counter.follow()
    log = counter.engine.log
    start, end = (log.at([position])[0].recorded_at for position in (first + 1, last))
    assert found(counter, recorded_after=start.isoformat()) == [*range(last, first, -1)]
    assert found(counter, recorded_before=start.isoformat()) == [*range(first, 0, -1)]
    before_end = [p for p in range(last, first, -1) if log.at([p])[0].recorded_at < end]
    between = {"recorded_after": start.isoformat(), "recorded_before": end.isoformat()}
    assert found(counter, **between) == before_end
    assert found(counter, recorded_after=(end + timedelta(days=1)).isoformat()) == []
    assert found(counter, recorded_after="0001-01-01T00:00:00Z") == [*range(last, 0, -1)]
    assert found(counter, recorded_before="0001-01-01T00:00:00Z") == []


def test_pages_hold_every_line_once_while_the_log_grows(counter: Counter):
    counter.sell()
    head = counter.follow()
    page = counter.get("/audit", limit=7)
    listed = [line["position"] for line in page["items"]]
    while page["next"]:
        counter.sell()
        counter.follow()
        page = counter.get("/audit", limit=7, cursor=page["next"])
        listed += [line["position"] for line in page["items"]]
    assert listed == [*range(head, 0, -1)]


REFUSED: list[dict[str, str]] = [
    {"recorded_after": "yesterday"},
    {"until": "2026-03-01T12:00:00"},
    {"object": "order"},
    {"text": ""},
    {"text": "a\0b"},
    {"actor": "a\0b"},
    {"cursor": "x"},
    {"colour": "red"},
    {"limit": "201"},
]


def test_what_does_not_fit_a_filter_is_refused(counter: Counter):
    counter.follow()
    for query in REFUSED:
        assert counter.get("/audit", 422, **query)["code"] == "invalid_request", query


def test_what_could_not_be_read_is_listed_the_latest_first(counter: Counter):
    counter.append()
    bodies = [
        b'{"id":"evt_%d","object":"event","type":"charge.succeeded","created":1,"livemode":false,'
        b'"data":{"object":{"object":"charge","id":"ch_%d","amount":"%d"}}}' % (n, n, n)
        for n in (1, 2)
    ]
    broken = [
        add(
            counter,
            f"stripe/evt_{number}",
            StripeEventReceived(
                event_id=f"evt_{number}", body=body, received_at=NOW, source="webhook"
            ),
            Metadata(),
        )
        for number, body in enumerate(bodies, 1)
    ]
    counter.follow()
    first = counter.get("/events/unreadable", limit=1)
    rest = counter.get("/events/unreadable", limit=1, cursor=first["next"])
    shown = [first["items"][0], rest["items"][0]]
    assert [each["position"] for each in shown] == broken[::-1]
    assert [each["event_id"] for each in shown] == ["evt_2", "evt_1"]
    assert all(each["cause"] and each["recorded_at"] for each in shown)
    assert found(counter, outcome="unreadable") == broken[::-1]
