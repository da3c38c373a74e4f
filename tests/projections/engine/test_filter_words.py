"""What a list, an export or the audit log is filtered by: a word that does not exist is refused."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from typing import Any, Final

import pytest

from kpi.exports.declare import exports
from kpi.exports.formats import Format
from kpi.exports.transfer import Asked, begin
from kpi.windows import Window
from ledger.disclosures import DisclosureLog
from ledger.domain.events import (
    Metadata,
    NewEvent,
    StripeEventReceived,
    StripeObjectObserved,
    StripePayoutListed,
)
from ledger.errors import InvalidRequest
from projections.engine.follow import Follower
from projections.engine.reads import Reads
from projections.engine.registry import discover
from projections.engine.row import words_of
from projections.exports import ExportRecord
from projections.queries.audit_search import FILTERS
from tests.projections.engine.counter import Counter, opened
from tests.projections.models import NOON
from tests.support.addresses import address
from tests.support.servers import Server
from tests.support.worlds import random_world
from tests.webhooks.billing_examples import discount
from tests.webhooks.examples import event

LISTINGS: Final = {p.name: p.listing for p in discover() if p.listing}
FREE: Final = {
    "actor",
    "causation",
    "charge_id",
    "coupon_id",
    "customer",
    "customer_id",
    "email",
    "event_id",
    "invoice_id",
    "object",
    "order_id",
    "payment_id",
    "payout_id",
    "price_id",
    "product_id",
    "reference",
    "request_id",
    "requested_by",
    "sha256",
    "sku",
    "source_id",
    "subject",
    "subscription_id",
    "text",
    "transaction_id",
}
"""Names of things, and free text: one that there is none of is no mistake.

Stripe may be yet to tell of an object, a person may not have acted yet, and a customer who ordered
nothing is one whom programs ask for all day; to refuse them would take a look at all of the log.
"""

CLOSED: Final = [
    (name, each) for name, found in LISTINGS.items() for each in found.filters if each not in FREE
]
EXPORTED: Final = [
    (each.name, name) for each in exports() for name in each.filters if name not in FREE
]
SEARCHED: Final = sorted(FILTERS.keys() - FREE)


@pytest.fixture(scope="module")
def filled(servers: Any) -> Iterator[Counter]:
    server: Server = servers("embedded")
    database = server.create()
    with opened(database) as counter:
        counter.engine.log.append_new(random_world(5, 600).without_repeats().entries)
        body = json.dumps(event("customer.discount.created", discount(), id="evt_discount"))
        received = StripeEventReceived(
            event_id="evt_discount", body=body.encode(), received_at=NOON, source="import"
        )
        entry = NewEvent("stripe/evt_discount", 1, received, NOON, Metadata(actor="stripe"))
        transaction = StripeObjectObserved(
            kind="balance_transaction",
            object_id="txn_1",
            body=b'{"id":"txn_1","object":"balance_transaction","amount":5,"net":5,"currency":"gbp",'
            b'"type":"charge","reporting_category":"charge","balance_type":"payments"}',
            fetched_at=NOON,
            path="/v1/balance_transactions",
            livemode=False,
        )
        stream = "observed/self/balance_transaction/txn_1"
        fetched = NewEvent(stream, 1, transaction, NOON, Metadata(actor="stripe"))
        listed = StripePayoutListed(
            payout_id="po_1",
            transaction_ids=("txn_1",),
            complete=True,
            fetched_at=NOON,
            livemode=False,
        )
        members = NewEvent(
            "observed/self/payout_members/po_1", 1, listed, NOON, Metadata(actor="stripe")
        )
        counter.engine.log.append([entry, fetched, members])
        Follower(counter.engine).catch_up()
        yield counter
    server.drop(database)


@pytest.mark.parametrize(("name", "column"), CLOSED)
def test_every_list_refuses_a_word_that_does_not_exist(
    filled: Counter, name: str, column: str
) -> None:
    told = filled.get(address(name), 422, **{column: "xyz"})
    assert column in told["detail"] or "value does not fit" in told["detail"]


@pytest.mark.parametrize(("name", "column"), EXPORTED)
def test_every_export_refuses_a_word_that_does_not_exist(
    filled: Counter, name: str, column: str
) -> None:
    (export,) = [each for each in exports() if each.name == name]
    window = Window(date(2026, 1, 1), date(2026, 12, 31))
    asked = Asked(export, window, Format.CSV, {column: "xyz"})
    with (
        closing(Reads(filled.engine, connections=1)) as reads,
        pytest.raises(InvalidRequest, match=f"{column}: 'xyz' is none of [a-z]"),
    ):
        begin(reads, DisclosureLog(filled.engine.log), asked, Metadata(actor="ann"))


@pytest.mark.parametrize("name", SEARCHED)
@pytest.mark.parametrize("word", ["bogus", "Admin ", "*" * 40 + "q!"])
def test_the_audit_log_refuses_a_word_that_does_not_exist(
    filled: Counter, name: str, word: str
) -> None:
    told = filled.get("/audit", 422, **{name: word})
    assert f"{name}: {word!r} is none of" in told["detail"]


@pytest.mark.parametrize(
    "asked", [{"kind": "issue.*"}, {"kind": "*"}, {"role": "auditor"}, {"outcome": "refused"}]
)
def test_a_word_that_exists_may_find_nothing(filled: Counter, asked: dict[str, str]) -> None:
    filled.get("/audit", **asked)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("issues", {"check": "paid_twice"}),
        ("issues", {"kind": "order"}),
        ("export_log", {"name": "orders"}),
        ("conflicts", {"source": "backfill"}),
    ],
)
def test_what_is_declared_is_a_word_before_any_row_has_it(
    filled: Counter, name: str, asked: dict[str, str]
) -> None:
    ((column, word),) = asked.items()
    assert all(row[column] == word for row in filled.get(address(name), **asked)["items"])


def test_what_rows_have_is_a_word_and_is_named(filled: Counter) -> None:
    reasons = {row["reason"] for row in filled.get("/refunds", limit=200)["items"]} - {None}
    assert reasons
    for reason in reasons:
        assert filled.get("/refunds", reason=reason)["items"]
    told = filled.get("/refunds", 422, reason="whim")
    assert told["detail"] == f"reason: 'whim' is none of {', '.join(sorted(reasons))}."
    told = filled.get("/discounts", 422, account="acct_none")
    assert told["detail"] == "account: 'acct_none' is not there, and nothing has any."
    told = filled.get("/refunds", 422, account="acct_none")
    assert told["detail"] == "account: 'acct_none' is none of acct_1Kq0connected0."


@pytest.mark.parametrize("sort", ["position", "-position"])
def test_the_logs_events_are_listed_by_topic_stripe_type_and_stream(
    filled: Counter, sort: str
) -> None:
    log = filled.engine.log
    stored = [log.at([n])[0] for n in range(1, 201)]
    wanted = next(each for each in stored if each.topic.startswith("order.placed"))
    for asked, fits in (
        ({"topic": wanted.topic}, lambda each: each["topic"] == wanted.topic),
        ({"stream": wanted.stream}, lambda each: each["source"] == wanted.stream),
        ({"type": "charge.*"}, lambda each: each["source"].startswith("stripe/")),
    ):
        found = paged(filled, sort=sort, **asked)
        positions = [each["position"] for each in found]
        assert positions
        assert positions == sorted(positions, reverse=sort == "-position")
        assert all(map(fits, found))
        lines = paged(filled, "/audit", sort=sort, **asked)
        assert [line["position"] for line in lines] == positions
        if "type" in asked:
            assert all(line["kind"].startswith("charge.") for line in lines)
    filled.get("/events", topic="wishlist.added.v1")


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ({"topic": "order.eaten.v1"}, "order.placed.v1"),
        ({"type": "order.placed"}, "charge.succeeded"),
        ({"stream": "order/nowhere"}, "the log's streams"),
    ],
)
def test_events_of_what_does_not_exist_are_refused(
    filled: Counter, asked: dict[str, str], there: str
) -> None:
    for path in ("/events", "/audit"):
        told = filled.get(path, 422, **asked)["detail"]
        (name, value), *_ = asked.items()
        assert told.startswith(f"{name}: {value!r} is none of ")
        assert there in told


def paged(counter: Counter, path: str = "/events", **asked: Any) -> list[dict[str, Any]]:
    """All that a list has, by pages of 40."""
    page = counter.get(path, limit=40, **asked)
    found: list[dict[str, Any]] = page["items"]
    while page["next"] is not None:
        page = counter.get(path, limit=40, cursor=page["next"], **asked)
        found += page["items"]
    return found


def test_the_formats_of_exports_on_record_are_those_that_there_are() -> None:
    assert words_of(ExportRecord, "format") == tuple(Format)


def test_a_currency_may_be_written_in_capitals(filled: Counter) -> None:
    small = filled.get("/orders", currency="gbp")["items"]
    assert small
    assert filled.get("/orders", currency="GBP")["items"] == small
