"""Refunds made at Stripe: each names the request of the shop that it is for, and is found by that.

https://docs.stripe.com/api/refunds/create, https://docs.stripe.com/api/idempotent_requests
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, cast
from uuid import uuid4

from msgspec import DecodeError, Struct, ValidationError
from msgspec.json import Decoder

from ledger.domain.accounts import name_of
from ledger.domain.events import StripeObjectObserved
from ledger.errors import PermissionMissing, StripeDeclined, StripeRefused
from ledger.json_text import storable
from webhooks.stripe_client import Answer, StripeClient
from webhooks.translate.payments import REQUEST_KEY

PATH: Final = "/v1/refunds"
KIND: Final = "refund"
REASON: Final = "requested_by_customer"
INTENT: Final = "pi_"
PERMISSION: Final = "rak_charge_write"
_PASSING: Final = frozenset({"idempotency_error", "idempotency_key_in_use", "lock_timeout"})
"""Refusals of a call, not of a refund: another call with this key was or is at work."""


class MadeRefund(NamedTuple):
    """A refund as Stripe's API shows it, and the request of the shop that it names, if any."""

    observed: StripeObjectObserved
    request_id: str | None


class _Refund(Struct):
    id: str
    created: int
    metadata: Any = None


_read_refund: Final = Decoder(_Refund).decode


def is_final(declined: StripeDeclined) -> bool:
    """Whether Stripe would answer a request for this refund the same again."""
    return declined.code not in _PASSING


def made_of(client: StripeClient, payment_id: str, *, livemode: bool) -> Iterator[MadeRefund]:
    """The refunds of a payment, as Stripe lists them now.

    Raises what the client raises.
    """
    more = True
    cursor: dict[str, str] = {}
    while more:
        page = client.page(PATH, **_of(payment_id), **cursor)
        last = ""
        for body in page.bodies:
            refund = _read(body)
            last = refund.id
            observed = _observed(client, refund, body, page.answer, livemode=livemode)
            yield MadeRefund(observed, _named(refund))
        more, cursor = page.has_more and last != "", {"starting_after": last}


def make_refund(
    client: StripeClient,
    payment_id: str,
    amount_minor: int,
    *,
    request_id: str,
    key: str,
    livemode: bool,
) -> StripeObjectObserved:
    """Give so much of a payment back; the same idempotency `key` never does it twice within a day.

    Raises `StripeDeclined` where Stripe does not do it, and what else the client raises: then it is
    not known whether it was done.
    """
    answer = client.post(
        PATH,
        idempotency_key=key,
        amount=amount_minor,
        reason=REASON,
        metadata={REQUEST_KEY: request_id},
        **_of(payment_id),
    )
    return _observed(client, _read(answer.body), answer.body, answer, livemode=livemode)


def missing_permission(client: StripeClient) -> str | None:
    """The permission that the key lacks to make refunds, as Stripe names it; None where it may.

    A call that names no payment is refused either way, for the one reason or the other.
    """
    try:
        client.post(PATH, idempotency_key=f"ledger-may-refund-{uuid4().hex}")
    except PermissionMissing as error:
        return error.permission
    except StripeDeclined:
        return None
    raise StripeRefused("Stripe answers a refund of nothing; is STRIPE_API_BASE Stripe's API?")


def _of(payment_id: str) -> dict[str, str]:
    """How a payment is named at Stripe: those without an intent are charges."""
    bare = name_of(payment_id).bare
    return {"payment_intent" if bare.startswith(INTENT) else "charge": bare}


def _named(refund: _Refund) -> str | None:
    """The request that its metadata names; metadata may be of any shape."""
    said = refund.metadata
    named = cast("dict[Any, Any]", said).get(REQUEST_KEY) if isinstance(said, dict) else None
    return named if isinstance(named, str) else None


def _read(body: bytes) -> _Refund:
    try:
        return _read_refund(storable(body))
    except (DecodeError, ValidationError, RecursionError) as error:
        raise StripeRefused(
            "The answer is no refund of Stripe's; is STRIPE_API_BASE the address of its API?"
        ) from error


def _observed(
    client: StripeClient, refund: _Refund, body: bytes, answer: Answer, *, livemode: bool
) -> StripeObjectObserved:
    """It was not shown before it was made, whatever the call took."""
    return StripeObjectObserved(
        kind=KIND,
        object_id=refund.id,
        body=body,
        fetched_at=max(answer.as_of, datetime.fromtimestamp(refund.created, UTC)),
        path=PATH,
        livemode=livemode,
        account=client.account,
        api_version=answer.api_version,
    )
