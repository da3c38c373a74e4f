"""What a check declares in the head of its `.sql` file, and the catalogue of all checks.

A file is named as its check, and begins with comment lines: the question in words, then

    -- severity: high, medium or low
    -- reference: the column that names the object; its name says of what kind (`order_id`, `sku`)
    -- reads: the projections whose tables it asks
    -- sentence: what a person is told, with {columns}; a `{…_minor}` is written with its `currency`

Each row is an issue, one a reference, and all its columns are the evidence: they must not change
by themselves (no ages), and a column more or less is other evidence. What can be wrong with
thousands of things for one reason is grouped by the query, with a count; where it is not, more than
a hundred findings that are alike become one issue (see `ask`), but for those of orders. The query
runs in a snapshot of the read models, and may use `%(now)s` and the times of `ask.Limits`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from string import Formatter
from typing import Final, cast, get_args

from ledger.domain.events import Severity

_HEAD: Final = re.compile(r"-- (\w+): (.+)")
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
    assert _NAME.fullmatch(name), f"{name}: not a name of a check"
    assert first.startswith("-- "), f"{name}: the first line is the question"
    assert head.keys() == {"severity", "reference", "reads", "sentence"}, f"{name}: its head"
    assert head["severity"] in get_args(Severity), f"{name}: its severity"
    return Check(
        name=name,
        question=first.removeprefix("-- "),
        severity=cast("Severity", head["severity"]),
        reference=head["reference"],
        reads=tuple(head["reads"].split()),
        sentence=head["sentence"],
        sql=sql,
    )


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
