"""What a derived table's `touched` unites, and what each part of it rests on."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Final, NamedTuple

from projections.engine.declare import Derived

_COMMENT: Final = re.compile(r"--[^\n]*")
_TOKEN: Final = re.compile(r"[()]|\bunion(?:\s+all)?\b|\b(?:except|intersect)\b")
_WORD: Final = re.compile(r"\w+")
_BESIDE: Final = re.compile(r"(?:staged|touched)_\w+")
_COPY: Final = re.compile(r"select (\w+) from ((?:staged|touched)_\w+)")


class Branch(NamedTuple):
    """A part of a `touched`: a query of its own.

    `sources` are the names of rows beside tables that it begins with, `reads` the tables that it
    reads. One that is nothing but a column of its one source `copies` that column; what it says
    changes only with that source, as long as it reads no table.
    """

    query: str
    sources: list[str]
    reads: list[str]
    copies: str | None


def branches(table: Derived, tables: Container[str]) -> list[Branch]:
    """The parts of a table's `touched`, in its order; `tables` are the names of all tables."""
    return [_branch(table, part, tables) for part in _parts(_COMMENT.sub("", table.touched))]


def _branch(table: Derived, query: str, tables: Container[str]) -> Branch:
    words = dict.fromkeys(_WORD.findall(query))
    sources = [word for word in words if _BESIDE.fullmatch(word)]
    reads = [word for word in words if word in tables]
    copy = _COPY.fullmatch(" ".join(query.split())) if len(table.unit) == 1 else None
    return Branch(query, sources, reads, copy.group(1) if copy else None)


def _parts(query: str) -> list[str]:
    """What a query unites at its outermost level; the query, where it does something else there."""
    depth, start = 0, 0
    parts: list[str] = []
    for found in _TOKEN.finditer(query):
        depth += {"(": 1, ")": -1}.get(found.group(), 0)
        if depth == 0 and found.group() in ("except", "intersect"):
            return [query]
        if depth == 0 and found.group().startswith("union"):
            parts.append(query[start : found.start()])
            start = found.end()
    return [query] if query.lstrip().startswith("with") else [*parts, query[start:]]
