"""Prices: what a unit costs where a subscription's own reports do not say; one row a currency.

Their own events say it, and so does every line of an invoice for a whole period, in its currency.
What is told later counts from the first report of a subscription that names the price.
"""

from collections.abc import Iterator

import msgspec

from ledger.domain.billing_facts import InvoiceFact, PriceFact
from ledger.domain.facts import EventContext
from projections.engine.declare import Change, Mirror, Projection, key, least, newest

price_amounts = Mirror(
    "price_amounts",
    price_id=key(),
    currency=key(),
    unit=newest("text"),
    tiers=newest("jsonb"),
    graduated=newest("boolean"),
)
invoiced_prices = Mirror(
    "invoiced_prices",
    subscription_id=key(),
    price_id=key(),
    currency=key(),
    invoice_id=key(),
    unit=newest("text"),
    invoiced_at=least("timestamptz"),
)
# What a period of `q.packs` units costs by a row `a` of these, as `ledger.domain.mrr` counts tiers.
CHARGED = """(
    with steps as (
        select
            n, (tier ->> 'up_to')::numeric as up_to, (tier ->> 'unit')::numeric as unit,
            (tier ->> 'flat')::numeric as flat,
            coalesce(lag((tier ->> 'up_to')::numeric) over (order by n), 0) as below
        from jsonb_array_elements(a.tiers) with ordinality as t (tier, n)
    )
    select case
        when a.unit is not null then a.unit::numeric * q.packs
        when not exists (select from steps where up_to is null or q.packs <= up_to) then null
        when a.graduated then (
            select sum(unit * (least(up_to, q.packs) - below) + flat)
            from steps
            where q.packs > below or n = 1
        )
        else (
            select unit * q.packs + flat
            from steps
            where up_to is null or q.packs <= up_to
            order by n
            limit 1
        )
    end
)"""
projection = Projection("prices", tables=(price_amounts, invoiced_prices))


@projection.handles(PriceFact)
def told(fact: PriceFact, at: EventContext) -> Iterator[Change]:
    """A price; a report that leaves its tiers out says nothing of them."""
    for amount in fact.amounts:
        yield price_amounts.report(
            at,
            0,
            price_id=fact.price_id,
            currency=amount.currency,
            unit=amount.unit,
            tiers=msgspec.json.encode(amount.tiers).decode() if amount.tiers else None,
            graduated=amount.graduated,
        )


@projection.handles(InvoiceFact)
def invoiced(fact: InvoiceFact, at: EventContext) -> Iterator[Change]:
    """What units cost on an invoice."""
    for line in fact.lines:
        yield invoiced_prices.report(
            at,
            fact.state.rank,
            subscription_id=line.subscription_id,
            price_id=line.price_id,
            currency=fact.currency,
            invoice_id=fact.invoice_id,
            unit=line.unit,
            invoiced_at=fact.created_at,
        )
