"""Asking a check's question: its rows as findings, and what is known of them, in one snapshot."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from heapq import nsmallest
from typing import Any, Final, NamedTuple

import msgspec
import psycopg
from psycopg import IsolationLevel
from psycopg.rows import dict_row

from kpi.checks.declare import Check
from ledger.domain.events import Finding
from ledger.domain.money import format_money, with_code
from ledger.log import store_errors
from ledger.settings import PENDING_PAYMENT, REFUND_REQUEST, Settings
from projections.engine import positions, tables
from projections.engine.build import ProjectionContext
from projections.engine.proofs import last_proof
from projections.engine.tables import LIVE, trusted
from projections.issues import projection as issues

LONGEST_SECONDS: Final = 60.0
"""How long a check may take."""

MANY: Final = 100
"""More findings than this that are alike are one issue, with their number and some of them."""
SAMPLES: Final = 5
KNOWN: Final = """
select issue_id, state = 'open' as is_open, by_itself, evidence
from issues
where "check" = %(check)s and (state = 'open' or issue_id = any(%(found)s))
"""
"""The issues of a check that are open, and those that it finds now."""


Row = Mapping[str, Any]


class Limits(NamedTuple):
    """The times after which a wait is an issue; a check's SQL has them by name."""

    pending_payment: timedelta = PENDING_PAYMENT
    refund_request: timedelta = REFUND_REQUEST

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Those of this installation."""
        return cls(*(timedelta(days=getattr(settings, setting_of(n))) for n in cls._fields))

    def told(self, check: Check) -> str:
        """How long a check waits before it names something, in words; empty where it does not."""
        own = [] if check.waits is None else [_length(check.waits)]
        return ", ".join([*own, *(_length(getattr(self, name)) for name in check.limits)])


DEFAULT: Final = Limits()


class CheckCrashed(Exception):
    """The check has no answer; the text says why."""


class Known(NamedTuple):
    """An issue as the read model has it; `by_itself` where no person made it so."""

    issue_id: str
    is_open: bool
    by_itself: bool
    evidence: dict[str, Any]


class Answer(NamedTuple):
    """What a check finds and what was known, both up to a position of the log.

    `is_doubted`: the rows that it looked at may be other ones than the log says. Then what it finds
    no more is no news.
    """

    position: int
    findings: dict[str, Finding]
    known: dict[str, Known]
    is_doubted: bool = False

    def is_settled(self, finding: Finding) -> bool:
        """Whether a person decided on just this."""
        known = self.known.get(finding.issue_id)
        return (
            known is not None
            and not (known.is_open or known.by_itself)
            and known.evidence == finding.evidence
        )

    def is_news(self, finding: Finding) -> bool:
        """Whether the issue would change by it."""
        known = self.known.get(finding.issue_id)
        told = known is not None and known.is_open and known.evidence == finding.evidence
        return not (told or self.is_settled(finding))

    @property
    def gone(self) -> list[str]:
        """The open issues that the check finds no more."""
        return [k.issue_id for k in self.known.values() if k.is_open and k[0] not in self.findings]


class Asking:
    """A connection that may only read, on which checks are asked one after the other."""

    def __init__(self, conn: psycopg.Connection, engine: ProjectionContext, limits: Limits) -> None:
        self._limits = limits
        self._conn = conn
        self._engine = engine

    def ask(self, check: Check, now: datetime) -> Answer:
        """Ask in a new snapshot; raises `CheckCrashed`, or `StoreUnavailable`."""
        try:
            with self._conn.transaction(), self._conn.cursor(row_factory=dict_row) as cursor:
                tables.hold(cursor)
                position = self._position(check)
                asked = {"now": now, "waits": check.waits, **self._limits._asdict()}
                found = cursor.execute(trusted(check.sql), asked).fetchall()
                findings = _by_id(check, found)
                known = cursor.execute(KNOWN, {"check": check.name, "found": list(findings)})
                by_id = {row["issue_id"]: Known(**row) for row in known}
                return Answer(position, findings, by_id, self._doubts(check))
        except psycopg.Error as error:
            if self._conn.broken:
                raise
            reason = error.diag.message_primary or str(error)
            raise CheckCrashed(f"{type(error).__name__}: {reason}") from error

    def _doubts(self, check: Check) -> bool:
        """Whether the last proof found damage where it looks, which still stands."""
        proof = last_proof(self._conn, self._engine)
        return proof is not None and proof.doubts({*check.reads, issues.name})

    def _position(self, check: Check) -> int:
        """How far the read models are that it asks; all of them follow, or nothing is known."""
        registry, reader = self._engine.registry, self._engine.reader
        with self._conn.cursor() as cursor:
            states = positions.statuses(cursor, registry, reader)
        read = [s for s in states if s.name in {*check.reads, issues.name}]
        for status in read:
            if status.state != "following":
                raise CheckCrashed(f"{status.name} does not follow: {status.because}")
        return min(status.position for status in read)


@contextmanager
def asking(engine: ProjectionContext, limits: Limits = DEFAULT) -> Generator[Asking]:
    """A connection as role reader, a snapshot a transaction, with a limit on time."""
    with store_errors(), engine.database.connect("reader", seconds=LONGEST_SECONDS) as conn:
        conn.isolation_level = IsolationLevel.REPEATABLE_READ
        conn.read_only = True
        with conn.cursor() as cursor:
            tables.use(cursor, LIVE)
        conn.commit()
        yield Asking(conn, engine, limits)


def setting_of(limit: str) -> str:
    """The setting, in days, that says one of the times of `Limits`."""
    return f"ledger_{limit}_days"


def _length(wait: timedelta) -> str:
    """A time in the largest unit that fits: `1 hour`, `21 days`."""
    minutes = wait // timedelta(minutes=1)
    number, unit = next(
        (minutes // many, unit)
        for unit, many in (("day", 24 * 60), ("hour", 60), ("minute", 1))
        if minutes % many == 0
    )
    return f"{number:,} {unit}" + ("" if number == 1 else "s")


def _by_id(check: Check, rows: Sequence[Row]) -> dict[str, Finding]:
    found = [finding for alike in _alike(check, rows) for finding in _findings(check, alike)]
    by_id = {finding.issue_id: finding for finding in found}
    if len(by_id) < len(found):
        raise CheckCrashed(f"it lists one {check.reference} twice")
    return by_id


def _alike(check: Check, rows: Sequence[Row]) -> Sequence[Sequence[Row]]:
    """The rows by currency, since amounts of several are never added up.

    What is wrong with an order is looked at order by order, however many there are.
    """
    if check.kind == "order" or len(rows) <= MANY:
        return [[row] for row in rows]
    by_currency: dict[Any, list[Row]] = {}
    for row in rows:
        by_currency.setdefault(row.get("currency"), []).append(row)
    return list(by_currency.values())


def _findings(check: Check, alike: Sequence[Row]) -> Iterator[Finding]:
    """One a row, or one for all where they are so many that they have one cause."""
    if len(alike) <= MANY:
        yield from (_finding(check, row) for row in alike)
        return
    currency = alike[0].get("currency")
    amounts = [name for name in alike[0] if name.endswith(("_minor", "_count"))]
    samples = nsmallest(SAMPLES, (_reference(check, row) for row in alike))
    evidence = {
        "findings": len(alike),
        "samples": samples,
        **({} if currency is None else {"currency": currency}),
        **{name: sum(row[name] or 0 for row in alike) for name in amounts},
    }
    yield Finding(
        check=check.name,
        kind="check",
        reference="many" if currency is None else f"many in {currency}",
        severity=check.severity,
        sentence=f"{check.question} {len(alike)} of them, such as {', '.join(samples)}.",
        evidence=evidence,
    )


def _reference(check: Check, row: Row) -> str:
    """What a row is about; raises `CheckCrashed` where it lacks something that the check names."""
    if missing := check.columns - row.keys():
        raise CheckCrashed(f"it has no column {', '.join(sorted(missing))}")
    if row[check.reference] is None:
        raise CheckCrashed(f"a row has no {check.reference}")
    return str(row[check.reference])


def _finding(check: Check, row: Row) -> Finding:
    reference = _reference(check, row)
    told = {name: _told(name, row) for name in check.columns}
    return Finding(
        check=check.name,
        kind=check.kind,
        reference=reference,
        severity=check.severity,
        sentence=check.sentence.format_map(told),
        evidence=msgspec.json.decode(msgspec.json.encode(row)),  # as the log and jsonb give it back
    )


def _told(name: str, row: Mapping[str, Any]) -> str:
    """A value for people; `x_minor` is in `x_currency` where the row has it, else in `currency`."""
    match row[name]:
        case None:
            return "none"
        case datetime() as time:
            return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"
        case int(amount_minor) if name.endswith("_minor"):
            own = f"{name.removesuffix('_minor')}_currency"
            return format_money(amount_minor, row[own if own in row else "currency"])
        case str(code) if name.endswith("currency"):
            return code.upper()
        case value:
            return with_code(str(value), row.get("currency"))
