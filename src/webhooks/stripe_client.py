"""Calls of Stripe's API, answered byte for byte: paced, tried again, and with a deadline.

https://docs.stripe.com/api/errors, https://docs.stripe.com/rate-limits
"""

from __future__ import annotations

import math
import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from threading import Lock
from typing import Any, Final, NamedTuple

import stripe
from msgspec import DecodeError, Struct
from msgspec.json import Decoder

from ledger import waits
from ledger.errors import (
    KeyRefused,
    NotAStripeEvent,
    PermissionMissing,
    StripeDeclined,
    StripeNotFound,
    StripeRefused,
    StripeUnavailable,
)
from ledger.json_text import storable
from webhooks.documents import elements

RETRIES: Final = 3
PAGE: Final = 100
"""The most that Stripe gives in one page of a list."""
LONGEST_LIMITED_SECONDS: Final = 300.0
"""How long a call that Stripe answers with 429 is tried again."""
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
_NOT_REACHED: Final = {
    "NameResolution": "its name is not known",
    "refused": "the connection is refused",
    "SSL": "its certificate is not trusted",
    "Timeout": "no answer in time",
    "timed out": "no answer in time",
}
"""What a failed connection says, in the words of the libraries below and in ours."""
_PERMISSION: Final = re.compile(r"\brak_[a-z_]+")


class Answer(NamedTuple):
    """What Stripe answered, and when by its clock.

    `as_of` is no later than what the body shows: the answer's time less what the call took.
    """

    body: bytes
    answered_at: datetime
    as_of: datetime
    api_version: str | None


class Page(NamedTuple):
    """A page of one of Stripe's lists, the newest first: https://docs.stripe.com/api/pagination."""

    bodies: list[bytes]
    has_more: bool
    answer: Answer


class _More(Struct):
    has_more: bool


_read_more: Final = Decoder(_More).decode


class Pace:
    """At most so many calls a second, of all threads together; all wait while Stripe says so."""

    def __init__(self, calls_per_second: float) -> None:
        self._gap = 1 / calls_per_second
        self._lock = Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Wait for a turn; ends early when the work shall end."""
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + self._gap
        waits.pause(turn - time.monotonic())

    def hold(self, seconds: float) -> None:
        """No call begins for so long."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


class StripeClient:
    """Stripe's API by a key, of one account (None: the key's own); threads may share it.

    Uses the `stripe` library for the calls, but not its retries: it does not try again where an
    answer is cut off, nor where calls are limited. Every method raises `StripeRefused`
    (`KeyRefused`, `PermissionMissing` where a restricted key may not), and `StripeUnavailable`
    after several tries, or where Stripe said 429 for `LONGEST_LIMITED_SECONDS`.
    """

    def __init__(
        self,
        api_key: str,
        api_base: str,
        *,
        account: str | None = None,
        calls_per_second: float = 80.0,
    ) -> None:
        self.account = account
        self._base = api_base
        self._pace = Pace(calls_per_second)
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base},
            max_network_retries=0,
            stripe_account=account,
        )

    def get(self, path: str, **params: Any) -> Answer:
        """Read an object, or a page of a list."""
        return self._call("get", path, **params)

    def post(self, path: str, *, idempotency_key: str, **params: Any) -> Answer:
        """Make or change something; the same key never does it twice."""
        return self._call("post", path, idempotency_key=idempotency_key, **params)

    def page(self, path: str, **params: Any) -> Page:
        """A page of a list, each of its objects byte for byte."""
        answer = self.get(path, limit=PAGE, **params)
        try:
            bodies = [element.body for element in elements(answer.body)]
            return Page(bodies, _read_more(storable(answer.body)).has_more, answer)
        except (NotAStripeEvent, DecodeError, RecursionError) as error:
            raise StripeRefused(
                f"The answer to {path} is no list of Stripe's; is STRIPE_API_BASE the address of"
                " Stripe's API?"
            ) from error

    def _call(self, method: str, path: str, **params: Any) -> Answer:
        pause, failures = FIRST_PAUSE_SECONDS, 0
        give_up = time.monotonic() + LONGEST_LIMITED_SECONDS
        while True:
            self._pace.wait()
            began = time.monotonic()
            try:
                response = self._client.raw_request(  # pyright: ignore[reportUnknownMemberType]
                    method, path, **params
                )
            except stripe.RateLimitError as error:
                if time.monotonic() > give_up:
                    raise StripeUnavailable(
                        f"Stripe limits the calls of this key, for {LONGEST_LIMITED_SECONDS:.0f}"
                        " seconds by now; try again later."
                    ) from error
                self._pace.hold(_asked_pause(error) or pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            except stripe.StripeError as error:
                failures += 1
                if failures > RETRIES or not _may_pass(error):
                    raise self._told(error, path) from error
                waits.pause(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                took = timedelta(seconds=math.ceil(time.monotonic() - began))
                answered_at = _date(response.headers)
                return Answer(
                    response.body.encode(),
                    answered_at,
                    answered_at - took,
                    response.headers.get("stripe-version"),
                )

    def _told(self, error: stripe.StripeError, path: str) -> StripeRefused | StripeUnavailable:
        """What went wrong, with its cure."""
        if isinstance(error, stripe.APIConnectionError):
            return StripeUnavailable(
                f"Stripe's API at {self._base} cannot be reached: {_why_not_reached(error)}. See"
                " that this machine may call that address (network, proxy, firewall), and that"
                " STRIPE_API_BASE is right; the same call can be made again later."
            )
        if error.error is not None and error.error.code == "account_invalid":
            return KeyRefused(
                f"Stripe knows no account {self.account} that this key may use: the id is another"
                " one, the account is not connected to the key's own (any more), or the key lacks"
                " the permission for connected accounts."
            )
        return _refused(error, path)


def _why_not_reached(error: BaseException) -> str:
    """In a few words, by what lies below: the library's own text is of its parts."""
    said = str(error)
    for word, told in _NOT_REACHED.items():
        if word in said:
            return told
    return "no connection"


def _may_pass(error: stripe.StripeError) -> bool:
    """Whether the same call may be answered in a moment; with its key it does nothing twice."""
    if isinstance(error, stripe.APIConnectionError):
        return True
    status = error.http_status or HTTPStatus.INTERNAL_SERVER_ERROR
    return status == HTTPStatus.CONFLICT or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _asked_pause(error: stripe.RateLimitError) -> float | None:
    """How long Stripe asks to wait."""
    said = (error.headers or {}).get("retry-after", "")
    return float(said) if said.isdecimal() else None


def _date(headers: Any) -> datetime:
    """When the answer was made, by Stripe's clock; by ours where it does not say."""
    try:
        return parsedate_to_datetime(headers.get("date") or "").astimezone(UTC)
    except ValueError:
        return datetime.now(UTC).replace(microsecond=0)


def _refused(error: stripe.StripeError, path: str) -> StripeRefused | StripeUnavailable:
    if isinstance(error, stripe.PermissionError):
        found = _PERMISSION.search(str(error))
        permission = found[0] if found else "unknown"
        return PermissionMissing(
            f"The key may not call {path}: {error} Give it that permission in Stripe's dashboard,"
            " Developers, API keys.",
            permission,
        )
    if error.http_status == HTTPStatus.NOT_FOUND:
        return StripeNotFound(f"Stripe has nothing at {path}: {error}")
    if isinstance(error, stripe.AuthenticationError):
        return KeyRefused(
            f"Stripe refuses the key: {error} Set STRIPE_API_KEY to a secret key, or to a"
            " restricted one."
        )
    if isinstance(error, stripe.IdempotencyError):
        return StripeDeclined(f"Stripe refuses the call of {path}: {error}", "idempotency_error")
    if isinstance(error, stripe.InvalidRequestError | stripe.CardError):
        return StripeDeclined(f"Stripe refuses the call of {path}: {error}", error.code)
    if isinstance(error, stripe.APIError):
        return StripeUnavailable(f"Stripe's API does not answer: {error}")
    return StripeRefused(f"Stripe refuses the call of {path}: {error}")
