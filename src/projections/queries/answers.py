"""How far an answer goes, and why there is nothing in it: said everywhere in the same words.

"Not yet" and "never" look alike unless an answer says up to which position of the log it goes.
"""

from __future__ import annotations

from typing import Final

from ledger.domain.text import as_of
from ledger.errors import NotFound

AS_OF: Final = "as_of_position"
"""Under this name a document says up to which position of the log it goes."""

EMPTY: Final = "empty"
"""Under this name a list says why nothing is in it, and what would fill it."""


def not_there(noun: str, name: str, position: int) -> NotFound:
    """That there is nothing of this name in an answer that goes up to a position."""
    return NotFound(f"No {noun} {name[:100]!r} {as_of(position)}.")


FITTING: Final = "that fit what was asked for"


def why_empty(nouns: str, filled_by: str, position: int, *, narrowed: str = "") -> str:
    """Why a list is empty: nothing fits what was asked for, or nothing is there that could.

    `narrowed` says which ones were asked for, `filled_by` in whole sentences what would fill it.
    """
    if narrowed:
        return f"No {nouns} {narrowed}, {as_of(position)}."
    return f"No {nouns} yet, {as_of(position)}. {filled_by}".strip()
