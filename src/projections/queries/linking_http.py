"""Linking payments in bulk over HTTP: a preview of what a rule finds, and carrying it out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.routing import Route

from api.commands import COMMAND, command_handler_of, execute_many
from api.operations import Schema, operation
from api.permissions import Permission
from ledger.domain.events import Metadata
from ledger.domain.limits import MAX_PAYMENT_ID, SHA256_PATTERN, TEXT_PATTERN
from ledger.domain.link_rule import MAX_RULE, LinkRule, SkipReason, parse_rule
from ledger.errors import (
    InvalidCommand,
    NotCaughtUp,
    PreviewChanged,
    ProjectionStopped,
    StoreUnavailable,
)
from projections.engine.row import Currency
from projections.queries import linking
from projections.queries.linking import MAX_REASON, MOST_ITEMS, Done, Found, Linked, Outcome, Seen
from projections.queries.schemas import MAX_POSITION, reads_of

USUAL_ITEMS: Final = 200

RuleText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_RULE,
        pattern=TEXT_PATTERN,
        description="`metadata:KEY`, `description:PATTERN` (`{order}` stands where a description"
        " has the order's id) or `email-and-amount`.",
        examples=["metadata:order_id", "description:Order {order}", "email-and-amount"],
    ),
]
PlaceText = Annotated[str, Field(max_length=MAX_PAYMENT_ID, pattern=TEXT_PATTERN)]


class LinkPreviewRequest(Schema):
    """A rule, and which page of what it finds; `cursor` is the `next` of the page before."""

    rule: RuleText
    limit: Annotated[int, Field(ge=1, le=MOST_ITEMS)] = USUAL_ITEMS
    cursor: PlaceText | None = None


class LinkPage(Schema):
    """Which page was previewed: send it back as it is."""

    position: Annotated[int, Field(ge=0, le=MAX_POSITION)]
    after: PlaceText
    upto: PlaceText
    sha256: Annotated[str, Field(max_length=64, pattern=SHA256_PATTERN)]


class LinksRequest(Schema):
    """A rule, the page of it that was previewed, and why, for the audit log."""

    rule: RuleText
    page: LinkPage
    reason: Annotated[
        str | None, Field(min_length=1, max_length=MAX_REASON, pattern=TEXT_PATTERN)
    ] = None


class FoundOrderResponse(Schema):
    """An order that was found for a payment."""

    order_id: str
    placed_at: datetime
    total_minor: int
    currency: Currency


class ProposedLink(Schema):
    """A payment that a rule found an order for, and why it is not linked, if it is not.

    There is no `order` where several fit.
    """

    payment_id: str
    created_at: datetime
    received_minor: int
    currency: Currency
    order: FoundOrderResponse | None
    reason: SkipReason | None
    detail: str | None


class LinkOutcome(ProposedLink):
    """What became of it: `linked`, `linked_before` (it was linked to that order) or `skipped`."""

    outcome: Outcome


class UnknownOrderSample(Schema):
    """A payment that names an order that is not here."""

    payment_id: str
    order_id: str


class LinkCounts(Schema):
    """What the rule finds of all payments without an order, of all pages together.

    `unlinked` is how many there are; where it is not `complete`, these are the first of them.
    `unknown_orders` name an order that is not here, as the `samples` do; for all that are neither
    `to_link`, `skipped` nor that, no order was found.
    """

    unlinked: int
    to_link: int
    skipped: dict[SkipReason, int]
    unknown_orders: int
    samples: list[UnknownOrderSample]
    complete: bool


class LinkPreviewResponse(Schema):
    """A page of what a rule finds; `counts` come with the first one.

    `next` is the cursor of the page that follows, if there is one. `page` is what to send back to
    link just these.
    """

    rule: str
    items: list[ProposedLink]
    page: LinkPage
    counts: LinkCounts | None
    next: str | None


class LinksResponse(Schema):
    """What became of each payment of a page; `position` is the one from which reads show it."""

    rule: str
    position: int
    linked: int
    linked_before: int
    skipped: int
    items: list[LinkOutcome]


@operation(
    Permission.MANAGE_ORDER,
    "payments",
    errors=(InvalidCommand, NotCaughtUp, ProjectionStopped, StoreUnavailable),
)
def preview_payment_links(request: Request, body: LinkPreviewRequest) -> LinkPreviewResponse:
    """Show which payments without an order a rule would link, to which order, and which not.

    By `metadata` and `description` a payment names its order. By `email-and-amount` it is linked
    to an order of the same e-mail address, currency and amount that was placed within an hour of
    it, where exactly this order fits the payment and exactly this payment the order.
    """
    rule = parse_rule(body.rule)
    found = linking.preview(
        reads_of(request),
        rule,
        after=body.cursor or "",
        limit=body.limit,
        counts=body.cursor is None,
    )
    counts: Any = None if found.counts is None else msgspec.to_builtins(found.counts)
    if counts is not None:
        counts["samples"] = [
            {"payment_id": payment_id, "order_id": order_id}
            for payment_id, order_id in counts["samples"]
        ]
    return LinkPreviewResponse(
        rule=str(rule),
        items=[ProposedLink(**_told(each, each.why)) for each in found.items],
        page=LinkPage(**msgspec.to_builtins(found.seen)),
        counts=counts and LinkCounts(**counts),
        next=found.next,
    )


@operation(
    Permission.MANAGE_ORDER,
    "payments",
    errors=(*COMMAND, PreviewChanged, NotCaughtUp, ProjectionStopped),
    idempotent=True,
)
def link_payments(request: Request, body: LinksRequest) -> LinksResponse:
    """Link the payments of a preview to their orders, each as if it were linked alone.

    Where the rule does not find just what was previewed, nothing is linked. What was linked since
    the preview is left as it is, so the same call may be sent again.
    """
    rule = parse_rule(body.rule)

    def carry_out(meta: Metadata) -> LinksResponse:
        seen, handler = Seen(**body.page.model_dump()), command_handler_of(request)
        return _answer(rule, linking.link(reads_of(request), handler, rule, seen, meta))

    reason = linking.reason_of(rule, body.reason)
    return execute_many(request, body, reason, LinksResponse, carry_out)


def _answer(rule: LinkRule, done: Done) -> LinksResponse:
    outcomes = [each.outcome for each in done.items]
    return LinksResponse(
        rule=str(rule),
        position=done.position,
        linked=outcomes.count("linked"),
        linked_before=outcomes.count("linked_before"),
        skipped=outcomes.count("skipped"),
        items=[_outcome(each) for each in done.items],
    )


def _outcome(linked: Linked) -> LinkOutcome:
    return LinkOutcome(**_told(linked.found, linked.detail), outcome=linked.outcome)


def _told(found: Found, detail: str | None) -> dict[str, Any]:
    payment, order = found.payment, found.verdict.order
    return {
        "payment_id": payment.payment_id,
        "created_at": payment.created_at,
        "received_minor": payment.received_minor,
        "currency": payment.currency,
        "order": order
        and FoundOrderResponse(
            order_id=order.order_id,
            placed_at=order.placed_at,
            total_minor=order.total_minor,
            currency=order.currency,
        ),
        "reason": found.verdict.reason,
        "detail": detail,
    }


routes = [
    Route("/payments/links/preview", preview_payment_links, methods=["POST"]),
    Route("/payments/links", link_payments, methods=["POST"]),
]
