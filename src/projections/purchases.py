"""Purchases: what was sold at the provider's, and which order was made of it; one row an object.

A purchase has several objects there (a page, an invoice, payments): each that was paid and names no
order has a row, and each that an order was made of.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString, NamedTuple

import msgspec

from ledger.domain.events import PurchaseOrdered
from ledger.domain.facts import EventContext, PurchaseFact, Sale, SoldLine
from ledger.domain.purchase import (
    OrderPurchase,
    PurchaseKind,
    PurchaseObject,
    order_of,
)
from projections.engine.declare import Change, Mirror, Projection, key, known, least, named, newest
from projections.engine.tables import AnyCursor

purchases = Mirror(
    "purchases",
    purchase_id=key(),
    kind=known("text"),
    sale=newest("jsonb"),
    lines=named("jsonb"),
    some_lines=newest("jsonb"),
    created_at=least("timestamptz"),
    order_id=known("text"),
    heard_at=least("timestamptz", bookkeeping=True),
    indexes=("order_id, kind, purchase_id",),
)
projection = Projection("purchases", tables=(purchases,))

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
        lines=None if fact.lines_cut else lines,
        some_lines=lines if fact.lines_cut else None,
        created_at=fact.created_at,
        heard_at=at.recorded_at,
    )


@projection.handles(PurchaseOrdered)
def ordered(fact: PurchaseOrdered, _at: EventContext) -> Iterator[Change]:
    """An order was made of it."""
    yield purchases.mention(purchase_id=fact.object_id, kind=fact.kind, order_id=fact.order_id)


# ── Which wait for an order ─────────────────────────────────────────────────────────────────────

READS: Final = ("purchases", "payments", "checkouts", "invoices", "invoice_payments")
PAGE: Final = 1000

_MEMBERS: Final[dict[str, LiteralString]] = {
    "checkout": """
        select 'checkout' as kind, s.session_id as id
        from checkouts as s
        where s.session_id = p.purchase_id
        union
        select unnest(array['payment', 'invoice', 'subscription']),
            unnest(array[s.payment_id, s.invoice_id, s.subscription_id])
        from checkouts as s
        where s.session_id = p.purchase_id
        union
        select 'payment', i.payment_id
        from checkouts as s
        join invoice_payments as i on i.invoice_id = s.invoice_id
        where s.session_id = p.purchase_id
        union
        select unnest(array['invoice', 'payment']), unnest(array[r.invoice_id, i.payment_id])
        from checkouts as s
        join invoice_reports as r on r.subscription_id = s.subscription_id and r.opens_subscription
        left join invoice_payments as i on i.invoice_id = r.invoice_id
        where s.session_id = p.purchase_id
    """,
    "invoice": """
        select 'invoice' as kind, p.purchase_id as id
        union
        select 'payment', payment_id
        from invoice_payments
        where invoice_id = p.purchase_id
        union
        select 'subscription', subscription_id
        from invoice_reports
        where invoice_id = p.purchase_id and opens_subscription
        union
        select 'checkout', session_id
        from checkouts
        where invoice_id = p.purchase_id
        union
        select 'checkout', s.session_id
        from invoice_reports as r
        join checkouts as s on s.subscription_id = r.subscription_id and s.invoice_id is null
        where r.invoice_id = p.purchase_id and r.opens_subscription
    """,
    "payment": """
        select 'payment' as kind, p.purchase_id as id
        union
        select 'invoice', invoice_id
        from invoice_payments
        where payment_id = p.purchase_id
        union
        select 'checkout', session_id
        from checkouts
        where payment_id = p.purchase_id
        union
        select 'checkout', s.session_id
        from invoice_payments as i
        join checkouts as s on s.invoice_id = i.invoice_id
        where i.payment_id = p.purchase_id
        union
        select 'checkout', s.session_id
        from invoice_payments as i
        join invoice_reports as r on r.invoice_id = i.invoice_id and r.opens_subscription
        join checkouts as s on s.subscription_id = r.subscription_id and s.invoice_id is null
        where i.payment_id = p.purchase_id
    """,
}
"""The objects of a purchase, as far as they are known, from one of them."""

# Where only some lines are known, the others may be on their way, too.
# A page that names an order names it for all. Where more is known of a purchase by another object
# (a page before an invoice before a payment), it waits for that one, and, as reports of one
# purchase come apart from each other, for some time in case there is one.
WAITING: Final[LiteralString] = """
select p.purchase_id, p.sale, coalesce(p.lines, p.some_lines) as lines, p.created_at, m.objects,
    m.payments,
    (
        (p.lines is not null or p.some_lines is null or p.heard_at <= %(whole_until)s)
        and m.is_free and not m.belongs
        and m.received_minor >= (p.sale ->> 'total_minor')::bigint
        and not (m.has_page and 'checkout' = any(%(better)s))
        and not (m.has_invoice and 'invoice' = any(%(better)s))
    ) as is_due
from (
    select *
    from purchases
    where order_id is null and kind = %(kind)s and sale is not null
        and purchase_id > %(after)s and heard_at <= %(until)s
    order by purchase_id
    limit %(limit)s
) as p
cross join lateral (
    select
        jsonb_agg(jsonb_build_array(o.kind, o.id) order by o.kind, o.id) as objects,
        coalesce(
            array_agg(o.id order by o.id) filter (where y.received_minor > 0), array[]::text[]
        ) as payments,
        coalesce(
            sum(y.received_minor) filter (where y.currency = p.sale ->> 'currency'), 0
        ) as received_minor,
        bool_and(q.order_id is null) as is_free,
        bool_or(
            y.order_id is not null or c.order_id is not null or c.reference is not null
        ) as belongs,
        bool_or(
            o.kind = 'checkout' and coalesce(c.state, '') not in ('expired', 'failed')
        ) as has_page,
        bool_or(
            o.kind = 'invoice' and coalesce(r.state, '') not in ('void', 'uncollectible', 'deleted')
        ) as has_invoice
    from (its_objects) as o
    left join purchases as q on q.purchase_id = o.id
    left join payments as y on o.kind = 'payment' and y.payment_id = o.id
    left join checkouts as c on o.kind = 'checkout' and c.session_id = o.id
    left join invoice_reports as r on o.kind = 'invoice' and r.invoice_id = o.id
    where o.id is not null
) as m
order by p.purchase_id
"""


class Waiting(NamedTuple):
    """A page of purchases without an order: those of which one is due, and where to go on."""

    due: list[OrderPurchase]
    after: str | None


def waiting(
    cursor: AnyCursor,
    kind: PurchaseKind,
    *,
    better: Sequence[PurchaseKind],
    after: str,
    until: datetime,
    whole_until: datetime,
    reservation: timedelta,
) -> Waiting:
    """Purchases of a kind, by id from `after` on, of which an order is to be made.

    `better` are the kinds that make the order where they are known too, and `until` is when a
    report must have come that waited for them long enough, `whole_until` one that shows some of its
    lines only. `after` is None at the end.
    """
    asked = {
        "kind": kind,
        "better": [*better],
        "after": after,
        "until": until,
        "whole_until": whole_until,
        "limit": PAGE,
    }
    rows = cursor.execute(WAITING.replace("its_objects", _MEMBERS[kind]), asked).fetchall()
    due = [_command(kind, row, reservation) for row in rows if row["is_due"]]
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
    )
    return OrderPurchase(
        at=placed_at,
        placed=placed,
        objects=tuple(PurchaseObject(*each) for each in row["objects"]),
        payments=tuple(row["payments"]),
    )
