"""Refusals in the words of a page: amounts as its forms take them, fields by their labels."""

from __future__ import annotations

import re
from typing import Final

from console.api import Problem
from ledger.domain.money import format_money

LABELS: Final = {
    "amount_minor": "Amount",
    "change": "Change",
    "line_quantities": "Units that came back",
    "name": "Name",
    "order_id": "Order",
    "payment_id": "Payment",
    "prices": "Prices",
    "quantities": "Units that came back",
    "quantity": "Units",
    "reason": "Reason",
    "sku": "SKU",
}
"""What the forms call the fields of the API."""

_FIELD: Final = re.compile(r"\b(?:body\.|query\.)?(" + "|".join(LABELS) + r")(?=:? is\b|:|\.)")
_BOUNDS: Final = re.compile(
    r"(?P<name>\bamount_minor|\bthe price in [a-z]{3}) is (?P<is>-?\d+);"
    r" it must be from (?P<least>-?\d+) to (?P<most>-?\d+)"
)


def in_words(problem: Problem, currency: str | None = None) -> Problem:
    """The refusal as the page says it; `currency` is that of the amounts that it asked for."""
    detail = _BOUNDS.sub(lambda found: _bounds(found, currency), problem.detail)
    detail = _FIELD.sub(lambda found: LABELS[found[1]], detail)
    document = {"code": problem.code, "title": problem.title, "detail": detail}
    return Problem(problem.status, document)


def _bounds(found: re.Match[str], currency: str | None) -> str:
    name, given = found["name"], currency
    if name.startswith("the price in "):
        given = name.removeprefix("the price in ")
    if given is None:
        return found[0]
    amounts = [_money(int(found[each]), given) for each in ("is", "least", "most")]
    return "{} is {}; it must be from {} to {}".format(name, *amounts)


def _money(amount_minor: int, currency: str) -> str:
    amount, _, code = format_money(amount_minor, currency).partition(" ")
    return f"{amount} {code.upper()}"
