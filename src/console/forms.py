"""Forms: what people write in them as the API takes it, and what it refused to show beside them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Generator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from console.api import Problem
from console.wording import in_words
from ledger.domain.money import parse_money, parse_prices
from ledger.errors import InvalidCommand

IN_PLACE: Final = (404, 409, 422)
"""Refusals that the person at the form can do something about, such as a name that is unknown."""

_BETWEEN: Final = re.compile(r"(?<=[A-Za-z])\s*,")
"""A comma behind a currency: between two prices, and none of an amount."""


class Refusal(NamedTuple):
    """A form, by the name of what it is for, that was refused with what was written in it."""

    action: str
    problem: Problem
    fields: dict[str, str]


async def answer_or_why(asked: Awaitable[Any]) -> tuple[Any, Problem | None]:
    """What the API answers; where a person can do something about a refusal, None and why not."""
    try:
        return await asked, None
    except Problem as problem:
        if problem.status not in IN_PLACE:
            raise
        return None, in_words(problem)


async def sent(
    asked: Awaitable[Any], action: str, fields: dict[str, str]
) -> tuple[Any, Refusal | None]:
    """What the API answers to a form; where it refused, None and what to show at the form."""
    answer, why = await answer_or_why(asked)
    return answer, Refusal(action, why, fields) if why else None


def number(text: str) -> int | str:
    """A whole number that a person wrote; anything else as it is, for the API to refuse."""
    digits = text.strip().removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 19 else text


def minor_units(text: str, currency: str) -> int:
    """An amount that a person wrote, `12.50` or `12,50`; raises `Problem` for what is none."""
    with _as_problem():
        return parse_money(f"{text.strip()} {currency}")[0]


def prices(text: str) -> dict[str, int]:
    """Minor units by currency of `12.50 GBP, 2000 JPY`; raises `Problem` for what is no price."""
    with _as_problem():
        return parse_prices(each for each in _BETWEEN.split(text) if each.strip())


@contextmanager
def _as_problem() -> Generator[None]:
    try:
        yield
    except InvalidCommand as error:
        raise Problem(422, {"title": "That is no amount.", "detail": str(error)}) from None
