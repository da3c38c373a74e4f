"""Refusals in the words of a page: its fields by their labels, amounts as it writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from console.api import Problem
from console.glossary import label
from console.writing import count, money

LABELS: Final = {
    "actor": "By",
    "amount_minor": "Amount",
    "currency": "Currency",
    "dispute_state": "Dispute",
    "line_quantities": "Units that came back",
    "order_id": "Order",
    "payment_id": "Payment",
    "payment_state": "Payment",
    "period": "Month",
    "q": "Search",
    "quantities": "Units that came back",
    "quantity": "Units",
    "recorded_after": "Recorded since",
    "recorded_before": "Recorded before",
    "reference": "Of",
    "refund_state": "Refund",
    "sku": "SKU",
    "text": "Any text",
    "unallocated": "Paid, out of stock",
    "window": "Days up to today",
}
"""What the forms call the fields of the API where their names do not say it."""

TOO_SHORT: Final = {"missing", "string_too_short", "too_short"}
TOO_LONG: Final = {"string_too_long", "too_long"}
NO_NUMBER: Final = {"int_type", "int_parsing", "int_from_float"}
OUT_OF_RANGE: Final = {"out_of_range", "greater_than_equal", "less_than_equal"}

Wrong = Mapping[str, Any]
"""What is wrong with one field, as a problem document says it (`FieldProblem`)."""


def in_words(problem: Problem, currency: str | None = None) -> Problem:
    """The refusal as the page says it; `currency` is that of the amounts that it asked for.

    Where no field is to blame, the API's own sentence is one for people.
    """
    if not problem.errors:
        return problem
    detail = " ".join(_sentence(each, currency) for each in problem.errors)
    document = {"code": problem.code, "title": "This is not valid.", "detail": detail}
    return Problem(problem.status, document)


def _sentence(wrong: Wrong, currency: str | None) -> str:
    label, code, value = label_of(wrong["field"]), wrong["code"], wrong.get("value")
    if code in OUT_OF_RANGE:
        unit = wrong.get("currency") or (currency if wrong["field"].endswith("_minor") else None)
        said = f" is {_number(value, unit)}; it" if value is not None else ":"
        return f"{label}{said} must be {_bounds(wrong, unit)}."
    if code in TOO_SHORT:
        return f"{label}: it is needed."
    if code in TOO_LONG:
        return f"{label}: it must have at most {count(wrong['most'])} characters."
    if code in NO_NUMBER:
        return f"{label}: write a whole number."
    return f"{label}: {wrong['detail'].rstrip('.')}."


def _bounds(wrong: Wrong, currency: str | None) -> str:
    least, most = wrong.get("least"), wrong.get("most")
    if least is not None and least == most:
        return _number(least, currency)
    if least is None:
        return f"at most {_number(most, currency)}"
    if most is None:
        return f"at least {_number(least, currency)}"
    return f"from {_number(least, currency)} to {_number(most, currency)}"


def _number(value: int | None, currency: str | None) -> str:
    return money(value, currency) if currency else count(value)


def label_of(field: str) -> str:
    """What the page calls a field of the API, by its path; a price says its currency."""
    name, _, rest = field.partition(".")
    if name == "prices" and rest:
        return f"Price in {rest.upper()}"
    last = field.rpartition(".")[2]
    if known := LABELS.get(name) or LABELS.get(last):
        return known
    if name.endswith("_after"):
        return "From"
    if name.endswith("_before"):
        return "To"
    return label(last if name == "lines" else name)
