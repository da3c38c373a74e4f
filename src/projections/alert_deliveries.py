"""Deliveries of alerts: what was told, by which channel, and what became of it; one row each."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from api.permissions import Permission
from ledger.domain.events import AlertTried
from ledger.domain.facts import EventContext
from projections.engine.declare import (
    Change,
    Listing,
    Mirror,
    Projection,
    greatest,
    key,
    latest,
    least,
)
from projections.engine.row import Few, Row


class AlertDelivery(Row):
    """An alert in one channel, and its last attempt; texts and addresses are not kept."""

    alert_id: str
    rule: Few
    subject: str
    """What it is about, as `dispute/dp_1`."""
    channel: Few
    outcome: Literal["delivered", "failed", "given_up"]
    """A `failed` one is tried again, one that was `given_up` is not."""
    cause: str | None
    """Why it did not go out, as `http_503` or `timeout`."""
    retry_at: datetime | None
    actor: str
    actor_name: str | None
    attempts: int
    tried_at: datetime
    first_tried_at: datetime


alert_deliveries = Mirror(
    "alert_deliveries",
    alert_id=key(),
    rule=latest("text"),
    subject=latest("text"),
    channel=latest("text"),
    outcome=latest("text"),
    cause=latest("text"),
    retry_at=latest("timestamptz"),
    actor=latest("text"),
    actor_name=latest("text"),
    tried_at=latest("timestamptz"),
    attempts=greatest("bigint"),
    first_tried_at=least("timestamptz"),
    indexes=("tried_at, alert_id",),
)
projection = Projection(
    "alert_deliveries",
    tables=(alert_deliveries,),
    listing=Listing(
        alert_deliveries,
        AlertDelivery,
        noun="alert",
        filled_by="What is told, and where to, is set by LEDGER_ALERTS_…; `ledger alerts test`"
        " sends one to try a channel.",
        sort="tried_at",
        told=("cause",),
        filters=("rule", "channel", "outcome", "subject"),
        permission=Permission.MANAGE_ALERTS,
    ),
)


@projection.handles(AlertTried)
def tried(fact: AlertTried, at: EventContext) -> Iterator[Change]:
    """An attempt; the last one says what became of it."""
    yield alert_deliveries.action(
        at,
        alert_id=fact.alert_id,
        rule=fact.rule,
        subject=fact.subject,
        channel=fact.channel,
        outcome=fact.outcome,
        cause=fact.cause,
        retry_at=fact.retry_at,
        actor=at.meta.actor,
        actor_name=at.meta.actor_name,
        tried_at=at.effective_at,
        attempts=at.version,
        first_tried_at=at.effective_at,
    )
