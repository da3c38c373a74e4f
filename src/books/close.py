"""Closing a month: the balances that its close seals, and what must be put right before."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from books.postings import closes
from books.ready import READS, readiness
from books.trial import Trial
from ledger.domain.events import SealedBalance
from ledger.domain.period import ClosePeriod
from ledger.domain.posting_rules import RULES_VERSION
from ledger.log import Log
from projections.engine.replay import DictCursor, as_of_projections


def close(cursor: DictCursor, log: Log, period: str, at: datetime) -> ClosePeriod:
    """The command that closes a month as the live tables stand, refused where it is not ready.

    Whether it is that month's turn is left to the decision: a repeat of a call is answered as the
    first one, and finds the month closed. Raises InvalidCommand for what is no month.
    """
    found = readiness(cursor, log, period)
    position = as_of_projections(cursor, READS).position
    unready = [f"{each.says} {each.cure}" for each in found.reasons if each not in found.order]
    return close_as_of(cursor, found.trial, position, at, unready)


def close_as_of(
    cursor: DictCursor, made: Trial, position: int, at: datetime, unready: Sequence[str] = ()
) -> ClosePeriod:
    """The command that closes a trial balance's month; the tables hold all up to `position`."""
    closed = closes(cursor)
    return ClosePeriod(
        period=made.period,
        at=at,
        zone=made.zone,
        rules_version=RULES_VERSION,
        position=position,
        balances=tuple(
            SealedBalance(
                salt=secrets.token_hex(16),
                account=each.account,
                currency=each.currency,
                opening_minor=each.opening_minor,
                debit_minor=each.debit_minor,
                credit_minor=each.credit_minor,
                closing_minor=each.closing_minor,
            )
            for each in made.balances
        ),
        after=(closed[-1].period, closed[-1].version) if closed else None,
        opening=made.opening,
        unready=tuple(unready),
    )
