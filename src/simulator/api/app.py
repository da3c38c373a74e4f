"""Stripe's API over a simulator: an ASGI application that Stripe's own libraries talk to.

https://docs.stripe.com/api
"""

import asyncio
import base64
import binascii
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from email.utils import formatdate
from functools import partial
from random import Random
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from simulator.api import errors, faults, query
from simulator.api.faults import Fault
from simulator.api.keys import Account, Key
from simulator.api.paging import page
from simulator.api.resources import ITEMS, PARTS, RESOURCES, Parts, Resource, oldest, shelf_of
from simulator.api.shapes import Shapes
from simulator.api.writes import Answer, Idempotency, create_refund
from simulator.sender import Ids
from simulator.stripe import SimulatedStripe

_VERSION = re.compile(r"20\d\d-\d\d-\d\d(\.[a-z]+)?")


class Call(Struct, frozen=True):
    """A request that came, for tests that count them; `fault` went wrong on purpose."""

    method: str
    path: str
    query: str
    status: int
    fault: Fault | None


class Asked(Struct, frozen=True):
    """A request that may be carried out: who asks, for what, and how it is written down."""

    key: Key
    account: Account
    stripe: SimulatedStripe
    shapes: Shapes
    path: str
    thing_id: str
    params: list[tuple[str, str]]


Operation = Callable[[Asked], Any]
"""Answers with something that can be written as JSON, or raises `Refused`."""


class StripeApi:
    """What the endpoints share. `calls` are the requests so far, in order.

    `plan` says which requests go wrong; `per_second` how many are answered within a second of
    `clock` (seconds), or all. With `follow`, the simulator's clock is never behind that one
    (seconds since 1970).
    """

    def __init__(
        self,
        account: Account,
        keys: Sequence[Key],
        *,
        plan: faults.Plan = faults.none,
        per_second: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        follow: Callable[[], float] | None = None,
        slow_seconds: float = 0.2,
    ) -> None:
        self.account = account
        self.plan = plan
        self.per_second = per_second
        self.calls: list[Call] = []
        self._keys = {key.secret: key for key in keys}
        self._clock = clock
        self._follow = follow
        self._slow_seconds = slow_seconds
        self._answered: deque[float] = deque()
        self._number = 0
        self._ids = Ids(Random(f"requests {account.id}"))  # noqa: S311 - a play, not a secret
        self._idempotency = Idempotency()

    async def answer(
        self, request: Request, permissions: tuple[str, ...], operation: Operation
    ) -> Response:
        """Answer a request: faults and limits first, then key, account, permission, operation."""
        self._number += 1
        fault = self.plan(self._number)
        if fault is Fault.SLOW:
            await asyncio.sleep(self._slow_seconds)
        form = (await request.body()).decode() if request.method == "POST" else ""
        try:
            answer = self._answer(request, permissions, operation, form, fault)
        except errors.Refused as refused:
            answer = Answer(refused.status, _json(refused.body), refused.headers)
        self.calls.append(
            Call(request.method, request.url.path, request.url.query, answer.status, fault)
        )
        headers = {"Request-Id": f"req_{self._ids.chance(14)}"} | answer.headers
        kind = Cut if fault in {Fault.CUT, Fault.LOST} else Response
        return kind(answer.body, answer.status, headers, media_type="application/json")

    def _answer(
        self,
        request: Request,
        permissions: tuple[str, ...],
        operation: Operation,
        form: str,
        fault: Fault | None,
    ) -> Answer:
        if fault in {Fault.ERROR, Fault.CUT}:
            raise errors.broken()
        if fault is Fault.LIMITED or self._is_too_much():
            raise errors.rate_limited()
        if fault is Fault.BUSY:
            raise errors.key_in_use()
        key = self._key(request)
        account = self._account(request, key)
        with account.lock:
            stripe = self._stripe(account, key)
            if permissions and not any(map(key.may, permissions)):
                raise errors.not_permitted(key, account.id, permissions)
            version = _version(request, stripe)
            asked = Asked(
                key,
                account,
                stripe,
                Shapes(stripe, version),
                request.url.path,
                request.path_params.get("id", ""),
                query.pairs(form or request.url.query),
            )
            headers = _headers(stripe, version, account)
            carry_out = partial(_carried_out, asked, operation, headers)
            name = request.headers.get("Idempotency-Key")
            if request.method != "POST" or name is None:
                return carry_out()
            scope = (account.id, key.livemode, name)
            asked_for = (request.url.path, *asked.params)
            headers["Idempotency-Key"] = name
            return self._idempotency.once(scope, asked_for, stripe.now, carry_out)

    def _is_too_much(self) -> bool:
        if self.per_second is None:
            return False
        now = self._clock()
        while self._answered and self._answered[0] <= now - 1:
            self._answered.popleft()
        if len(self._answered) >= self.per_second:
            return True
        self._answered.append(now)
        return False

    def _key(self, request: Request) -> Key:
        secret = _secret(request.headers.get("Authorization", ""))
        if not secret:
            raise errors.no_key()
        if secret not in self._keys:
            raise errors.unknown_key(secret)
        return self._keys[secret]

    def _account(self, request: Request, key: Key) -> Account:
        name = request.headers.get("Stripe-Account")
        if name in {None, "", self.account.id}:
            return self.account
        if name not in self.account.connected:
            raise errors.no_access(key, str(name))
        return self.account.connected[name]

    def _stripe(self, account: Account, key: Key) -> SimulatedStripe:
        stripe = account.modes.get(key.livemode)
        if stripe is None:
            raise errors.no_access(key, account.id)
        if self._follow is not None:
            stripe.now = max(stripe.now, int(self._follow()))
        return stripe


class Cut(Response):
    """An answer whose connection ends before all of it has come."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half of it, and then nothing."""
        del scope, receive
        start = {"type": "http.response.start", "status": self.status_code}
        await send(start | {"headers": self.raw_headers})
        half = self.body[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


def app(account: Account, keys: Sequence[Key], **settings: Any) -> Starlette:
    """The application for these keys of an account; `settings` are those of `StripeApi`.

    `app.state.api` is the `StripeApi`.
    """
    api = StripeApi(account, keys, **settings)
    routes = [
        _route(api, "/v1/account", ("rak_accounts_kyc_basic_read",), _account_shape),
        _route(api, "/v1/balance", ("rak_balance_read",), _balance),
        _route(api, "/v1/subscription_items", ITEMS.read, _subscription_items),
        _route(api, "/v1/refunds", ("rak_charge_write",), _refund, method="POST"),
    ]
    routes += [_route(api, parts.path, parts.read, partial(_parts, parts)) for parts in PARTS]
    for each in RESOURCES:
        routes.append(_route(api, each.path, each.read, partial(_list, each)))
        routes.append(_route(api, f"{each.path}/{{id}}", each.read, partial(_retrieve, each)))
    for method in ("GET", "POST", "DELETE"):
        unknown = partial(_unknown, method)
        routes.append(_route(api, "/{path:path}", (), unknown, method))
    application = Starlette(routes=routes)
    application.state.api = api
    return application


def _route(
    api: StripeApi,
    path: str,
    permissions: tuple[str, ...],
    operation: Operation,
    method: str = "GET",
) -> Route:
    async def endpoint(request: Request) -> Response:
        return await api.answer(request, permissions, operation)

    return Route(path, endpoint, methods=[method])


def _carried_out(asked: Asked, operation: Operation, headers: dict[str, str]) -> Answer:
    """The answer; one that refuses what was tried is an answer too, which a replay repeats."""
    try:
        return Answer(200, _json(operation(asked)), headers)
    except errors.Refused as refused:
        if refused.is_of_parameters:
            raise
        return Answer(refused.status, _json(refused.body), headers | refused.headers)


# ── Operations ──────────────────────────────────────────────────────────────────────────────────


def _list(resource: Resource, asked: Asked) -> Any:
    wanted = query.listed(asked.params, resource.filters)
    shelf = shelf_of(resource, asked.stripe, wanted.filters)
    wanted = replace(wanted, since=max(wanted.since or 0, oldest(resource, asked.stripe)))
    things, more = page(
        shelf, wanted, lambda thing: resource.fits(thing, wanted.filters), resource.kind
    )
    shapes = [asked.shapes.of(resource.kind, thing) for thing in things]
    return _expanded(asked, _page(shapes, asked.path, more=more))


def _retrieve(resource: Resource, asked: Asked) -> Any:
    query.only(asked.params, ())
    thing = _found(resource.kind, asked)
    if thing.created < oldest(resource, asked.stripe):
        raise errors.missing(resource.kind, asked.thing_id, "id")
    if resource.kind == "customer" and thing.deleted:
        return {"id": thing.id, "object": "customer", "deleted": True}
    return _expanded(asked, asked.shapes.of(resource.kind, thing))


def _parts(parts: Parts, asked: Asked, thing: Any | None = None) -> Any:
    wanted = query.listed(asked.params, ("subscription",) if parts is ITEMS else ())
    shelf = parts.shelf(asked.shapes, thing or _found(parts.of, asked))
    things, more = page(shelf, wanted, lambda _: True, parts.of)
    return _expanded(asked, _page([each.shape for each in things], asked.path, more=more))


def _subscription_items(asked: Asked) -> Any:
    subscription_id = dict(asked.params).get("subscription")
    if not subscription_id:
        raise errors.required("subscription")
    assert asked.stripe.memory is not None
    thing = asked.stripe.memory.shelf("subscription").get(subscription_id)
    if thing is None:
        raise errors.missing("subscription", subscription_id, "subscription")
    return _parts(ITEMS, asked, thing)


def _balance(asked: Asked) -> Any:
    query.only(asked.params, ())
    return asked.stripe.balance()


def _account_shape(asked: Asked) -> Any:
    """An account as it shows itself: https://docs.stripe.com/api/accounts/object."""
    query.only(asked.params, ())
    account = asked.account
    return {
        "id": account.id,
        "object": "account",
        "business_profile": {"mcc": "5499", "name": account.name, "url": "https://shop.example"},
        "business_type": "company",
        "charges_enabled": True,
        "country": "IE",
        "default_currency": account.currency,
        "details_submitted": True,
        "email": "owner@shop.example",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {"dashboard": {"display_name": account.name, "timezone": "Etc/UTC"}},
        "type": "standard",
    }


def _unknown(method: str, asked: Asked) -> Any:
    raise errors.unknown_url(method, asked.path)


def _refund(asked: Asked) -> Any:
    refund, _ = create_refund(asked.account, asked.stripe, asked.params)
    return _expanded(asked, asked.shapes.of("refund", refund))


# ── Their parts ─────────────────────────────────────────────────────────────────────────────────


def _found(kind: str, asked: Asked) -> Any:
    thing = _thing(kind, asked.stripe, asked.thing_id)
    if thing is not None:
        return thing
    live = asked.stripe.layout.livemode
    other = asked.account.modes.get(not live)
    if other is None or _thing(kind, other, asked.thing_id) is None:
        raise errors.missing(kind, asked.thing_id, "id")
    other_mode = "test" if live else "live"
    raise errors.missing(kind, asked.thing_id, "id", other_mode=other_mode)


def _thing(kind: str, stripe: SimulatedStripe, thing_id: str) -> Any | None:
    assert stripe.memory is not None
    shelf = stripe.memory.events if kind == "event" else stripe.memory.shelf(kind)
    return shelf.get(thing_id)


def _page(shapes: list[Any], url: str, *, more: bool) -> dict[str, Any]:
    return {"object": "list", "data": shapes, "has_more": more, "url": url}


def _expanded(asked: Asked, shape: Any) -> Any:
    asked.shapes.expand(shape, query.expansions(asked.params))
    return shape


def _secret(authorization: str) -> str:
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(given).decode().split(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _version(request: Request, stripe: SimulatedStripe) -> str:
    version = request.headers.get("Stripe-Version", stripe.layout.api_version)
    if not _VERSION.fullmatch(version):
        raise errors.Refused(400, f"Invalid Stripe API version: {version}")
    return version


def _headers(stripe: SimulatedStripe, version: str, account: Account) -> dict[str, str]:
    return {
        "Date": formatdate(stripe.now, usegmt=True),
        "Stripe-Account": account.id,
        "Stripe-Version": version,
    }


def _json(content: Any) -> bytes:
    """As Stripe writes it, with white space."""
    return msgspec.json.format(msgspec.json.encode(content), indent=2)
