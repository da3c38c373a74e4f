"""What no event of Stripe's brings: the balance, its transactions, and members of payouts.

https://docs.stripe.com/api/balance_transactions/list
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ledger.domain.events import Metadata, NewEvent, StripeObjectObserved, StripePayoutListed
from ledger.domain.streams import stream_of
from ledger.errors import StripeNotFound
from ledger.log import Log
from webhooks.documents import id_of
from webhooks.ingest.observe import Outcome, append_not_told, append_observed
from webhooks.stripe_client import Answer, StripeClient

PATH: Final = "/v1/balance_transactions"
KIND: Final = "balance_transaction"
OWN_PATH: Final = "/v1/balance"
OWN: Final = "balance"
"""The kind of an account's balance; Stripe gives it no id, so this is its id as well."""


def append_balance(
    log: Log, answer: Answer, *, livemode: bool, account: str | None, meta: Metadata
) -> None:
    """Append what an account holds, where that changed since it was asked last.

    It is as of the second of the answer: transactions of that second are in it.
    """
    held = StripeObjectObserved(
        kind=OWN,
        object_id=OWN,
        body=answer.body,
        fetched_at=answer.answered_at,
        path=OWN_PATH,
        livemode=livemode,
        account=account,
        api_version=answer.api_version,
    )
    append_observed(log, [held], meta)


def list_payout(
    log: Log, client: StripeClient, payout_id: str, *, livemode: bool, meta: Metadata
) -> int:
    """Append which transactions a payout paid out, and those themselves; how many they are.

    Raises what the client raises; Stripe refuses this for payouts that a person made.
    """
    ids: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.page(PATH, payout=payout_id, **cursor)
        found = [id_of(body) for body in page.bodies]
        objects = [
            StripeObjectObserved(
                kind=KIND,
                object_id=object_id,
                body=body,
                fetched_at=page.answer.as_of,
                path=PATH,
                livemode=livemode,
                account=client.account,
                api_version=page.answer.api_version,
            )
            for object_id, body in zip(found, page.bodies, strict=True)
        ]
        append_observed(log, objects, meta)
        ids += found
        if not page.has_more or not found:
            break
        cursor = {"starting_after": found[-1]}
    listed = StripePayoutListed(
        payout_id=payout_id,
        transaction_ids=tuple(ids),
        complete=True,
        fetched_at=page.answer.as_of,
        livemode=livemode,
        account=client.account,
    )
    _append_listed(log, listed, meta)
    return len(ids)


def _append_listed(log: Log, listed: StripePayoutListed, meta: Metadata) -> None:
    """Once for the same members."""
    stream = str(stream_of(listed))
    last = log.latest([stream]).get(stream)
    before = None if last is None else last.event
    if isinstance(before, StripePayoutListed) and before.transaction_ids == listed.transaction_ids:
        return
    version = 1 if last is None else last.version + 1
    log.append_new([NewEvent(stream, version, listed, listed.fetched_at, meta)])


def fetch_transaction(
    log: Log,
    client: StripeClient,
    transaction_id: str,
    *,
    now: datetime,
    livemode: bool,
    meta: Metadata,
) -> Outcome | None:
    """Append one transaction, by its id; None where Stripe has none of it, which is appended, too.

    `now` is by Stripe's clock.
    """
    path = f"{PATH}/{transaction_id}"
    try:
        answer = client.get(path)
    except StripeNotFound as error:
        append_not_told(
            log,
            client,
            KIND,
            transaction_id,
            path,
            refusal=error,
            now=now,
            livemode=livemode,
            meta=meta,
        )
        return None
    fetched = StripeObjectObserved(
        kind=KIND,
        object_id=transaction_id,
        body=answer.body,
        fetched_at=answer.as_of,
        path=path,
        livemode=livemode,
        account=client.account,
        api_version=answer.api_version,
    )
    return append_observed(log, [fetched], meta)[0]
