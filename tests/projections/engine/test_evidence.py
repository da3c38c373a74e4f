"""Reads of evidence: whoever sees what events hold is written down, and nobody else."""

from typing import Any

from ledger.domain.access import Role
from ledger.domain.events import EvidenceRead, Meta
from ledger.tokens import issue
from tests.projections.engine.counter import Counter


def test_a_look_into_an_event_is_an_event(counter: Counter):
    head = counter.append()
    shown = counter.get("/events/3", reason="a complaint")
    (read,) = counter.engine.log.read(head)
    assert read.event == EvidenceRead(subject=shown["source"], positions=(3,))
    assert read.stream.startswith("evidence/")
    assert (read.meta.actor, read.meta.role, read.meta.reason) == ("local", "admin", "a complaint")
    assert (read.meta.correlation, read.meta.address) == (shown["source"], "127.0.0.1")


def test_a_history_with_payloads_names_all_that_it_showed(counter: Counter):
    order = counter.sell()
    head = counter.follow()
    page = counter.get(f"/orders/{order.id}/history", payload=True, limit=3)
    (read,) = counter.engine.log.read(head)
    shown = tuple(line["position"] for line in page["items"])
    assert read.event == EvidenceRead(subject=f"order/{order.id}", positions=shown)


def test_the_audit_log_shows_it_among_what_concerns_the_object(counter: Counter):
    order = counter.sell()
    head = counter.follow()
    counter.get(f"/orders/{order.id}/history", payload=True)
    counter.shop.entries += counter.shop.entries[:1]  # the read's place in the counter's books
    counter.follow()
    line = counter.get("/audit", object=f"order/{order.id}", limit=1)["items"][0]
    assert (line["position"], line["kind"]) == (head + 1, "evidence.read")
    history = counter.get(f"/orders/{order.id}/history", limit=200)["items"]
    assert head + 1 not in [each["position"] for each in history]


PLAIN = (
    "/events",
    "/events/unreadable",
    "/audit",
    "/orders",
    "/orders/{id}",
    "/orders/{id}?as_of=40",
    "/orders/{id}/history",
    "/orders/{id}/history?changes=true",
    "/orders/{id}/explain",
    "/status",
)


def test_what_shows_no_payload_is_not_written_down(counter: Counter):
    order = counter.sell()
    head = counter.follow()
    for path in PLAIN:
        counter.get(path.replace("{id}", order.id))
        assert counter.engine.log.head() == head, path


def test_what_shows_nothing_is_not_written_down(counter: Counter):
    head = counter.follow()
    counter.get("/events/9999", 404)
    counter.get("/orders/none/history?payload=true", 404)
    for reason in ("", "a\0b", "x" * 501):
        counter.get("/events/1", 422, reason=reason)
    assert counter.engine.log.head() == head


def test_a_look_into_a_look_is_one_more_event_and_no_more(counter: Counter):
    head = counter.append()
    counter.get("/events/1")
    shown: Any = counter.get(f"/events/{head + 1}")
    assert shown["data"] == {"subject": "stock/MUG", "positions": [1]}
    assert counter.engine.log.head() == head + 2


def test_whoever_may_see_a_history_may_not_therefore_see_what_it_holds(counter: Counter):
    order = counter.sell()
    counter.follow()
    issued = issue(counter.engine.log, Role.OPS, "Olga", Meta())
    counter.client.headers["authorization"] = f"Bearer {issued.token}"
    path = f"/orders/{order.id}/history"
    assert counter.get(path, changes=True)["items"]
    head = counter.engine.log.head()
    assert counter.get(path, 403, payload=True)["code"] == "forbidden"
    assert counter.get("/events/1", 403)["code"] == "forbidden"
    assert counter.get("/audit", 403)["code"] == "forbidden"
    assert not [e for e in counter.engine.log.read(head) if isinstance(e.event, EvidenceRead)]
