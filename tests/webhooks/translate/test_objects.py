"""What counts as a Stripe event, and when two bodies are the same one."""

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.facts import ChargeFact
from ledger.errors import NotAStripeEvent
from tests.webhooks.examples import TOLD, Json, charge, event, translated
from webhooks.translate.objects import (
    account_of,
    content_sha256,
    event_id_of,
    parse_event,
    same_event,
)

GOOD = event("charge.succeeded", charge())


def body(**fields: Any) -> bytes:
    return json.dumps(GOOD | fields).encode()


def nested(depth: int) -> bytes:
    return body(data={"object": {}})[:-1] + b', "x": ' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"id": "evt_00000000000000"},
        {"id": "a-B_9"},
        {"id": "e" * 255},
        {"id": "customer.discount.created_00000000000000"},
        {"id": "evt/1:é x"},
        {"type": "a.type.of.tomorrow"},
        {"created": 0},
        {"livemode": True},
        {"request": None},
        {"request": "req_1"},
        {"api_version": None},
        {"account": "acct_1"},
        {"data": {"object": {}}},
        {"data": {"object": None}},
        {"data": {"object": {"text": "\x00 \ud800 é"}, "previous_attributes": {}}},
        {"data": {"object": {"huge": 10**400, "precise": 1e300}}},
    ],
)
def test_a_stripe_event(fields: Json) -> None:
    """Any type, version and mode; what the object holds is the translator's business."""
    head = parse_event(body(**fields))
    document = GOOD | fields
    for name in ("id", "type", "created", "livemode"):
        assert getattr(head, name) == document[name]


THIN = {
    "id": "evt_65T1",
    "object": "v2.core.event",
    "type": "v1.charge.succeeded",
    "livemode": False,
    "created": "2026-10-04T15:13:32.232Z",
    "context": None,
    "related_object": {"id": "ch_1", "type": "charge", "url": "/v1/charges/ch_1"},
}


@pytest.mark.parametrize(
    ("fields", "account"),
    [
        ({}, None),
        ({"context": "acct_1"}, "acct_1"),
        ({"context": "org_1/acct_1"}, None),
        ({"context": {"a": 1}}, None),
        ({"related_object": None}, None),
        ({"created": "2026-10-04T17:13:32+02:00"}, None),
    ],
)
def test_a_thin_event(fields: Json, account: str | None) -> None:
    """It shows no object, and tells the time by another clock face."""
    thin = json.dumps(THIN | fields).encode()
    head = parse_event(thin)
    assert (head.id, head.type, head.account) == ("evt_65T1", "v1.charge.succeeded", account)
    assert account_of(thin) == account


@pytest.mark.parametrize(
    "fields", [{"created": 1}, {"created": "soon"}, {"created": "2026-10-04T15:13:32"}, {"id": 1}]
)
def test_no_thin_event_either(fields: Json) -> None:
    with pytest.raises(NotAStripeEvent):
        parse_event(json.dumps(THIN | fields).encode())


@pytest.mark.parametrize(
    ("signed", "name"),
    [
        (body(), "evt_1"),
        (b'{"id": "evt.1/x"}', "evt.1/x"),
        (json.dumps({"id": "e" * 255}).encode(), "e" * 255),
        *[
            (junk, f"sha256-{sha256(junk).hexdigest()}")
            for junk in (
                b"",
                b"{}",
                b"[]",
                b"null",
                b"id=evt_1",
                b'{"id": 7}',
                b'{"id": ""}',
                rb'{"id": "evt_\u0000"}',
                rb'{"id": "evt_\n"}',
                json.dumps({"id": "e" * 256}).encode(),
                body()[:-1],
                nested(5000),
                nested(100_000),
            )
        ],
    ],
    ids=lambda case: f"{case[:20]!r}",
)
def test_whatever_is_signed_has_a_name(signed: bytes, name: str) -> None:
    assert event_id_of(signed) == name


@given(st.binary() | st.text().map(str.encode))
def test_naming_never_fails(junk: bytes) -> None:
    assert 0 < len(event_id_of(junk)) <= 255


@pytest.mark.parametrize("gone", ["object", "livemode", "api_version", "request"])
def test_what_an_event_may_lack(gone: str) -> None:
    lacking = {name: value for name, value in GOOD.items() if name != gone}
    assert parse_event(json.dumps(lacking).encode()).id == "evt_1"


BAD_IDS = [None, 1, "", "evt_1\n", "evt_\u202e1", "e" * 256, "\x00", "\ud800"]


@pytest.mark.parametrize(
    "fields",
    [
        *[{"id": each} for each in BAD_IDS],
        *[{"object": each} for each in ("charge", "v2.core.event", "v2.core.account", "", None, 1)],
        *[{"type": each} for each in ("", None, 1, "x" * 256)],
        *[{"created": each} for each in (None, "1", 1.5, -1, TOLD * 1000, 10**30, True)],
        *[{"livemode": each} for each in (None, "false", 0)],
        *[{"api_version": each} for each in (1, "x" * 256)],
        *[{"account": each} for each in (1, "", "1", "acct_", "acct_1@", "acct_" + "1" * 65)],
        *[{"data": each} for each in (None, {}, [], {"object": []}, {"object": "ch_1"})],
    ],
)
def test_a_wrong_envelope(fields: Json) -> None:
    with pytest.raises(NotAStripeEvent, match=r"^The body is no Stripe event: .+"):
        parse_event(body(**fields))


@pytest.mark.parametrize("gone", ["id", "type", "created", "data"])
def test_what_an_event_must_have(gone: str) -> None:
    lacking = {name: value for name, value in GOOD.items() if name != gone}
    with pytest.raises(NotAStripeEvent, match=f"`{gone}`"):
        parse_event(json.dumps(lacking).encode())


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"{}",
        b'"evt_1"',
        b"evt_1",
        b"id=evt_1&object=event",
        body()[:-1],
        body() + b"x",
        body() + body(),
        b"\xef\xbb\xbf" + body(),
        body().decode().encode("utf-16"),
        body().replace(b"Ann", b"\xff"),
        body().replace(b"1000", b"NaN"),
        body().replace(b"1000", b"Infinity"),
        body().replace(b"1000", b"01"),
        body().replace(b"Ann", b"A\x00"),
        b'{"id": 1, ' + body()[1:].replace(b'"id": "evt_1"', b'"id": null'),
        nested(201),
        nested(100_000),
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda junk: f"{junk[:20]!r}…",
)
def test_a_body_that_is_no_event(junk: bytes) -> None:
    with pytest.raises(NotAStripeEvent):
        parse_event(junk)


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    """To whatever reads a body: the receiver, the translator, and what compares twins."""
    twice = body()[:-1] + b', "id": "evt_2"}'
    assert parse_event(twice).id == event_id_of(twice) == "evt_2"
    once = json.dumps(event("charge.succeeded", charge(amount=9, amount_captured=9))).encode()
    both = once.replace(b'"amount": 9', b'"amount": 1, "amount": 9')
    assert both != once
    assert same_event(once, both)
    for code in (b"null", b"5"):  # with a code that is no word it is read piece by piece
        told = both.replace(b'"failure_code": null', b'"failure_code": ' + code)
        (fact,) = (each for each in translated(told)[2] if isinstance(each, ChargeFact))
        assert fact.amount_minor == 9


def test_depth_is_limited_where_stripe_never_goes() -> None:
    """The limit is ours, not the stack's, so every reader of the log has the same one."""
    assert parse_event(nested(90)).id == "evt_1"
    wide = body(data={"object": {"items": [{"a": ["[{"]}] * 500}})
    assert parse_event(wide).id == "evt_1"


@given(st.binary() | st.text().map(str.encode))
def test_parsing_never_fails_in_another_way(junk: bytes) -> None:
    with pytest.raises(NotAStripeEvent):
        parse_event(junk)


def thin(**fields: Any) -> bytes:
    return json.dumps(THIN | fields).encode()


TWIN = json.dumps(dict(reversed(GOOD.items())) | {"pending_webhooks": 0}, indent=2).encode()


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (body(), body(), True),
        (body(), TWIN, True),
        (body(), body(pending_webhooks=0), True),
        (body(), body(request=None), True),
        (body(), body(api_version="2020-03-02"), True),
        (body(account="acct_1"), body(account="acct_1"), True),
        (body(), body(type="charge.updated"), False),
        (body(), body(created=TOLD + 1), False),
        (body(), body(data={"object": charge(amount=1001)}), False),
        (body(), body(data={"object": charge(), "previous_attributes": {}}), False),
        (body(), body(data={"object": charge(paid=1)}), False),
        (body(), body(data={"object": charge(amount="1000")}), False),
        (body(), body().replace(b"1000", b"1000.0"), True),
        (body(), body().replace(b"1000", b"1e3"), True),
        (body(), body().replace(b"1000", b"1e999999999999999999999"), False),
        (body(), body().replace(b"Ann", rb"\u0041nn"), True),
        (body(), body().replace(b"Ann", rb"\ud800"), False),
        (body(data={"object": {"n": 2**60}}), body(data={"object": {"n": 2**60 + 1}}), False),
        (body(), b"{}", False),
        (body(), b"[]", False),
        (body(), b"\xff", False),
        (body(), nested(100_000), False),
        (b"{}", b"{} ", False),
        (b'{"id": "x", "type": "a", "created": 1}', b'{"type": "a", "created": 1}', False),
        (thin(), thin(reason="because"), True),
        (thin(), thin(related_object=None), False),
        (thin(), thin(created="2026-10-04T15:13:33Z"), False),
        (thin(), thin(context="acct_1"), False),
    ],
)
def test_twins(a: bytes, b: bytes, same: bool) -> None:
    """Under one id, type, time and data must agree; how they are written does not matter."""
    assert same_event(a, b) is same
    assert (content_sha256(a) == content_sha256(b)) is same
    assert same_event(b, a) is same


def test_an_event_is_the_same_where_only_one_of_two_bodies_names_its_account() -> None:
    """A connected account's own list does not name it; two that are named must be equal."""
    named = body(account="acct_1")
    assert same_event(body(), named)
    assert same_event(named, body())
    assert not same_event(named, body(account="acct_2"))
    assert content_sha256(body()) != content_sha256(named)
