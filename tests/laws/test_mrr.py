"""Monthly recurring revenue adds up: opening + movements = closing, by day, currency, customer."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from itertools import groupby
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from ledger.domain.events import NewEvent, RecordedEvent, StripeEventReceived
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import tables
from projections.engine.build import ReadModelTables
from projections.engine.registry import discover
from projections.engine.tables import PROOF, AnyCursor
from tests.kpi.plain.said import Said
from tests.kpi.plain.subscribers import Version, read_changes, read_versions
from tests.support.worlds import World, random_world, worlds
from webhooks.translate.translator import Translator

REGISTRY = discover().pick(["mrr_movements"])
READER = Translator(mode="test", order_metadata_key="order_id")
ZONES = ("UTC", "Pacific/Auckland", "America/Los_Angeles")
law = settings(
    max_examples=10,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
Databases = Callable[[], Database]
Rows = list[dict[str, Any]]


def said_by(events: Sequence[RecordedEvent]) -> Said:
    return [(at, fact) for at, facts in map(READER, events) for fact in facts]


@contextmanager
def built(database: Database, events: list[RecordedEvent]) -> Iterator[AnyCursor]:
    """The read models of subscriptions, made from these events."""
    with database.connect("projector", autocommit=True) as conn:
        with conn.cursor() as cursor:
            tables.clear(cursor, PROOF)
            copy = ReadModelTables(cursor, REGISTRY, READER, PROOF)
            copy.create()
            copy.load([events])
            copy.finish()
        with conn.cursor(row_factory=dict_row) as cursor:
            yield cursor


def recorded(database: Database, world: World) -> list[RecordedEvent]:
    with Log(database.conninfo("app")) as log:
        for part in world.split(1 + len(world.entries) // 200):
            log.append_new(part.entries)
        return log.read(limit=len(world.entries))


def moving(world: World, seed: int) -> World:
    """The same world, but some reports of subscriptions are of another customer or currency, and
    all coupons share two ids, under which one was made after the other."""
    random = Random(f"moving {seed}")
    coupons = [*dict.fromkeys(_coupons(world))]
    shared = {name.encode(): f"OFF{n % 2}".encode() for n, name in enumerate(coupons)}
    entries = [
        changed
        for entry in world.entries
        for changed in _told(_moved(_renamed(entry, shared), random), random)
    ]
    return msgspec.structs.replace(world, entries=tuple(entries))


def _coupons(world: World) -> Iterator[str]:
    for entry in world.entries:
        if isinstance(entry.event, StripeEventReceived) and b'"coupon.' in entry.event.body:
            yield json.loads(entry.event.body)["data"]["object"]["id"]


def _renamed(entry: NewEvent, names: dict[bytes, bytes]) -> NewEvent:
    if not isinstance(entry.event, StripeEventReceived):
        return entry
    body = entry.event.body
    for name, shared in names.items():
        body = body.replace(b'"%b"' % name, b'"%b"' % shared)
    return _with_body(entry, body)


def _told(entry: NewEvent, random: Random) -> Iterator[NewEvent]:
    """The entry and, of some new coupons, that they are deleted, at once or in some days."""
    yield entry
    if isinstance(entry.event, StripeEventReceived) and b'"coupon.created"' in entry.event.body:
        document = json.loads(entry.event.body)
        if random.randrange(2):
            days = random.choice([0, 0, 1, 9])
            gone = {"id": f"{document['id']}d", "created": document["created"] + days * 86400}
            body = json.dumps(document | gone | {"type": "coupon.deleted"}).encode()
            deleted = msgspec.structs.replace(
                _with_body(entry, body), originator_id=f"{entry.originator_id}d"
            )
            event = msgspec.structs.replace(deleted.event, event_id=gone["id"])
            yield msgspec.structs.replace(deleted, event=event)


def _with_body(entry: NewEvent, body: bytes) -> NewEvent:
    event = msgspec.structs.replace(entry.event, body=body, signature=None)
    return msgspec.structs.replace(entry, event=event)


def _moved(entry: NewEvent, random: Random) -> NewEvent:
    if not isinstance(entry.event, StripeEventReceived) or random.randrange(4):
        return entry
    document: dict[str, Any] = json.loads(entry.event.body)
    if not document["type"].startswith("customer.subscription."):
        return entry
    document["data"]["object"] |= random.choice(
        [{"customer": "cus_mover"}, {"currency": "jpy"}, {"currency": "kwd"}]
    )
    return _with_body(entry, json.dumps(document).encode())


@law
@given(world=worlds(), seed=st.integers(0, 99), heard=st.sampled_from([1, 2, 3]))
def test_movements_are_what_a_bookkeeper_would_write(
    fresh_database: Databases, world: World, seed: int, heard: int
):
    """By a plain reading of the facts, in exact fractions; whatever the order of arrival, and
    whether everything arrived or only a half or a third of it. Some subscriptions change their
    customer or currency, and some change back; ids of coupons are used again."""
    database = fresh_database()
    events = recorded(database, moving(world, seed).shuffled(seed).split(heard)[0])
    expected = [
        (
            change.subscription_id,
            change.at,
            *change.customer,
            change.kind,
            change.mrr_minor,
            change.subscriptions,
            change.uncounted,
            int(change.began),
            int(change.ended),
        )
        for change in read_changes(said_by(events))
        if change.kind or change.subscriptions or change.uncounted
    ]
    with built(database, events) as cursor:
        found: Rows = cursor.execute("""
            select
                subscription_id, at, customer_id, currency,
                case when kind not in ('free', 'scheduled', 'unknown') then kind || '_mrr' end,
                amount_minor, subscriptions, uncounted, subscribers_new, subscribers_churned
            from mrr_movements
        """).fetchall()
    assert sorted((tuple(row.values()) for row in found), key=repr) == sorted(expected, key=repr)


def test_the_worlds_have_movements_of_every_kind(fresh_database: Databases):
    """So that the laws speak of something: of what is not known, and of what is heard of late."""
    kinds: set[str] = set()
    causes: set[str] = set()
    inferred = 0
    for seed, at_least, parts in [*((n, 300, 1 + n % 2) for n in range(12)), (56, 150, 2)]:
        database = fresh_database()
        heard = random_world(seed, at_least).shuffled(seed).split(parts)[0]
        with built(database, recorded(database, heard)) as cursor:
            found: Rows = cursor.execute("select distinct kind from mrr_movements").fetchall()
            kinds |= {row["kind"] for row in found}
            found = cursor.execute("""
                select distinct split_part(cause, '/', 1) as cause
                from subscription_versions
                cross join lateral jsonb_array_elements_text(unknown) as u (cause)
            """).fetchall()
            causes |= {row["cause"] for row in found}
            found = cursor.execute("""
                select count(*) as points
                from subscription_points
                join subscription_reports as r using (subscription_id, version)
                where subscription_points.at <> r.at
            """).fetchall()
            inferred += found[0]["points"]
    moving = {"new", "expansion", "contraction", "churned", "reactivation"}
    assert kinds == {*moving, "free", "scheduled", "unknown"}
    assert causes >= {"price", "items", "coupon"}
    assert inferred


@law
@given(world=worlds(), zone=st.sampled_from(ZONES))
def test_opening_and_movements_make_closing_on_every_day(
    fresh_database: Databases, world: World, zone: str
):
    """A day's closing balance is what holds of each subscription at its end."""
    database = replace(fresh_database(), time_zone=zone)
    events = recorded(database, moving(world, len(world.entries)))
    known = read_versions(said_by(events))
    with built(database, events) as cursor:
        found: Rows = cursor.execute("""
            select
                day, currency, mrr_minor, subscriptions, uncounted, subscribers, new_subscribers,
                churned_subscribers,
                new_minor + expansion_minor + contraction_minor + churned_minor
                    + reactivation_minor as parts_minor
            from mrr_daily
            order by currency, day
        """).fetchall()
    assert found
    for currency, days in groupby(found, key=lambda row: row["currency"]):
        closing = (0, 0, 0, 0)
        for row in days:
            moved = (row["mrr_minor"], row["subscriptions"], row["uncounted"], row["subscribers"])
            closing = tuple(a + b for a, b in zip(closing, moved, strict=True))
            assert closing == balance_of(known, currency, row["day"], ZoneInfo(zone))
            assert row["parts_minor"] == row["mrr_minor"]
            assert row["subscribers"] == row["new_subscribers"] - row["churned_subscribers"]


def balance_of(
    known: Sequence[Version], currency: str, day: date, zone: ZoneInfo
) -> tuple[int, int, int, int]:
    """MRR, subscriptions active and not fully counted, and subscribers at the end of a day."""
    until = [v for v in known if v.customer[1] == currency and v.at.astimezone(zone).date() <= day]
    newest = {(v.subscription_id, v.customer): v for v in until}.values()
    paying = {v.customer for v in newest if v.standing.pays}
    statuses = [v.standing for v in newest]
    return (
        sum(each.mrr_minor for each in statuses),
        sum(each.active for each in statuses),
        sum(each.uncounted for each in statuses),
        len(paying),
    )


@law
@given(world=worlds())
def test_a_customers_movements_add_up_to_what_his_subscriptions_come_to(
    fresh_database: Databases, world: World
):
    database = fresh_database()
    with built(database, recorded(database, moving(world, len(world.entries)))) as cursor:
        moved: Rows = cursor.execute("""
            select
                customer_id, currency,
                sum(amount_minor) as mrr_minor,
                sum(subscriptions) as active,
                sum(uncounted) as uncounted
            from mrr_movements
            group by customer_id, currency
            having sum(amount_minor) <> 0 or sum(subscriptions) <> 0 or sum(uncounted) <> 0
            order by customer_id, currency
        """).fetchall()
        held: Rows = cursor.execute("""
            select
                customer_id, currency,
                sum(mrr_minor) as mrr_minor,
                count(*) filter (where state in ('active', 'past_due')) as active,
                count(*) filter (where not mrr_known) as uncounted
            from subscriptions
            where state in ('active', 'past_due') or not mrr_known
            group by customer_id, currency
            order by customer_id, currency
        """).fetchall()
    assert moved == held
