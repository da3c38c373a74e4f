"""Fetch one object with all of its lists, where a report of it cut some.

The object and what its lists hold besides are one report of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from ledger.domain.events import Metadata, StripeObjectObserved
from ledger.log import Log
from webhooks.cut_lists import shows
from webhooks.ingest.observe import append_observed
from webhooks.ingest.pull import LISTINGS
from webhooks.ingest.rest_of_lists import elements_after, rest_of
from webhooks.stripe_client import StripeClient

CALLS: Final = {each.kind: each for each in LISTINGS}
"""Which kinds of objects can be fetched by themselves, and how."""


def path_of(kind: str, object_id: str) -> str:
    """The call that shows one object; raises KeyError for a kind that no list has."""
    return f"{CALLS[kind].path}/{object_id}"


def fetch_whole(
    log: Log,
    client: StripeClient,
    kind: str,
    object_id: str,
    lists: Mapping[str, str],
    *,
    livemode: bool,
    meta: Metadata,
) -> None:
    """Append an object with its lists whole, also where it is as it was when fetched before.

    `lists` are the addresses of those that were cut, by their paths in the object; one that it does
    not show any more, in the API's version of today, is read by itself. Raises what the client and
    the log raise, `StripeRefused` where a list cannot be read on.
    """
    path = path_of(kind, object_id)
    answer = client.get(path, **_expanded(kind))
    rest = rest_of(client, answer.body)
    for part, url in lists.items():
        if part not in rest:
            is_whole = shows(answer.body, part)
            rest[part] = () if is_whole else elements_after(client, url, None)
    fetched = StripeObjectObserved(
        kind=kind,
        object_id=object_id,
        body=answer.body,
        fetched_at=answer.as_of,
        path=path,
        livemode=livemode,
        account=client.account,
        api_version=answer.api_version,
        rest=rest,
    )
    append_observed(log, [fetched], meta, _all_of)


def _expanded(kind: str) -> dict[str, Any]:
    """What a single object is asked to show besides, as in its list."""
    expand = [each.removeprefix("data.") for each in CALLS[kind].parameters.get("expand", ())]
    return {"expand": expand} if expand else {}


def _all_of(_kind: str, ids: Collection[str]) -> Collection[str]:
    """An event said that it is cut: that it is whole is news."""
    return ids
