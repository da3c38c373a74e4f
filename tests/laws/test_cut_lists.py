"""What Stripe cuts, and what was then read on, comes to what it would have shown uncut."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, LiteralString, cast

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from ledger.domain.events import Metadata, NewEvent, StripeEventReceived, StripeObjectObserved
from ledger.domain.streams import stream_of
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import positions, tables
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.registry import discover
from projections.engine.tables import LIVE
from simulator import API_VERSIONS, SimulatedStripe
from simulator.api.resources import ITEMS, PARTS
from simulator.api.shapes import Shapes
from simulator.sent import Events
from simulator.versions import Shape, listed
from webhooks.cut_lists import completed, cut_lists
from webhooks.translate.translator import Translator

READER = Translator(mode="test", order_metadata_key="order_id")
DAY = 86_400
WROTE = datetime(2027, 1, 1, tzinfo=UTC)
LISTS = {"subscription": ITEMS} | {parts.of: parts for parts in PARTS}
NAMES = {
    "subscription": "items",
    "checkout.session": "line_items",
    "invoice": "lines",
    "credit_note": "lines",
    "charge": "refunds",
}
SHOWN = {
    "subscription_versions": "subscription_id, at, mrr_minor, unknown, active, uncounted, pays",
    "subscriptions": "subscription_id, state, mrr_minor, mrr_known",
    "mrr_movements": "*",
    "invoices": "invoice_id, state, due_minor, paid_minor",
    "invoiced_prices": "*",
    "refunds": "refund_id, state, amount_minor, charge_id",
    "purchases": "purchase_id, kind, sale, lines",
    "uncounted_amounts": "*",
}
HIDDEN = {"version", "newest_by", "position", "invoiced_by"}
Databases = Callable[[], Database]
laws = settings(
    max_examples=4,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Life:
    """A customer with many of everything; `observed` are objects as a reader fetches them whole."""

    def __init__(self, seed: int, api_version: str, looks: Sequence[bool]) -> None:
        self.simulated = SimulatedStripe(seed, api_version, remembers=True)
        self.random, self.looks = Random(seed), iter(looks)
        self.sent: Events = []
        self.observed: list[NewEvent] = []
        self.seen: dict[str, int] = {}

    def play(self) -> "list[NewEvent]":
        simulated, random = self.simulated, self.random
        customer, sent = simulated.create_customer("ann@example.com", "Ann")
        self.sent += sent
        prices = [simulated.new_price(240 * n, "eur", "month") for n in range(1, 17)]
        prices += [simulated.new_price(2400 * n, "eur", "year") for n in range(1, 4)]
        goods = [(price, random.choice((1, 2))) for price in random.sample(prices, 13)]
        subscription, sent = simulated.subscribe(customer, goods)
        self.sent += sent
        coupon, sent = simulated.create_coupon("forever", "eur", percent_off=50)
        self.sent += sent
        self.look("subscription", subscription)
        self.step(simulated.apply_coupon(subscription, coupon), "subscription", subscription)
        others = [(price, 1) for price in random.sample(prices, random.choice((9, 12, 18)))]
        self.step(simulated.change_items(subscription, others), "subscription", subscription)
        self.step(simulated.renew(subscription), "subscription", subscription)
        once = [simulated.new_price(100 * n, "eur", "") for n in range(1, 41)]
        invoice, sent = simulated.bill(customer, [(price, 1) for price in once], "eur")
        self.sent += sent
        self.step(simulated.pay_invoice(invoice), "invoice", invoice)
        note, sent = simulated.credit(invoice, 990, "product_unsatisfactory")
        self.step(sent, "credit_note", note)
        payment, sent = simulated.create_payment(5000, "eur")
        self.sent += [*sent, *simulated.pay_by_card(payment)]
        for _ in range(13):
            _, sent = simulated.refund(payment, 30)
            self.sent += sent
        self.look("charge", payment.charge)
        self.step(simulated.cancel(subscription), "subscription", subscription, always=True)
        for each in subscription.invoices:
            self.look("invoice", each)
        return [*map(received, self.sent), *self.observed]

    def step(self, sent: Events, kind: str, thing: Any, *, always: bool = False) -> None:
        """Something happened; and then, perhaps, somebody looks."""
        self.sent += sent
        if next(self.looks, True) or always:
            self.look(kind, thing)
        self.simulated.advance(3 * DAY)

    def look(self, kind: str, thing: Any) -> None:
        self.simulated.advance(60)
        shapes = Shapes(self.simulated, self.simulated.layout.api_version)
        body = msgspec.json.encode(shapes.of(kind, thing))
        rest = {
            cut.part: tuple(map(msgspec.json.encode, LISTS[kind].write(shapes, thing)[cut.shown :]))
            for cut in cut_lists(body)
            if cut.part == NAMES[kind]
        }
        self.seen[thing.id] = self.seen.get(thing.id, 0) + 1
        observed = StripeObjectObserved(
            kind=kind,
            object_id=thing.id,
            body=body,
            rest=rest,
            fetched_at=datetime.fromtimestamp(self.simulated.now, UTC),
            path=f"/v1/{kind}s",
            livemode=False,
            api_version=self.simulated.layout.api_version,
        )
        stream = str(stream_of(observed))
        self.observed.append(
            NewEvent(stream, self.seen[thing.id], observed, WROTE, Metadata(actor="stripe"))
        )


def received(event: Any) -> NewEvent:
    stored = StripeEventReceived(
        event_id=event.id, body=event.body, received_at=WROTE, source="webhook"
    )
    return NewEvent(f"stripe/{event.id}", 1, stored, WROTE, Metadata(actor="stripe"))


def read_models(database: Database, entries: Sequence[NewEvent]) -> dict[str, list[Any]]:
    with Log(database.conninfo("app")) as log:
        engine = ProjectionContext(database, log, discover(), READER)
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), engine.registry, engine.reader, head=0)
        log.append_new(entries)
        Follower(engine).catch_up()
    with database.connect("reader") as conn, conn.cursor(row_factory=dict_row) as cursor:
        tables.use(cursor, LIVE)
        found = {
            table: [
                {name: value for name, value in row.items() if name not in HIDDEN}
                for row in cursor.execute(
                    cast("LiteralString", f"select {columns} from {table}")  # noqa: S608
                ).fetchall()
            ]
            for table, columns in SHOWN.items()
        }
        cut = cursor.execute("select kind, part from cut_lists where cut").fetchall()
    return {name: sorted(rows, key=str) for name, rows in found.items()} | {"cut": cut}


def arriving(entries: Sequence[NewEvent], random: Random) -> list[NewEvent]:
    """The entries in any order, each stream's versions as they arrive; events also twice."""
    versions: dict[str, int] = {}
    arrived: list[NewEvent] = []
    for entry in random.sample(entries, len(entries)):
        version = versions[entry.originator_id] = versions.get(entry.originator_id, 0) + 1
        arrived.append(msgspec.structs.replace(entry, originator_version=version))
    twice = [each for each in arrived if isinstance(each.event, StripeEventReceived)]
    return [*arrived, *random.sample(twice, len(twice) // 4)]


def uncut(data: list[Shape], url: str) -> Shape:
    """A list as it would be if Stripe cut none."""
    return listed(data, url)


@laws
@given(
    seed=st.integers(0, 10_000),
    api_version=st.sampled_from([API_VERSIONS[0], API_VERSIONS[-1]]),
    arrival=st.integers(0, 10_000),
)
def test_what_was_cut_and_the_rest_come_to_what_is_whole(
    fresh_database: Databases, seed: int, api_version: str, arrival: int
) -> None:
    """Where somebody looked after each change; in any order of arrival, and any repetition."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("billing_layout", "layout", "api.shapes"):
            patch.setattr(f"simulator.{module}.shortened", uncut)
        whole = Life(seed, api_version, []).play()
    shown = Life(seed, api_version, []).play()
    assert sum(each.event != other.event for each, other in zip(shown, whole, strict=True)) > 9
    expected = read_models(fresh_database(), whole)
    found = read_models(fresh_database(), arriving(shown, Random(arrival)))
    assert found == expected
    assert found["refunds"]
    assert found["invoiced_prices"]
    assert all(row["unknown"] == [] for row in found["subscription_versions"])


@laws
@given(seed=st.integers(0, 10_000), looks=st.lists(st.booleans(), min_size=6, max_size=6))
def test_what_nobody_read_on_is_unknown_and_never_wrong(
    fresh_database: Databases, seed: int, looks: list[bool]
) -> None:
    version = API_VERSIONS[-1]
    with pytest.MonkeyPatch.context() as patch:
        for module in ("billing_layout", "layout", "api.shapes"):
            patch.setattr(f"simulator.{module}.shortened", uncut)
        whole = Life(seed, version, looks).play()
    expected = read_models(fresh_database(), whole)["subscription_versions"]
    found = read_models(fresh_database(), Life(seed, version, looks).play())
    assert len(found["subscription_versions"]) == len(expected)
    points = {(each["subscription_id"], each["at"]): each["mrr_minor"] for each in expected}
    for each in found["subscription_versions"]:
        known = points[each["subscription_id"], each["at"]]
        assert each["mrr_minor"] == known or (each["unknown"] and each["mrr_minor"] < known)


def test_a_list_is_completed_byte_for_byte_and_decimals_stay() -> None:
    body = (
        b'{"id": "x_1", "object": "x", "rate": 1.50, "items": {"object": "list", "data": [{"id":'
        b' "i_1", "percent": 0.10}], "has_more": true, "url": "/v1/x?of=1"}}'
    )
    (cut,) = cut_lists(body)
    assert cut == ("x", "x_1", "items", "/v1/x?of=1", 1, 2, "i_1", None)
    whole = completed(body, {"items": (b'{"id": "i_2", "percent": 0.20}',)})
    assert b'{"id": "i_2", "percent": 0.20}' in whole
    assert b"1.50" in whole
    assert not cut_lists(whole)
    assert [each["id"] for each in json.loads(whole)["items"]["data"]] == ["i_1", "i_2"]
