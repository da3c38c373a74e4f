"""The payments that stand behind the issues of `unlinked_payments`, one by one."""

from datetime import datetime
from typing import NamedTuple

from kpi.checks.declare import catalogue
from projections.engine.tables import AnyCursor, trusted


class Unlinked(NamedTuple):
    """What a payment holds of no order and no subscription; below 0 more went back than came."""

    payment_id: str
    currency: str
    account: str | None
    held_minor: int


def unlinked_payments(cursor: AnyCursor, now: datetime) -> list[Unlinked]:
    """What the check finds before it groups them; the cursor gives dicts."""
    (check,) = (each for each in catalogue() if each.name == "unlinked_payments")
    each = (
        check.sql.rpartition("\nselect\n")[0] + f"\nselect {', '.join(Unlinked._fields)} from held"
    )
    found = cursor.execute(trusted(each), {"now": now, "waits": check.waits})
    return [Unlinked(**row) for row in found]
