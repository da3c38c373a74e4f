"""What a list, an export or the audit log is filtered by: a word that does not exist is refused."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from typing import Any, Final

import pytest

from kpi.exports.declare import exports
from kpi.exports.formats import Format
from kpi.exports.transfer import Asked, begin
from kpi.windows import Window
from ledger.domain.events import Meta
from ledger.errors import InvalidRequest
from ledger.evidence import Witness
from projections.engine.audit_log import FILTERS
from projections.engine.follow import Follower
from projections.engine.reads import Reads
from projections.engine.registry import discover
from projections.engine.row import words_of
from projections.exports import ExportRecord
from tests.projections.engine.counter import Counter, opened
from tests.support.servers import Server
from tests.support.worlds import random_world

LISTINGS: Final = {p.name: p.listing for p in discover() if p.listing}
FREE: Final = {
    "account",
    "actor",
    "causation",
    "charge_id",
    "check",
    "coupon_id",
    "customer",
    "customer_id",
    "email",
    "event_id",
    "invoice_id",
    "kind",
    "name",
    "object",
    "order_id",
    "payment_id",
    "payout_id",
    "price_id",
    "product_id",
    "reason",
    "reference",
    "requested_by",
    "sha256",
    "sku",
    "source",
    "subscription_id",
    "text",
}
"""Names of things, Stripe's reasons, and free text: one that there is none of is no mistake."""

CLOSED: Final = [
    (name, each) for name, found in LISTINGS.items() for each in found.filters if each not in FREE
]
EXPORTED: Final = [
    (each.name, name) for each in exports() for name in each.filters if name not in FREE
]
SEARCHED: Final = [*sorted(FILTERS.keys() - FREE), "kind"]


@pytest.fixture(scope="module")
def filled(servers: Any) -> Iterator[Counter]:
    server: Server = servers("embedded")
    database = server.create_unbuilt()
    with opened(database) as counter:
        counter.engine.log.append_new(random_world(3, 600).without_repeats().entries)
        Follower(counter.engine).catch_up()
        yield counter
    server.drop(database)


@pytest.mark.parametrize(("name", "column"), CLOSED)
def test_every_list_refuses_a_word_that_does_not_exist(
    filled: Counter, name: str, column: str
) -> None:
    told = filled.get(f"/{name}", 422, **{column: "xyz"})
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
        begin(reads, Witness(filled.engine.log), asked, Meta(actor="ann"))


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


def test_the_formats_of_exports_on_record_are_those_that_there_are() -> None:
    assert words_of(ExportRecord, "format") == tuple(Format)


def test_a_currency_may_be_written_in_capitals(filled: Counter) -> None:
    small = filled.get("/orders", currency="gbp")["items"]
    assert small
    assert filled.get("/orders", currency="GBP")["items"] == small
