"""Hostile events: signed, and not what they should be; they are kept, listed, and stop nothing."""

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from projections.engine.follow import Follower
from projections.engine.verify import verify
from simulator import STORIES, Purchase, SimulatedStripe, some_traffic
from tests.acceptance.conftest import Service, deliver
from tests.support.junk import JUNK

SAMPLES = [json.loads(event.body) for event in some_traffic("hostile events", 150)]
EXAMPLES = 300
NUMBERS = count()


def received(client: TestClient, body: bytes) -> int:
    """The position of a body that must be taken; it is kept byte for byte."""
    answer = deliver(client, body)
    assert answer.status_code == 200, answer.text
    position: int = answer.json()["position"]
    return position


def outcome(client: TestClient, position: int) -> str:
    """What became of the event at a position."""
    answer = client.get("/audit", params={"after": position, "limit": 200})
    (line,) = [each for each in answer.json()["items"] if each["position"] == position]
    return line["outcome"]


def causes(client: TestClient) -> dict[int, str]:
    """What could not be read, and why, by position."""
    items = client.get("/events/unreadable", params={"limit": 200}).json()["items"]
    return {each["position"]: each["cause"] for each in items}


def event(kind: str, **wrong: Any) -> bytes:
    """An event about a payment intent or charge with some fields as they should not be."""
    number = next(NUMBERS)
    good = {
        "id": f"pi_{number}" if kind.startswith("payment_intent") else f"ch_{number}",
        "object": kind.partition(".")[0],
        "amount": 1000,
        "currency": "gbp",
        "created": 1767600000,
        "status": "succeeded",
        "metadata": {"order_id": "A1"},
    }
    return json.dumps(
        {
            "id": f"evt_wrong_{number}",
            "object": "event",
            "type": kind,
            "created": 1767600000,
            "livemode": False,
            "data": {"object": good | wrong},
        }
    ).encode()


UNREADABLE: dict[str, Callable[[], bytes]] = {
    "an amount that is text": lambda: event("payment_intent.succeeded", amount="1000"),
    "an amount that is no integer": lambda: event("payment_intent.succeeded", amount=10.5),
    "an amount below zero": lambda: event("payment_intent.succeeded", amount=-1),
    "an amount of 400 digits": lambda: event("payment_intent.succeeded", amount=10**400),
    "an amount beyond all floats": lambda: event("payment_intent.succeeded", amount=7).replace(
        b'"amount": 7', b'"amount": 1e999'
    ),
    "a time that is text": lambda: event("charge.succeeded", created="yesterday"),
    "a time in the year 100000": lambda: event("charge.succeeded", created=3_093_527_980_800),
    "a currency that is a number": lambda: event("charge.succeeded", currency=826),
    "an id that is null": lambda: event("charge.succeeded", id=None),
    "a reference that is a list": lambda: event("charge.succeeded", payment_intent=["pi_1"]),
}


@pytest.mark.parametrize("make", UNREADABLE.values(), ids=UNREADABLE)
def test_a_known_field_of_a_wrong_type_is_kept_and_listed(
    service: Service, make: Callable[[], bytes]
) -> None:
    """The event is in the log as it came; its position and cause are in the list."""
    body = make()
    position = received(service.client, body)
    Follower(service.engine).catch_up()
    assert causes(service.client)[position]
    (stored,) = service.engine.log.at([position])
    assert stored.event.body == body  # pyright: ignore[reportAttributeAccessIssue] - it is Stripe's


def test_of_a_key_that_comes_twice_the_last_counts_everywhere(service: Service) -> None:
    """As with every JSON reader: the id it is stored under is the one that a replay reads."""
    body = event("payment_intent.succeeded")
    twice = body.replace(b'{"id": "evt_', b'{"id": "evt_first", "id": "evt_', 1)
    position = received(service.client, twice)
    (stored,) = service.engine.log.at([position])
    assert stored.stream.startswith("stripe/evt_wrong_")


def test_what_follows_an_unreadable_event_is_read(service: Service) -> None:
    """A payment goes on beside events about it that make no sense."""
    stripe = SimulatedStripe("goes on")
    last = 0
    for events in STORIES["paid_by_card"](stripe, Purchase(4000, "gbp", "order-beside")):
        for each in events:
            broken = json.loads(each.body)
            broken["id"] += "_broken"
            broken["data"]["object"]["created"] = {"when": "never"}
            received(service.client, json.dumps(broken).encode())
            last = received(service.client, each.body)
    payments = service.client.get(
        "/payments", params={"after": last, "order_id": "order-beside"}
    ).json()["items"]
    assert [each["received_minor"] for each in payments] == [4000]


@settings(max_examples=EXAMPLES, phases=[Phase.generate])
@given(data=st.data())
def _mutated(data: st.DataObject, client: TestClient) -> None:
    sample = data.draw(st.sampled_from(SAMPLES))
    broken = json.loads(json.dumps(sample)) | {"id": f"evt_mutated_{next(NUMBERS)}"}
    for _ in range(data.draw(st.integers(1, 3))):
        _spoil(broken["data"]["object"], data)
    answer = deliver(client, json.dumps(broken).encode())
    assert answer.status_code == 200, answer.text


def _spoil(found: Any, data: st.DataObject) -> None:
    """Put junk somewhere below."""
    while True:
        keys = sorted(found) if isinstance(found, dict) else range(len(found))
        key = data.draw(st.sampled_from(list(keys)))
        inner = found[key]
        if not (isinstance(inner, dict | list) and inner) or data.draw(st.booleans()):
            found[key] = data.draw(JUNK)
            return
        found = inner


def test_events_with_junk_anywhere_are_kept_and_stop_nothing(service: Service) -> None:
    """Each is stored; all read models follow to the end, and a rebuild says the same."""
    head = service.engine.log.head()
    _mutated(client=service.client)
    assert service.engine.log.head() >= head + EXAMPLES // 2
    Follower(service.engine).catch_up()
    assert service.client.get("/readyz").json()["not_following"] == []
    proof = verify(service.engine)
    assert proof.holds, proof
