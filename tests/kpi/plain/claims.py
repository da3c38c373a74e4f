"""What went back of payments as a plain reading finds it: refunds, and what disputes moved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ledger.domain.facts import FundsMovement
from tests.kpi.plain.said import Amount
from tests.kpi.plain.things import Thing, by_clock

CONTESTED = {"open", "under_review", "lost", "won"}


def moved(refunds: list[Thing]) -> Iterator[Amount]:
    """Out when a refund succeeded; back when it failed or was canceled after that, for good."""
    for each in refunds:
        went_at = each.since(lambda fact: fact.STATE == "succeeded")
        failed_at = each.since(lambda fact: fact.STATE in {"failed", "canceled"})
        if went_at is not None:
            yield Amount(went_at, each.newest.amount_minor)
        if went_at is not None and failed_at is not None:
            yield Amount(max(went_at, failed_at), -each.newest.amount_minor)


def stand_ins(
    charges: list[Thing], refunds: list[Thing], every: dict[str, Thing]
) -> Iterator[Amount]:
    """A charge's cumulative figure, while no refund is known that could be a part of it."""
    if any(refund.known("charge_id") is None for refund in refunds):
        return
    with_refunds = {refund.known("charge_id") for refund in every.values()}
    for charge in charges:
        now = charge.newest
        if charge.state == "captured" and now.charge_id not in with_refunds and now.refunded_minor:
            first_said = charge.since(lambda fact: fact.refunded_minor > 0)
            assert first_said is not None
            yield Amount(first_said, now.refunded_minor)


def is_contested(dispute: Thing) -> bool:
    """Whether it was ever more than an inquiry."""
    return any(
        fact.STATE in CONTESTED or fact.withdrawn or fact.movements for _, fact in dispute.reports
    )


def funds(dispute: Thing) -> Iterator[Amount]:
    """What left for a dispute (above nothing), and what came back (below).

    Movements in its currency say it exactly. In another currency they only say that all of it
    moved, and so does a report of moved funds that listed none.
    """
    moves = movements(dispute)
    exact = [move for move in moves if move.currency == dispute.newest.currency]
    yield from (Amount(move.created_at, -move.amount_minor) for move in exact)
    out_at = when(moves, -1) or dispute.since(lambda fact: fact.withdrawn)
    out_minor = -sum(move.amount_minor for move in exact)
    if not exact and out_at is not None:
        out_minor = dispute.newest.amount_minor
        yield Amount(out_at, out_minor)
    listed_back_at = when(moves, 1)
    back_at = listed_back_at or dispute.since(lambda fact: fact.reinstated)
    is_told = bool(exact) and listed_back_at is not None
    if out_minor > 0 and back_at is not None and not is_told:
        yield Amount(back_at, -out_minor)


def when(moves: list[FundsMovement], sign: int) -> datetime | None:
    """When money first moved out (-1) or back (1)."""
    return min((move.created_at for move in moves if move.amount_minor * sign > 0), default=None)


def movements(dispute: Thing) -> list[FundsMovement]:
    """Each balance transaction once, as the newest report lists it."""
    reports = sorted(dispute.reports, key=by_clock)
    return list(
        {move.transaction_id: move for _, fact in reports for move in fact.movements}.values()
    )
