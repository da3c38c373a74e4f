"""What the log holds of what was acknowledged."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import psycopg

from ledger.postgres.database import Database
from tests.soak.clients import WEBHOOK, Entry

STORED = r"""
select
    originator_id,
    case
        when originator_id like 'stripe/%' then 'webhook'
        else regexp_replace(topic, '\.v[0-9]+$', '')
    end
from ledger.stored_events
where originator_id like any (array['stripe/%', 'order/%', 'stock/%'])
"""
UNEVEN = """
select originator_id
from ledger.stored_events
group by originator_id
having min(originator_version) <> 1 or max(originator_version) <> count(*)
"""
PROMISED = (WEBHOOK, "order.placed", "order.canceled", "stock.received", "stock.product_listed")
"""The kinds of which only the clients make any."""


class Findings(NamedTuple):
    """What is wrong: how many acknowledged events are missing, or stored once more, and where."""

    lost: int
    doubled: int
    uneven: list[str]

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.uneven)


def examine(database: Database, acknowledged: Counter[Entry], *, quiet: bool) -> Findings:
    """Compare with the log what was acknowledged before.

    Where it is `quiet`, no call is under way: an event that was never acknowledged is one too many.
    Until then only a webhook's can be told to be one, since its stream has no other.
    """
    with psycopg.connect(database.admin_conninfo) as conn:
        conn.execute("set transaction isolation level repeatable read")
        stored = Counter(Entry(*row) for row in conn.execute(STORED))
        uneven = [stream for (stream,) in conn.execute(UNEVEN)]
    ours = Counter({entry: n for entry, n in stored.items() if entry.kind in PROMISED})
    if quiet:
        doubled = (ours - acknowledged).total()
    else:
        doubled = sum(n - 1 for entry, n in ours.items() if entry.kind == WEBHOOK)
    return Findings((acknowledged - ours).total(), doubled, uneven)
