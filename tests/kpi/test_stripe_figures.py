"""Figures of a shop that has no orders here: they agree with the truth about its Stripe account."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from psycopg.rows import dict_row

from app.stripe_pull import pull_account
from kpi.evaluate import NO_CURRENCY, Evaluated, evaluate
from kpi.windows import Window
from ledger.domain.events import Metadata, NewEvent, StripeEventReceived
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import positions
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.registry import discover
from simulator import PastShop, past_shop
from simulator.memory import Shelf
from simulator.past import Figures
from tests.simulator.api.shop import SECRET, shop
from tests.support.servers import Server
from webhooks.stripe_client import StripeClient
from webhooks.translate.translator import Translator

STRIPE = Metadata(actor="stripe")
MARCH_2 = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())
FEBRUARY = Window(date(2026, 2, 1), date(2026, 2, 28))


@pytest.fixture(scope="module")
def engine_over(servers: Callable[[str], Server]) -> Iterator[Callable[[], ProjectionContext]]:
    """Makes an empty ledger, as often as it is asked."""
    server = servers("embedded")
    opened: list[tuple[Database, Log]] = []

    def make() -> ProjectionContext:
        database = server.create()
        log = Log(database.conninfo("app")).__enter__()
        opened.append((database, log))
        reader = Translator(mode="test", order_metadata_key="order_id")
        engine = ProjectionContext(database, log, discover(), reader)
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), engine.registry, reader, 0)
        return engine

    yield make
    for database, log in opened:
        log.__exit__(None, None, None)
        server.drop(database)


def figures_of(engine: ProjectionContext, windows: list[Window]) -> list[Evaluated]:
    with (
        engine.database.connect("reader") as conn,
        conn.cursor(row_factory=dict_row) as cursor,
    ):
        conn.execute("set search_path = read_models")
        return evaluate(cursor, windows)


def hear(engine: ProjectionContext, past: PastShop) -> None:
    """All events that the simulator wrote, in any order."""
    assert past.stripe.memory is not None
    events = list(past.stripe.memory.events.things)
    Random(1).shuffle(events)
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    received = [
        StripeEventReceived(event_id=each.id, body=each.body, received_at=noon, source="webhook")
        for each in events
    ]
    engine.log.append_new(
        [NewEvent(f"stripe/{each.event_id}", 1, each, noon, STRIPE) for each in received]
    )
    Follower(engine).catch_up()


@pytest.fixture(scope="module", params=[19, 21])
def heard(
    engine_over: Callable[[], ProjectionContext], request: pytest.FixtureRequest
) -> tuple[PastShop, Evaluated]:
    """February 2026 of a shop whose events of that month, and of no earlier one, were heard.

    Debits bounce in both, and disputes are opened in the second.
    """
    past = past_shop(request.param, years=1, objects=6000, until=MARCH_2)
    engine = engine_over()
    hear(engine, past)
    (found,) = figures_of(engine, [FEBRUARY])
    return past, found


def test_a_month_of_events_agrees_with_the_truth_to_the_unit(
    heard: tuple[PastShop, Evaluated],
) -> None:
    past, found = heard
    truth = past.truth.months["2026-02"]
    assert truth.keys() == {"eur", "jpy", "kwd"}
    for currency, figures in truth.items():
        assert shown(found[currency]) == {
            "gross_volume": figures.taken_minor,
            "bounced_volume": figures.bounced_minor,
            "refunded_volume": figures.refunded_minor,
            "disputed_volume": figures.disputed_minor,
            "net_volume_before_fees": figures.taken_minor
            - figures.refunded_minor
            - figures.disputed_minor,
            "payments_succeeded": figures.taken,
            "disputes_opened": figures.disputes,
            "revenue": 0,
        }
    new = past.truth.new_customers["2026-02"]
    assert found[NO_CURRENCY]["customers_created"] == new > 0


NAMES = (
    "gross_volume",
    "bounced_volume",
    "refunded_volume",
    "disputed_volume",
    "net_volume_before_fees",
    "payments_succeeded",
    "disputes_opened",
    "revenue",
)


def shown(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in NAMES}


def test_without_transactions_each_fee_is_unknown_and_not_nothing(
    heard: tuple[PastShop, Evaluated],
) -> None:
    past, found = heard
    for currency in ("eur", "jpy", "kwd"):
        values = found[currency]
        assert (values["fees"], values["effective_fee_rate_pct"]) == (0, None)
        assert values["transactions_to_date"] == 0
        assert isinstance(values["fees_unknown"], int)
        assert values["fees_unknown"] >= past.truth.months["2026-02"][currency].taken > 0


def test_a_pulled_account_agrees_with_the_truth_in_every_month(
    engine_over: Callable[[], ProjectionContext],
) -> None:
    """By lists alone: the balance to the unit; charges and refunds by when they were made, holds by
    when they were captured."""
    past = past_shop(4, years=1, objects=2500, until=MARCH_2)
    assert past.stripe.memory is not None
    past.stripe.memory.events = Shelf()
    engine = engine_over()
    with shop(past.stripe) as served:
        client = StripeClient(SECRET.secret, served.base, calls_per_second=10_000)
        pull_account(
            engine, client, mode="test", progress=lambda *_: None, meta=Metadata(actor="operator")
        )
    months = sorted(past.truth.months)
    windows = [month(each) for each in months]
    for name, found in zip(months, figures_of(engine, windows), strict=True):
        for currency, figures in past.truth.months[name].items():
            values = found[currency]
            assert balance(values) == {
                "settled_gross": figures.captured_minor
                - figures.bounced_minor
                - figures.reversed_minor,
                "settled_refunds": figures.refunded_minor,
                "settled_disputes": figures.disputed_minor,
                "fees": figures.fees_minor,
                "net_volume": figures.net_minor,
                "fees_unknown": 0,
            }, name
            assert by_object(values) == of_objects(figures), name
        assert found[NO_CURRENCY]["customers_created"] == past.truth.new_customers.get(name, 0)


def month(name: str) -> Window:
    first = date.fromisoformat(f"{name}-01")
    following = (first + timedelta(days=32)).replace(day=1)
    return Window(first, following - timedelta(days=1))


def balance(values: Mapping[str, Any]) -> dict[str, Any]:
    names = ("settled_gross", "settled_refunds", "settled_disputes", "fees", "net_volume")
    return {name: values[name] for name in (*names, "fees_unknown")}


def by_object(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: values[name]
        for name in ("gross_volume", "refunded_volume", "disputed_volume", "disputes_opened")
    }


def of_objects(figures: Figures) -> dict[str, Any]:
    return {
        "gross_volume": figures.kept_minor,
        "refunded_volume": figures.refunds_minor - figures.refunds_pending_minor,
        "disputed_volume": figures.disputed_minor,
        "disputes_opened": figures.disputes,
    }
