"""What is known of the Stripe account beyond events, and what to do for the rest."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec import Struct
from starlette.requests import Request

from ledger.domain.events import PullFinished, PullRefreshed, PullStarted
from ledger.domain.limits import FIRST_DAY
from ledger.domain.streams import pulls, refreshes
from ledger.log import Log
from ledger.settings import Settings
from projections.queries.schemas import reads_of

BALANCE: Final = "balance_transaction"


class StripeState(Struct, frozen=True, kw_only=True):
    """What is known of the account beyond events: whether there is a key, and when it was used.

    `pulled_at` is when the last whole pull was finished, `is_unfinished` says that one was ended in
    the middle, `listed_since` when the first time begins of which all was listed (None: all was);
    `refreshed_at` is when the service looked last. `not_permitted` is the permission
    without which that pull could not read the balance. All by Stripe's clock or the log's.
    """

    has_key: bool
    pulled_at: datetime | None = None
    is_unfinished: bool = False
    listed_since: datetime | None = None
    refreshed_at: datetime | None = None
    not_permitted: str | None = None

    @property
    def missing(self) -> str | None:
        """What of the balance is not known, with the cure; None where all of it was read."""
        if self.is_unfinished:
            return "a pull was not finished: `ledger stripe pull` goes on"
        if self.not_permitted is not None:
            return (
                "the key may not read balance transactions, so fees and what payouts paid out are"
                f" not known: give it {self.not_permitted}, then `ledger stripe pull`"
            )
        if self.pulled_at is not None:
            return None
        if not self.has_key:
            return (
                "no STRIPE_API_KEY is set, so fees and what payouts paid out are not known:"
                " `ledger connect` sets one"
            )
        return "never pulled, only events are known: `ledger stripe pull`"

    @property
    def told(self) -> str:
        """All of it in one line, with the cure."""
        if self.missing is not None:
            return self.missing
        said = f"pulled {self.pulled_at:%F %T} UTC"
        if self.listed_since is not None:
            said += f", what was made since {self.listed_since:%F}, and nothing before"
        if not self.has_key:
            return f"{said}; no STRIPE_API_KEY, so nothing newer is read: `ledger connect`"
        if self.refreshed_at is None:
            return said
        return f"{said}, balance looked at {self.refreshed_at:%F %T} UTC"


def stripe_state(log: Log, *, has_key: bool) -> StripeState:
    """What the log says of the shop's own account."""
    latest = log.latest([pulls(None), refreshes(None)])
    pulled, refreshed = latest.get(pulls(None)), latest.get(refreshes(None))
    finished = pulled.event if pulled and isinstance(pulled.event, PullFinished) else None
    since = min(
        (
            each.event.since
            for each in (log.stream(pulls(None)) if pulled is not None else ())
            if isinstance(each.event, PullStarted)
        ),
        default=FIRST_DAY,
    )
    return StripeState(
        has_key=has_key,
        listed_since=since if since > FIRST_DAY else None,
        pulled_at=pulled.recorded_at if pulled is not None and finished is not None else None,
        is_unfinished=pulled is not None and isinstance(pulled.event, PullStarted),
        refreshed_at=refreshed.recorded_at
        if refreshed is not None and isinstance(refreshed.event, PullRefreshed)
        else None,
        not_permitted=None if finished is None else finished.not_permitted.get(BALANCE),
    )


def state_of(request: Request) -> StripeState:
    """The same, as the service that answers a call has it; raises `StoreUnavailable`."""
    settings: Settings | None = getattr(request.state, "settings", None)
    has_key = settings is not None and settings.stripe_api_key is not None
    return stripe_state(reads_of(request).engine.log, has_key=has_key)
