"""Payments: what each brought in, gave back and belongs to; one row a payment.

A charge without a payment intent is a payment too, known by the charge's id.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from typing_extensions import TypeAliasType

from ledger.domain.events import PaymentLinked, PaymentUnlinked
from ledger.domain.facts import (
    ChargeFact,
    ChargeState,
    CheckoutFact,
    DisputeFact,
    EventContext,
    PaymentFact,
    PaymentState,
    RefundFact,
)
from projections.disputes import DisputeStateName, worst
from projections.engine.declare import (
    FROM_STRIPE,
    Change,
    Derived,
    Listing,
    Mirror,
    Projection,
    as_json,
    greatest,
    key,
    known,
    latest,
    least,
    named,
    newest,
    ranked,
)
from projections.engine.row import Account, Currency, Part, Row, states
from projections.payment_movements import PaymentMovementKind, payment_movements
from projections.refunds import refunds_of

LinkedBy = TypeAliasType("LinkedBy", Literal["metadata", "reference", "invoice", "shop"])
ChargeStateName = TypeAliasType("ChargeStateName", Annotated[str, states(ChargeState)])

PaymentStateName = TypeAliasType("PaymentStateName", Annotated[str, states(PaymentState)])


class Payment(Row):
    """A payment: what it brought in, gave back and belongs to, in its own currency."""

    payment_id: str
    """A payment intent, or the charge of a payment without one."""
    order_id: str | None
    linked_by: LinkedBy | None
    """What says so: metadata, a checkout's reference, its invoice's checkout, or the shop."""
    state: PaymentStateName | None
    state_known: bool | None
    """Whether this version knows what the state means: it may be a new word of Stripe's."""
    currency: Currency
    amount_minor: int
    """What is asked for."""
    received_minor: int
    """What came in, of which the rest may have gone back since."""
    refunded_minor: int
    refund_pending_minor: int
    refund_failed_minor: int
    disputed_minor: int
    net_minor: int
    """Received − refunded − disputed."""
    dispute_state: DisputeStateName | None
    """Of several disputes the one that a person must know of first."""
    charge_id: str | None
    failure_code: str | None
    description: str | None
    """As the shop wrote it, in one line; empty where it has several hundred characters."""
    labels: dict[str, str] | None
    """What its metadata say, by their keys: words that could be an order's id."""
    customer_id: str | None
    email: str | None
    account: Account
    created_at: datetime
    succeeded_at: datetime | None
    waiting_at: datetime | None
    """When Stripe last said that it is under way: the bank works, or the money is held."""
    failed_at: datetime | None
    """When it was over without money; a refused attempt ends nothing."""
    refunded_at: datetime | None
    """When the latest refund went back."""


class Charge(Row):
    """An attempt to take money."""

    charge_id: str
    state: ChargeStateName
    amount_minor: int
    captured_minor: int
    refunded_minor: int
    """Stripe's own sum of what went back."""
    currency: Currency
    transaction_id: str | None
    """Stripe's balance transaction."""
    failure_code: str | None
    created_at: datetime
    captured_at: datetime | None


class PaymentMovement(Row):
    """An amount that a payment took (above nothing) or gave back, when it did."""

    kind: PaymentMovementKind
    source_id: str
    """The refund, or the charge whose total tells of it; empty for what was captured."""
    at: datetime
    amount_minor: int
    currency: Currency


payment_reports = Mirror(
    "payment_reports",
    payment_id=key(),
    state=ranked("text"),
    state_known=ranked("boolean"),
    amount_minor=newest("bigint"),
    currency=newest("text"),
    charge_id=newest("text"),
    failure_code=newest("text"),
    description=newest("text"),
    labels=newest("jsonb"),
    order_id=named("text"),
    linked_order_id=latest("text"),
    received_minor=greatest("bigint"),
    held_first=known("boolean"),
    customer_id=known("text"),
    email=known("text"),
    account=known("text"),
    created_at=least("timestamptz"),
    succeeded_at=least("timestamptz"),
    canceled_at=least("timestamptz"),
    waiting_at=greatest("timestamptz"),
)
# Each total of what was received so far, and when it was first told.
payment_receipts = Mirror(
    "payment_receipts",
    payment_id=key(),
    received_minor=key("bigint"),
    said_at=least("timestamptz"),
)
# Amounts are those in the payment's currency, and sums of its movements.
#
# `failed_at` is when a payment was over without money: canceled, or taken back by the bank. After
# a refused attempt the customer may try again, so that ends nothing.
PAYMENTS = """
select
    p.payment_id,
    coalesce(p.order_id, c.order_id, s.order_id, s.reference, i.order_id, p.linked_order_id)
        as order_id,
    case
        when coalesce(p.order_id, c.order_id, s.order_id) is not null then 'metadata'
        when s.reference is not null then 'reference'
        when i.order_id is not null then 'invoice'
        when p.linked_order_id is not null then 'shop'
    end as linked_by,
    case
        when m.received_minor > 0 then 'succeeded'
        when m.reversed_at is not null then 'failed'
        else coalesce(p.state, c.state)
    end as state,
    m.received_minor > 0 or m.reversed_at is not null or coalesce(p.state_known, c.state_known)
        as state_known,
    k.currency,
    coalesce(p.amount_minor, c.amount_minor) as amount_minor,
    m.received_minor,
    m.refunded_minor,
    r.pending_minor as refund_pending_minor,
    r.failed_minor as refund_failed_minor,
    d.disputed_minor,
    m.received_minor - m.refunded_minor - d.disputed_minor as net_minor,
    d.state as dispute_state,
    coalesce(p.charge_id, c.charge_id) as charge_id,
    coalesce(p.failure_code, c.failure_code) as failure_code,
    coalesce(p.description, c.description) as description,
    case when coalesce(p.labels, c.labels, s.labels) is not null then
        coalesce(s.labels, '{}') || coalesce(c.labels, '{}') || coalesce(p.labels, '{}')
    end as labels,
    coalesce(p.customer_id, c.customer_id, s.customer_id) as customer_id,
    coalesce(p.email, c.email, s.email) as email,
    coalesce(p.account, c.account) as account,
    least(p.created_at, c.created_at) as created_at,
    coalesce(m.succeeded_at, p.succeeded_at) as succeeded_at,
    case
        when m.received_minor > 0 or m.reversed_at is not null then null
        when coalesce(p.state, c.state) in ('processing', 'authorized')
            or not coalesce(p.state_known, c.state_known)
        then greatest(p.waiting_at, c.waiting_at)
    end as waiting_at,
    case
        when m.received_minor > 0 then null
        when m.reversed_at is not null then m.reversed_at
        when coalesce(p.state, c.state) = 'canceled' then coalesce(p.canceled_at, c.expired_at)
    end as failed_at,
    greatest(r.refunded_at, m.refunded_at) as refunded_at
from payment_reports as p
cross join lateral (
    select coalesce(p.currency, (
        select max(currency)
        from charges
        where coalesce(payment_id, charge_id) = p.payment_id
    )) as currency
    offset 0 -- computed once, not at each use
) as k
cross join lateral (
    select
        (array_agg(case state
            when 'pending' then 'processing'
            when 'expired' then 'canceled'
            when 'captured' then 'succeeded'
            else state
        end order by ranked_by, charge_id))[1] as state,
        (array_agg(state_known order by ranked_by, charge_id))[1] as state_known,
        (array_agg(order_id order by named_by desc, charge_id)
            filter (where order_id is not null))[1] as order_id,
        (array_agg(charge_id order by state = 'captured' desc, created_at desc, charge_id))[1]
            as charge_id,
        (array_agg(failure_code order by newest_by desc, charge_id))[1] as failure_code,
        (array_agg(description order by newest_by desc, charge_id)
            filter (where description is not null))[1] as description,
        (array_agg(labels order by newest_by desc, charge_id)
            filter (where labels is not null))[1] as labels,
        max(amount_minor) as amount_minor,
        max(ended_at) filter (where state = 'expired') as expired_at,
        max(customer_id) as customer_id,
        max(email) as email,
        max(account) as account,
        min(created_at) as created_at,
        max(waiting_at) as waiting_at
    from charges
    where coalesce(payment_id, charge_id) = p.payment_id and currency = k.currency
) as c
cross join lateral (
    select
        (array_agg(order_id order by named_by desc, session_id)
            filter (where order_id is not null))[1] as order_id,
        (array_agg(labels order by newest_by desc, session_id)
            filter (where labels is not null))[1] as labels,
        max(reference) as reference,
        max(customer_id) as customer_id,
        max(email) as email
    from checkouts
    where payment_id = p.payment_id
) as s
cross join lateral ( -- a subscription's checkout names the invoice that the payment pays
    select coalesce(
        (array_agg(v.order_id order by v.named_by desc, v.session_id)
            filter (where v.order_id is not null))[1],
        max(v.reference)
    ) as order_id
    from invoice_payments as ip
    left join invoice_reports as r using (invoice_id)
    join checkouts as v on v.invoice_id = ip.invoice_id or (
        v.invoice_id is null and r.opens_subscription and v.subscription_id = r.subscription_id
    )
    where ip.payment_id = p.payment_id
) as i
cross join lateral (
    select
        coalesce(sum(amount_minor) filter (where counts_as in ('pending', 'requires_action')), 0)
            ::bigint as pending_minor,
        coalesce(sum(amount_minor) filter (where has_failed), 0)::bigint as failed_minor,
        max(refunded_at) filter (where counts_as = 'succeeded') as refunded_at
    from (refunds_of(p)) as of_payment
    where currency = k.currency
) as r
cross join lateral (
    select
        coalesce(sum(disputed_minor), 0)::bigint as disputed_minor,
        worst_state as state
    from (
        select x.state, x.disputed_minor, x.currency
        from charges
        cross join lateral (
            select * from disputes where disputes.charge_id = charges.charge_id offset 0
        ) as x -- as `refunds_of`
        where coalesce(charges.payment_id, charges.charge_id) = p.payment_id
        union all
        select state, disputed_minor, currency
        from disputes
        where payment_id = p.payment_id and charge_id is null
    ) as of_payment
    where currency = k.currency
) as d
cross join lateral (
    select
        coalesce(sum(amount_minor) filter (where kind in ('captured', 'taken_back')), 0)::bigint
            as received_minor,
        coalesce(sum(amount_minor) filter (where kind like 'refund%'), 0)::bigint
            as refunded_minor,
        max(at) filter (where kind = 'taken_back') as reversed_at,
        coalesce(
            min(at) filter (where kind = 'captured' and at > taken_back_at),
            min(at) filter (where kind = 'captured')
        ) as succeeded_at,
        max(at) filter (where kind = 'refund_stand_in' and amount_minor > 0) as refunded_at
    from (
        select kind, at, amount_minor,
            max(at) filter (where kind = 'taken_back') over () as taken_back_at
        from payment_movements
        where payment_id = p.payment_id
    ) as of_payment
) as m
where k.currency is not null
""".replace("worst_state", worst("state")).replace("refunds_of(p)", refunds_of("p.payment_id"))

payments = Derived(
    "payments",
    key=("payment_id",),
    view=PAYMENTS,
    touched="""
        select payment_id from staged_payment_reports
        union all
        select payment_id from touched_payment_movements
        union all
        select coalesce(c.payment_id, c.charge_id)
        from staged_charges
        join charges as c using (charge_id)
        union all
        select coalesce(c.payment_id, c.charge_id, r.payment_id)
        from touched_refunds
        join refunds as r using (refund_id)
        left join charges as c on c.charge_id = r.charge_id
        union all
        select coalesce(c.payment_id, c.charge_id, d.payment_id)
        from touched_disputes
        join disputes as d using (dispute_id)
        left join charges as c on c.charge_id = d.charge_id
        union all
        select s.payment_id
        from staged_checkouts
        join checkouts as s using (session_id)
        union all
        select i.payment_id
        from touched_invoice_payments
        join invoice_payments as i using (invoice_payment_id)
        union all
        select i.payment_id
        from staged_checkouts
        join checkouts as s using (session_id)
        join invoice_payments as i on i.invoice_id = s.invoice_id
        union all
        select i.payment_id
        from staged_checkouts
        join checkouts as s using (session_id)
        join invoices as r on r.subscription_id = s.subscription_id
        join invoice_payments as i on i.invoice_id = r.invoice_id
        where s.invoice_id is null
        union all
        select i.payment_id
        from staged_invoice_reports
        join invoice_payments as i using (invoice_id)
    """,
    indexes=(
        "created_at, payment_id",
        "amount_minor, payment_id",
        "currency, amount_minor, payment_id",
        "order_id, payment_id",
        "lower(email), created_at",
    ),
)
projection = Projection(
    "payments",
    tables=(payment_reports, payment_receipts, payment_movements, payments),
    reads=(
        "charges",
        "checkouts",
        "refunds",
        "disputes",
        "invoices",
        "invoice_payments",
        "transactions",
    ),
    listing=Listing(
        payments,
        Payment,
        noun="payment",
        filled_by=FROM_STRIPE,
        sort="created_at",
        sorts=("amount_minor",),
        filters=(
            "state",
            "state_known",
            "order_id",
            "customer_id",
            "email",
            "currency",
            "linked_by",
            "account",
        ),
        link="payment",
        parts={
            "charges": Part(
                Charge,
                """
                select
                    charge_id, state, amount_minor, captured_minor, refunded_minor, currency,
                    transaction_id, failure_code, created_at, captured_at
                from charges
                where coalesce(payment_id, charge_id) = %(id)s and state is not null
                order by created_at, charge_id
                """,
            ),
            "movements": Part(
                PaymentMovement,
                """
                select kind, source_id, at, amount_minor, currency
                from payment_movements
                where payment_id = %(id)s
                order by at, kind, source_id
                """,
                key=("kind", "source_id"),
            ),
        },
    ),
)


KNOWN = """
select
    p.payment_id is not null as exists,
    coalesce(p.order_id, r.linked_order_id) as order_id,
    coalesce(p.linked_by, case when r.linked_order_id is not null then 'shop' end) as linked_by,
    case when p.payment_id is null then c.payment_id end as charge_of
from (select %(id)s::text as id) as asked
left join payments as p on p.payment_id = asked.id
left join payment_reports as r on r.payment_id = asked.id
left join charges as c on c.charge_id = asked.id
"""
"""What is known of an id that shall be a payment's: see `KnownPayment`."""


@projection.handles(PaymentFact)
def reported(fact: PaymentFact, at: EventContext) -> Iterator[Change]:
    """A payment intent."""
    yield payment_reports.report_of(
        fact,
        at,
        labels=as_json(fact.labels),
        succeeded_at=at.effective_at if _has_money(fact) else None,
        canceled_at=_canceled_at(fact, at.effective_at),
        waiting_at=at.effective_at if _is_under_way(fact) else None,
    )
    if fact.received_minor > 0:
        yield payment_receipts.mention(
            payment_id=fact.payment_id,
            received_minor=fact.received_minor,
            said_at=at.effective_at,
        )


def _is_under_way(fact: PaymentFact) -> bool:
    """A state that this version does not know may be one of these."""
    return fact.state in {PaymentState.PROCESSING, PaymentState.AUTHORIZED} or not fact.state_known


def _canceled_at(fact: PaymentFact, told_at: datetime) -> datetime | None:
    """By its own word, as what is read from a list may be told of years later."""
    return (fact.canceled_at or told_at) if fact.state is PaymentState.CANCELED else None


def _has_money(fact: PaymentFact) -> bool:
    """A hold that is taken in several parts brings money before it succeeds."""
    return fact.state is PaymentState.SUCCEEDED or fact.received_minor > 0


@projection.handles(ChargeFact, RefundFact, DisputeFact)
def named_by(fact: ChargeFact | RefundFact | DisputeFact, _at: EventContext) -> Iterator[Change]:
    """The payment of a charge, and of what was claimed back of one."""
    payment_id = fact.payment_id or fact.charge_id
    if payment_id is not None:
        yield payment_reports.mention(payment_id=payment_id)


@projection.handles(CheckoutFact)
def visited(fact: CheckoutFact, _at: EventContext) -> Iterator[Change]:
    """The payment that was begun on a payment page."""
    if fact.payment_id is not None:
        yield payment_reports.mention(payment_id=fact.payment_id)


@projection.handles(PaymentLinked)
def linked(fact: PaymentLinked, at: EventContext) -> Iterator[Change]:
    """The shop's word; the last one holds where Stripe's objects name no order."""
    yield payment_reports.action(at, payment_id=fact.payment_id, linked_order_id=fact.order_id)


@projection.handles(PaymentUnlinked)
def unlinked(fact: PaymentUnlinked, at: EventContext) -> Iterator[Change]:
    """The shop takes its word back."""
    yield payment_reports.action(at, payment_id=fact.payment_id)
