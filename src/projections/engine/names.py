"""Which object an id names: one of our own account, or the only one with that name."""

from typing import Final

from ledger.errors import Ambiguous
from projections.engine.tables import AnyCursor, trusted

READS: Final = ("links",)
MOST: Final = 10
NAMED: Final = """
select id from links where id = %(id)s and kind = %(kind)s
union
select id from links
where id > %(id)s || '@acct_' and id < %(id)s || '@acct`' -- whatever account follows
    and kind = %(kind)s and strpos(substr(id, length(%(id)s) + 2), '@') = 0
order by id
limit %(most)s
"""
"""Ids of a kind by which events name objects: the one that is asked for, and its like elsewhere."""


def named(cursor: AnyCursor, kind: str, name: str) -> str:
    """The id among those of all accounts (`ledger.domain.accounts`) that is meant by one.

    Just that, if there is such an object; else the only connected account's with that name.
    Raises `Ambiguous` where several are; what no event names stays as it is.
    """
    given = {"kind": kind, "id": name, "most": MOST}
    found = [row["id"] for row in cursor.execute(trusted(NAMED), given)]
    if len(found) < 2 or name in found:
        return name if name in found or not found else found[0]
    raise Ambiguous(f"Several accounts have a {kind} {name[:100]!r}: {', '.join(found)}.")
