"""Authenticates callers and checks their permissions.

It stands before every operation that is not open to all (`api.operations`).
"""

import asyncio
import time
from datetime import UTC, datetime
from ipaddress import IPv6Address
from typing import Final, NoReturn
from uuid import uuid4

from prometheus_client import Counter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from api.permissions import (
    MATRIX,
    OPEN,
    Identity,
    Permission,
    Scope,
    identity_of,
    meta_of,
    scope_of,
)
from api.rate_limit import RateLimit
from ledger.domain.access import Token
from ledger.domain.events import AccessRefused, NewEvent
from ledger.errors import Forbidden, TooManyRejected, Unauthorized
from ledger.log import Log
from ledger.tokens import Issued, digest
from ledger.waits import for_all

REFRESH_SECONDS: Final = 0.5
"""How old what is known of the tokens may be: a revoked one is refused within a second."""

SESSION: Final = "ledger.session"
"""Where the console, within this process, says in a call's scope which token signed in.

Nothing that comes over the network can set it. None is a caller who did not sign in.
"""

UNKNOWN: Final = (
    "This is no access token that was issued here. `ledger token issue` makes one, in a terminal of"
    " this ledger."
)
MAX_PATH: Final = 200
CAUSES: Final = (
    "missing",
    "malformed",
    "unknown",
    "expired",
    "revoked",
    "role",
    "foreign",
    "absent",
)

REFUSED = Counter("ledger_access_refused", "Calls without the right to what they asked.", ["cause"])
for _cause in CAUSES:
    REFUSED.labels(_cause)


class Auth:
    """Knows the tokens, and how often who was turned away; found at `request.state.auth`.

    Attempts with a known token are told in the log, the first ones of many. `answered` limits, by
    address and by token, how often a refusal is explained; `told` how often it is put on record.
    """

    def __init__(self, log: Log, *, analysts_see_orders: bool = False) -> None:
        self.issued = Issued(log)
        self.answered = RateLimit("100 per 100 seconds")
        self.told = RateLimit("10 per 10 minutes")
        self._log = log
        self._analysts_see_orders = analysts_see_orders
        self._reading: asyncio.Future[None] | None = None

    async def authorize(self, request: Request, permission: Permission) -> None:
        """Let a call pass, with who calls in `request.state.identity`.

        Raises `Unauthorized`, `Forbidden`, `TooManyRejected` or `StoreUnavailable`.
        """
        token = await self._token(request)
        request.state.identity = identity = _holder(token)
        if cause := token.invalid_because(self._log.clocks.earlier()):
            await run_in_threadpool(self.refuse, request, permission, cause)
            raise Unauthorized(f"This access token is {cause}; `ledger token issue` makes another.")
        if not self.permits(identity, permission):
            await run_in_threadpool(self.refuse, request, permission, "role")
            raise Forbidden(f"The role {identity.role} may not: {MATRIX[permission].about}.")

    def permits(self, identity: Identity, permission: Permission) -> bool:
        """Whether the caller may do this, with all objects or with their own."""
        given = scope_of(permission, identity.role, analysts_see_orders=self._analysts_see_orders)
        return given is not Scope.NO

    def refuse(self, request: Request, permission: Permission, cause: str) -> None:
        """Count a refused attempt of a known token, and put it on record unless there are many.

        Raises `TooManyRejected` where the token was refused too often to be told why again.
        """
        REFUSED.labels(cause).inc()
        actor = identity_of(request).actor
        if self.told.take(actor):
            self._record(request, permission, cause)
        self._answer(actor)

    def _record(self, request: Request, permission: Permission, cause: str) -> None:
        meta = meta_of(request)
        event = AccessRefused(
            token_id=meta.actor.removeprefix("token/"),
            surface=permission.value,
            cause=cause,
            method=request.method,
            path="".join(filter(str.isprintable, request.url.path))[:MAX_PATH],
        )
        stream = f"access/refused-{uuid4().hex}"
        self._log.append([NewEvent(stream, 1, event, datetime.now(UTC), meta)])

    async def _token(self, request: Request) -> Token:
        """The token of a call, valid or not: where a call comes from gives no right."""
        await self._read_since(time.monotonic() - REFRESH_SECONDS)
        if (token_id := request.scope.get(SESSION)) is not None:
            return self.issued.by_id(token_id) or self._turn_away(request, "unknown")
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            self._turn_away(request, "missing")
        token_sha256 = digest(given.strip())
        if token_sha256 is None:
            self._turn_away(request, "malformed")
        return self.issued.find(token_sha256) or await self._look_again(request, token_sha256)

    def _turn_away(self, request: Request, cause: str) -> NoReturn:
        REFUSED.labels(cause).inc()
        self._answer(_neighbourhood(request))
        if cause == "missing":
            raise Unauthorized
        raise Unauthorized(UNKNOWN)

    def _answer(self, key: str) -> None:
        if not self.answered.take(key):
            raise TooManyRejected

    async def _look_again(self, request: Request, token_sha256: str) -> Token:
        """A token that is not known may have been issued just now; looking has its limit too."""
        self._answer(_neighbourhood(request))
        await self._read_since(time.monotonic())
        token = self.issued.find(token_sha256)
        if token is None:
            REFUSED.labels("unknown").inc()
            raise Unauthorized(UNKNOWN)
        return token

    async def _read_since(self, moment: float) -> None:
        """A caller that comes while the log is read waits for it; a read that began later will do.

        A read that fails fails for all who wait: one after the other would wait for an outage.
        """
        while not self.issued.read_since(moment):
            if self._reading is None or self._reading.done():
                with for_all(self._log.limits.write):
                    self._reading = asyncio.ensure_future(run_in_threadpool(self.issued.read))
            await asyncio.shield(self._reading)


async def authorize(request: Request, permission: Permission) -> None:
    """Let a call pass that is open to all, or whose token permits it; raises what `Auth` raises."""
    if permission not in OPEN:
        auth: Auth = request.state.auth
        await auth.authorize(request, permission)


def require(request: Request, permission: Permission) -> None:
    """Ask for one more permission within an endpoint; raises `Forbidden` or `TooManyRejected`."""
    auth: Auth = request.state.auth
    identity = identity_of(request)
    if not auth.permits(identity, permission):
        auth.refuse(request, permission, "role")
        raise Forbidden(f"The role {identity.role} may not: {MATRIX[permission].about}.")


def is_hidden(
    request: Request, permission: Permission, *, there: bool, customer_id: str | None = None
) -> bool:
    """Whether there is no such object for the caller; `customer_id` is its customer, if any.

    For a customer an object of another customer does not exist. A call for it and a call for what
    does not exist are recorded and counted alike, so that neither the answer, nor when it becomes a
    429, nor how long it takes tells one from the other.
    """
    own = identity_of(request).customer_id
    if own is None:
        return not there
    if there and own == customer_id:
        return False
    auth: Auth = request.state.auth
    auth.refuse(request, permission, "foreign" if there else "absent")
    return True


def _holder(token: Token) -> Identity:
    return Identity(f"token/{token.token_id}", token.name, token.role, token.customer_id)


def _neighbourhood(request: Request) -> str:
    """The address, of IPv6 its first 64 bits: who has one address there has all of them."""
    text = request.client.host if request.client else ""
    if ":" not in text or (address := IPv6Address(text)).ipv4_mapped:
        return text
    return address.packed[:8].hex()
