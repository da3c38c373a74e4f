"""Notices: what a page says once, to the person who did it, of something that was just done.

A notice comes in the address, and is signed for one session, one page and a few minutes: text
that others write into a link never shows as the console's own words.
"""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_of
from typing import Final
from urllib.parse import unquote, urlencode

from starlette.requests import Request

from console.session import Session

LIFETIME_SECONDS: Final = 300
FIELD: Final = "told"
_MAC_BYTES: Final = sha256().digest_size


def with_notice(request: Request, path: str, text: str) -> str:
    """The address of a page that says it."""
    said = f"{int(time.time())} {text}".encode()
    return f"{path}?{urlencode({FIELD: _signed(request, unquote(path), said)})}"


def notice_of(request: Request) -> str | None:
    """What the page says by its address; None where no page of this session wrote that."""
    given = request.query_params.get(FIELD, "")
    try:
        said = urlsafe_b64decode(given)[_MAC_BYTES:]
        ours = _signed(request, request.scope["path"], said)
        began, _, text = said.decode().partition(" ")
    except ValueError:
        return None
    if not compare_digest(given.encode(), ours.encode()):
        return None
    return text if time.time() < int(began) + LIFETIME_SECONDS else None


def _signed(request: Request, path: str, said: bytes) -> str:
    session: Session | None = getattr(request.state, "session", None)
    if session is None:
        return ""
    mac = hmac_of(
        session.secret.encode(), b"console notice\n" + path.encode() + b"\n" + said, sha256
    )
    return urlsafe_b64encode(mac + said).decode()
