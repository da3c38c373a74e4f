"""Closing a month: the balances that its close seals, and what must be put right before."""

from __future__ import annotations

import secrets
from datetime import datetime

from books.trial import DictCursor, trial
from ledger.domain.events import SealedBalance
from ledger.domain.period import ClosePeriod
from ledger.domain.posting_rules import RULES_VERSION


def close_as_of(cursor: DictCursor, period: str, position: int, at: datetime) -> ClosePeriod:
    """The command that closes a month as the tables stand, which hold all up to the position.

    Raises InvalidCommand for what is no month.
    """
    made = trial(cursor, period)
    return ClosePeriod(
        period=period,
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
    )
