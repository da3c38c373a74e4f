"""Daily money: facts add up to the objects that they are made of, and days to their facts."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ledger.postgres.database import Database
from projections.engine.tables import AnyCursor
from tests.laws.test_projections import a_copy, recorded
from tests.support.worlds import World, random_world, worlds

Databases = Callable[[], Database]

law = settings(
    max_examples=6,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

BREACHES: dict[str, LiteralString] = {
    "captures are what linked payments of known orders received": """
        select p.payment_id, p.received_minor, c.amount_minor
        from payments as p
        left join (
            select payment_id, sum(amount_minor) as amount_minor
            from captures
            group by payment_id
        ) as c using (payment_id)
        where coalesce(c.amount_minor, 0) <> case
            when exists (select from order_actions where order_id = p.order_id)
            then p.received_minor
            else 0
        end
    """,
    "refund movements add up to what a payment gave back": """
        select p.payment_id, p.refunded_minor, m.amount_minor
        from payments as p
        left join (
            select payment_id, sum(amount_minor) as amount_minor
            from refund_movements
            group by payment_id
        ) as m using (payment_id)
        where coalesce(m.amount_minor, 0) <> case
            when exists (select from order_actions where order_id = p.order_id)
            then p.refunded_minor
            else 0
        end
    """,
    "a failed refund gives back what it had moved, and not before": """
        select refund_id, f.at, s.at
        from refund_movements as f
        left join (select * from refund_movements where kind = 'succeeded') as s
            using (payment_id, refund_id)
        where f.kind = 'failed'
            and (s.amount_minor + f.amount_minor = 0 and f.at >= s.at) is not true
    """,
    "a dispute's facts add up to what it took": """
        select dispute_id, d.disputed_minor, f.amount_minor
        from disputes as d
        join (
            select dispute_id, sum(amount_minor) as amount_minor
            from dispute_facts
            group by dispute_id
        ) as f using (dispute_id)
        where f.amount_minor <> d.disputed_minor
    """,
    "disputes add up to what they took of a payment": """
        select p.payment_id, p.disputed_minor, f.amount_minor
        from payments as p
        left join (
            select payment_id, sum(amount_minor) as amount_minor
            from dispute_facts
            group by payment_id
        ) as f using (payment_id)
        where coalesce(f.amount_minor, 0) <> case
            when exists (select from order_actions where order_id = p.order_id)
            then p.disputed_minor
            else 0
        end
    """,
    "a dispute was opened once, an inquiry never": """
        select dispute_id, f.state, f.disputes
        from (
            select dispute_id, d.state, sum(f.disputes) as disputes
            from disputes as d
            join dispute_facts as f using (dispute_id)
            group by dispute_id, d.state
        ) as f
        where disputes <> 1 or state in ('inquiry', 'inquiry_closed')
    """,
    "withdrawn is money out, reinstated is money back": """
        select dispute_id, kind, amount_minor
        from dispute_facts
        where sign(amount_minor) <> case kind
            when 'opened' then 0
            when 'withdrawn' then 1
            when 'reinstated' then -1
        end
    """,
    "volume is what payments received and gave back, linked or not": """
        select p.payment_id, p.received_minor, v.gross_minor, p.refunded_minor, v.refunded_minor
        from payments as p
        left join (
            select payment_id, currency, sum(gross_minor) as gross_minor,
                sum(refunded_minor) as refunded_minor
            from volume_movements
            group by payment_id, currency
        ) as v using (payment_id, currency)
        where p.received_minor <> coalesce(v.gross_minor, 0)
            or p.refunded_minor <> coalesce(v.refunded_minor, 0)
    """,
    "no refund or dispute is left out of volume, whatever it is of": """
        select refund_id, r.moved_minor, v.moved_minor
        from (
            select refund_id,
                case when refunded_at is null or state in ('failed', 'canceled') then 0
                    else amount_minor
                end as moved_minor
            from refunds
            where coalesce(charge_id, payment_id) is not null
            union all
            select dispute_id, disputed_minor
            from disputes
            where coalesce(charge_id, payment_id) is not null
        ) as r
        left join (
            select source_id as refund_id, sum(refunded_minor + disputed_minor) as moved_minor
            from volume_movements
            group by source_id
        ) as v using (refund_id)
        where r.moved_minor <> coalesce(v.moved_minor, 0)
    """,
    "orders' money is a part of volume, movement by movement": """
        select *
        from (
            select payment_id, kind, source_id, at, currency, amount_minor
            from captures
            where kind <> 'waived'
            union all
            select payment_id, 'refund_' || kind, refund_id, at, currency, amount_minor
            from refund_movements
            union all
            select payment_id, kind, dispute_id, at, currency, sum(amount_minor)
            from dispute_facts
            group by payment_id, kind, dispute_id, at, currency
        ) as of_orders
        left join (
            select payment_id, kind, source_id, at, currency,
                sum(gross_minor + refunded_minor + disputed_minor) as in_volume_minor
            from volume_movements
            group by payment_id, kind, source_id, at, currency
        ) as v using (payment_id, kind, source_id, at, currency)
        where in_volume_minor is distinct from amount_minor
    """,
    "a payment's outcome agrees with its state": """
        select payment_id, p.state, o.succeeded, o.failed
        from payments as p
        left join ( -- one that a bank took back succeeded, and does not any more
            select payment_id, sum(succeeded) as succeeded, sum(failed) as failed
            from payment_outcomes
            group by payment_id
        ) as o using (payment_id)
        where (p.state = 'succeeded') <> coalesce(o.succeeded = 1, false)
            or (p.state = 'canceled' and o.failed is distinct from 1)
            or o.succeeded + o.failed <> 1
            or (o.failed = 1 and p.state not in ('canceled', 'failed'))
    """,
    "days of stock add up to its levels": """
        select *
        from (
            select sum(on_hand) as on_hand, sum(held) as held
            from stock_daily
        ) as days
        full join (
            select sum(on_hand) as on_hand, sum(held) as held
            from stock_levels
        ) as levels using (on_hand, held)
        where days is null or levels is null
    """,
    "days of commitments add up to what is committed": """
        select *
        from (select sum(committed) as units from stock_committed_daily) as days
        full join (select sum(committed) as units from stock_committed) as now using (units)
        where days is null or now is null
    """,
    "what is on the shelf came in or came back, and was not sent out": """
        select sku, on_hand, received, adjusted, returned, fulfilled
        from stock
        where on_hand <> received + adjusted + returned - fulfilled
            or on_hand <> available + committed + reserved
    """,
    "committed is what paid orders hold, and reserved what unpaid ones do": """
        select sku, s.committed, n.paid, s.reserved, n.unpaid
        from stock as s
        left join (
            select
                sku,
                sum(quantity) filter (where state = 'paid') as paid,
                sum(quantity) filter (where state = 'pending') as unpaid
            from orders
            join order_lines using (order_id)
            group by sku
        ) as n using (sku)
        where s.committed <> coalesce(n.paid, 0) or s.reserved <> coalesce(n.unpaid, 0)
    """,
}
"""What may never be: each query gives back the rows that break the law which names it."""

SUMS: dict[str, tuple[LiteralString, LiteralString]] = {
    "revenue": (
        "select day, currency, revenue_minor, captures from revenue_daily",
        "select at, currency, amount_minor, payment_count from captures",
    ),
    "refunds": (
        "select day, currency, refunded_minor, refunds from refunds_daily",
        """
        select at, currency, amount_minor, sign(amount_minor)::bigint
        from refund_movements
        """,
    ),
    "disputes": (
        "select day, currency, disputed_minor, disputes from disputes_daily",
        "select at, currency, amount_minor, disputes from dispute_facts",
    ),
    "volume": (
        "select day, currency, gross_minor, refunded_minor from volume_daily",
        "select at, currency, gross_minor, refunded_minor from volume_movements",
    ),
    "what is claimed back": (
        "select day, currency, disputed_minor, disputes from volume_daily",
        "select at, currency, disputed_minor, disputes from volume_movements",
    ),
    "what bounced, and what customers paid": (
        "select day, currency, bounced_minor, customers_minor from volume_daily",
        """
        select at, currency, bounced_minor,
            case when customer is not null then gross_minor else 0 end
        from volume_movements
        """,
    ),
    "customers": (
        "select day, '', made, 0 from customers_daily",
        "select made_at, '', 1, 0 from made_customers",
    ),
    "fees": (
        """
        select day, currency, fees_minor, charged_minor - refunded_minor - disputed_minor
        from fees_daily
        """,
        """
        select created_at, currency,
            case when category in ('fee', 'network_cost', 'tax') then -net_minor else fee_minor end,
            case
                when category in ('charge', 'charge_failure', 'partial_capture_reversal', 'refund',
                    'refund_failure', 'dispute', 'dispute_reversal')
                then amount_minor
                else 0
            end
        from transactions
        """,
    ),
    "fees that are not known": (
        "select day, currency, payments, 0 from unknown_fees_daily",
        "select at, currency, 1, 0 from unknown_fees",
    ),
    "payments": (
        "select day, currency, succeeded, failed from payments_daily",
        "select at, currency, succeeded, failed from payment_outcomes",
    ),
    "stock": (
        "select day, '', on_hand, held from stock_daily",
        "select at, '', on_hand, held from stock_movements",
    ),
    "commitments": (
        "select day, '', committed, 0 from stock_committed_daily",
        "select at, '', units, 0 from stock_commitments",
    ),
}
"""Figures by day, and the facts with their times and amounts."""


@contextmanager
def built(database: Database, world: World) -> Generator[AnyCursor]:
    """The read models of a world."""
    events = recorded(database, world)
    with a_copy(database) as copy:
        copy.create()
        copy.load([events])
        copy.finish()
        yield copy.cursor


def by_day(facts: list[tuple[datetime, str, int, int]], zone: ZoneInfo) -> set[tuple[Any, ...]]:
    """Both amounts, added up by the calendar days of a zone and by currency."""
    sums: dict[tuple[Any, str], list[int]] = {}
    for at, currency, first, second in facts:
        total = sums.setdefault((at.astimezone(zone).date(), currency), [0, 0])
        total[0] += first
        total[1] += second
    return {(*key, *total) for key, total in sums.items()}


@law
@given(world=worlds())
def test_facts_add_up_to_their_objects(fresh_database: Databases, world: World):
    with built(fresh_database(), world) as cursor:
        broken = {name: cursor.execute(query).fetchall() for name, query in BREACHES.items()}
    assert {name: rows for name, rows in broken.items() if rows} == {}


@law
@given(
    world=worlds(),
    zone=st.sampled_from(["UTC", "Europe/London", "America/New_York", "Pacific/Kiritimati"]),
)
def test_days_add_up_their_facts_in_the_reporting_zone(
    fresh_database: Databases, world: World, zone: str
):
    with built(replace(fresh_database(), time_zone=zone), world) as cursor:
        for days, facts in SUMS.values():
            expected = by_day(cursor.execute(facts).fetchall(), ZoneInfo(zone))
            assert set(cursor.execute(days).fetchall()) == expected


@pytest.fixture
def a_world(fresh_database: Databases) -> Generator[AnyCursor]:
    with built(fresh_database(), random_world(11, 1200)) as cursor:
        yield cursor


def test_a_world_has_facts_of_every_kind(a_world: AnyCursor):
    """So that the laws speak of something."""
    kinds = a_world.execute("""
        select kind from refund_movements
        union
        select kind from dispute_facts
        union
        select case succeeded when 1 then 'paid' else 'over' end from payment_outcomes
    """).fetchall()
    expected = {"succeeded", "failed", "opened", "withdrawn", "reinstated", "paid", "over"}
    assert {kind for (kind,) in kinds} >= expected
