"""Projections: where each stands, and proofs and rebuilds of them with their progress and end."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from starlette.responses import RedirectResponse, Response

from console.api import part
from console.forms import Refusal, sent
from console.page import SEE_OTHER, PageRequest, view

LIST: Final = "/console/projections"
CHOSEN: Final = "only."
"""What the name of a field begins with that chooses a projection: `only.orders`."""


async def projections(request: PageRequest, refusal: Refusal | None = None) -> Response:
    """Where each projection stands, and forms to have them proven or rebuilt."""
    status = await request.api.get("/status")
    return request.form_page(
        "projections.html",
        refusal,
        head=status["head"],
        projections=status["projections"],
        last_proof=status["last_proof"],
    )


async def begin(request: PageRequest, action: str, path: str) -> Response:
    """Begin a proof or a rebuild, and go to where its progress is told."""
    fields = await request.form()
    started, refusal = await sent(
        request.api.post(f"/{action}", _body(action, fields)), action, fields
    )
    if refusal:
        return await projections(request, refusal)
    return RedirectResponse(f"{path}/{started['id']}", SEE_OTHER)


async def progress(request: PageRequest, action: str) -> Response:
    """How far a proof or rebuild is, and in the end what it came to; asked again while it runs."""
    found = await request.api.get(f"/{action}/{part(request.path_params['id'])}")
    return request.page(f"{action}.html", task=found)


def _body(action: str, fields: dict[str, str]) -> dict[str, Any]:
    reason = fields.get("reason", "").strip()
    body: dict[str, Any] = {"reason": reason} if reason else {}
    if action == "rebuild":
        body["believe_log"] = "believe_log" in fields
        body["names"] = [name.removeprefix(CHOSEN) for name in fields if name.startswith(CHOSEN)]
    return body


PAGES: Final = {"verify": "/console/proofs", "rebuild": "/console/rebuilds"}
"""What can be done, as the API names it, and where it is looked at."""

routes = [
    view(LIST, projections),
    *(
        view(path, partial(begin, action=action, path=path), methods=("POST",))
        for action, path in PAGES.items()
    ),
    *(view(f"{path}/{{id}}", partial(progress, action=action)) for action, path in PAGES.items()),
]
