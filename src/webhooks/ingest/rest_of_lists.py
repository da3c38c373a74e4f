"""What Stripe left out of the lists within an object, read by the lists' own addresses.

https://docs.stripe.com/api/pagination
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct
from msgspec.json import Decoder

from ledger import waits
from ledger.errors import StripeRefused
from ledger.json_text import storable
from webhooks.cut_lists import cut_lists
from webhooks.documents import id_of
from webhooks.stripe_client import StripeClient


class _Head(Struct):
    id: str
    object: str


_read_head: Final = Decoder(_Head).decode


def rest_of(client: StripeClient, body: bytes) -> dict[str, tuple[bytes, ...]]:
    """The further elements of each list that an object cuts, by the list's path in it.

    Those of objects within it are not its own. Raises what the client raises.
    """
    try:
        cut = cut_lists(body)
        head = _read_head(storable(body))
    except (ValueError, RecursionError):
        return {}
    own = (each for each in cut if (each.kind, each.object_id) == (head.object, head.id))
    return {each.part: elements_after(client, each.url, each.last_id) for each in own}


def elements_after(client: StripeClient, url: str, last_id: str | None) -> tuple[bytes, ...]:
    """All elements of a list behind the one with an id, or from its beginning; in its order.

    Raises what the client raises, `StripeRefused` also for an element without an id.
    """
    path, query = urlsplit(url)[2:4]
    found: list[bytes] = []
    while True:
        waits.go_on()
        cursor = {} if last_id is None else {"starting_after": last_id}
        page = client.page(path, **dict(parse_qsl(query)), **cursor)
        found += page.bodies
        if not page.has_more or not page.bodies:
            return tuple(found)
        try:
            last_id = id_of(page.bodies[-1])
        except ValueError as error:
            raise StripeRefused(f"{path} lists something without an id: {error}") from error
