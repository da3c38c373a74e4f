"""Alerts over HTTP: what is told and where to, and sending one to try."""

from __future__ import annotations

from typing import Literal

from starlette.requests import Request
from starlette.routing import Route

from api.operations import Schema, operation
from api.permissions import Permission, meta_of
from api.schemas import ReasonRequest
from app.alerts import rules
from app.alerts.channels import channels_of
from app.alerts.deliver import Alerts
from ledger.errors import NotFound, StoreUnavailable
from ledger.settings import Settings
from projections.queries.schemas import reads_of


class AlertRuleResponse(Schema):
    """A rule that is on, and what it tells."""

    name: str
    about: str


class AlertChannelResponse(Schema):
    """A channel that is set up; `target` is the host, for mail how many addresses by which host."""

    name: str
    target: str


class AlertsResponse(Schema):
    """What is told, and where to; what became of it is at `/alert_deliveries`."""

    rules: list[AlertRuleResponse]
    channels: list[AlertChannelResponse]


class AlertTestResponse(Schema):
    """What became of an alert that was sent to try a channel; `cause` says why it did not go out.

    `position` is where that stands in the log.
    """

    alert_id: str
    channel: str
    outcome: Literal["delivered", "failed", "given_up"]
    cause: str | None
    position: int


@operation(Permission.MANAGE_ALERTS, "alerts")
def show_alerts(request: Request) -> AlertsResponse:
    """Show which rules of alerts are on, and the channels that are set up."""
    settings: Settings = request.state.settings
    return AlertsResponse(
        rules=[AlertRuleResponse(name=n, about=text) for n, text in rules.about(settings).items()],
        channels=[
            AlertChannelResponse(name=c.name, target=c.target) for c in channels_of(settings)
        ],
    )


@operation(Permission.MANAGE_ALERTS, "alerts", errors=(NotFound, StoreUnavailable))
def try_channel(request: Request, body: ReasonRequest) -> AlertTestResponse:
    """Send an alert to try a channel, and wait for what becomes of it; at most ten seconds."""
    alerts = Alerts(reads_of(request), request.state.settings)
    tried = alerts.test(request.path_params["name"], meta_of(request, body.reason))
    return AlertTestResponse(
        alert_id=tried.event.alert_id,
        channel=tried.event.channel,
        outcome=tried.event.outcome,
        cause=tried.event.cause,
        position=tried.position,
    )


routes = [
    Route("/alerts", show_alerts),
    Route("/alerts/{name}/test", try_channel, methods=["POST"]),
]
