"""How a browser wants the pages: light or dark, its menu narrow or wide; cookies of no secret."""

from __future__ import annotations

from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

COOKIE: Final = "ledger_look"
PATH: Final = "/console"
YEAR_SECONDS: Final = 365 * 24 * 3600
THEMES: Final = ("light", "dark")
NARROW: Final = "narrow"


class Look(NamedTuple):
    """The theme that was chosen, None for the browser's own; and whether the menu is narrow."""

    theme: str | None = None
    is_narrow: bool = False


def of(request: Request) -> Look:
    """What this browser chose."""
    words = request.cookies.get(COOKIE, "").split(".")
    theme = next((word for word in words if word in THEMES), None)
    return Look(theme, NARROW in words)


def chosen(before: Look, fields: dict[str, str]) -> Look:
    """What it is after a form said `theme` or `menu`."""
    theme, menu = fields.get("theme"), fields.get("menu")
    return Look(
        before.theme if theme is None else theme if theme in THEMES else None,
        before.is_narrow if menu is None else menu == NARROW,
    )


def keep(request: Request, response: Response, look: Look) -> None:
    """Have the browser keep it."""
    words = [look.theme or "", NARROW if look.is_narrow else ""]
    response.set_cookie(
        COOKIE,
        ".".join(filter(None, words)),
        max_age=YEAR_SECONDS,
        path=PATH,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
