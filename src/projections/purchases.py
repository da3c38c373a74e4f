"""Purchases: what was sold at the provider's, and which order was made of it; one row an object.

A purchase has several objects there (a page, an invoice, payments): each that was paid has a row,
and each that an order was made of. Those that wait for an order are a table of their own, so that
a look for them costs what is new, and not what was ever sold.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString, NamedTuple

import msgspec

from ledger.domain.events import PurchaseOrdered, PurchaseRefused
from ledger.domain.facts import EventContext, PurchaseFact, Sale, SoldLine
from ledger.domain.purchase import (
    OrderPurchase,
    PurchaseKind,
    PurchaseObject,
    order_of,
)
from projections.engine.declare import (
    Change,
    Derived,
    Mirror,
    Projection,
    key,
    known,
    latest,
    least,
    named,
    newest,
)
from projections.engine.tables import AnyCursor

purchases = Mirror(
    "purchases",
    purchase_id=key(),
    kind=known("text"),
    sale=newest("jsonb"),
    names=newest("text"),
    lines=named("jsonb"),
    some_lines=newest("jsonb"),
    created_at=least("timestamptz"),
    order_id=known("text"),
    refused_because=latest("text"),
    heard_at=least("timestamptz", bookkeeping=True),
    indexes=("names",),
)

_MEMBERS: Final[LiteralString] = """
    select t.kind, t.id
    union
    select unnest(array['payment', 'invoice', 'subscription']),
        unnest(array[s.payment_id, s.invoice_id, s.subscription_id])
    from checkouts as s
    where t.kind = 'checkout' and s.session_id = t.id
    union
    select 'payment', i.payment_id
    from checkouts as s
    join invoice_payments as i on i.invoice_id = s.invoice_id
    where t.kind = 'checkout' and s.session_id = t.id
    union
    select unnest(array['invoice', 'payment']), unnest(array[r.invoice_id, i.payment_id])
    from checkouts as s
    join invoice_reports as r on r.subscription_id = s.subscription_id and r.opens_subscription
    left join invoice_payments as i on i.invoice_id = r.invoice_id
    where t.kind = 'checkout' and s.session_id = t.id
    union
    select 'payment', payment_id
    from invoice_payments
    where t.kind = 'invoice' and invoice_id = t.id
    union
    select 'subscription', subscription_id
    from invoice_reports
    where t.kind = 'invoice' and invoice_id = t.id and opens_subscription
    union
    select 'checkout', session_id
    from checkouts
    where t.kind = 'invoice' and invoice_id = t.id
    union
    select 'checkout', s.session_id
    from invoice_reports as r
    join checkouts as s on s.subscription_id = r.subscription_id and s.invoice_id is null
    where t.kind = 'invoice' and r.invoice_id = t.id and r.opens_subscription
    union
    select 'invoice', invoice_id
    from invoice_payments
    where t.kind = 'payment' and payment_id = t.id
    union
    select 'checkout', session_id
    from checkouts
    where t.kind = 'payment' and payment_id = t.id
    union
    select 'checkout', s.session_id
    from invoice_payments as i
    join checkouts as s on s.invoice_id = i.invoice_id
    where t.kind = 'payment' and i.payment_id = t.id
    union
    select 'checkout', s.session_id
    from invoice_payments as i
    join invoice_reports as r on r.invoice_id = i.invoice_id and r.opens_subscription
    join checkouts as s on s.subscription_id = r.subscription_id and s.invoice_id is null
    where t.kind = 'payment' and i.payment_id = t.id
    union
    select unnest(array['checkout', 'invoice', 'payment']),
        unnest(array[s.session_id, r.invoice_id, i.payment_id])
    from checkouts as s
    left join invoice_reports as r on r.subscription_id = s.subscription_id and r.opens_subscription
    left join invoice_payments as i on i.invoice_id = r.invoice_id
    where t.kind = 'subscription' and s.subscription_id = t.id
"""
"""The objects of a purchase, as far as they are known, from one of them (`t`)."""

# What names an order belongs to it, once that is there; until then the order that it names waits
# for being made, as others do. Where more is known of a purchase by another object (a page before
# an invoice before a payment), it may wait for that one. `offset 0` has its few objects looked up:
# the planner expects many of each purchase, and may else read all checkouts for each of them.
waiting_purchases = Derived(
    "waiting_purchases",
    key=("purchase_id",),
    view="""
        select p.purchase_id, p.kind, m.objects, m.payments, m.has_page, m.has_invoice,
            coalesce(m.paid_for, m.shown_for, p.names) as names
        from purchases as p
        cross join lateral (select p.kind as kind, p.purchase_id as id) as t
        cross join lateral (
            select
                jsonb_agg(jsonb_build_array(o.kind, o.id) order by o.kind, o.id) as objects,
                coalesce(
                    jsonb_agg(o.id order by o.id) filter (where y.received_minor > 0), '[]'
                ) as payments,
                coalesce(
                    sum(y.received_minor) filter (where y.currency = p.sale ->> 'currency'), 0
                ) as received_minor,
                bool_and(q.order_id is null) as is_free,
                bool_or(exists (
                    select
                    from order_actions as known
                    where known.order_id in (y.order_id, c.order_id, c.reference, p.names)
                )) as belongs,
                min(y.order_id) as paid_for,
                min(coalesce(c.order_id, c.reference)) as shown_for,
                bool_or(
                    o.kind = 'checkout' and coalesce(c.state, '') not in ('expired', 'failed')
                ) as has_page,
                bool_or(
                    o.kind = 'invoice'
                    and coalesce(r.state, '') not in ('void', 'uncollectible', 'deleted')
                ) as has_invoice
            from (its_objects) as o
            left join lateral (
                select * from purchases where purchase_id = o.id offset 0
            ) as q on true
            left join lateral (
                select * from payments where o.kind = 'payment' and payment_id = o.id offset 0
            ) as y on true
            left join lateral (
                select * from checkouts where o.kind = 'checkout' and session_id = o.id offset 0
            ) as c on true
            left join lateral (
                select * from invoice_reports as r
                where o.kind = 'invoice' and r.invoice_id = o.id
                offset 0
            ) as r on true
            where o.id is not null
        ) as m
        where p.order_id is null and p.sale is not null
            and m.is_free and not m.belongs
            and m.received_minor >= (p.sale ->> 'total_minor')::bigint
    """.replace("its_objects", _MEMBERS),
    touched="""
        select o.id as purchase_id
        from (
            select p.kind, p.purchase_id as id
            from staged_purchases
            join purchases as p using (purchase_id)
            union
            select 'payment', payment_id from touched_payments
            union
            select 'checkout', session_id from staged_checkouts
            union
            select 'invoice', invoice_id from staged_invoice_reports
            union
            select unnest(array['payment', 'invoice']), unnest(array[i.payment_id, i.invoice_id])
            from touched_invoice_payments
            join invoice_payments as i using (invoice_payment_id)
            union
            select p.kind, p.purchase_id
            from staged_order_actions as s
            join purchases as p on p.names = s.order_id
        ) as t
        cross join lateral (its_objects) as o
        where o.id is not null
    """.replace("its_objects", _MEMBERS),
    indexes=("kind, purchase_id",),
)
projection = Projection(
    "purchases",
    tables=(purchases, waiting_purchases),
    reads=("payments", "checkouts", "invoices", "invoice_payments", "orders"),
)

_write: Final = msgspec.json.Encoder().encode


@projection.handles(PurchaseFact)
def sold(fact: PurchaseFact, at: EventContext) -> Iterator[Change]:
    """What was sold; lines that were shown once stay known, and go before some of them."""
    lines = _write(fact.lines).decode() if fact.lines else None
    yield purchases.report(
        at,
        0,
        purchase_id=fact.purchase_id,
        kind=fact.kind,
        sale=_write(fact.sale).decode(),
        names=fact.sale.names,
        lines=None if fact.lines_cut else lines,
        some_lines=lines if fact.lines_cut else None,
        created_at=fact.created_at,
        heard_at=at.recorded_at,
    )


@projection.handles(PurchaseOrdered)
def ordered(fact: PurchaseOrdered, _at: EventContext) -> Iterator[Change]:
    """An order was made of it."""
    yield purchases.mention(purchase_id=fact.object_id, kind=fact.kind, order_id=fact.order_id)


@projection.handles(PurchaseRefused)
def refused(fact: PurchaseRefused, at: EventContext) -> Iterator[Change]:
    """None could be made of it."""
    yield purchases.action(
        at, purchase_id=fact.object_id, kind=fact.kind, refused_because=fact.message
    )


# ── Which wait for an order ─────────────────────────────────────────────────────────────────────

READS: Final = ("purchases",)
PAGE: Final = 1000
WAITING: Final[LiteralString] = """
select w.purchase_id, p.sale, coalesce(p.lines, p.some_lines) as lines, p.created_at, w.objects,
    w.payments, w.names
from waiting_purchases as w
join purchases as p using (purchase_id)
where w.kind = %(kind)s and w.purchase_id > %(after)s
    and p.heard_at <= case when w.names is null then %(until)s else %(named_until)s end
    -- where only some lines are known, the others may be on their way, too
    and (p.lines is not null or p.some_lines is null or p.heard_at <= %(whole_until)s)
    and not (w.has_page and 'checkout' = any(%(better)s))
    and not (w.has_invoice and 'invoice' = any(%(better)s))
order by w.purchase_id
limit %(limit)s
"""


class Waiting(NamedTuple):
    """A page of purchases of which an order is due, and where to go on."""

    due: list[OrderPurchase]
    after: str | None


def waiting(
    cursor: AnyCursor,
    kind: PurchaseKind,
    *,
    better: Sequence[PurchaseKind],
    after: str,
    until: datetime,
    named_until: datetime,
    whole_until: datetime,
    reservation: timedelta,
) -> Waiting:
    """Purchases of a kind, by id from `after` on, of which an order is to be made.

    `better` are the kinds that make the order where they are known too. `until` is when a report
    must have come that waited for them long enough, `named_until` when one that waited for the
    order that it names, and `whole_until` when one that shows some of its lines only. `after` is
    None at the end.
    """
    asked = {
        "kind": kind,
        "better": [*better],
        "after": after,
        "until": until,
        "named_until": named_until,
        "whole_until": whole_until,
        "limit": PAGE,
    }
    rows = cursor.execute(WAITING, asked).fetchall()
    due = [_command(kind, row, reservation) for row in rows]
    return Waiting(due, rows[-1]["purchase_id"] if len(rows) == PAGE else None)


def _command(kind: PurchaseKind, row: dict[str, Any], reservation: timedelta) -> OrderPurchase:
    placed_at = row["created_at"]
    placed = order_of(
        row["purchase_id"],
        kind,
        msgspec.convert(row["sale"], Sale),
        msgspec.convert(row["lines"] or [], list[SoldLine]),
        placed_at=placed_at,
        reservation=reservation,
        order_id=row["names"],
    )
    return OrderPurchase(
        at=placed_at,
        placed=placed,
        object_id=row["purchase_id"],
        objects=tuple(PurchaseObject(*each) for each in row["objects"]),
        payments=tuple(row["payments"]),
    )
