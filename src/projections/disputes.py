"""Disputes: what banks ask back for customers, and the funds that it moved; one row a dispute."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated

from typing_extensions import TypeAliasType

from ledger.domain.facts import DisputeFact, DisputeState, EventContext, FundsMovement
from projections.engine.declare import (
    FROM_STRIPE,
    Change,
    Derived,
    Listing,
    Mirror,
    Projection,
    greatest,
    key,
    known,
    least,
    newest,
    ranked,
)
from projections.engine.row import Account, Currency, Few, Part, Row, StateKnown, states

WORST_FIRST = (
    "array['open', 'under_review', 'inquiry', 'lost', 'won', 'closed', 'inquiry_closed']::text[]"
)


def worst(state: str) -> str:
    """SQL for what a person must know of the states in a column: an unknown one before all."""
    place = f"coalesce(array_position({WORST_FIRST}, {state}), 0)"
    return f"(array_agg({state} order by {place}, {state}) filter (where {state} is not null))[1]"


UNCONTESTED = (
    DisputeState.INQUIRY,
    DisputeState.INQUIRY_UNKNOWN,
    DisputeState.INQUIRY_CLOSED,
    DisputeState.CLOSED,
)

DisputeStateName = TypeAliasType("DisputeStateName", Annotated[str, states(DisputeState)])


class Dispute(Row):
    """What a customer's bank asks back."""

    dispute_id: str
    state: DisputeStateName
    state_known: StateKnown
    amount_minor: int
    currency: Currency
    disputed_minor: int
    """What of it is out of the shop's hands now."""
    reason: Few | None
    due_at: datetime | None
    """Until when the shop may answer."""
    charge_id: str | None
    payment_id: str | None
    account: Account
    created_at: datetime


class DisputeMovement(Row):
    """Money that a dispute moved: negative out, positive back, in the currency of the account."""

    transaction_id: str
    amount_minor: int
    fee_minor: int
    currency: Currency
    created_at: datetime


dispute_reports = Mirror(
    "dispute_reports",
    dispute_id=key(),
    state=ranked("text"),
    state_known=ranked("boolean"),
    amount_minor=newest("bigint"),
    currency=newest("text"),
    reason=newest("text"),
    due_at=newest("timestamptz"),
    charge_id=known("text"),
    payment_id=known("text"),
    contested=known("boolean"),
    account=known("text"),
    created_at=least("timestamptz"),
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
# What a report says without listing a movement: that funds moved, or how the dispute ended.
dispute_turns = Mirror(
    "dispute_turns",
    dispute_id=key(),
    at=key("timestamptz"),
    turn=key(),
    told_by=greatest("text"),
)
# What a dispute took (above nothing) and gave back (below), step by step, in its own currency.
#
# Movements in that currency count as they are. Those of another one (`abroad`: the first in which
# funds left) count by their share: while as much is out as ever was (`peak_minor`), it stands for
# all of the amount that is not out at home; of a part of it, for the same part, rounded half to
# even. A step depends on earlier ones only, so a day that is over stays as it is.
#
# A report that funds moved and lists no such movement stands in for one, until one is listed. A
# lost dispute took all where nothing is out. What came back of a won one in another currency is
# all if it is more than half (no rate halves meanwhile), or if it has no share.
#
# An ending counts if it is the newest by then, told in the order that ranks states: the last one
# is the state's. What stands in within one second is one row, whatever was told of that second.
FUNDS = """
select d.dispute_id, f.kind, f.transaction_id, f.at, f.amount_minor
from dispute_reports as d
cross join lateral (
    with recursive told as (
        select created_at as at, sign(-amount_minor)::integer as direction, transaction_id,
            currency, -amount_minor as out_minor, '' as turn
        from dispute_movements
        where dispute_id = d.dispute_id and amount_minor <> 0
        union all
        select at, case turn when 'withdrawn' then 1 when 'reinstated' then -1 else 0 end, '',
            null, null, turn
        from dispute_turns as t
        where dispute_id = d.dispute_id and not (turn in ('won', 'lost') and exists (
            select from dispute_turns as newer
            where dispute_id = t.dispute_id and turn in ('won', 'lost') and at <= t.at
                and told_by > t.told_by
        ))
    ),
    turning as (
        select *, direction is distinct from lag(direction) over in_time as turns
        from told
        where direction <> 0
        window in_time as (order by at, direction desc, transaction_id)
    ),
    entries as (
        select *, row_number() over in_time as number
        from (
            select at, direction, transaction_id, currency, out_minor, turn
            from turning
            where turn = '' or turns
            union all
            select at, direction, transaction_id, currency, out_minor, turn
            from told
            where direction = 0
        ) as counted
        window in_time as (
            order by at, case turn when 'won' then 0 when 'lost' then 2 else 1 end, direction desc,
                transaction_id
        )
    ),
    abroad as (
        select currency
        from entries
        where direction = 1 and currency <> d.currency
        order by number
        limit 1
    ),
    steps as (
        select 0::bigint as number, '' collate "C" as verdict, 0::bigint as home_minor,
            0::bigint as abroad_minor, 0::bigint as peak_minor, 0::bigint as out_minor,
            null collate "C" as stood_in, null::bigint as stood_minor, false as back_abroad
        union all
        select e.number, moved.verdict,
            case when v.is_all then d.amount_minor when v.is_none then 0 else moved.home_minor end,
            case when v.is_all or v.is_none then 0 else moved.abroad_minor end,
            case when v.is_all or v.is_none then 0 else peak.minor end,
            case when v.is_all then d.amount_minor when v.is_none then 0 else valued.out_minor end,
            case
                when e.turn in ('withdrawn', 'reinstated') then e.turn
                when v.is_all then 'lost'
                when e.direction = 0 and e.turn <> 'won' then s.stood_in
            end,
            case
                when e.turn in ('withdrawn', 'reinstated') then s.out_minor
                when v.is_all then valued.out_minor
                when e.direction = 0 and e.turn <> 'won' then s.stood_minor
            end,
            moved.back_abroad
        from steps as s
        join entries as e on e.number = s.number + 1
        cross join lateral (
            select
                case when e.turn in ('won', 'lost') then e.turn else s.verdict end as verdict,
                case
                    when s.stood_in = 'lost' and e.turn = 'won' then s.stood_minor
                    when s.stood_in in ('withdrawn', 'lost') and e.direction = 1 then s.stood_minor
                    when s.stood_in = 'reinstated' and e.direction = -1 and e.currency = d.currency
                    then s.stood_minor
                    else s.home_minor
                end
                + case when e.currency = d.currency then e.out_minor else 0 end as home_minor,
                greatest(0, s.abroad_minor + case
                    when e.currency = (select currency from abroad) then e.out_minor
                    else 0
                end) as abroad_minor,
                case when e.direction = 0 then s.back_abroad
                    else e.direction = -1 and coalesce(e.currency <> d.currency, false)
                end as back_abroad
            offset 0 -- each is planned by itself: pulled up, their expressions multiply
        ) as moved
        cross join lateral (
            select case
                when moved.abroad_minor = 0 or s.abroad_minor > 0
                then greatest(s.peak_minor, moved.abroad_minor)
                else moved.abroad_minor -- nothing was out: what leaves now is all of it
            end as minor
            offset 0
        ) as peak
        cross join lateral (
            select greatest(d.amount_minor - moved.home_minor, 0)::numeric * moved.abroad_minor
                as product, nullif(peak.minor, 0) as of
            offset 0
        ) as share
        cross join lateral (
            select moved.home_minor + coalesce((div(product, of) + case
                when 2 * mod(product, of) + mod(div(product, of), 2) > of then 1
                else 0
            end)::bigint, 0) as out_minor
            offset 0
        ) as valued
        cross join lateral (
            select
                e.turn = 'withdrawn' or (moved.verdict = 'lost' and valued.out_minor <= 0)
                    as is_all,
                e.turn = 'reinstated' or (
                    moved.verdict = 'won' and moved.back_abroad and valued.out_minor > 0
                    and (peak.minor = 0 or 2 * moved.abroad_minor < peak.minor)
                ) as is_none
            offset 0
        ) as v
    )
    select case when amount_minor > 0 then 'withdrawn' else 'reinstated' end as kind,
        transaction_id, at, amount_minor::bigint
    from (
        select e.transaction_id, e.at, sum(s.out_minor - before.out_minor) as amount_minor
        from entries as e
        join steps as s using (number)
        join steps as before on before.number = e.number - 1
        group by e.transaction_id, e.at
    ) as moved
    where amount_minor <> 0
) as f
"""
dispute_funds = Derived(
    "dispute_funds",
    key=("dispute_id", "kind", "transaction_id", "at"),
    by=("dispute_id",),
    view=FUNDS,
    touched="""
        select dispute_id from staged_dispute_reports
        union all
        select dispute_id from staged_dispute_movements
        union all
        select dispute_id from staged_dispute_turns
    """,
)
disputes = Derived(
    "disputes",
    key=("dispute_id",),
    view="""
        select
            d.dispute_id, d.state, d.state_known, d.amount_minor, d.currency,
            coalesce((
                select sum(amount_minor)
                from dispute_funds
                where dispute_id = d.dispute_id
            ), 0)::bigint as disputed_minor,
            d.reason, d.due_at, d.charge_id, d.payment_id, d.account, d.created_at
        from dispute_reports as d
    """,
    touched="""
        select dispute_id from staged_dispute_reports
        union all
        select dispute_id from touched_dispute_funds
    """,
    indexes=(
        "created_at, dispute_id",
        "amount_minor, dispute_id",
        "state, created_at, dispute_id",
        "charge_id",
        "payment_id",
    ),
)
projection = Projection(
    "disputes",
    tables=(dispute_reports, movements, dispute_turns, dispute_funds, disputes),
    listing=Listing(
        disputes,
        Dispute,
        noun="dispute",
        filled_by=FROM_STRIPE,
        sort="created_at",
        sorts=("amount_minor",),
        filters=(
            "state",
            "state_known",
            "currency",
            "charge_id",
            "payment_id",
            "reason",
            "account",
        ),
        link="dispute",
        parts={
            "movements": Part(
                DisputeMovement,
                """
                select transaction_id, amount_minor, fee_minor, currency, created_at
                from dispute_movements
                where dispute_id = %(id)s
                order by created_at, transaction_id
                """,
            )
        },
    ),
)


@projection.handles(DisputeFact)
def reported(fact: DisputeFact, at: EventContext) -> Iterator[Change]:
    """Each movement of funds is booked once, by its balance transaction.

    A dispute is `contested` once it was more than an inquiry; one that was refunded or prevented
    before that never is.
    """
    yield dispute_reports.report_of(fact, at, contested=_is_contested(fact))
    moved = [each for each in fact.movements if each.amount_minor]
    told_at = max([at.effective_at, *(each.created_at for each in moved)])
    for turn in _turns(fact, moved):
        yield dispute_turns.mention(
            dispute_id=fact.dispute_id,
            at=told_at,
            turn=turn,
            told_by=at.ranked(fact.state.rank),
        )
    for moved in fact.movements:
        yield movements.report(
            at,
            fact.state.rank,
            dispute_id=fact.dispute_id,
            transaction_id=moved.transaction_id,
            amount_minor=moved.amount_minor,
            fee_minor=moved.fee_minor,
            currency=moved.currency,
            created_at=moved.created_at,
        )


def _turns(fact: DisputeFact, moved: Sequence[FundsMovement]) -> Iterator[str]:
    """How it ended, and that funds moved where what moved last in its list is something else."""
    if fact.state in {DisputeState.WON, DisputeState.LOST}:
        yield fact.state_name
    last_at = max((each.created_at for each in moved), default=None)
    went_out = {each.amount_minor < 0 for each in moved if each.created_at == last_at}
    if fact.withdrawn and True not in went_out:
        yield "withdrawn"
    if fact.reinstated and False not in went_out:
        yield "reinstated"


def _is_contested(fact: DisputeFact) -> bool:
    return fact.state not in UNCONTESTED or fact.withdrawn or bool(fact.movements)
