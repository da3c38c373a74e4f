"""Streams: what each kind begins as, how it changes by an event, and where an event stands.

A new aggregate is a file beside this one, which ends with its `AGGREGATE`, and a row here.
"""

import re
from collections.abc import Callable
from typing import Any, Final, get_args

from ledger.domain import (
    claim,
    classification,
    issue,
    order,
    period,
    purchase,
    refund_request,
    stock,
    wishlist,
)
from ledger.domain.accounts import name_of, qualified_id
from ledger.domain.aggregate import Aggregate, Command
from ledger.domain.events import CommandAccepted, Event

_REMEMBERED: Final = Aggregate(
    initial=None,
    events=CommandAccepted,
    evolve=lambda _none, accepted: accepted,
    stream_id=lambda event: event.key,
)

AGGREGATES: Final = {
    "order": order.AGGREGATE,
    "stock": stock.AGGREGATE,
    "issue": issue.AGGREGATE,
    "wishlist": wishlist.AGGREGATE,
    "payment": claim.AGGREGATE,
    "purchase": purchase.AGGREGATE,
    "refund_request": refund_request.AGGREGATE,
    "transaction": classification.AGGREGATE,
    "books": period.AGGREGATE,
    "command": _REMEMBERED,
    "customer_command": _REMEMBERED,
}
"""By the first word of the stream's name, with which the topics of its events begin, too."""

STREAM_OF: Final[tuple[tuple[str, Callable[[Any], str]], ...]] = (
    ("stripe.event_received.", lambda e: f"stripe/{_event_name(e.event_id, e.account)}"),
    ("stripe.object_observed.", lambda e: observed(e.kind, e.object_id, e.account)),
    ("stripe.payout_listed.", lambda e: observed("payout_members", e.payout_id, e.account)),
    ("stripe.object_not_told.", lambda e: not_told(e.kind, e.object_id, e.account)),
    ("pull.window_listed.", lambda e: f"pull/{e.pull_id}"),
    ("pull.refreshed.", lambda e: refreshes(e.account)),
    ("pull.", lambda e: pulls(e.account)),
    ("access.token", lambda _: "access/tokens"),
    ("checks.", lambda _: "checks/runs"),
    ("alert.", lambda e: f"alert/{e.alert_id}"),
    ("proof.", lambda e: f"proof/{e.proof_id}"),
    ("rebuild.", lambda e: f"rebuild/{e.rebuild_id}"),
)
"""In which stream an event of no aggregate stands, by how its topic begins; of all others only the
first part of the name is known."""

OF_CUSTOMER: Final = re.compile(r"customer_command/[0-9a-f]{64}/")
"""A customer's keys are apart from the shop's, below the SHA-256 of the customer's id."""

_KIND_OF: Final[dict[type[Command], str]] = {
    command: kind
    for kind, each in AGGREGATES.items()
    for command in get_args(each.commands) or filter(None, (each.commands,))  # a union, or one
}


def _event_name(event_id: str, account: str | None) -> str:
    """An event that does not say whose it is, stands under the account whose list showed it."""
    return event_id if account is None else qualified_id(event_id, account)


def observed(kind: str, object_id: str, account: str | None) -> str:
    """The stream of what Stripe's API showed of an object: `observed/self/charge/ch_1`."""
    return f"observed/{account or 'self'}/{kind}/{object_id}"


def not_told(kind: str, object_id: str, account: str | None) -> str:
    """The stream of each time that Stripe was asked for an object in vain."""
    return f"not_told/{account or 'self'}/{kind}/{object_id}"


def pulls(account: str | None) -> str:
    """The stream of an account's pulls, their windows apart: those are in a stream of the pull."""
    return f"pulls/{account or 'self'}"


def refreshes(account: str | None) -> str:
    """The stream of what the service read by itself of an account."""
    return f"refresh/{account or 'self'}"


def home_of(command: Command) -> str:
    """The stream that a command is about."""
    kind = _KIND_OF[type(command)]
    return f"{kind}/{getattr(command, AGGREGATES[kind].key)}"


def decider_of(command: Command) -> Aggregate:
    """The aggregate that decides a command."""
    return AGGREGATES[_KIND_OF[type(command)]]


def stream_of(event: Event) -> str | None:
    """The stream that an event stands in; None where it does not say."""
    kind = event.TOPIC.partition(".")[0]
    if aggregate := AGGREGATES.get(kind):
        return f"{kind}/{aggregate.stream_id(event)}"
    named = (named(event) for beginning, named in STREAM_OF if event.TOPIC.startswith(beginning))
    return next(named, None)


def belongs(stream: str, event: Event) -> bool:
    """Whether an event says what the name of its stream says."""
    stream = OF_CUSTOMER.sub("command/", stream, count=1)
    named = stream_of(event)
    if named is not None:
        return named in (stream, name_of(stream).bare)
    return stream.partition("/")[0] == event.TOPIC.partition(".")[0]
