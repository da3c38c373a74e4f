"""A visit: one request for a page by one who signed in, with the API at hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console import render, session
from console.api import Api, Problem
from console.notice import notice_of, with_notice
from console.wording import in_words
from ledger.settings import Settings

SIGN_IN: Final = "/console/sign-in"
SEE_OTHER: Final = 303


class PageRequest:
    """Who looks, at what, and what may be asked in his name."""

    def __init__(self, request: Request, api: Api, me: dict[str, Any]) -> None:
        self.request = request
        self.api = api
        self.me = me
        settings: Settings = request.state.settings
        self.zone = settings.ledger_time_zone.key

    @property
    def query(self) -> dict[str, str]:
        """What the address asks for."""
        return dict(self.request.query_params)

    def may(self, surface: str) -> bool:
        """Whether the role of who looks goes that far."""
        return surface in self.me["surfaces"]

    def page(self, template: str, status: int = 200, /, **context: Any) -> Response:
        """A page, which knows who looks and in which zone times are told."""
        shared = {
            "me": self.me,
            "may": self.may,
            "zone": self.zone,
            "told": notice_of(self.request),
        }
        return render.page(self.request, template, status, **shared | context)

    async def form(self) -> dict[str, str]:
        """The fields of the form that was sent; raises `session.CsrfError` where it is not ours."""
        return await session.form_of(self.request)


View = Callable[[PageRequest], Awaitable[Response]]


def view(path: str, show: View, *, methods: tuple[str, ...] = ("GET",)) -> Route:
    """A route of the console: asks to sign in first, and tells on a page what the API refused."""

    @wraps(show)
    async def handler(request: Request) -> Response:
        try:
            found = await session.find(request)
            api = Api(request, found and found.token_id)
            me = await api.get("/me")
        except Problem as problem:
            return _sign_in(request) if problem.status == 401 else _refused(request, None, problem)
        visit = PageRequest(request, api, me)
        try:
            return await show(visit)
        except Problem as problem:
            return _refused(request, visit, problem)
        except session.CsrfError:
            return render.page(request, "forged.html", 403, me=me, may=visit.may, told=None)

    return Route(path, handler, methods=list(methods))


def done(visit: PageRequest, path: str, told: str) -> Response:
    """Back to a page after something was done, which the page then tells."""
    return RedirectResponse(with_notice(visit.request, path, told), SEE_OTHER)


def _sign_in(request: Request) -> Response:
    """To the sign-in page, and back from there to a page that was only looked at."""
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = f"?{urlencode({'next': target})}" if request.method == "GET" else ""
    response = RedirectResponse(SIGN_IN + wanted, SEE_OTHER)
    if "hx-request" in request.headers:
        response.headers["hx-redirect"] = SIGN_IN + wanted
    return response


def _refused(request: Request, visit: PageRequest | None, problem: Problem) -> Response:
    me, may = (visit.me, visit.may) if visit else (None, _nothing)
    return render.page(
        request,
        "problem.html",
        problem.status,
        me=me,
        may=may,
        told=None,
        problem=in_words(problem),
    )


def _nothing(_surface: str) -> bool:
    """What one may do of whom nothing is known."""
    return False
