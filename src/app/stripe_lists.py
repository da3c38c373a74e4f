"""Reading on where Stripe cut the lists within objects: those that the read models know as cut.

An object of a webhook shows the first ten of each list. Here it is fetched by itself, each of its
lists is read to the end, and all of that is one report of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Final, NamedTuple

from msgspec import Struct, field

from ledger.domain.accounts import name_of
from ledger.domain.events import Metadata
from ledger.errors import KeyRefused, PermissionMissing, StripeRefused
from ledger.log import store_errors
from projections.engine.build import ProjectionContext
from webhooks.ingest.observe import append_not_told
from webhooks.ingest.side_by_side import side_by_side
from webhooks.ingest.whole_object import CALLS, fetch_whole, path_of
from webhooks.stripe_client import StripeClient

CUT: Final = """
select kind, subject_id, part, url
from read_models.cut_lists as c
where cut and account is not distinct from %(account)s and kind = any(%(kinds)s)
    and not exists (
        select
        from read_models.not_told as n
        where n.kind = c.kind and n.subject_id = c.subject_id
            and (n.given_up or n.next_at > %(now)s) and not %(all)s
    )
order by kind, subject_id, part
"""


class ListsReport(Struct, kw_only=True):
    """Of how many objects the cut lists were read on, and why Stripe did not tell those of others.

    `refused` has reasons by object (`subscription/sub_1`).
    """

    objects: int = 0
    refused: dict[str, str] = field(default_factory=dict[str, str])


class _Cut(NamedTuple):
    """An object, by its kind and id, and its lists that are cut: their paths and addresses."""

    kind: str
    object_id: str
    lists: dict[str, str]


def complete_lists(
    engine: ProjectionContext,
    client: StripeClient,
    *,
    now: datetime,
    ask_all: bool = False,
    livemode: bool,
    meta: Metadata,
) -> ListsReport:
    """Fetch each object of the client's account that has a cut list, with all of its lists.

    As far as the read models say which these are. What Stripe did not tell is asked for again after
    longer and longer waits, or now (`ask_all`); `now` is by Stripe's clock. Raises `KeyRefused`,
    and what the log raises.
    """
    report = ListsReport()
    found = deque(_cut(engine, client.account, now, ask_all=ask_all))
    fetch = partial(_fetch, engine, client, livemode=livemode, meta=meta)
    not_told = partial(append_not_told, engine.log, client, now=now, livemode=livemode, meta=meta)
    with closing(side_by_side(fetch, found)) as fetching:
        for cut, future in fetching:
            try:
                future.result()
                report.objects += 1
            except KeyRefused:
                raise
            except StripeRefused as error:
                report.refused[f"{cut.kind}/{cut.object_id}"] = str(error)
                if not isinstance(error, PermissionMissing):
                    path = path_of(cut.kind, cut.object_id)
                    not_told(cut.kind, cut.object_id, path, refusal=error)
    return report


def _cut(
    engine: ProjectionContext, account: str | None, now: datetime, *, ask_all: bool
) -> list[_Cut]:
    asked = {"account": account, "kinds": [*CALLS], "now": now, "all": ask_all}
    with store_errors(), engine.database.connect("reader") as conn:
        rows: Sequence[tuple[str, str, str, str]] = conn.execute(CUT, asked).fetchall()
    return [
        _Cut(kind, name_of(subject_id).bare, {part: url for _, _, part, url in lists})
        for (kind, subject_id), lists in groupby(rows, key=lambda row: row[:2])
    ]


def _fetch(
    engine: ProjectionContext, client: StripeClient, cut: _Cut, *, livemode: bool, meta: Metadata
) -> None:
    fetch_whole(
        engine.log, client, cut.kind, cut.object_id, cut.lists, livemode=livemode, meta=meta
    )
