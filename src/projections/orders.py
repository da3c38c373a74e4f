"""Orders: what was ordered, where it stands and what its payments brought; one row an order."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from typing_extensions import TypeAliasType

from api.permissions import Permission
from ledger.domain.events import (
    OrderAllocationFailed,
    OrderCanceled,
    OrderExpired,
    OrderFulfilled,
    OrderLinesReturned,
    OrderPlaced,
    OrderReinstated,
    PurchaseOrdered,
    ReturnedLine,
    lines_by_id,
)
from ledger.domain.facts import DisputeState, EventContext
from ledger.domain.money import split
from projections.disputes import worst
from projections.engine.declare import (
    Change,
    Column,
    Derived,
    Journal,
    Listing,
    Mirror,
    Projection,
    as_json,
    key,
    known,
    latest,
    line,
)
from projections.engine.row import Currency, Part, Row, states
from projections.paid_periods import order_waivers, paid_periods, steps
from projections.payments import LinkedBy, PaymentStateName
from projections.refund_requests import RefundRequestState

OrderState = TypeAliasType(
    "OrderState", Literal["pending", "paid", "fulfilled", "canceled", "expired"]
)
OrderPaymentState = TypeAliasType(
    "OrderPaymentState", Literal["unpaid", "partially_paid", "paid", "overpaid"]
)
OrderRefundState = TypeAliasType("OrderRefundState", Literal["none", "partial", "full"])
OrderDisputeState = TypeAliasType(
    "OrderDisputeState", Annotated[str, states(DisputeState, also=["none"])]
)


OrderOrigin = TypeAliasType(
    "OrderOrigin", Literal["shop", "checkout", "invoice", "payment", "import"]
)


class ShippingAddress(Row):
    """A postal address; what was not said is not there."""

    name: str = ""
    line1: str = ""
    line2: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""


class Order(Row):
    """An order: what was ordered, where it stands, and what its payments brought.

    Amounts are in its currency. What was paid in another one by mistake is in none of them.
    """

    order_id: str
    customer_id: str | None
    email: str | None
    currency: Currency
    state: OrderState
    payment_state: OrderPaymentState
    refund_state: OrderRefundState
    dispute_state: OrderDisputeState
    """Of several disputes the one that a person must know of first."""
    unallocated: bool
    """Whether it is paid, and no goods are held for it: a person decides."""
    to_ship: bool
    """Whether it is paid, its money did not all go back, and its goods did not leave yet."""
    total_minor: int
    """Goods + shipping + tax − discount."""
    shipping_minor: int
    tax_minor: int
    discount_minor: int
    received_minor: int
    refunded_minor: int
    refund_pending_minor: int
    refund_failed_minor: int
    refund_requested_minor: int
    """What the shop asked for to go back in the order's currency, and no refund answered yet."""
    to_refund: bool
    """Whether that is anything, in any currency: see the requests of the one."""
    disputed_minor: int
    net_minor: int
    """Received − refunded − disputed."""
    waived_minor: int
    """What its payment pages took off the total; it is not due any more.

    The most that one page took off, or what several did that each are for a part of the order.
    """
    outstanding_minor: int
    """What is still to be paid."""
    payment_count: int
    """How many payments brought money in its currency."""
    other_currency_payment_count: int
    """How many brought money in another one."""
    payment_id: str | None
    """The first payment that brought money."""
    placed_at: datetime
    expires_at: datetime
    """Until when its stock is held unpaid."""
    paid_at: datetime | None
    """Since when it is paid in full."""
    waiting_at: datetime | None
    """When Stripe last said that a payment for it is under way."""
    fulfilled_at: datetime | None
    canceled_at: datetime | None
    expired_at: datetime | None
    refunded_at: datetime | None
    """When the latest refund went back."""
    origin: OrderOrigin
    """Placed in the `shop`; made of a `checkout`, `invoice` or `payment` of Stripe's; `import`."""
    reserves_stock: bool
    """Whether it takes goods of the stock; an order of the past does not."""
    shipping_address: ShippingAddress | None


class OrderLine(Row):
    """A line of an order; `returned` units of it came back."""

    line: int
    """Its place, from 1."""
    line_id: str
    """Its name within its order: as given when it was placed, else its place."""
    sku: str
    name: str
    quantity: int
    unit_minor: int
    returned: int


class OrderPayment(Row):
    """A payment of an order, in the payment's own currency."""

    payment_id: str
    linked_by: LinkedBy
    state: PaymentStateName | None
    currency: Currency
    received_minor: int
    refunded_minor: int
    refund_pending_minor: int
    disputed_minor: int
    net_minor: int
    created_at: datetime
    succeeded_at: datetime | None


class OrderRefundRequest(Row):
    """A request for money of an order to go back, in the currency that it was paid in."""

    request_id: str
    state: RefundRequestState
    currency: Currency
    amount_minor: int
    open_minor: int
    """What is still to go back."""
    refused_because: str | None
    """Why Stripe does not make it."""
    requested_at: datetime
    begun_at: datetime | None
    """When Stripe was first asked for it; from then on it cannot be withdrawn."""


class OrderObject(Row):
    """An object of Stripe's that an order was made of."""

    kind: str
    """`checkout`, `invoice`, `payment` or `subscription`."""
    object_id: str


order_actions = Mirror(
    "order_actions",
    order_id=key(),
    status=latest("text"),
    customer_id=known("text"),
    email=known("text"),
    currency=known("text"),
    total_minor=known("bigint"),
    shipping_minor=known("bigint"),
    tax_minor=known("bigint"),
    discount_minor=known("bigint"),
    origin=known("text"),
    reserves_stock=known("boolean"),
    shipping_address=known("jsonb"),
    placed_at=known("timestamptz"),
    expires_at=known("timestamptz"),
    canceled_at=known("timestamptz"),
    expired_at=known("timestamptz"),
    fulfilled_at=known("timestamptz"),
)
order_lines = Mirror(
    "order_lines",
    order_id=key(),
    line=key("bigint"),
    line_id=known("text"),
    sku=known("text"),
    name=known("text"),
    quantity=known("bigint"),
    unit_minor=known("bigint"),
    discount_minor=known("bigint"),
)
order_objects = Journal(
    "order_objects",
    order_id=Column("text", "key"),
    kind=Column("text", "key"),
    object_id=Column("text", "key"),
)
order_returns = Journal(
    "order_returns",
    order_id=Column("text", "key"),
    line_id=Column("text", "key"),  # empty where an event is older than they are, and says the SKU
    sku=Column("text", "key"),
    quantity=line("bigint"),
    reason=line("text"),
    at=line("timestamptz"),
)

# Only payments in the order's currency pay it. What was refunded or disputed later does not make
# it unpaid again; what the bank took back does. What a payment page took off (a promotion code, all
# of it perhaps) is not due: what was paid is compared with what is due, never with the total.
ORDERS = """
select
    o.order_id, o.customer_id, o.email, o.currency,
    case
        when o.status in ('canceled', 'fulfilled') then o.status
        when o.status in ('expired', 'allocation_failed') then 'expired'
        when m.received_minor >= w.due_minor then 'paid'
        else 'pending'
    end as state,
    case
        when m.received_minor > w.due_minor then 'overpaid'
        when m.received_minor >= w.due_minor then 'paid'
        when m.received_minor > 0 then 'partially_paid'
        else 'unpaid'
    end as payment_state,
    case
        when m.refunded_minor = 0 then 'none'
        when m.refunded_minor < m.received_minor then 'partial'
        else 'full'
    end as refund_state,
    coalesce(m.dispute_state, 'none') as dispute_state,
    o.status in ('expired', 'allocation_failed') and m.received_minor >= w.due_minor
        and (
            m.received_minor > m.refunded_minor
            or (w.due_minor = 0 and o.total_minor > 0)
        ) as unallocated,
    o.status not in ('canceled', 'fulfilled', 'expired', 'allocation_failed')
        and m.received_minor >= w.due_minor
        and (m.received_minor > m.refunded_minor or w.due_minor = 0) as to_ship,
    o.total_minor, o.shipping_minor, o.tax_minor, o.discount_minor,
    m.received_minor, m.refunded_minor, m.refund_pending_minor, m.refund_failed_minor,
    a.refund_requested_minor, a.to_refund,
    m.disputed_minor, m.net_minor,
    o.total_minor - w.due_minor as waived_minor,
    greatest(w.due_minor - m.received_minor, 0) as outstanding_minor,
    m.payment_count,
    (
        select count(*)
        from payments
        where order_id = o.order_id and currency <> o.currency and received_minor > 0
    ) as other_currency_payment_count,
    m.payment_id,
    o.placed_at, o.expires_at,
    case
        when o.total_minor = 0 then o.placed_at
        when m.received_minor >= w.due_minor then t.paid_at
    end as paid_at,
    case when m.received_minor < w.due_minor then greatest(v.waiting_at, (
        select max(waiting_at) -- in any currency
        from payments
        where order_id = o.order_id
    )) end as waiting_at,
    o.fulfilled_at, o.canceled_at, o.expired_at, m.refunded_at,
    o.origin, o.reserves_stock, o.shipping_address
from order_actions as o
cross join lateral (
    select
        coalesce(sum(received_minor), 0)::bigint as received_minor,
        coalesce(sum(refunded_minor), 0)::bigint as refunded_minor,
        coalesce(sum(refund_pending_minor), 0)::bigint as refund_pending_minor,
        coalesce(sum(refund_failed_minor), 0)::bigint as refund_failed_minor,
        coalesce(sum(disputed_minor), 0)::bigint as disputed_minor,
        coalesce(sum(net_minor), 0)::bigint as net_minor,
        count(*) filter (where received_minor > 0) as payment_count,
        worst_state as dispute_state,
        (array_agg(payment_id order by succeeded_at, payment_id)
            filter (where received_minor > 0))[1] as payment_id,
        max(refunded_at) as refunded_at
    from payments
    where order_id = o.order_id and currency = o.currency
) as m
cross join lateral (
    select
        coalesce(sum(open_minor) filter (where currency = o.currency), 0)::bigint
            as refund_requested_minor,
        coalesce(bool_or(open_minor > 0), false) as to_refund
    from refund_requests
    where order_id = o.order_id
) as a
cross join lateral ( -- since when its pages wait for what a payment did not say
    select max(coalesce(
        c.completed_at, case when c.state in ('completed', 'paid') then c.created_at end
    )) as waiting_at
    from checkouts as c
    where coalesce(c.order_id, c.reference) = o.order_id
        and (c.state in ('completed', 'paid') or not c.state_known)
        and coalesce(c.mode, '') <> 'setup'
        and not coalesce(c.nothing_due, false)
        and not exists (
            select
            from (
                select c.payment_id
                union all
                select payment_id from invoice_payments where invoice_id = c.invoice_id
                union all
                select i.payment_id
                from invoice_reports as r
                join invoice_payments as i using (invoice_id)
                where c.invoice_id is null and r.opens_subscription
                    and r.subscription_id = c.subscription_id
            ) as paid_by
            cross join lateral ( -- looked up: the planner may else read all payments
                select * from payments where payment_id = paid_by.payment_id offset 0
            ) as p
            where p.received_minor > 0
                or p.state in ('failed', 'canceled')
                or p.failed_at is not null
        )
) as v
cross join lateral (
    select o.total_minor - coalesce(sum(waived_minor), 0)::bigint as due_minor
    from order_waivers
    where order_id = o.order_id
) as w
cross join lateral ( -- when what was received last came to reach what is due
    select max(at) filter (
        where received_minor >= due_minor and received_before_minor < due_before_minor
    ) as paid_at
    from (order_steps) as so_far
) as t
""".replace("worst_state", worst("dispute_state")).replace("order_steps", steps("o.currency"))

orders = Derived(
    "orders",
    key=("order_id",),
    view=ORDERS,
    touched="""
        select order_id from staged_order_actions
        union all -- what a payment names that is new: there is none to join before the batch
        select order_id from staged_payment_reports
        union all
        select linked_order_id from staged_payment_reports
        union all
        select order_id from staged_charges
        union all
        select p.order_id
        from touched_payments
        join payments as p using (payment_id)
        union all
        select r.order_id
        from touched_refund_requests
        join refund_requests as r using (request_id)
        union all
        select coalesce(s.order_id, s.reference)
        from staged_checkouts
        join checkouts as s using (session_id)
        union all
        select coalesce(s.order_id, s.reference)
        from touched_payments
        join checkouts as s using (payment_id)
        union all
        select coalesce(s.order_id, s.reference)
        from touched_payments
        join invoice_payments as i using (payment_id)
        join checkouts as s on s.invoice_id = i.invoice_id
        union all
        select coalesce(s.order_id, s.reference)
        from touched_payments
        join invoice_payments as i using (payment_id)
        join invoice_reports as r on r.invoice_id = i.invoice_id and r.opens_subscription
        join checkouts as s on s.invoice_id is null and s.subscription_id = r.subscription_id
    """,
    indexes=(
        "placed_at, order_id",
        "total_minor, order_id",
        "currency, total_minor, order_id",
        "unallocated, placed_at, order_id",
        "to_ship, placed_at, order_id",
        "to_refund, placed_at, order_id",
        "state, expires_at",
        "customer_id",
        "email",
        "lower(email), placed_at",
    ),
)
projection = Projection(
    "orders",
    tables=(
        order_actions,
        order_lines,
        order_objects,
        order_returns,
        order_waivers,
        orders,
        paid_periods,
    ),
    reads=(
        "payments",
        "charges",
        "checkouts",
        "refund_requests",
        "invoices",
        "invoice_payments",
    ),
    listing=Listing(
        orders,
        Order,
        noun="order",
        filled_by="Place one with `ledger order place` or `POST /orders`, bring in those of"
        " the past with `ledger import-orders`, or set LEDGER_ORDERS_FROM.",
        sort="placed_at",
        sorts=("total_minor",),
        filters=(
            "state",
            "payment_state",
            "refund_state",
            "dispute_state",
            "unallocated",
            "to_ship",
            "to_refund",
            "customer_id",
            "email",
            "currency",
            "origin",
        ),
        link="order",
        permission=Permission.SEE_ORDER,
        past=Permission.SEE_ORDER_HISTORY,
        owner="customer_id",
        parts={
            "lines": Part(
                OrderLine,
                """
                select
                    line, line_id, sku, name, quantity, unit_minor,
                    (
                        select coalesce(sum(quantity), 0)::bigint
                        from order_returns
                        where order_id = l.order_id and sku = l.sku and line_id in ('', l.line_id)
                    ) as returned
                from order_lines as l
                where order_id = %(id)s
                order by line
                """,
            ),
            "payments": Part(
                OrderPayment,
                """
                select
                    payment_id, linked_by, state, currency, received_minor, refunded_minor,
                    refund_pending_minor, disputed_minor, net_minor, created_at, succeeded_at
                from payments
                where order_id = %(id)s
                order by created_at, payment_id
                """,
            ),
            "made_of": Part(
                OrderObject,
                """
                select k.kind, k.object_id
                from order_objects as k
                left join order_actions as o using (order_id)
                where k.order_id = %(id)s
                group by k.kind, k.object_id, o.origin
                order by k.kind = o.origin desc, k.kind, k.object_id
                """,
            ),
            "refund_requests": Part(
                OrderRefundRequest,
                """
                select
                    request_id, state, currency, amount_minor, open_minor, refused_because,
                    requested_at, begun_at
                from refund_requests
                where order_id = %(id)s
                order by requested_at, request_id
                """,
            ),
        },
    ),
)

# Money that is still held decides, then the order's own currency: other money was paid by mistake,
# and while it is held the order may neither be canceled nor count as unpaid.
MONEY = """
select
    coalesce(p.currency, o.currency) as currency,
    coalesce(sum(p.received_minor), 0)::bigint as paid_minor,
    coalesce(sum(p.refunded_minor), 0)::bigint as refunded_minor,
    coalesce(sum(p.refund_pending_minor), 0)::bigint as pending_refund_minor,
    coalesce(sum(p.refund_failed_minor), 0)::bigint as failed_refund_minor,
    (
        coalesce(p.currency, o.currency) = o.currency
        or sum(p.received_minor) <= sum(p.refunded_minor) -- what holds nothing decides nothing
        or (o.waived_minor > 0 and o.waived_minor = o.total_minor) -- nothing is due, of any
    ) and o.received_minor >= o.total_minor - o.waived_minor as fully_paid,
    o.waived_minor > 0 and o.waived_minor = o.total_minor as nothing_due,
    o.waiting_at,
    (
        select coalesce(sum(open_minor), 0)::bigint
        from refund_requests
        where order_id = o.order_id and currency = coalesce(p.currency, o.currency)
            and state = 'requested' -- one that Stripe refused waits for nothing
    ) as requested_minor,
    (select count(*) from refund_requests where order_id = o.order_id) as requests,
    (
        select coalesce(jsonb_object_agg(request_id, open_minor), '{}')
        from refund_requests
        where order_id = o.order_id and open_minor > 0
    ) as open_requests
from orders as o
left join payments as p using (order_id)
where o.order_id = %(id)s
group by
    o.order_id, o.currency, o.total_minor, o.received_minor, o.waived_minor, o.waiting_at,
    p.currency
order by
    coalesce(sum(p.received_minor - p.refunded_minor), 0) > 0 desc,
    coalesce(p.currency, o.currency) = o.currency desc,
    p.currency
limit 1
"""
"""What an order's payments brought and gave back, in one currency."""


@projection.handles(OrderPlaced)
def placed(fact: OrderPlaced, at: EventContext) -> Iterator[Change]:
    """The order as it was placed, and its lines, counted from 1."""
    yield order_actions.action(
        at,
        order_id=fact.order_id,
        status="placed",
        customer_id=fact.customer_id,
        email=fact.email,
        currency=fact.currency,
        total_minor=fact.total_minor,
        shipping_minor=fact.shipping_minor,
        tax_minor=fact.tax_minor,
        discount_minor=fact.discount_minor,
        origin=fact.origin,
        reserves_stock=fact.reserves_stock,
        shipping_address=as_json(fact.shipping_address),
        placed_at=at.effective_at,
        expires_at=fact.expires_at,
    )
    lines = zip(lines_by_id(fact.lines).items(), _discounts(fact), strict=True)
    for number, ((line_id, each), discount_minor) in enumerate(lines, 1):
        yield order_lines.mention(
            order_id=fact.order_id,
            line=number,
            line_id=line_id,
            sku=each.sku,
            name=each.name,
            quantity=each.quantity,
            unit_minor=each.unit_minor,
            discount_minor=discount_minor,
        )


def _discounts(fact: OrderPlaced) -> list[int]:
    """Each line's share of the order's discount, by its amount; all to the first of free lines."""
    amounts = [each.quantity * each.unit_minor for each in fact.lines]
    return split(fact.discount_minor, amounts if any(amounts) else [1, *amounts[1:]])


@projection.handles(PurchaseOrdered)
def made_of(fact: PurchaseOrdered, at: EventContext) -> Iterator[Change]:
    """What Stripe shows of the purchase that it was made of."""
    yield order_objects.line(at, order_id=fact.order_id, kind=fact.kind, object_id=fact.object_id)


@projection.handles(OrderCanceled)
def canceled(fact: OrderCanceled, at: EventContext) -> Iterator[Change]:
    """Called off, and so for good."""
    yield order_actions.action(
        at, order_id=fact.order_id, status="canceled", canceled_at=at.effective_at
    )


@projection.handles(OrderExpired)
def expired(fact: OrderExpired, at: EventContext) -> Iterator[Change]:
    """Not paid in time, as far as was known."""
    yield order_actions.action(
        at, order_id=fact.order_id, status="expired", expired_at=at.effective_at
    )


@projection.handles(OrderReinstated)
def reinstated(fact: OrderReinstated, at: EventContext) -> Iterator[Change]:
    """As if it had never expired."""
    yield order_actions.action(at, order_id=fact.order_id, status="reinstated")


@projection.handles(OrderAllocationFailed)
def not_allocated(fact: OrderAllocationFailed, at: EventContext) -> Iterator[Change]:
    """It stays expired, and a person must decide."""
    yield order_actions.action(at, order_id=fact.order_id, status="allocation_failed")


@projection.handles(OrderFulfilled)
def fulfilled(fact: OrderFulfilled, at: EventContext) -> Iterator[Change]:
    """The goods left."""
    yield order_actions.action(
        at, order_id=fact.order_id, status="fulfilled", fulfilled_at=at.effective_at
    )


@projection.handles(OrderLinesReturned)
def returned(fact: OrderLinesReturned, at: EventContext) -> Iterator[Change]:
    """Goods that came back, by line."""
    by_sku = (
        ReturnedLine(line_id="", sku=sku, quantity=quantity)
        for sku, quantity in fact.quantities.items()
    )
    for each in fact.lines or by_sku:
        yield order_returns.line(
            at,
            order_id=fact.order_id,
            line_id=each.line_id,
            sku=each.sku,
            quantity=each.quantity,
            reason=at.meta.reason,
            at=at.effective_at,
        )
