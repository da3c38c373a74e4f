"""Classifications: what a person books a balance transaction against, which no rule knows."""

import re
from typing import ClassVar, Final

from msgspec import Struct

from ledger.domain.aggregate import Aggregate, Command
from ledger.domain.events import TransactionClassified
from ledger.domain.limits import check_payment_id
from ledger.domain.posting_rules import AT_STRIPE
from ledger.errors import InvalidCommand

ACCOUNT: Final = re.compile(
    r"(assets|liabilities|equity|income|contra|expenses)(:[a-z0-9_]{1,40}){1,5}"
)
"""The name of an account: its kind, then one to five parts."""


class ClassifyTransaction(Command, frozen=True, kw_only=True):
    """Book what of a transaction stands in suspense against an account."""

    NEEDS_REASON: ClassVar = True

    transaction_id: str
    against: str


class Classification(Struct, frozen=True):
    """The account, if a person named one."""

    against: str | None = None


def decide(command: ClassifyTransaction, known: Classification) -> list[TransactionClassified]:
    """The account that was named last counts; the same again is nothing."""
    if command.against == known.against:
        return []
    return [TransactionClassified(transaction_id=command.transaction_id, against=command.against)]


def check(command: ClassifyTransaction) -> None:
    """Raise InvalidCommand for what no transaction and no account is called."""
    check_payment_id(command.transaction_id)
    check_against(command.against)


def check_against(account: str) -> None:
    """Raise InvalidCommand for what no account is called, or what no person books against."""
    if not ACCOUNT.fullmatch(account):
        raise InvalidCommand(
            f"there can be no account {account[:200]!r}; write one such as `expenses:misc`: "
            "assets, liabilities, equity, income, contra or expenses, then names of small letters, "
            "digits and _ behind colons"
        )
    if account.startswith(AT_STRIPE):
        raise InvalidCommand(
            f"Only what Stripe says moves {account}; name an account that says what the"
            " money was for, such as `expenses:misc`."
        )


AGGREGATE = Aggregate(
    initial=Classification(),
    events=TransactionClassified,
    evolve=lambda _known, event: Classification(event.against),
    stream_id=lambda event: event.transaction_id,
    commands=ClassifyTransaction,
    key="transaction_id",
    decide=lambda command, known, _: decide(command, known),
    check=check,
)
