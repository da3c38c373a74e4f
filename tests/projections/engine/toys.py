"""Small read models for tests of the engine: one of each kind of table, over stock received."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from ledger.domain.events import Metadata, NewEvent, RecordedEvent, StockAdjusted, StockReceived
from ledger.domain.facts import AnyFact, EventContext
from projections.engine.declare import (
    Change,
    Derived,
    Journal,
    Mirror,
    Projection,
    Rollup,
    greatest,
    key,
    latest,
    line,
)
from projections.engine.registry import Registry

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
POISON = 13
"""A quantity that the handlers of `deliveries` cannot take."""
TOO_MUCH = 1_000_000
"""A change that the view of `shelves` cannot take."""


class PlainReader:
    """Every event of the shop is a fact."""

    def __init__(self, fingerprint: str = "plain") -> None:
        self.fingerprint = fingerprint

    def __call__(self, recorded: RecordedEvent) -> tuple[EventContext, Sequence[AnyFact]]:
        at = EventContext(
            recorded.position,
            recorded.stream,
            recorded.version,
            recorded.event.TOPIC,
            recorded.recorded_at,
            recorded.effective_at,
            f"{recorded.version:012d}.{recorded.stream}",
            recorded.meta,
        )
        return at, (recorded.event,)


skus = Mirror("skus", sku=key(), largest=greatest("bigint"), correction=latest("bigint"))
arrivals = Journal("arrivals", sku=line("text"), quantity=line("bigint"))
sums = Rollup(
    "sums",
    key=("sku",),
    amounts=("units",),
    source=arrivals,
    contribution="select sku, quantity::bigint as units from source",
)
deliveries = Projection("deliveries", tables=(skus, arrivals, sums))


@deliveries.handles(StockReceived)
def received(fact: StockReceived, at: EventContext) -> Iterator[Change]:
    if fact.quantity == POISON:
        raise ValueError("thirteen")
    yield skus.mention(sku=fact.sku, largest=fact.quantity)
    yield arrivals.line(at, sku=fact.sku, quantity=fact.quantity)


corrections = Mirror("corrections", sku=key(), change=latest("bigint"))
shelves_table = Derived(
    "shelves",
    key=("sku",),
    view="""
        select sku, s.largest, 1000000 / (1000000 - coalesce(c.change, 0)) as odd
        from skus as s
        left join corrections as c using (sku)
    """,
    touched="select sku from staged_skus union all select sku from staged_corrections",
)
sizes = Rollup(
    "sizes",
    key=("largest",),
    amounts=("skus",),
    source=shelves_table,
    contribution="select largest, 1::bigint as skus from source",
)
shelves = Projection("shelves", tables=(corrections, shelves_table, sizes), reads=("deliveries",))


@shelves.handles(StockAdjusted)
def adjusted(fact: StockAdjusted, at: EventContext) -> Iterator[Change]:
    yield corrections.action(at, sku=fact.sku, change=fact.change)


counted = Journal("counted", topic=line("text"))
counter = Projection("counter", tables=(counted,))


@counter.handles(StockReceived, StockAdjusted)
def count(fact: StockReceived | StockAdjusted, at: EventContext) -> Iterator[Change]:
    yield counted.line(at, topic=fact.TOPIC)


TOYS = Registry.of([shelves, counter, deliveries])


def delivery(sku: str, version: int, quantity: int = 1) -> NewEvent:
    event = StockReceived(sku=sku, quantity=quantity)
    return NewEvent(f"stock/{sku}", version, event, NOON, Metadata())


def correction(sku: str, version: int, change: int) -> NewEvent:
    event = StockAdjusted(sku=sku, change=change)
    return NewEvent(f"stock/{sku}", version, event, NOON, Metadata())
