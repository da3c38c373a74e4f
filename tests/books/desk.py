"""Who closes and reopens months of read models, without a log."""

from books.close import close_as_of
from books.trial import Trial, trial
from ledger.domain.account_names import OwnName
from ledger.domain.events import OpeningBalance
from ledger.domain.period import (
    ClosePeriod,
    EnterOpening,
    MapAccount,
    PeriodCommand,
    Periods,
    ReopenPeriod,
    check,
    decide,
    evolve,
)
from tests.projections.models import Models, at

MONTHS = [f"2026-{number:02d}" for number in range(2, 6)]


class Desk:
    """An accountant who closes and reopens months of the read models."""

    def __init__(self, models: Models) -> None:
        self.models = models
        self.periods = Periods()

    def trial(self, period: str) -> Trial:
        with self.models.dicts() as cursor:
            return trial(cursor, period)

    def close(self, period: str) -> ClosePeriod:
        with self.models.dicts() as cursor:
            made = trial(cursor, period)
            command = close_as_of(cursor, made, self.models.position, at(0))
        self._do(command)
        return command

    def reopen(self, period: str) -> None:
        self._do(ReopenPeriod(period=period, at=at(0)))

    def begin(self, period: str, *balances: OpeningBalance) -> None:
        self._do(EnterOpening(period=period, at=at(0), balances=balances))

    def map(self, account: str, period: str, own: OwnName) -> None:
        self._do(MapAccount(account=account, period=period, own=own, at=at(0)))

    def _do(self, command: PeriodCommand) -> None:
        check(command)
        for event in decide(command, self.periods):
            self.periods = evolve(self.periods, event)
            self.models.take(event)
