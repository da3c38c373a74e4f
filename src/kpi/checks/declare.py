"""What a check declares in the head of its `.sql` file, and the catalogue of all checks.

A file is named as its check, and begins with comment lines: the question in words, then

    -- severity: high, medium or low
    -- reference: the column that names the object; its name says of what kind (`order_id`, `sku`)
    -- reads: the projections whose tables it asks
    -- waits: how long it waits before it names something, where it does: `10 minutes`, or a time
       of the settings such as `pending_payment` (`ask.Limits`); both with a comma between
    -- sentence: what a person is told, with {columns}; a `{…_minor}` is written with its `currency`

Each row is an issue, one a reference, and all its columns are the evidence: they must not change
by themselves (no ages), and a column more or less is other evidence. What can be wrong with
thousands of things for one reason is grouped by the query, with a count; where it is not, more than
a hundred findings that are alike become one issue (see `ask`), but for those of orders: it adds up
their columns `…_minor` and `…_count`. The query
runs in a snapshot of the read models, and may use `%(now)s` and what it waits: a time of its own as
`%(waits)s`, one of the settings by its name. No length of time stands in the query itself, so that
what the head says is what is done.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from importlib.resources import files
from string import Formatter
from typing import Final, cast, get_args

from ledger.domain.events import Severity

_HEAD: Final = re.compile(r"-- (\w+): (.+)")
_WAIT: Final = re.compile(r"([1-9]\d*) (minute|hour|day)s?")
_USED: Final = re.compile(r"%\((\w+)\)s")
_HEADS: Final = {"severity", "reference", "reads", "sentence"}
# With the longest id of Stripe's and its account (325 characters) it fits a stream's name (512).
_NAME: Final = re.compile(r"[a-z_]{1,30}")


@dataclass(frozen=True)
class Check:
    """A question whose answer should be no rows."""

    name: str
    question: str
    severity: Severity
    reference: str
    reads: tuple[str, ...]
    sentence: str
    sql: str
    waits: timedelta | None = None
    """How long it waits by itself before it names something."""
    limits: tuple[str, ...] = ()
    """The times of the settings that it waits, as `ask.Limits` names them."""

    @property
    def kind(self) -> str:
        """What kind of object an issue of this check is about."""
        return self.reference.removesuffix("_id")

    @property
    def columns(self) -> frozenset[str]:
        """The columns that it cannot do without."""
        named = {name for _, name, _, _ in Formatter().parse(self.sentence) if name}
        money = {"currency"} if any(name.endswith("_minor") for name in named) else set[str]()
        return frozenset({self.reference, *named, *money})


def parse(name: str, sql: str) -> Check:
    """The check of a file; asserts that its head is complete, for it is ours."""
    first, *lines = sql.splitlines()
    head = {found[1]: found[2] for line in lines if (found := _HEAD.fullmatch(line))}
    missing = sorted(_HEADS - head.keys())
    unknown = sorted(head.keys() - _HEADS - {"waits"})
    severities = get_args(Severity)
    assert _NAME.fullmatch(name), f"{name}: name a check with 1 to 30 small letters and `_`"
    assert first.startswith("-- "), f"{name}.sql: begin with the question, as `-- Which …?`"
    assert not missing, f"{name}.sql: write `-- {missing[0]}: …` in its head"
    assert not unknown, f"{name}.sql: `-- {unknown[0]}:` is no line of a head"
    assert head["severity"] in severities, f"{name}.sql: a severity is {', '.join(severities)}"
    waits, limits = _waits(head["waits"].split(", ") if "waits" in head else ())
    used = {*_USED.findall(sql)} - {"now"}
    said = {*limits, *(() if waits is None else ("waits",))}
    assert used == said, (
        f"{name}.sql: its query uses the times {sorted(used)}, and `-- waits:` says {sorted(said)}"
    )
    assert "interval" not in sql, f"{name}.sql: say a time in `-- waits:`, not in the query"
    return Check(
        name=name,
        question=first.removeprefix("-- "),
        severity=cast("Severity", head["severity"]),
        reference=head["reference"],
        reads=tuple(head["reads"].split()),
        sentence=head["sentence"],
        sql=sql,
        waits=waits,
        limits=limits,
    )


def _waits(said: Sequence[str]) -> tuple[timedelta | None, tuple[str, ...]]:
    """The time that it names itself, and the names of those of the settings."""
    own = [found for each in said if (found := _WAIT.fullmatch(each))]
    assert len(own) <= 1, f"{said}: a check waits one time of its own"
    waits = timedelta(**{f"{own[0][2]}s": int(own[0][1])}) if own else None
    return waits, tuple(each for each in said if not _WAIT.fullmatch(each))


@lru_cache
def catalogue() -> tuple[Check, ...]:
    """All checks, by severity and name."""
    found = [
        parse(file.name.removesuffix(".sql"), file.read_text(encoding="utf-8"))
        for file in files("kpi.checks").iterdir()
        if file.name.endswith(".sql")
    ]
    order = get_args(Severity)
    return tuple(sorted(found, key=lambda check: (order.index(check.severity), check.name)))
