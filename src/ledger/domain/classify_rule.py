"""Rules by which transactions in suspense are classified, several at once."""

import re
from typing import Final

from msgspec import Struct

from ledger.domain.limits import check_currency, check_text
from ledger.errors import FieldError, InvalidCommand

MAX_WORD: Final = 100
MAX_PATTERN: Final = 200
ANY: Final = "*"
"""Stands for any characters in a pattern, and for none."""


class ClassifyRule(Struct, frozen=True, kw_only=True):
    """Which transactions are meant: those of a kind, a description, a currency; None: of any.

    `kind` is Stripe's category, or the type where it told none. A pattern is text in which `*`
    stands for anything; it must fit all of the description, in capitals or not.
    """

    kind: str | None = None
    description: str | None = None
    currency: str | None = None

    def __str__(self) -> str:
        said = {"kind": self.kind, "description": self.description, "currency": self.currency}
        return ", ".join(f"{name} {value}" for name, value in said.items() if value is not None)

    def fits(self, kind: str, description: str | None, currency: str) -> bool:
        """Whether a transaction is one of those that are meant."""
        return (
            self.kind in (None, kind)
            and self.currency in (None, currency)
            and (self.description is None or _fits(self.description, description))
        )


def check_rule(rule: ClassifyRule) -> None:
    """Raise InvalidCommand for a rule by which nothing is classified: it says nothing, or wrong."""
    if rule == ClassifyRule():
        must = "say a kind, a description or a currency: which transactions are meant"
        raise InvalidCommand(must, FieldError("kind", "missing", must))
    check_words(rule)


def check_words(rule: ClassifyRule) -> None:
    """Raise InvalidCommand for a rule that says what no transaction has."""
    check_text("kind", rule.kind, MAX_WORD)
    check_text("description", rule.description, MAX_PATTERN)
    if rule.currency is not None:
        check_currency(rule.currency)


def _fits(pattern: str, text: str | None) -> bool:
    parts = map(re.escape, pattern.split(ANY))
    return re.fullmatch(".*".join(parts), text or "", re.IGNORECASE | re.DOTALL) is not None
