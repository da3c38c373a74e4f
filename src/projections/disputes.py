"""Disputes: what banks ask back for customers, and the funds that it moved; one row a dispute."""

from collections.abc import Iterator

from ledger.domain.facts import DisputeFact, Moment
from projections.engine.declare import (
    Change,
    Derived,
    Listing,
    Mirror,
    Projection,
    key,
    known,
    least,
    newest,
    ranked,
)

WORST_FIRST = (
    "array['open', 'under_review', 'inquiry', 'lost', 'won', 'closed', 'inquiry_closed']::text[]"
)
"""The states of disputes as an SQL array: of several, the first one is what a person must know."""
CONTESTED = ("open", "under_review", "lost", "won")

dispute_reports = Mirror(
    "dispute_reports",
    dispute_id=key(),
    state=ranked("text"),
    amount_minor=newest("bigint"),
    currency=newest("text"),
    reason=newest("text"),
    due_at=newest("timestamptz"),
    charge_id=known("text"),
    payment_id=known("text"),
    withdrawn=known("boolean"),
    reinstated=known("boolean"),
    contested=known("boolean"),
    account=known("text"),
    created_at=least("timestamptz"),
    withdrawn_at=least("timestamptz"),
    reinstated_at=least("timestamptz"),
)
movements = Mirror(
    "dispute_movements",
    dispute_id=key(),
    transaction_id=key(),
    amount_minor=newest("bigint"),
    fee_minor=newest("bigint"),
    currency=newest("text"),
    created_at=least("timestamptz"),
)
# Movements are in the currency of the shop's account, which need not be the payment's: then only
# their direction counts. A report that funds moved stands in for a movement that it did not list.
disputes = Derived(
    "disputes",
    key=("dispute_id",),
    view="""
        select
            d.dispute_id, d.state, d.amount_minor, d.currency,
            case
                when d.reinstated and not m.came_back then 0
                when m.in_currency then -m.amount_minor
                when m.came_back then 0
                when m.went or d.withdrawn then d.amount_minor
                else 0
            end as disputed_minor,
            d.reason, d.due_at, d.charge_id, d.payment_id, d.account, d.created_at
        from dispute_reports as d
        cross join lateral (
            select
                coalesce(bool_or(amount_minor > 0), false) as came_back,
                coalesce(bool_or(amount_minor < 0), false) as went,
                coalesce(bool_or(currency = d.currency), false) as in_currency,
                coalesce(sum(amount_minor) filter (where currency = d.currency), 0)::bigint
                    as amount_minor
            from dispute_movements
            where dispute_id = d.dispute_id
        ) as m
    """,
    touched="""
        select dispute_id from staged_dispute_reports
        union all
        select dispute_id from staged_dispute_movements
    """,
    indexes=(
        "created_at, dispute_id",
        "state, created_at, dispute_id",
        "charge_id",
        "payment_id",
    ),
)
projection = Projection(
    "disputes",
    tables=(dispute_reports, movements, disputes),
    listing=Listing(
        disputes,
        sort="created_at",
        filters=("state", "currency", "charge_id", "payment_id", "reason", "account"),
        link="dispute",
        parts={
            "movements": """
                select transaction_id, amount_minor, fee_minor, currency, created_at
                from dispute_movements
                where dispute_id = %(id)s
                order by created_at, transaction_id
            """
        },
    ),
)


@projection.handles(DisputeFact)
def reported(fact: DisputeFact, at: Moment) -> Iterator[Change]:
    """Each movement of funds is booked once, by its balance transaction.

    A dispute is `contested` once it was more than an inquiry; one that was refunded or prevented
    before that never is.
    """
    yield dispute_reports.report(
        at,
        fact.RANK,
        dispute_id=fact.dispute_id,
        state=fact.STATE,
        amount_minor=fact.amount_minor,
        currency=fact.currency,
        reason=fact.reason,
        due_at=fact.due_at,
        charge_id=fact.charge_id,
        payment_id=fact.payment_id,
        withdrawn=fact.withdrawn,
        reinstated=fact.reinstated,
        contested=fact.STATE in CONTESTED or fact.withdrawn or bool(fact.movements),
        account=at.account,
        created_at=fact.created_at,
        withdrawn_at=at.effective_at if fact.withdrawn else None,
        reinstated_at=at.effective_at if fact.reinstated else None,
    )
    for moved in fact.movements:
        yield movements.report(
            at,
            fact.RANK,
            dispute_id=fact.dispute_id,
            transaction_id=moved.transaction_id,
            amount_minor=moved.amount_minor,
            fee_minor=moved.fee_minor,
            currency=moved.currency,
            created_at=moved.created_at,
        )
