"""What went back of payments as a plain reading finds it: refunds, and what disputes moved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from ledger.domain.facts import DisputeFact, EventContext, FundsMovement, RefundFact
from tests.kpi.plain.said import Amount
from tests.kpi.plain.things import Thing, by_clock

CONTESTED = {"open", "under_review", "lost", "won"}


def moved(refunds: list[Thing]) -> Iterator[Amount]:
    """Out when a refund was made; back when it failed or was canceled after that, for good.

    One that was said to wait went out when it was first said to have succeeded.
    """
    for each in refunds:
        said_at = each.since(lambda fact: fact.state.word == "succeeded")
        waited_at = each.since(waits)
        if said_at is None:
            continue
        has_waited = waited_at is not None and waited_at < said_at
        went_at = said_at if has_waited else min(said_at, each.made_at())
        yield Amount(went_at, each.newest.amount_minor)
        if (back_at := failed_at(each)) is not None:
            yield Amount(max(went_at, back_at), -each.newest.amount_minor)


def waits(fact: RefundFact) -> bool:
    """Nothing has gone back yet, as far as this version understands the state."""
    return fact.state_name in {"pending", "requires_action"} or not fact.state_known


def failed_at(refund: Thing) -> datetime | None:
    return refund.since(lambda fact: fact.state.word in {"failed", "canceled"})


def stand_ins(charges: list[Thing], refunds: list[Thing]) -> Iterator[Amount]:
    """What charges tell as refunded beyond the refunds that Stripe knew of by then."""
    told = sorted(
        (at.effective_at, number, fact.state.rank, at.source, fact.refunded_minor)
        for number, charge in enumerate(charges)
        for at, fact in charge.reports
        if fact.captured_minor > 0
    )
    if not told:
        return
    fails = [
        (back_at, -1, 0, "", 0)
        for each in refunds
        if has_unknown_past(each) and (back_at := failed_at(each))
    ]
    totals: dict[int, int] = {}
    so_far, told_at = 0, None
    for at, of_that_time in groupby(sorted([*told, *fails]), key=lambda each: each[0]):
        for _, number, _, _, refunded_minor in of_that_time:
            if number >= 0:
                totals[number], told_at = refunded_minor, at
        unknown = max(0, sum(totals.values()) - sum(known_by(told_at, at, refunds)))
        yield Amount(at, unknown - so_far)
        so_far = unknown


def has_unknown_past(refund: Thing) -> bool:
    """It failed, and nothing says whether it had succeeded or waited."""
    told = any(waits(fact) or fact.state_name == "succeeded" for _, fact in refund.reports)
    return refund.state == "failed" and not told


def known_by(told_at: datetime | None, at: datetime, refunds: list[Thing]) -> Iterator[int]:
    """The refunds that a total of `told_at` contains and that explain it, as is known at `at`."""
    for each in refunds:
        back_at = failed_at(each)
        if told_at is None or each.made_at() > told_at:
            continue
        has_failed = back_at is not None and back_at < told_at
        is_back = back_at is not None and told_at <= back_at <= at
        if is_back if has_unknown_past(each) else not has_failed:
            yield each.newest.amount_minor


def is_contested(dispute: Thing) -> bool:
    """Whether it was ever more than an inquiry."""
    return any(
        fact.state.word in CONTESTED or fact.withdrawn or fact.movements
        for _, fact in dispute.reports
    )


def funds(dispute: Thing) -> Iterator[Amount]:
    """What left for a dispute (above nothing), and what came back (below), in its currency.

    Step by step through time: what is out after each step, less what was out before it.
    """
    out = Out(dispute.newest.currency, dispute.newest.amount_minor)
    for step in entries(dispute):
        before = out.minor
        out.take(step)
        yield Amount(step.at, out.minor - before)


class Step(NamedTuple):
    """Funds move: out below nothing, back above; `currency` is None where none was listed.

    Or, where nothing moves, a verdict: won or lost.
    """

    at: datetime
    minor: int
    currency: str | None = None
    verdict: str | None = None


class Out:
    """What a dispute has taken so far: in its own currency, and in that of the account."""

    def __init__(self, currency: str, amount: int) -> None:
        self.currency, self.amount = currency, amount
        self.own = self.abroad = self.most_abroad = 0
        self.other: str | None = None
        self.verdict: str | None = None
        self.last_came_back_abroad = False
        self.stood_in: Step | None = None
        self.before_it = 0

    @property
    def minor(self) -> int:
        """All of it in its own currency, half to even."""
        if not self.abroad:
            return self.own
        share = Fraction(max(self.amount - self.own, 0) * self.abroad, self.most_abroad)
        return self.own + round(share)

    def take(self, step: Step) -> None:
        if step.verdict is not None:
            if step.verdict == "won" and self.stood_in is not None:
                self._undo_lost(self.stood_in)
            self.verdict = step.verdict
        elif step.currency is None:
            self.last_came_back_abroad = False
            self.stood_in, self.before_it = step, self.minor
            self._set(self.amount if step.minor < 0 else 0)
        else:
            self._take_listed(step)
        is_told = step.currency is None and step.verdict is None
        if self.verdict == "lost" and self.minor <= 0 and not is_told:
            self.stood_in, self.before_it = Step(step.at, -1, verdict="lost"), self.minor
            self._set(self.amount)
        if self.verdict == "won" and self.minor > 0 and self._is_back_abroad():
            self._set(0)

    def _is_back_abroad(self) -> bool:
        """At whatever rate: more than half of what left, or something that nothing had left for."""
        most_is_back = not self.most_abroad or 2 * self.abroad < self.most_abroad
        return self.last_came_back_abroad and most_is_back

    def _take_listed(self, step: Step) -> None:
        told = self.stood_in is not None and (self.stood_in.minor < 0) == (step.minor < 0)
        if told and (step.minor < 0 or step.currency == self.currency):
            self.own = self.before_it  # what was told is listed now
        self.stood_in = None
        self.last_came_back_abroad = step.minor > 0 and step.currency != self.currency
        if step.currency == self.currency:
            self.own -= step.minor
        else:
            self._take_abroad(step)

    def _undo_lost(self, stood_in: Step) -> None:
        if stood_in.verdict == "lost":
            self.own = self.before_it
        self.stood_in = None

    def _set(self, minor: int) -> None:
        self.own, self.abroad, self.most_abroad = minor, 0, 0

    def _take_abroad(self, step: Step) -> None:
        if self.other is None and step.minor < 0:
            self.other = step.currency
        if step.currency != self.other:
            return
        if not self.abroad and step.minor < 0:  # nothing was out: what leaves now is all of it
            self.most_abroad = 0
        self.abroad = max(0, self.abroad - step.minor)
        self.most_abroad = max(self.most_abroad, self.abroad)


def entries(dispute: Thing) -> list[Step]:
    """Movements by time, what leaves first; within a second, won comes before and lost after them.

    A report that lists no movement counts if it is the first to say that funds moved this way.
    """
    listed = {
        (move.created_at, move.amount_minor > 0, move.transaction_id): Step(
            move.created_at, move.amount_minor, move.currency
        )
        for move in movements(dispute)
        if move.amount_minor
    }
    said = {
        (told_at(at, fact), direction > 0, ""): Step(told_at(at, fact), direction)
        for at, fact in dispute.reports
        for direction in unlisted(fact)
    }
    in_time = [step for _, step in sorted((listed | said).items())]
    found = [
        Step(told_at(at, fact), 0, verdict=fact.state.word)
        for at, fact in dispute.reports
        if fact.state.word in {"won", "lost"}
    ]
    for _, run in groupby(in_time, key=lambda step: step.minor > 0):
        first, *more = run
        found += [first, *(step for step in more if step.currency is not None)]
    place = {"won": 0, None: 1, "lost": 2}
    return sorted(found, key=lambda step: (step.at, place[step.verdict]))


def told_at(at: EventContext, fact: DisputeFact) -> datetime:
    """A report is not older than what it lists."""
    moves = (move.created_at for move in fact.movements if move.amount_minor)
    return max([at.effective_at, *moves])


def unlisted(fact: DisputeFact) -> list[int]:
    """-1 out, 1 back: what a report was made for and does not list as the last movement."""
    moves = [move for move in fact.movements if move.amount_minor]
    last_at = max((move.created_at for move in moves), default=None)
    signs = {1 if m.amount_minor > 0 else -1 for m in moves if m.created_at == last_at}
    told = [sign for sign, is_so in ((-1, fact.withdrawn), (1, fact.reinstated)) if is_so]
    return [sign for sign in told if sign not in signs]


def movements(dispute: Thing) -> list[FundsMovement]:
    """Each balance transaction once, as the newest report lists it."""
    reports = sorted(dispute.reports, key=by_clock)
    return list(
        {move.transaction_id: move for _, fact in reports for move in fact.movements}.values()
    )
