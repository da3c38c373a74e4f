"""The console's routes: signing in and out, the files that pages load, and every page."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console import pages, render, session, static
from console.api import Api, Problem
from console.visit import SEE_OTHER, SIGN_IN

HOME: Final = "/console"


async def show_sign_in(request: Request) -> Response:
    """Ask for a token."""
    return _sign_in_page(request, request.query_params.get("next", HOME), None)


async def sign_in(request: Request) -> Response:
    """Begin a session with a token that opens something."""
    try:
        fields = await session.form_of(request)
    except session.Forged:
        return _sign_in_page(request, HOME, "This page was too old; try again.", 403)
    wanted, token = fields.get("next", HOME), fields.get("token", "").strip()
    try:
        me = await Api(request, None).whose(token)
    except Problem as problem:
        return _sign_in_page(request, wanted, problem.detail or problem.title, problem.status)
    response = RedirectResponse(_ours(wanted), SEE_OTHER)
    session.begin(request, response, me["actor"].removeprefix("token/"))
    return response


async def sign_out(request: Request) -> Response:
    """End the session of this browser."""
    try:
        await session.form_of(request)
    except session.Forged:
        return RedirectResponse(HOME, SEE_OTHER)
    response = RedirectResponse(SIGN_IN, SEE_OTHER)
    session.end(response)
    return response


def _sign_in_page(request: Request, wanted: str, wrong: str | None, status: int = 200) -> Response:
    return render.page(request, "sign_in.html", status, me=None, wanted=wanted, wrong=wrong)


def _ours(address: str) -> str:
    """A page of the console: nobody is sent elsewhere by a link to the sign-in page."""
    parts = urlsplit(address)
    is_ours = not (parts.scheme or parts.netloc) and parts.path.startswith(HOME)
    return address if is_ours and "\\" not in address else HOME


def _pages() -> Iterator[Route]:
    """Those of every module in `console.pages`, in the order of their names."""
    for module in pkgutil.iter_modules(pages.__path__):
        yield from importlib.import_module(f"console.pages.{module.name}").routes


routes = [
    Route("/console/static/{name}", static.serve),
    Route(SIGN_IN, show_sign_in),
    Route(SIGN_IN, sign_in, methods=["POST"]),
    Route("/console/sign-out", sign_out, methods=["POST"]),
    *_pages(),
]
