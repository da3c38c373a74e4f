"""Saved filters: those that the person who is signed in has of a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from console.session import Session
from ledger.saved_filters import SavedFilter, SavedFilters

PASSING: Final = frozenset({"cursor", "told"})
"""What an address says beside what is looked for."""


def query_of(asked: Mapping[str, str]) -> str:
    """What of an address is saved."""
    return urlencode({n: value for n, value in asked.items() if value and n not in PASSING})


async def saved_of(request: Request) -> list[SavedFilter]:
    """Those of the list that is looked at."""
    return await run_in_threadpool(store_of(request).of, owner_of(request), request.url.path)


def store_of(request: Request) -> SavedFilters:
    """Where they are kept."""
    return request.state.saved_filters


def owner_of(request: Request) -> str:
    """Whose they are: the token's that signed in."""
    session: Session = request.state.session
    return session.token_id
