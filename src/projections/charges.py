"""Charges: attempts to take money, and which payment each belongs to; one row a charge."""

from collections.abc import Iterator

from ledger.domain.facts import (
    ChargeFact,
    ChargeState,
    DisputeFact,
    EventContext,
    PaymentFact,
    RefundFact,
)
from projections.engine.declare import (
    Change,
    Mirror,
    Projection,
    as_json,
    greatest,
    key,
    known,
    least,
    named,
    newest,
    ranked,
)

# A row without a state was only named by something else; no report of the charge came yet.
charges = Mirror(
    "charges",
    charge_id=key(),
    state=ranked("text"),
    state_known=ranked("boolean"),
    amount_minor=newest("bigint"),
    refunded_minor=newest("bigint"),
    currency=newest("text"),
    failure_code=newest("text"),
    description=newest("text"),
    labels=newest("jsonb"),
    order_id=named("text"),
    reported_at=newest("timestamptz"),
    captured_minor=greatest("bigint"),
    captured_at=greatest("timestamptz"),
    payment_id=known("text"),
    customer_id=known("text"),
    transaction_id=known("text"),
    email=known("text"),
    account=known("text"),
    created_at=least("timestamptz"),
    held_at=least("timestamptz"),
    waiting_at=greatest("timestamptz"),
    refunded_at=least("timestamptz"),
    ended_at=least("timestamptz"),
    indexes=("(coalesce(payment_id, charge_id))",),
)
# Each total of what was captured so far, and when it was first told; `captured_at` is when the last
# of it was taken, as far as reports know.
charge_captures = Mirror(
    "charge_captures",
    charge_id=key(),
    captured_minor=key("bigint"),
    captured_at=greatest("timestamptz"),
    said_at=least("timestamptz"),
)
# The total of what was refunded so far, as Stripe told it at each time; it may go down again.
charge_refund_totals = Mirror(
    "charge_refund_totals",
    charge_id=key(),
    told_at=key("timestamptz"),
    refunded_minor=newest("bigint"),
)
ENDED = (ChargeState.EXPIRED, ChargeState.FAILED)
projection = Projection("charges", tables=(charges, charge_captures, charge_refund_totals))


@projection.handles(ChargeFact)
def reported(fact: ChargeFact, at: EventContext) -> Iterator[Change]:
    """The charge itself.

    Its totals only grow but where a refund fails, so of two reports of one second the one that
    tells of more is the later one, whatever its event is called.

    `refunded_at` is when Stripe first said that money of it went back, `ended_at` that it failed or
    that its hold lapsed.
    """
    told = at.telling(fact.captured_minor + fact.refunded_minor)
    yield charges.report_of(
        fact,
        told,
        labels=as_json(fact.labels),
        reported_at=at.effective_at,
        waiting_at=at.effective_at if _is_under_way(fact) else None,
        held_at=at.effective_at if fact.state is ChargeState.AUTHORIZED else None,
        refunded_at=at.effective_at if fact.refunded_minor > 0 else None,
        ended_at=at.effective_at if fact.state in ENDED else None,
    )
    if fact.captured_minor > 0:
        yield charge_captures.mention(
            charge_id=fact.charge_id,
            captured_minor=fact.captured_minor,
            captured_at=fact.captured_at,
            said_at=at.effective_at,
        )
    if fact.refunded_minor > 0:
        yield charge_refund_totals.report_of(fact, told, told_at=at.effective_at)


def _is_under_way(fact: ChargeFact) -> bool:
    """A state that this version does not know may be one of these."""
    return fact.state in {ChargeState.PENDING, ChargeState.AUTHORIZED} or not fact.state_known


@projection.handles(PaymentFact, RefundFact, DisputeFact)
def named_by(fact: PaymentFact | RefundFact | DisputeFact, _at: EventContext) -> Iterator[Change]:
    """What names a charge and a payment may be the only one to say that they belong together."""
    if fact.charge_id is not None:
        yield charges.mention(charge_id=fact.charge_id, payment_id=fact.payment_id)
