"""The files that pages load: each under an address that changes with its content."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
YEAR: Final = "public, max-age=31536000, immutable"


@lru_cache
def content_of(name: str) -> bytes | None:
    """A file of static/; None where there is none."""
    file = files("console") / "static" / name
    return file.read_bytes() if name.rpartition(".")[2] in TYPES and file.is_file() else None


@lru_cache
def address_of(name: str) -> str:
    """Where a page finds a file: for good, since another content has another address."""
    content = content_of(name)
    assert content is not None, f"there is no {name}"
    return f"/console/static/{name}?{sha256(content).hexdigest()[:12]}"


async def serve(request: Request) -> Response:
    """Answer a file; raises `HTTPException` where there is none."""
    name: str = request.path_params["name"]
    content = content_of(name)
    if content is None:
        raise HTTPException(404)
    return Response(
        content, media_type=TYPES[name.rpartition(".")[2]], headers={"cache-control": YEAR}
    )
