"""A signed-in person's request for a page, with the API at hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import wraps
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from api.permissions import Permission
from console import frame, render, session
from console.api import Api, Problem, new_key
from console.forms import Refusal
from console.notice import FIELD, notice_of, with_notice
from console.saved import saved_of
from console.wording import in_words
from ledger.saved_filters import SavedFilter
from ledger.settings import Settings

SIGN_IN: Final = "/console/sign-in"
SEE_OTHER: Final = 303
UNPROCESSABLE: Final = 422

AS_BEFORE: Final = "There was nothing to do: it stands as before."


class PageRequest:
    """Who looks, at what, and what may be asked in his name."""

    def __init__(self, request: Request, api: Api, me: dict[str, Any]) -> None:
        self.http = request
        self.api = api
        self.me = me
        settings: Settings = request.state.settings
        self.zone = settings.ledger_time_zone.key
        self.frame = frame.EMPTY
        self._saved: list[SavedFilter] | None = None

    @property
    def path_params(self) -> dict[str, Any]:
        """What the path of the address says."""
        return self.http.path_params

    @property
    def query(self) -> dict[str, str]:
        """What the address asks for."""
        return dict(self.http.query_params)

    def check_words(self, known: Iterable[str]) -> None:
        """Raise `Problem` where the address has a word that the page does not know, or one twice.

        The API refuses such addresses too: a misspelt filter would otherwise show everything, and
        of two values of a filter one would be passed over.
        """
        known = [*known]
        given = [name for name, _ in self.http.query_params.multi_items()]
        if twice := sorted({name for name in given if given.count(name) > 1}):
            title = f"This address says {', '.join(twice)} more than once."
            raise Problem(
                UNPROCESSABLE, {"title": title, "detail": "Say it once: it has one value."}
            )
        if unknown := sorted(self.query.keys() - {*known, FIELD}):
            there = f"It knows {', '.join(known)}." if known else "It knows none."
            many = "no words" if len(unknown) > 1 else "no word"
            title = f"This page knows {many} {', '.join(unknown)} in its address."
            raise Problem(UNPROCESSABLE, {"title": title, "detail": there})

    def may(self, permission: str) -> bool:
        """Whether the role of who looks goes that far; a word of its own, see `api.permissions`."""
        known = ", ".join(Permission)
        assert permission in set(Permission), (
            f"may: no permission {permission!r}; there are {known}"
        )
        return permission in self.me["surfaces"]

    def page(self, template: str, status: int = 200, /, **context: Any) -> Response:
        """A page, which knows who looks and in which zone times are told."""
        shared = {
            "me": self.me,
            "may": self.may,
            "zone": self.zone,
            "frame": self.frame,
            "told": notice_of(self.http),
        }
        return render.page(self.http, template, status, **shared | context)

    def form_page(
        self, template: str, refusal: Refusal | None, status: int = 200, /, **context: Any
    ) -> Response:
        """A page with a form: its `status`, or that of what was refused of the form, if it was."""
        shown = refusal.problem.status if refusal else status
        return self.page(template, shown, refusal=refusal, key=new_key(), **context)

    async def look_around(self) -> None:
        """Find out what the frame of the page shows."""
        state, role = self.http.app.state, f"{self.me['role']}"
        self.frame = await frame.frame_of(self.api, state, role, self.may)

    async def saved_filters(self) -> list[SavedFilter]:
        """Those that who looks saved of this page."""
        if self._saved is None:
            self._saved = await saved_of(self.http)
        return self._saved

    async def wait_for(self, position: int | None, path: str, **query: Any) -> None:
        """Wait until a read has what was done; it is done, also where it cannot be shown yet."""
        with suppress(Problem):
            await self.api.get(path, after=position, **query)

    async def form(self) -> dict[str, str]:
        """The fields of the form that was sent; raises `session.CsrfError` where it is not ours."""
        return await session.form_of(self.http)


View = Callable[[PageRequest], Awaitable[Response]]


def view(
    path: str,
    show: View,
    *,
    takes: Iterable[str] | None = (),
    methods: tuple[str, ...] = ("GET",),
) -> Route:
    """A route of the console: asks to sign in first, and tells on a page what the API refused.

    `takes` are the words that its address may have; None where the page checks them itself.
    """
    words = None if takes is None or "GET" not in methods else tuple(takes)

    @wraps(show)
    async def handler(request: Request) -> Response:
        try:
            page_request = await _page_request(request)
        except Problem as problem:
            return _sign_in(request) if problem.status == 401 else _refused(request, None, problem)
        try:
            if words is not None:
                page_request.check_words(words)
            if not render.is_part(request):
                await page_request.look_around()
            return await show(page_request)
        except Problem as problem:
            return _refused(request, page_request, problem)
        except session.CsrfError:
            return page_request.page("forged.html", 403)
        finally:
            if request.method != "GET":
                frame.forget(request.app.state)

    return Route(path, handler, methods=list(methods))


async def refusal_page(request: Request, status: int) -> Response:
    """The page for what no page of the console answers: an address, or a method of one."""
    try:
        page_request = await _page_request(request)
        await page_request.look_around()
    except Problem:
        page_request = None
    return _refused(request, page_request, Problem(status, {"title": _TITLES.get(status, "")}))


def broken_page(request: Request, status: int, told: str) -> Response:
    """The page for what went wrong in the service itself; it asks the API for nothing."""
    return _refused(request, None, Problem(status, {"title": told}))


_TITLES: Final = {
    405: "Nothing is shown at this address: it takes what a form sends. Go to the page of the form."
}


async def _page_request(request: Request) -> PageRequest:
    """Who asks for the page; raises `Problem`, 401 without a sign-in."""
    found = await session.find(request)
    api = Api(request, found and found.token_id)
    return PageRequest(request, api, await api.get("/me"))


def told_of(answer: dict[str, Any], done: str) -> str:
    """What is said of a command that was obeyed: where it recorded nothing, that it did not."""
    return AS_BEFORE if answer["recorded"] == [] else done


def done(page_request: PageRequest, path: str, told: str) -> Response:
    """Back to a page after something was done, which the page then tells."""
    return RedirectResponse(with_notice(page_request.http, path, told), SEE_OTHER)


def _sign_in(request: Request) -> Response:
    """To the sign-in page, and back from there to a page that was only looked at."""
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = f"?{urlencode({'next': target})}" if request.method == "GET" else ""
    response = RedirectResponse(SIGN_IN + wanted, SEE_OTHER)
    if "hx-request" in request.headers:
        response.headers["hx-redirect"] = SIGN_IN + wanted
    return response


def _refused(request: Request, page_request: PageRequest | None, problem: Problem) -> Response:
    told = in_words(problem)
    if page_request is None:
        return render.page(request, "problem.html", problem.status, me=None, problem=told)
    return page_request.page("problem.html", problem.status, problem=told)
