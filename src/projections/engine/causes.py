"""Why a projection stopped, in a sentence that a person can act on and without personal data."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

if TYPE_CHECKING:
    from projections.engine.positions import ProjectionStatus

PACKAGES: Final = "site-packages"
OF_THE_SCHEMA: Final = ("42", "3F")
"""SQLSTATE classes of what is missing, or may not be used: their messages name it, and no value."""

_NAMED: Final = re.compile(r"(`ledger rebuild) \w+`")


def cause_of(error: BaseException, projection: str) -> str:
    """What is wrong with a projection, and the cure.

    The text of other errors stays out: it may hold a customer's data.
    """
    cure = f"run `ledger rebuild {projection}`"
    if isinstance(error, psycopg.Error) and (error.sqlstate or "")[:2] in OF_THE_SCHEMA:
        return f"{error.diag.message_primary} ({type(error).__name__}); {cure}"
    where = f"{type(error).__name__} at {_place(error)}{_column(error)}"
    return f"{where}: this version cannot take in the event; with one that can, {cure}"


def _column(error: BaseException) -> str:
    """Which table, column and rule of the schema refused a value."""
    if not isinstance(error, psycopg.Error):
        return ""
    diag = error.diag
    named = {
        "table": diag.table_name, "column": diag.column_name, "constraint": diag.constraint_name
    }  # fmt: skip
    return "".join(f", {what} {name}" for what, name in named.items() if name)


def _place(error: BaseException) -> str:
    """File and line of ours where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((f for f in reversed(frames) if PACKAGES not in f.filename), frames[-1])
    return f"{Path(frame.filename).name}:{frame.lineno}"


def by_cause(statuses: Iterable[ProjectionStatus]) -> dict[str, list[str]]:
    """The names of projections by why they do not follow; a cure that they share names none."""
    causes: dict[str, list[str]] = {}
    for status in statuses:
        causes.setdefault(_NAMED.sub(r"\1`", f"{status.because}"), []).append(status.name)
    return causes
