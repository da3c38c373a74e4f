"""Names of accounts: those of the books, and what a shop's own chart of accounts calls them."""

import re
from typing import Final, Literal, get_args

from msgspec import Struct

from ledger.domain.limits import check_text
from ledger.errors import InvalidCommand

Kind = Literal["assets", "liabilities", "equity", "income", "contra", "expenses"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
MAX_CODE: Final = 20
MAX_NAME: Final = 100
_ACCOUNT: Final = re.compile(
    r"(acct_[A-Za-z0-9]{1,64}:)?"
    rf"((?:{'|'.join(KINDS)}|suspense)(?::[A-Za-z0-9_@.-]{{1,100}}){{1,5}})"
)
"""The name of an account, after that of the connected account that it is of."""


class OwnName(Struct, frozen=True):
    """What a shop calls an account, and of which kind it is there; None: as the books have it."""

    code: str | None = None
    name: str | None = None
    kind: Kind | None = None

    def __bool__(self) -> bool:
        return any((self.code, self.name, self.kind))

    @property
    def label(self) -> str:
        """Such as `1576 Input tax`; empty where it has neither."""
        return " ".join(filter(None, (self.code, self.name)))


def check_account(account: str) -> str:
    """The name without the connected account before it; InvalidCommand for what is no account."""
    named = _ACCOUNT.fullmatch(account)
    if named is None:
        raise InvalidCommand(
            f"there can be no account {account[:200]!r}; `ledger books rules` and `ledger books"
            " accounts` name those that there are"
        )
    return named[2]


def check_own(own: OwnName) -> None:
    """Raise InvalidCommand for what no program takes as a code, a name or a kind."""
    check_text("code", own.code, MAX_CODE)
    check_text("name", own.name, MAX_NAME)
    for text in (own.code, own.name):
        if text is not None and (text != " ".join(text.split()) or ":" in text):
            raise InvalidCommand(
                f"{text!r} must have no colon, and no spaces but single ones within it"
            )
    if own.kind is not None and own.kind not in KINDS:
        raise InvalidCommand.of_field("kind", f"{own.kind!r} is none of {', '.join(KINDS)}")
