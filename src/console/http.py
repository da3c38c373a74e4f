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

from console import appearance, pages, render, session, static
from console.api import Api, Problem
from console.page import SEE_OTHER, SIGN_IN, broken_page, refusal_page
from console.wording import in_words

HOME: Final = "/console"
TOO_OLD: Final = Problem(403, {"title": "This page was too old; try again."})


__all__ = ["broken_page", "is_page", "refusal_page", "routes"]


def is_page(request: Request) -> bool:
    """Whether an address is one of the console's, and so for people."""
    return request.url.path == HOME or request.url.path.startswith(f"{HOME}/")


async def show_sign_in(request: Request) -> Response:
    """Ask for a token; takes back cookies that open nothing."""
    wanted = request.query_params.get("next", HOME)
    try:
        found = await session.find(request)
    except Problem as problem:
        return _sign_in_page(request, wanted, problem)
    page = _sign_in_page(request, wanted)
    if found is None:
        session.clear(request, page)
    return page


async def sign_in(request: Request) -> Response:
    """Begin a session with a token that opens something."""
    wanted = HOME
    try:
        await session.find(request)
        fields = await session.form_of(request)
        wanted, token = fields.get("next", HOME), fields.get("token", "").strip()
        me = await Api(request, None).whose(token)
        response = RedirectResponse(_ours(wanted), SEE_OTHER)
        await session.begin(request, response, me["actor"].removeprefix("token/"))
    except session.CsrfError:
        return _sign_in_page(request, wanted, TOO_OLD)
    except Problem as problem:
        return _sign_in_page(request, wanted, problem)
    return response


async def sign_out(request: Request) -> Response:
    """End the session of this browser, in every process."""
    response = RedirectResponse(SIGN_IN, SEE_OTHER)
    try:
        await session.find(request)
        await session.form_of(request)
        await session.end(request, response)
    except session.CsrfError:
        return RedirectResponse(HOME, SEE_OTHER)
    except Problem as problem:
        return _sign_in_page(request, HOME, problem)
    return response


def _sign_in_page(request: Request, wanted: str, problem: Problem | None = None) -> Response:
    told = problem and in_words(problem)
    wrong = told and (told.detail or told.title)
    status = problem.status if problem else 200
    return render.page(request, "sign_in.html", status, me=None, wanted=wanted, wrong=wrong)


async def appear(request: Request) -> Response:
    """Keep how this browser wants the pages, and go back to the one that was open."""
    try:
        await session.find(request)
        fields = await session.form_of(request)
    except session.CsrfError:
        return RedirectResponse(HOME, SEE_OTHER)
    except Problem as problem:
        return _sign_in_page(request, HOME, problem)
    response = RedirectResponse(_ours(fields.get("next", HOME)), SEE_OTHER)
    appearance.keep(request, response, appearance.chosen(appearance.of(request), fields))
    return response


def _ours(address: str) -> str:
    """A page of the console, so that no link to the sign-in page leads to another site."""
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
    Route("/console/appearance", appear, methods=["POST"]),
    *_pages(),
]
