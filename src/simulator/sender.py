"""The simulated Stripe's own clock, ids and event envelope."""

from collections.abc import Mapping
from random import Random
from string import ascii_letters, digits

import msgspec

from simulator.billing_layout import BillingLayout
from simulator.fees import PLAIN_FEES, Fees
from simulator.layout import Layout
from simulator.memory import Made, Memory
from simulator.sent import Events, SimulatedEvent
from simulator.versions import Shape

__all__ = ["LATEST", "MONDAY", "Events", "Ids", "Sender", "SimulatedEvent"]

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


class Sender:
    """Makes events; the same seed and the same calls give the same bytes.

    `now` (seconds since 1970) moves with every action by a few seconds, and with `advance`.
    `account` is the connected account that every event names; `compact` leaves out the
    indentation that Stripe's bodies have. One that `remembers` can be asked for its objects
    (`memory`), as an API has to be. Events before `quiet_until` are not written: their bodies are
    empty, which makes years of a past cheap. `fees` is what payments cost; `settles` names the
    currencies that are turned into another one: `{"usd": ("eur", "0.92")}`.
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
        remembers: bool = False,
        quiet_until: int = 0,
        fees: Fees = PLAIN_FEES,
        settles: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        self.random = Random(f"stripe {seed}")  # noqa: S311 - a play, not a secret
        self.now = start
        self.layout = Layout(api_version, livemode=livemode)
        self.billing = BillingLayout(api_version, livemode=livemode)
        self._ids = Ids(self.random)
        self._own_ids = Ids(Random(f"ids {seed}"))  # noqa: S311 - of what no event is about
        self._account = {"account": account} if account else {}
        self._compact = compact
        self._quiet_until = quiet_until
        self.account_id = account
        self.fees = fees
        self.settles = settles or {}
        self.memory = Memory() if remembers else None

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
        if self.now < self._quiet_until:
            return SimulatedEvent("", kind, self.now, b"")
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
        event = SimulatedEvent(event_id, kind, self.now, self._written(envelope))
        if self.memory is not None:
            self.memory.keep_event(event)
        return event

    def twin(self, event: SimulatedEvent) -> SimulatedEvent:
        """A second event for the same change: Stripe does that at times."""
        twin_id = self._ids.new("evt")
        body = event.body.replace(event.id.encode(), twin_id.encode(), 1)
        return SimulatedEvent(twin_id, event.type, event.created, body)

    def _keep(self, kind: str, thing: Made) -> None:
        """Remember a new object of a kind (Stripe's word in `object`)."""
        if self.memory is not None:
            self.memory.keep(kind, thing)

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
