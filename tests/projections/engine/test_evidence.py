"""Reads of evidence: who sees what events hold is recorded, and no other read."""

import json
from datetime import datetime
from typing import Any

from ledger.domain.access import Role
from ledger.domain.events import EvidenceRead, Finding, IssueOpened, Metadata, NewEvent
from ledger.tokens import issue
from tests.projections.engine.counter import Counter
from tests.support.callers import NAME


def test_a_look_into_an_event_is_an_event(counter: Counter):
    head = counter.append()
    shown = counter.get("/events/3", reason="a complaint")
    (read,) = counter.engine.log.read(head)
    assert read.event == EvidenceRead(subject=shown["source"], positions=(3,))
    assert read.stream.startswith("evidence/")
    assert (read.meta.actor, read.meta.role) == (counter.actor, "admin")
    assert (read.meta.actor_name, read.meta.reason) == (NAME, "a complaint")
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


FINDING = Finding(
    check="paid_twice",
    kind="order",
    reference="A1",
    severity="high",
    sentence="Order A1 was paid twice.",
    evidence={"order_id": "A1"},
)
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


def token_of(counter: Counter, role: Role) -> None:
    issued = issue(counter.engine.log, role, role.value, Metadata())
    counter.client.headers["authorization"] = f"Bearer {issued.token}"


def test_ops_see_what_the_histories_of_their_domain_hold_and_are_written_down(counter: Counter):
    order = counter.sell()
    counter.follow()
    token_of(counter, Role.OPS)
    for path in (f"/orders/{order.id}", "/stock/MUG"):
        head = counter.engine.log.head()
        page = counter.get(f"{path}/history", payload=True, reason="a complaint", limit=3)
        assert all(line["payload"] for line in page["items"])
        (read,) = counter.engine.log.read(head)
        assert isinstance(read.event, EvidenceRead)
        assert (read.meta.role, read.meta.reason) == ("ops", "a complaint")


def test_ops_see_nothing_beyond_a_history_of_one_object(counter: Counter):
    counter.append()
    token_of(counter, Role.OPS)
    head = counter.engine.log.head()
    for path in ("/events", "/events/1", "/audit"):
        assert counter.get(path, 403)["code"] == "forbidden"
    assert not [e for e in counter.engine.log.read(head) if isinstance(e.event, EvidenceRead)]


def test_whoever_may_see_a_history_may_not_therefore_see_what_it_holds(counter: Counter):
    """An analyst sees issues and their histories, and no more of it."""
    opened = IssueOpened(finding=FINDING)
    stream, at = f"issue/{FINDING.issue_id}", counter.shop.entries[-1].effective_at
    counter.shop.entries.append(NewEvent(stream, 1, opened, at, Metadata()))
    counter.follow()
    token_of(counter, Role.ANALYST)
    path = f"/issues/{FINDING.issue_id}/history"
    assert counter.get(path, changes=True)["items"]
    assert counter.get(path, 403, payload=True)["code"] == "forbidden"


def test_an_event_happened_when_stripe_says_wherever_it_is_shown(counter: Counter) -> None:
    """By its own page, the list of events, an order's history and the audit log: one meaning."""
    order = counter.sell()
    counter.follow()
    listed = {each["position"]: each for each in counter.get("/events", limit=200)["items"]}
    history = counter.get(f"/orders/{order.id}/history")["items"]
    audit = {each["position"]: each for each in counter.get("/audit", limit=200)["items"]}
    shown = {each["position"]: counter.get(f"/events/{each['position']}") for each in history}
    assert any(each["source"].startswith("stripe/") for each in history)
    for line in history:
        position = line["position"]
        told = {each[position]["effective_at"] for each in (listed, audit, shown)}
        assert told == {line["effective_at"]}
        if line["source"].startswith("stripe/"):
            created = json.loads(shown[position]["data"]["body"])["created"]
            assert datetime.fromisoformat(line["effective_at"]).timestamp() == created
