"""What a table's `touched` unites is noted part by part: the parts say what the whole says."""

import re

import pytest

from projections.engine.branches import branches
from projections.engine.declare import Derived
from projections.engine.registry import discover

TABLES = discover().tables
DERIVED = [table for table in TABLES.values() if isinstance(table, Derived)]


def derived(touched: str, key: tuple[str, ...] = ("id",)) -> Derived:
    return Derived("things", key=key, view="select 1", touched=touched)


def words(text: str) -> list[str]:
    return re.findall(r"\w+", re.sub(r"--.*|\bunion all\b|\bunion\b", "", text))


@pytest.mark.parametrize("table", DERIVED, ids=lambda table: table.name)
def test_the_parts_are_the_whole(table: Derived):
    parts = branches(table, TABLES)
    assert words(" ".join(part.query for part in parts)) == words(table.touched)
    assert all(part.sources for part in parts), "nothing would make it be asked"


def test_only_what_the_whole_unites_is_parted():
    query = """
        select id from staged_a -- union (
        union
        select id from (select id from staged_b union all select id from touched_c) as t
        join d using (id)
        union all
        select other from touched_c
    """
    first, second, third = branches(derived(query), {"a", "b", "d", "id"})
    assert (first.sources, first.reads, first.copies) == (["staged_a"], ["id"], "id")
    assert (second.sources, second.reads) == (["staged_b", "touched_c"], ["id", "d"])
    assert second.copies is None
    assert (third.sources, third.reads, third.copies) == (["touched_c"], [], "other")


@pytest.mark.parametrize(
    "query",
    [
        "with c as (select id from staged_a) select id from c union select id from d join c",
        "select id from staged_a except select id from staged_b",
    ],
)
def test_what_does_more_than_unite_stays_whole(query: str):
    assert [part.query for part in branches(derived(query), set())] == [query]


@pytest.mark.parametrize(
    "query",
    [
        "select coalesce(id, other) from staged_a",
        "select id from staged_a join d using (id)",
        "select id from staged_a where id > 'B'",
        "select distinct id from staged_a",
    ],
)
def test_what_is_no_column_is_asked(query: str):
    (part,) = branches(derived(query), {"d"})
    assert part.copies is None


def test_two_columns_are_asked():
    (part,) = branches(derived("select id from staged_a", key=("id", "at")), set())
    assert part.copies is None
