"""The simulated Stripe's own clock, ids and event envelope."""

from random import Random
from string import ascii_letters, digits

import msgspec
from msgspec import Struct

from simulator.billing_layout import BillingLayout
from simulator.layout import Layout
from simulator.versions import Shape

_ALPHABET = digits + ascii_letters
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_SERIALS = len(_PAIRS) ** 2
_SCATTER = 9_176_263  # shares no factor with 62, so that no two counts meet


class Ids:
    """Makes ids such as `pi_3k7Qz0LkdIwHu7ix28a3tqPa`: a scattered count, the account, chance."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._count = 0
        self._account = self.chance(10)

    def new(self, prefix: str, generation: int = 1) -> str:
        """A new id of 24 characters after its prefix; Stripe's newest objects are generation 3."""
        self._count += 1
        high, low = divmod(self._count * _SCATTER % _SERIALS, len(_PAIRS))
        return f"{prefix}_{generation}{_PAIRS[high]}{_PAIRS[low]}0{self._account}{self.chance(8)}"

    def chance(self, length: int) -> str:
        """Letters and digits by chance; `length` is even."""
        pick = self._random.randrange
        return "".join([_PAIRS[pick(len(_PAIRS))] for _ in range(length // 2)])


LATEST = "2026-10-28.endive"
MONDAY = 1_767_600_000  # 5 January 2026, 08:00 UTC


class SimulatedEvent(Struct, frozen=True):
    """An event as Stripe sends it: `body` is the exact JSON, `created` in seconds since 1970."""

    id: str
    type: str
    created: int
    body: bytes


Events = list[SimulatedEvent]


class Sender:
    """Makes events; the same seed and the same calls give the same bytes.

    `now` (seconds since 1970) moves with every action by a few seconds, and with `advance`.
    `account` is the connected account that every event names; `compact` leaves out the
    indentation that Stripe's bodies have.
    """

    def __init__(
        self,
        seed: int | str,
        api_version: str = LATEST,
        *,
        livemode: bool = False,
        start: int = MONDAY,
        account: str | None = None,
        compact: bool = False,
    ) -> None:
        self.random = Random(f"stripe {seed}")  # noqa: S311 - a play, not a secret
        self.now = start
        self.layout = Layout(api_version, livemode=livemode)
        self.billing = BillingLayout(api_version, livemode=livemode)
        self._ids = Ids(self.random)
        self._account = {"account": account} if account else {}
        self._compact = compact

    def advance(self, seconds: int) -> None:
        """Let time pass."""
        self.now += seconds

    def emit(
        self,
        kind: str,
        thing: Shape,
        *,
        previous: Shape | None = None,
        automatic: bool = False,
    ) -> SimulatedEvent:
        """An event of any type about any object; `automatic` when no request caused it."""
        event_id = self._ids.new("evt")
        envelope = {
            "id": event_id,
            "object": "event",
            **self._account,
            "api_version": self.layout.api_version,
            "created": self.now,
            "data": {"object": thing, "previous_attributes": previous}
            if previous
            else {"object": thing},
            "livemode": self.layout.livemode,
            "pending_webhooks": 1,
            "request": self._request(automatic=automatic),
            "type": kind,
        }
        return SimulatedEvent(event_id, kind, self.now, self._written(envelope))

    def twin(self, event: SimulatedEvent) -> SimulatedEvent:
        """A second event for the same change: Stripe does that at times."""
        twin_id = self._ids.new("evt")
        body = event.body.replace(event.id.encode(), twin_id.encode(), 1)
        return SimulatedEvent(twin_id, event.type, event.created, body)

    def _act(self) -> int:
        """Something is done: a few seconds later than what was done before."""
        self.now += self.random.randint(1, 20)
        return self.now

    def _request(self, *, automatic: bool) -> object:
        request_id = None if automatic else f"req_{self._ids.chance(14)}"
        if not self.layout.has_request_object:
            return request_id
        return {"id": request_id, "idempotency_key": None}

    def _written(self, envelope: Shape) -> bytes:
        body = msgspec.json.encode(envelope)
        return body if self._compact else msgspec.json.format(body, indent=2)
