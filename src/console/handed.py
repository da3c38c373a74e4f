"""An answer of the API that is handed on as it comes, such as a download."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from console.api import Problem
from console.page import Visit

REFUSED_FROM: Final = 400


class Handed(Response):
    """What the API answers to a GET, chunk by chunk; `refused` makes a page where it refuses."""

    def __init__(
        self,
        visit: Visit,
        path: str,
        query: Mapping[str, str],
        refused: Callable[[Problem], Awaitable[Response]],
    ) -> None:
        super().__init__()
        self._visit = visit
        self._path = path
        self._query = urlencode({name: value for name, value in query.items() if value})
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask, and hand on."""
        status, document = 0, bytearray()

        async def hand_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start" and message["status"] >= REFUSED_FROM:
                status = message["status"]
            elif status:
                document.extend(message.get("body", b""))
            else:
                await send(message)

        await self._visit.api.forward(self._path, self._query, receive, hand_on)
        if status:
            page = await self._refused(Problem(status, msgspec.json.decode(bytes(document))))
            await page(scope, receive, send)
