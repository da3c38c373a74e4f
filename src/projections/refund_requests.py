"""Refund requests: what the shop asked for to go back, and which refunds answered; one row each.

Stripe's refunds say nothing of requests. So refunds of an order answer its requests in the same
currency, the oldest first, each refund those that were made before it: as far as an order's refunds
exceed what was open when they were made, they answer no request.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from typing_extensions import TypeAliasType

from ledger.domain.events import RefundRequested
from ledger.domain.facts import EventContext
from projections.engine.declare import (
    Change,
    Column,
    Derived,
    Journal,
    Listing,
    Projection,
    line,
)
from projections.engine.row import Currency, Row
from projections.refunds import refunds_of

RefundRequestState = TypeAliasType("RefundRequestState", Literal["requested", "answered", "failed"])


class RefundRequest(Row):
    """Money that the shop wants to go back to a customer."""

    request_id: str
    """The order and the number of the event in its stream, as `A1:5`."""
    order_id: str
    state: RefundRequestState
    """`requested` until refunds of Stripe's cover it; `failed` where one of these failed."""
    amount_minor: int
    answered_minor: int
    open_minor: int
    """What is still to go back."""
    currency: Currency
    refund_ids: list[str]
    """The refunds that answer it, or the charge whose total tells of one."""
    reason: str | None
    requested_by: str
    requested_at: datetime
    answered_at: datetime | None
    """When the refund was made that covered the rest."""


refund_asks = Journal(
    "refund_asks",
    order_id=Column("text", "key"),
    request_id=line("text"),
    amount_minor=line("bigint"),
    currency=line("text"),
    reason=line("text"),
    requested_by=line("text"),
    requested_at=line("timestamptz"),
    indexes=("request_id",),
)
# Requests and refunds of one order and currency in time, as a queue: of all that was asked for so
# far, what was answered, as a refund answers no more than is open. Stripe's times are whole
# seconds, so a request counts from the beginning of its own. A refund answers when it is made,
# whatever becomes of it: one that fails may be asked for again.
VIEW = """
select
    a.request_id, a.order_id,
    case
        when q.open_minor > 0 then 'requested'
        when q.any_failed then 'failed'
        else 'answered'
    end as state,
    a.amount_minor, a.amount_minor - q.open_minor as answered_minor, q.open_minor, a.currency,
    q.refund_ids, a.reason, a.requested_by, a.requested_at,
    case when q.open_minor = 0 then q.answered_at end as answered_at
from refund_asks as a
cross join lateral (
    with made as (
        select x.refund_id, x.created_at as at, x.amount_minor, x.has_failed
        from payments as p
        cross join lateral (refunds_of(p)) as x
        where p.order_id = a.order_id and p.currency = a.currency and x.currency = a.currency
        union all
        select m.source_id, m.at, m.amount_minor, false
        from payments as p
        join payment_movements as m on m.payment_id = p.payment_id
        where p.order_id = a.order_id and p.currency = a.currency
            and m.kind = 'refund_stand_in' and m.amount_minor > 0
    ),
    steps as (
        select date_trunc('second', requested_at) as at, position, '' as refund_id,
            amount_minor as asked_minor, 0 as made_minor, false as has_failed
        from refund_asks
        where order_id = a.order_id and currency = a.currency
        union all
        select at, null, refund_id, 0, amount_minor, has_failed
        from made
    ),
    balances as (
        select *,
            sum(asked_minor) over in_time as all_asked_minor,
            sum(asked_minor - made_minor) over in_time as balance_minor
        from steps
        window in_time as (order by at, position nulls last, refund_id)
    ),
    queue as (
        select *,
            all_asked_minor - balance_minor
                + least(0, min(balance_minor) over (order by at, position nulls last, refund_id))
                as all_answered_minor
        from balances
    ),
    answers as (
        select refund_id, at, has_failed, all_answered_minor,
            lag(all_answered_minor, 1, 0::numeric) over in_time as before_minor
        from queue
        window in_time as (order by at, position nulls last, refund_id)
    ),
    own as (
        select all_asked_minor as upto_minor
        from queue
        where position = a.position
    )
    select
        greatest(0, upto_minor - greatest(
            max(all_answered_minor), upto_minor - a.amount_minor
        ))::bigint as open_minor,
        coalesce(bool_or(has_failed) filter (where is_for_it), false) as any_failed,
        coalesce(
            jsonb_agg(refund_id order by at, refund_id) filter (where is_for_it), '[]'
        ) as refund_ids,
        min(at) filter (where is_for_it and all_answered_minor >= upto_minor) as answered_at
    from own
    cross join answers
    cross join lateral (
        select before_minor < all_answered_minor and before_minor < upto_minor
            and all_answered_minor > upto_minor - a.amount_minor as is_for_it
    ) as f
    group by upto_minor
) as q
""".replace("refunds_of(p)", refunds_of("p.payment_id"))
refund_requests = Derived(
    "refund_requests",
    key=("request_id",),
    view=VIEW,
    touched="""
        select a.request_id
        from (
            select order_id
            from staged_refund_asks
            union
            select p.order_id
            from touched_payments
            join payments as p using (payment_id)
        ) as changed
        join refund_asks as a using (order_id)
    """,
    indexes=("requested_at, request_id", "order_id", "state, requested_at, request_id"),
)
projection = Projection(
    "refund_requests",
    tables=(refund_asks, refund_requests),
    reads=("payments", "charges", "refunds"),
    listing=Listing(
        refund_requests,
        RefundRequest,
        sort="requested_at",
        filters=("state", "order_id", "currency", "requested_by"),
    ),
)


@projection.handles(RefundRequested)
def requested(fact: RefundRequested, at: EventContext) -> Iterator[Change]:
    """What was asked for, by whom and why."""
    yield refund_asks.line(
        at,
        order_id=fact.order_id,
        request_id=f"{fact.order_id}:{at.version}",
        amount_minor=fact.amount_minor,
        currency=fact.currency,
        reason=at.meta.reason,
        requested_by=at.meta.actor,
        requested_at=at.effective_at,
    )
