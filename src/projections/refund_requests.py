"""Refund requests: what the shop asked for to go back, and which refunds answered; one row each.

A refund that was made for a request names it. Others, made by hand at Stripe, answer requests of
their order in the same currency, those of their amount before others, the oldest first, each refund
those that were made before it: as far as an order's refunds exceed what was open when they were
made, they answer no request.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from typing_extensions import TypeAliasType

from ledger.domain.events import RefundBegun, RefundRefused, RefundRequested, RefundWithdrawn
from ledger.domain.facts import EventContext
from projections.engine.declare import (
    Change,
    Column,
    Derived,
    Journal,
    Listing,
    Mirror,
    Projection,
    key,
    known,
    line,
)
from projections.engine.row import Currency, Row
from projections.refunds import FAILED, refunds_of

RefundRequestState = TypeAliasType(
    "RefundRequestState", Literal["requested", "answered", "failed", "refused", "withdrawn"]
)


class RefundRequest(Row):
    """Money that the shop wants to go back to a customer."""

    request_id: str
    """The order and the number of the event in its stream, as `A1:5`."""
    order_id: str
    state: RefundRequestState
    """`requested` until refunds of Stripe's cover it; `failed` where one of these failed.

    `refused` where Stripe does not make it, or not all of it: it may be asked for again.
    `withdrawn` where a person took back what was open of it.
    """
    amount_minor: int
    answered_minor: int
    open_minor: int
    """What is still to go back; nothing once it was withdrawn, or a refused one asked for again."""
    withdrawn_minor: int
    """What was taken back of it."""
    currency: Currency
    refund_ids: list[str]
    """The refunds that answer it, or the charge whose total tells of one."""
    reason: str | None
    requested_by: str
    requested_at: datetime
    begun_at: datetime | None
    """When Stripe was first asked for it; from then on it cannot be withdrawn."""
    answered_at: datetime | None
    """When the refund was made that covered the rest."""
    refused_because: str | None
    """Why Stripe does not make it."""
    refused_at: datetime | None
    withdrawn_at: datetime | None


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
refund_progress = Mirror(
    "refund_progress",
    request_id=key(),
    begun_at=known("timestamptz"),
    refused_because=known("text"),
    refused_at=known("timestamptz"),
    refused_position=known("bigint", bookkeeping=True),
    withdrawn_minor=known("bigint"),
    withdrawn_at=known("timestamptz"),
)
# Which refunds answer which requests of one order and currency:
#
# 1. A refund that names a request in its metadata answers that, and no other.
# 2. Another one of just the amount that is left of a request answers it, the oldest of these.
# 3. What is left of refunds answers what is left of requests, as a queue in time.
#
# A refund answers requests that were made before it. Stripe's times are whole seconds, so a
# request counts from the beginning of its second. A refund answers when it is made, whatever
# becomes of it: one that fails may be asked for again. So may one that Stripe refuses: the later
# request stands for it then, and only refunds that name the earlier one still answer that. What was
# withdrawn of a request counts as if it had never been asked for.
VIEW = """
select
    a.request_id, a.order_id,
    case
        when q.answered_minor = a.amount_minor then
            case when q.any_failed then 'failed' else 'answered' end
        when r.withdrawn_at is not null then 'withdrawn'
        when r.refused_at is null then 'requested'
        else 'refused'
    end as state,
    a.amount_minor, q.answered_minor,
    case
        when q.is_replaced or r.withdrawn_at is not null then 0
        else a.amount_minor - q.answered_minor
    end as open_minor,
    coalesce(r.withdrawn_minor, 0) as withdrawn_minor,
    a.currency, q.refund_ids, a.reason, a.requested_by, a.requested_at, r.begun_at,
    case when q.answered_minor = a.amount_minor then q.answered_at end as answered_at,
    case when q.answered_minor < a.amount_minor then r.refused_because end as refused_because,
    case when q.answered_minor < a.amount_minor then r.refused_at end as refused_at,
    r.withdrawn_at
from refund_asks as a
left join refund_progress as r using (request_id)
cross join lateral (
    with named as (
        select s.request_id, x.refund_id, x.created_at as at, x.amount_minor,
            x.state in failed_states as has_failed
        from refund_asks as s
        join refunds as x on x.request_id = s.request_id and x.currency = s.currency
        where s.order_id = a.order_id and s.currency = a.currency
    ),
    asked as (
        select s.request_id, s.position, date_trunc('second', s.requested_at) as at,
            exists (
                select
                from refund_asks as later
                where later.order_id = s.order_id and later.currency = s.currency
                    and later.position > f.refused_position and f.withdrawn_at is null
            ) as is_replaced,
            s.amount_minor - least(s.amount_minor, coalesce(f.withdrawn_minor, 0) + coalesce((
                select sum(n.amount_minor)
                from named as n
                where n.request_id = s.request_id
            ), 0))::bigint as left_minor
        from refund_asks as s
        left join refund_progress as f using (request_id)
        where s.order_id = a.order_id and s.currency = a.currency
    ),
    made as (
        select x.refund_id, x.created_at as at, x.amount_minor, x.has_failed
        from payments as p
        cross join lateral (refunds_of(p)) as x
        where p.order_id = a.order_id and p.currency = a.currency and x.currency = a.currency
            and not exists (select from refund_asks where request_id = x.request_id)
        union all
        select m.source_id, m.at, m.amount_minor, false
        from payments as p
        join payment_movements as m on m.payment_id = p.payment_id
        where p.order_id = a.order_id and p.currency = a.currency
            and m.kind = 'refund_stand_in' and m.amount_minor > 0
    ),
    steps as (
        select at, position, request_id as id, left_minor as amount_minor, 1 as asked, 0 as made
        from asked
        where left_minor > 0 and not is_replaced
        union all
        select at, null, refund_id, amount_minor, 0, 1
        from made
    ),
    -- requests and refunds of one amount, as a queue of their own: which of it answers which
    alike as (
        select *,
            sum(asked) over in_time as all_asked,
            sum(asked - made) over in_time as balance
        from steps
        window in_time as (partition by amount_minor order by at, position nulls last, id)
    ),
    counted as (
        select *,
            all_asked - balance + least(0, min(balance) over in_time) as all_answered
        from alike
        window in_time as (partition by amount_minor order by at, position nulls last, id)
    ),
    answering as (
        select *,
            lag(all_answered, 1, 0::numeric) over (
                partition by amount_minor order by at, position nulls last, id
            ) as before
        from counted
    ),
    pairs as (
        select c.id as request_id, m.id as refund_id, m.at
        from answering as c
        join answering as m
            on m.amount_minor = c.amount_minor and m.all_answered = c.all_asked
        where c.asked = 1 and m.made = 1 and m.before < m.all_answered
    ),
    -- the rest, as one queue
    rest as (
        select at, position, id, amount_minor * asked as asked_minor,
            amount_minor * made as made_minor
        from steps
        where case asked
            when 1 then not exists (select from pairs where request_id = id)
            else not exists (select from pairs where refund_id = id and pairs.at = steps.at)
        end
    ),
    balances as (
        select *,
            sum(asked_minor) over in_time as all_asked_minor,
            sum(asked_minor - made_minor) over in_time as balance_minor
        from rest
        window in_time as (order by at, position nulls last, id)
    ),
    queue as (
        select *,
            all_asked_minor - balance_minor
                + least(0, min(balance_minor) over (order by at, position nulls last, id))
                as all_answered_minor
        from balances
    ),
    parts as (
        select id, at, all_answered_minor,
            lag(all_answered_minor, 1, 0::numeric) over (order by at, position nulls last, id)
                as before_minor
        from queue
    ),
    own as (
        select all_asked_minor as upto_minor, asked_minor
        from queue
        where id = a.request_id and position = a.position
    ),
    answers as (
        select refund_id, at, amount_minor, has_failed
        from named
        where request_id = a.request_id
        union all
        select m.refund_id, m.at, m.amount_minor, m.has_failed
        from pairs
        join made as m using (refund_id, at)
        where request_id = a.request_id
        union all
        select m.refund_id, m.at,
            least(all_answered_minor, upto_minor)
                - greatest(before_minor, upto_minor - asked_minor),
            m.has_failed
        from own
        join parts
            on before_minor < all_answered_minor and before_minor < upto_minor
                and all_answered_minor > upto_minor - asked_minor
        join made as m on m.refund_id = parts.id and m.at = parts.at
    )
    select
        least(a.amount_minor, coalesce(sum(amount_minor), 0))::bigint as answered_minor,
        coalesce(bool_or(has_failed), false) as any_failed,
        coalesce(jsonb_agg(refund_id order by at, refund_id), '[]') as refund_ids,
        max(at) as answered_at,
        (select is_replaced from asked where request_id = a.request_id) as is_replaced
    from answers
) as q
""".replace("refunds_of(p)", refunds_of("p.payment_id")).replace("failed_states", str(FAILED))
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
            union
            select s.order_id
            from staged_refund_progress
            join refund_asks as s using (request_id)
            union
            select s.order_id
            from touched_refunds
            join refunds as r using (refund_id)
            join refund_asks as s on s.request_id = r.request_id
        ) as changed
        join refund_asks as a using (order_id)
    """,
    indexes=("requested_at, request_id", "order_id", "state, requested_at, request_id"),
)
projection = Projection(
    "refund_requests",
    tables=(refund_asks, refund_progress, refund_requests),
    reads=("payments", "charges", "refunds"),
    listing=Listing(
        refund_requests,
        RefundRequest,
        noun="refund request",
        filled_by="`ledger order refund` makes one.",
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


@projection.handles(RefundBegun)
def begun(fact: RefundBegun, at: EventContext) -> Iterator[Change]:
    """Stripe may have been asked."""
    yield refund_progress.mention(request_id=fact.request_id, begun_at=at.effective_at)


@projection.handles(RefundRefused)
def refused(fact: RefundRefused, at: EventContext) -> Iterator[Change]:
    """Stripe does not make it; once a request."""
    yield refund_progress.mention(
        request_id=fact.request_id,
        refused_because=fact.message,
        refused_at=at.effective_at,
        refused_position=at.position,
    )


@projection.handles(RefundWithdrawn)
def withdrawn(fact: RefundWithdrawn, at: EventContext) -> Iterator[Change]:
    """A person took back what was open."""
    yield refund_progress.mention(
        request_id=fact.request_id,
        withdrawn_minor=fact.amount_minor,
        withdrawn_at=at.effective_at,
    )
