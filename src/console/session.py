"""Who is signed in: a cookie with a session's secret, and proof that a form is one of ours.

The service knows which sessions go on: signing out ends one everywhere, at once. A token that is
revoked or expires ends its sessions with it, since the API asks about it at every call.
"""

from __future__ import annotations

import re
from hashlib import sha256
from hmac import compare_digest
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from console.api import Problem
from ledger.errors import StoreUnavailable
from ledger.sessions import LIFETIME_SECONDS, Sessions
from ledger.settings import Settings, is_loopback

COOKIE: Final = "ledger_session"
HOST_COOKIE: Final = "__Host-ledger_session"
"""Over TLS: no other host, and nothing that came without TLS, can set a cookie of such a name.

https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#name-the-__host-prefix
"""
PATH: Final = "/console"
MAX_FORM_BYTES: Final = 64 * 1024
CSRF_FIELD: Final = "csrf"
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class CsrfError(Exception):
    """A form that no page of ours made for this session."""


class Session(NamedTuple):
    """A browser's session: its secret, and the id of the token that signed in."""

    secret: str
    token_id: str


async def find(request: Request) -> Session | None:
    """The caller's session, if any; raises `Problem` while that cannot be found out.

    A browser may hold several cookies of our name, planted ones among them: the first one that is
    of a session counts, and the others do no harm.
    """
    try:
        found = await run_in_threadpool(_sessions(request).find, _secrets(request))
    except StoreUnavailable as error:
        raise _away(error) from error
    request.state.session = session = found and Session(*found)
    return session


async def begin(request: Request, response: Response, token_id: str) -> None:
    """Sign a browser in, and end what it had before; raises `Problem` where that cannot be kept."""
    sessions = _sessions(request)
    try:
        await run_in_threadpool(sessions.end, _secrets(request))
        secret = await run_in_threadpool(sessions.begin, token_id)
    except StoreUnavailable as error:
        raise _away(error) from error
    name, path, secure = _cookie_of(request)
    response.set_cookie(
        name,
        secret,
        max_age=LIFETIME_SECONDS,
        path=path,
        secure=secure,
        httponly=True,
        samesite="strict",
    )


async def end(request: Request, response: Response) -> None:
    """Sign it out, here and in every process; raises `Problem` where that cannot be kept."""
    try:
        await run_in_threadpool(_sessions(request).end, _secrets(request))
    except StoreUnavailable as error:
        raise _away(error) from error
    clear(request, response)


def clear(request: Request, response: Response) -> None:
    """Let the browser forget cookies that open nothing."""
    name, path, secure = _cookie_of(request)
    if _given(request, name):
        response.delete_cookie(name, path=path, secure=secure, httponly=True, samesite="strict")


def csrf_of(request: Request) -> str:
    """What a form must bring to be one of ours: it belongs to this session's secret.

    Without a session it proves nothing, and only the form's origin does.
    """
    session: Session | None = getattr(request.state, "session", None)
    secret = session.secret if session else ""
    return sha256(f"console form\n{secret}".encode()).hexdigest()


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form of ours; raises `CsrfError` for any other.

    Raises `Problem` where a field stands twice.
    """
    if not _comes_from_us(request):
        raise CsrfError
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise CsrfError
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200)
    except ValueError:
        raise CsrfError from None
    fields = dict(pairs)
    if not compare_digest(fields.pop(CSRF_FIELD, "").encode(), csrf_of(request).encode()):
        raise CsrfError
    names = [name for name, _ in pairs]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        detail = f"{', '.join(repeated)} stands twice in the form; send it once."
        raise Problem(422, {"title": "Invalid form", "code": "repeated", "detail": detail})
    return fields


def _comes_from_us(request: Request) -> bool:
    """Whether the browser says that a page of this very host sent the form.

    Browsers say it by `Sec-Fetch-Site` where there is TLS or loopback, and by `Origin` with every
    form that is sent; no script of a page can change either.
    https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
    """
    if site := request.headers.get("sec-fetch-site"):
        return site == "same-origin"
    origin = request.headers.get("origin", "")
    return origin != "" and urlsplit(origin).netloc == request.headers.get("host")


def _cookie_of(request: Request) -> tuple[str, str, bool]:
    """The cookie's name, its path, and whether it goes over TLS only."""
    if _is_local(request):
        return COOKIE, PATH, False
    return HOST_COOKIE, "/", True


def _secrets(request: Request) -> list[str]:
    """What may be the secret of a session, of all cookies of our name."""
    name, _, _ = _cookie_of(request)
    return [value for value in _given(request, name) if _SECRET.fullmatch(value)]


def _given(request: Request, name: str) -> list[str]:
    """The values of all cookies of a name, in the order in which the browser sends them."""
    pairs = (
        part.strip().partition("=")
        for header in request.headers.getlist("cookie")
        for part in header.split(";")
    )
    return [value for found, _, value in pairs if found == name]


def _sessions(request: Request) -> Sessions:
    return request.state.sessions


def _away(error: StoreUnavailable) -> Problem:
    title, code = "Store unavailable", "store_unavailable"
    return Problem(503, {"title": title, "code": code, "detail": str(error)})


def _is_local(request: Request) -> bool:
    """Whether the browser calls this machine by a name of its own, where there is no TLS."""
    settings: Settings = request.state.settings
    return is_loopback(request.url.hostname or "") and settings.ledger_mode == "test"
