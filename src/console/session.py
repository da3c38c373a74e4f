"""Who is signed in: a signed cookie that names a token, and proof that a form is one of ours.

The cookie holds no secret of the user's: a token's id, signed, for twelve hours. A token that is
revoked or expires ends its sessions with it, since the API asks about it at every call.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Final
from urllib.parse import parse_qsl

from itsdangerous import BadSignature, TimestampSigner, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response

from ledger.settings import Settings, is_loopback

COOKIE: Final = "ledger_session"
PATH: Final = "/console"
LIFETIME_SECONDS: Final = 12 * 60 * 60
MAX_FORM_BYTES: Final = 64 * 1024
CSRF_FIELD: Final = "csrf"


class Forged(Exception):
    """A form that no page of ours made for this session."""


def token_id_of(request: Request) -> str | None:
    """The id of the token that this browser signed in with; None without a valid cookie."""
    given = request.cookies.get(COOKIE, "")
    try:
        return _signer(request).unsign(given, max_age=LIFETIME_SECONDS).decode()
    except BadSignature:
        return None


def begin(request: Request, response: Response, token_id: str) -> None:
    """Sign a browser in."""
    response.set_cookie(
        COOKIE,
        _signer(request).sign(token_id).decode(),
        max_age=LIFETIME_SECONDS,
        path=PATH,
        secure=not _is_local(request),
        httponly=True,
        samesite="strict",
    )


def end(response: Response) -> None:
    """Sign it out."""
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")


def csrf_of(request: Request) -> str:
    """What a form must bring to be one of ours: it belongs to this session's cookie."""
    signed = URLSafeSerializer(_key(request), salt="console form").dumps(_cookie(request))
    return str(signed)


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form of ours; raises `Forged` for any other."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise Forged
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200))
    except ValueError:
        raise Forged from None
    if not compare_digest(fields.pop(CSRF_FIELD, "").encode(), csrf_of(request).encode()):
        raise Forged
    return fields


def _cookie(request: Request) -> str:
    return request.cookies.get(COOKIE, "")


def _signer(request: Request) -> TimestampSigner:
    return TimestampSigner(_key(request), salt="console session")


def _key(request: Request) -> str:
    return request.state.session_key


def _is_local(request: Request) -> bool:
    """Whether the browser calls this machine by a name of its own, where there is no TLS."""
    settings: Settings = request.state.settings
    return is_loopback(request.url.hostname or "") and settings.ledger_mode == "test"
