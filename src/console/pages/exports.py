"""Exports: what can be taken out of the books as a file, and who took what out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from console.api import Problem, part
from console.lists import FROM, LISTED, TO, Listed, listed
from console.page import PageRequest, view
from console.pages.orders import STATES
from console.window import LENGTHS, window_of
from console.wording import in_words

REFUSED_FROM: Final = 400


class ForwardedResponse(Response):
    """What the API answers to a GET, chunk by chunk; `refused` makes a page where it refuses."""

    def __init__(
        self,
        request: PageRequest,
        path: str,
        query: Mapping[str, str],
        refused: Callable[[Problem], Awaitable[Response]],
    ) -> None:
        super().__init__()
        self._visit = request
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


LOG_FILTERS: Final = ("name", "actor", "sha256")
OF_WINDOW: Final = frozenset({"window", "from", "to"})


async def exports(request: PageRequest) -> Response:
    """A form for each export, and for those who may see evidence the log of all that were made."""
    return await _page(request, 200, log=await _log(request))


async def form(request: PageRequest) -> Response:
    """The forms, one of them filled in with the filters of the list that led here."""
    name: str = request.path_params["name"]
    offered = {each["name"]: each for each in (await request.api.get("/exports"))["items"]}
    if name not in offered:
        raise Problem(404, {"title": "There is no such export.", "detail": name})
    request.check_words(["window", FROM, TO, "format", *offered[name]["filters"], "reason"])
    return await _page(request, 200, name=name, given=request.query)


async def download(request: PageRequest) -> Response:
    """A file as it is made, which is put on record: so only a form of ours may ask for it."""
    name: str = request.path_params["name"]
    fields = await request.form()
    days = {key.rstrip("_"): value for key, value in window_of(fields).items()}
    chosen = {key: value.strip() for key, value in fields.items() if key not in OF_WINDOW}
    again = partial(_refused, request, name, fields)
    return ForwardedResponse(request, f"/exports/{part(name)}", chosen | days, again)


async def manifest(request: PageRequest) -> Response:
    """What a file is, for programs."""
    path = f"/exports/{part(request.path_params['id'])}/manifest"
    return ForwardedResponse(request, path, {}, partial(_told, request))


async def _refused(
    request: PageRequest, name: str, fields: Mapping[str, str], problem: Problem
) -> Response:
    """The form again, as it was filled in, with why it gave nothing."""
    log = await _log(request)
    return await _page(
        request, problem.status, refused=in_words(problem), name=name, given=fields, log=log
    )


async def _told(request: PageRequest, problem: Problem) -> Response:
    return request.page("problem.html", problem.status, problem=in_words(problem))


async def _page(
    request: PageRequest,
    status: int,
    *,
    refused: Problem | None = None,
    name: str | None = None,
    given: Mapping[str, str] | None = None,
    log: Listed | None = None,
) -> Response:
    catalogue = await request.api.get("/exports")
    found: list[dict[str, Any]] = catalogue["items"]
    found.sort(key=lambda export: export["name"] != name)
    return request.page(
        "exports.html",
        log.status if log and log.refusal else status,
        catalogue=catalogue,
        titles={export["name"]: export["title"] for export in found},
        lengths=LENGTHS,
        choices=STATES,
        log=log,
        refused=refused,
        name=name,
        given=given or {},
    )


async def _log(request: PageRequest) -> Listed | None:
    """Who exported what, the latest first unless sorted otherwise."""
    if not request.may("see_evidence"):
        return None
    asked = {name: request.query.get(name, "").strip() for name in LOG_FILTERS}
    return await listed(request, "/export_log", asked)


routes = [
    view("/console/exports", exports, takes=(*LOG_FILTERS, *LISTED)),
    view("/console/exports/{name}/form", form, takes=None),
    view("/console/exports/{name}", download, methods=("POST",)),
    view("/console/exports/{id}/manifest", manifest),
]
