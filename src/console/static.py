"""The files that pages load: each under an address that changes with its content, compressed."""

from __future__ import annotations

import gzip
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Final, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
}
YEAR: Final = "public, max-age=31536000, immutable"
COMPRESSED_ALREADY: Final = {"woff2"}
GZIP: Final = "gzip"
BEST: Final = 9


class File(NamedTuple):
    """A file's content, the same compressed where that makes it smaller, and its type."""

    content: bytes
    compressed: bytes | None
    media_type: str


@lru_cache
def file_of(name: str) -> File | None:
    """A file of static/; None where there is none."""
    ending, file = name.rpartition(".")[2], files("console") / "static" / name
    if ending not in TYPES or not file.is_file():
        return None
    content = file.read_bytes()
    is_small = ending in COMPRESSED_ALREADY
    return File(content, None if is_small else gzip.compress(content, BEST, mtime=0), TYPES[ending])


@lru_cache
def address_of(name: str) -> str:
    """Where a page finds a file: for good, since another content has another address."""
    file = file_of(name)
    assert file is not None, f"there is no {name}"
    return f"/console/static/{name}?{sha256(file.content).hexdigest()[:12]}"


def takes_gzip(request: Request) -> bool:
    """Whether the browser reads what is compressed so."""
    return GZIP in request.headers.get("accept-encoding", "")


async def serve(request: Request) -> Response:
    """Answer a file; raises `HTTPException` where there is none."""
    file = file_of(request.path_params["name"])
    if file is None:
        raise HTTPException(404)
    headers = {"cache-control": YEAR, "vary": "accept-encoding"}
    if file.compressed is None or not takes_gzip(request):
        return Response(file.content, media_type=file.media_type, headers=headers)
    headers["content-encoding"] = GZIP
    return Response(file.compressed, media_type=file.media_type, headers=headers)
