"""Stripe's list of past events, read oldest first and byte for byte.

https://docs.stripe.com/api/events/list
"""

from collections.abc import Iterator
from typing import NamedTuple

from ledger.errors import StripeRefused
from webhooks.documents import id_of
from webhooks.stripe_client import StripeClient


class _Page(NamedTuple):
    """A page of the list, oldest first; `more`: there are others in the direction of reading."""

    bodies: list[bytes]
    ids: list[str]
    more: bool


class EventList:
    """The events that were made from `since` on (seconds since 1970, as `now`).

    Raises what the client raises.
    """

    def __init__(self, client: StripeClient, since: int, now: int) -> None:
        self._client = client
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
        one and a page of events: about 20 calls for a month.
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
        page = self._client.page("/v1/events", created=created, **cursor)
        try:
            ids = [id_of(body) for body in page.bodies]
        except ValueError as error:
            raise StripeRefused(f"Stripe lists an event without an id: {error}") from error
        return _Page(page.bodies[::-1], ids[::-1], page.has_more)
