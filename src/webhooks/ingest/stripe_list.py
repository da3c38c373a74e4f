"""Stripe's list of past events, read oldest first and byte for byte.

https://docs.stripe.com/api/events/list
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import stripe

from ledger.errors import NotAStripeEvent, StripeRefused, StripeUnavailable
from webhooks.documents import elements

PAGE_EVENTS = 100  # the most that Stripe gives
RETRIES = 3


class _Page(NamedTuple):
    """A stretch of the list, oldest first; `more`: there are others in the direction of reading."""

    bodies: list[bytes]
    ids: list[str]
    more: bool


class EventList:
    """The events that were made from `since` on (seconds since 1970, as `now`).

    Uses the `stripe` library for the calls and their retries, but not its auto-paging, which would
    give objects instead of bytes. Raises `StripeRefused` and `StripeUnavailable`.
    """

    def __init__(self, api_key: str, api_base: str, since: int, now: int) -> None:
        self._client = stripe.StripeClient(
            api_key, base_addresses={"api": api_base}, max_network_retries=RETRIES
        )
        self._since = since
        self._now = now

    def oldest_first(self) -> Iterator[bytes]:
        """The exact bytes of each event; those made meanwhile come at the end."""
        page = self._oldest_page()
        yield from page.bodies
        more = bool(page.ids)
        while more:
            newest = page.ids[-1]
            page = self._page(ending_before=newest)
            yield from page.bodies
            more = page.more and bool(page.ids)

    def _oldest_page(self) -> _Page:
        """The page that begins with the oldest event.

        The list begins with the newest, so this looks for a time before which there are between
        one and `PAGE_EVENTS` events: about 20 calls for a month.
        """
        low, high = self._since, self._now + 1
        page = self._page(before=high)
        if not page.more:
            return page
        while high - low > 1:
            middle = (low + high) // 2
            page = self._page(before=middle)
            if page.ids and not page.more:
                return page
            low, high = (low, middle) if page.more else (middle, high)
        return self._last_page(before=high)

    def _last_page(self, before: int) -> _Page:
        """The oldest page, by way of all newer ones."""
        page = self._page(before=before)
        while page.more:
            page = self._page(before=before, starting_after=page.ids[0])
        return page

    def _page(self, *, before: int | None = None, **cursor: str) -> _Page:
        created = {"gte": self._since} if before is None else {"gte": self._since, "lt": before}
        response = self._call(limit=PAGE_EVENTS, created=created, **cursor)
        try:
            bodies = [element.body for element in elements(response.body.encode())]
            data = cast("dict[str, Any]", response.data)
            ids = [event["id"] for event in data["data"]]
            return _Page(bodies[::-1], ids[::-1], data["has_more"])
        except (NotAStripeEvent, LookupError, TypeError) as error:
            raise StripeRefused(
                "The answer is no list of events; is STRIPE_API_BASE the address of Stripe's API?"
            ) from error

    def _call(self, **params: Any) -> stripe.StripeResponse:
        try:
            return self._client.raw_request(  # pyright: ignore[reportUnknownMemberType] - **params
                "get", "/v1/events", **params
            )
        except (stripe.AuthenticationError, stripe.PermissionError) as error:
            raise StripeRefused(
                f"Stripe refuses the key: {error} Set STRIPE_API_KEY to a secret key, "
                "or to a restricted one that may read events."
            ) from error
        except (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError) as error:
            raise StripeUnavailable(f"Stripe's API does not answer: {error}") from error
        except stripe.StripeError as error:
            raise StripeRefused(f"Stripe refuses the call: {error}") from error
