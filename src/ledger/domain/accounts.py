"""Which account an id of Stripe's is of: `pi_1` is our own, `pi_1@acct_one` a connected account's.

Stripe's ids are unique within an account only (a coupon's is chosen by its maker), so an id
alone is no identity. Every id that a fact carries is qualified here, in one place, and so every
key, join and link of the read models is by account and id. An id is read from its end: what follows
the last `@` names the account. The shop's own words (order ids, references) have no account.
https://docs.stripe.com/connect/authentication
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Final, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import replace

StripeId = Annotated[str, "unique within its account"]
"""The type of a fact's field that holds an id of Stripe's."""

ACCOUNT_PATTERN: Final = r"acct_[A-Za-z0-9]{1,64}"

_QUALIFIED: Final = re.compile(rf"(.*)@({ACCOUNT_PATTERN})", re.DOTALL)
_ESCAPED: Final = re.compile(rf".*@{ACCOUNT_PATTERN}@*", re.DOTALL)

AnyStruct = TypeVar("AnyStruct", bound=Struct)
_Change = Callable[[Any, str | None], Any]


class Name(NamedTuple):
    """An id as its account knows it; `account` is None for our own."""

    bare: str
    account: str | None


def qualified_id(bare: str, account: str | None) -> str:
    """The id among those of all accounts.

    Our own stay as they are; one that looks as if it were another account's gets one `@` more, so
    that no two objects ever share a name.
    """
    if account is not None:
        return f"{bare}@{account}"
    return f"{bare}@" if _ESCAPED.fullmatch(bare) else bare


def name_of(qualified: str) -> Name:
    """What `qualified_id` was made of."""
    found = _QUALIFIED.fullmatch(qualified)
    if found:
        return Name(found[1], found[2])
    return Name(qualified[:-1] if _ESCAPED.fullmatch(qualified) else qualified, None)


def may_need_qualifying(account: str | None, body: bytes) -> bool:
    """Whether `qualified` could change a fact that was read from `body`; quick, for the many.

    JSON may escape any character of an id. One byte is looked for in a tenth of the time.
    """
    return (
        account is not None
        or (b"@" in body and b"@acct_" in body)
        or (b"\\" in body and b"\\u00" in body)
    )


def qualified(fact: AnyStruct, account: str | None) -> AnyStruct:
    """The same fact, each of its fields of the type `StripeId` qualified by the account.

    So are those in the structs within it.
    """
    changes = {
        name: change(value, account)
        for name, change in _changes(type(fact))
        if (value := getattr(fact, name)) is not None
    }
    return replace(fact, **changes)


@cache
def _changes(kind: type[Struct]) -> tuple[tuple[str, _Change], ...]:
    """How each field of a struct that holds ids is qualified."""
    hints = get_type_hints(kind, include_extras=True)
    found = ((name, _change(hints[name])) for name in kind.__struct_fields__)
    return tuple((name, change) for name, change in found if change is not None)


def _change(hint: Any) -> _Change | None:
    """How a value of a type is qualified, by its annotation; None if it holds no ids."""
    if hint == StripeId:
        return qualified_id
    if isinstance(hint, type) and issubclass(hint, Struct):
        return qualified if _changes(hint) else None
    inner = next(filter(None, map(_change, get_args(hint))), None)
    if inner is not None and get_origin(hint) is tuple:
        return lambda values, account: tuple(inner(value, account) for value in values)
    return inner
