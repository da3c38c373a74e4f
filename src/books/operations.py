"""What the operations of the books share: who may call them, and what they refuse."""

from __future__ import annotations

from functools import partial
from typing import Final

from starlette.requests import Request

from api.commands import COMMAND
from api.operations import operation
from api.permissions import Permission
from ledger.errors import LedgerError, WrongState
from projections.queries.listing import check_texts
from projections.queries.schemas import READ

DECIDED: Final[tuple[type[LedgerError], ...]] = (*COMMAND, WrongState, *READ)

see = partial(operation, Permission.SEE_BOOKS, "books")
change = partial(operation, Permission.CLOSE_BOOKS, "books", idempotent=True)


def part(request: Request, name: str) -> str:
    """A name in the path; raises `InvalidRequest` for a text that none in the database can be."""
    value: str = request.path_params[name]
    check_texts([value])
    return value
