"""Rows as HTTP shows them: columns with types and meanings, from which the API's document is made.

A read model's listing names the row that it shows, and so do its parts and pages. What a column is
called, may be and means is said there once; a column that stands in no row is not shown.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import NoneType
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import TypeAliasType

from ledger.domain.facts import UNKNOWN, State
from ledger.domain.limits import CURRENCY_PATTERN

Currency = Annotated[str, Field(pattern=CURRENCY_PATTERN)]
"""Three lower-case letters, as Stripe writes them."""


class Row(BaseModel):
    """The columns of a row, by name; the line of text below one is what the document says of it.

    One that may be null says so. Amounts are integers in minor units, times are aware and in UTC.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, defer_build=True
    )


class Part(NamedTuple):
    """Rows that belong to one row: what they show, and the query that finds them.

    `key` are the columns that tell one from another; the first one, where none is named.
    """

    row: type[Row]
    query: str
    key: tuple[str, ...] = ()

    def key_of(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """What one of its rows goes by."""
        return tuple(row[column] for column in self.key or [*self.row.model_fields][:1])


@dataclass(frozen=True)
class Words:
    """The words that a text is known to be; it may be another one where they are not ours to say.

    What Stripe has called something is kept as it is, so that a new word of its hides nothing.
    A type alias gives them a name of their own in the document.
    """

    known: tuple[str, ...]

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """An open enumeration: one of the words, or any other."""
        return {"anyOf": [{"type": "string", "enum": list(self.known)}, {"type": "string"}]}


class FewWords:
    """Marks a text of few words that others choose: those that there are, are those of the rows."""


Few = Annotated[str, FewWords()]

Account = Annotated[
    Few | None,
    Field(
        description="The connected account that it belongs to; null for Stripe's own of the shop."
    ),
]
StateKnown = Annotated[
    bool,
    Field(
        description="Whether this version knows what the state means: it may be a new word of"
        " Stripe's."
    ),
]


def states(kind: type[State], also: Iterable[str] = ()) -> Words:
    """The states of objects of Stripe's, in the order of their lives."""
    in_order = sorted(kind, key=lambda state: state.rank)
    words = [state.word for state in in_order if state.word != UNKNOWN]
    return Words(tuple(dict.fromkeys([*also, *words])))


_TYPES: Final[Mapping[str, Any]] = {
    "text": str,
    "bigint": int,
    "boolean": bool,
    "timestamptz": datetime,
    "date": date,
    "jsonb": Any,
}
_SQL: Final[Mapping[Any, str]] = {
    str: "text",
    int: "bigint",
    bool: "boolean",
    datetime: "timestamptz",
    date: "date",
}


def inferred(name: str, columns: Mapping[str, str], never_null: Iterable[str]) -> type[Row]:
    """The row of a table that says only the types of its columns."""
    given = set(never_null)
    fields: dict[str, Any] = {
        column: (_TYPES[kind] if column in given else _TYPES[kind] | None, ...)
        for column, kind in columns.items()
    }
    return create_model(camel(name), __base__=Row, __doc__=f"One of {name}.", **fields)


def with_parts(row: type[Row], parts: Mapping[str, Part]) -> type[Row]:
    """A row with the rows that belong to it, by name."""
    if not parts:
        return row
    fields: dict[str, Any] = {name: (list[part.row], ...) for name, part in parts.items()}
    about = f"{inspect.getdoc(row)}\n\nWith what belongs to it: {', '.join(parts)}."
    return create_model(f"{row.__name__}Details", __base__=row, __doc__=about, **fields)


def camel(name: str) -> str:
    """A name of several words as that of a class."""
    return "".join(word.capitalize() for word in name.split("_"))


# ── What the columns of a row are ───────────────────────────────────────────────────────────────


def may_be_null(row: type[Row], column: str) -> bool:
    """Whether a row may have nothing in this column."""
    return NoneType in get_args(row.model_fields[column].annotation)


def value_of(row: type[Row], column: str) -> Any:
    """What a value of a column is where there is one, with all that its type says."""
    field = row.model_fields[column]
    arms = [arm for arm in get_args(field.annotation) if arm is not NoneType]
    kind = arms[0] if may_be_null(row, column) and len(arms) == 1 else field.annotation
    return Annotated[kind, *field.metadata] if field.metadata else kind


def words_of(row: type[Row], column: str) -> tuple[str, ...]:
    """The words that a column's text is known to be, if it is no free text."""
    kind, words = value_of(row, column), ()
    while not words and (inner := _within(kind)) is not None:
        words = next((each.known for each in get_args(kind)[1:] if isinstance(each, Words)), ())
        kind = inner
    return words or (get_args(kind) if get_origin(kind) is Literal else ())


def has_few(row: type[Row], column: str) -> bool:
    """Whether a column's text is one of a few words, which only its rows know."""
    metadata = get_args(value_of(row, column))[1:]
    return any(isinstance(each, FewWords) for each in metadata)


def _within(kind: Any) -> Any:
    """What an alias or an annotated type is of; None for a plain one."""
    if isinstance(kind, TypeAliasType):
        return kind.__value__
    return get_args(kind)[0] if get_origin(kind) is Annotated else None


def sql_type(row: type[Row], column: str) -> str:
    """The type of a column in the database; what is no plain value is JSON there."""
    return _SQL.get(_plain(value_of(row, column)), "jsonb")


def times(row: type[Row]) -> list[str]:
    """The columns that hold a time."""
    return [name for name in row.model_fields if sql_type(row, name) == "timestamptz"]


def is_free(row: type[Row], column: str) -> bool:
    """Whether a column holds any text, no word of several."""
    return _plain(value_of(row, column)) is str and not _named(value_of(row, column))


def _plain(kind: Any) -> Any:
    """The type of a value without what else is said of it."""
    if isinstance(kind, TypeAliasType):
        return _plain(kind.__value__)
    if get_origin(kind) is Annotated:
        return _plain(get_args(kind)[0])
    return str if get_origin(kind) is Literal else kind


def _named(kind: Any) -> bool:
    return isinstance(kind, TypeAliasType) or get_origin(kind) is Literal
