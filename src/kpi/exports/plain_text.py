"""Plain text accounting: books as files of Beancount and hledger, which check them by themselves.

A file declares its currencies and accounts, opens with balances, has one entry for each part of a
transaction, and ends with what each account must come to: `bean-check` and `hledger check --strict`
find any posting that is missing. https://plaintextaccounting.org
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple
from unicodedata import combining, normalize

from kpi.exports.declare import Row
from ledger.domain.money import decimals, format_money
from ledger.domain.posting_rules import PARTS

NOTE, CURRENCY, ACCOUNT, POSTING, CLOSING = "note", "currency", "account", "posting", "closing"


class Line(NamedTuple):
    """A row of such a file; those of an entry follow one another, what is declared comes first.

    A `note` is its `entry`, and says with its `day` when the file begins; a `closing` is what an
    account comes to at the end of a day. Amounts above zero are debits.
    """

    kind: str
    day: date
    entry: str = ""
    account: str = ""
    minor: int = 0
    currency: str = ""
    transaction_id: str | None = None
    category: str | None = None
    part: str | None = None
    order_id: str | None = None


class PlainText(ABC):
    """Writes `Line`s; what the two programs' files have in common."""

    block_rows = 5_000

    def __init__(self) -> None:
        self._entry = ""
        self._names: dict[str, str] = {}
        self._first = date.min

    @abstractmethod
    def head(self) -> bytes:
        """What such a file begins with."""

    def block(self, rows: Sequence[Row]) -> bytes:
        """A line or two each; a posting that begins an entry has more before it."""
        return "".join(self._written(rows)).encode()

    def tail(self) -> bytes:
        """Nothing."""
        return b""

    def _written(self, rows: Sequence[Row]) -> Iterator[str]:
        names = self._names
        for kind, day, entry, account, minor, currency, *told in rows:
            if kind == POSTING:
                if entry != self._entry:
                    self._entry = entry
                    yield self._begun(day, entry, told)
                yield f"  {names[account]}  {format_money(minor, currency)}\n"
            elif kind == ACCOUNT:
                names[account] = self._free_name(account)
                yield self._opened(account, names[account])
            elif kind == CURRENCY:
                yield self._declared(currency)
            elif kind == CLOSING:
                yield self._asserted(day, names[account], minor, currency)
            else:
                self._first = day
                yield f"; {_one_line(entry)}\n"

    def _free_name(self, account: str) -> str:
        """A name that no other account has: characters that a program refuses are replaced."""
        name = self._named(account)
        while name in self._names.values():
            name += "-2"
        return name

    @abstractmethod
    def _named(self, account: str) -> str: ...

    @abstractmethod
    def _declared(self, currency: str) -> str: ...

    @abstractmethod
    def _opened(self, account: str, name: str) -> str: ...

    @abstractmethod
    def _begun(self, day: date, entry: str, told: Sequence[str | None]) -> str: ...

    @abstractmethod
    def _asserted(self, day: date, name: str, minor: int, currency: str) -> str: ...


class Beancount(PlainText):
    """https://beancount.github.io/docs/beancount_language_syntax.html: amounts are exact."""

    ROOTS: Final = {
        "assets": "Assets",
        "liabilities": "Liabilities",
        "equity": "Equity",
        "income": "Income",
        "contra": "Income:Contra",
        "expenses": "Expenses",
        "suspense": "Assets:Suspense",
    }

    def __init__(self) -> None:
        super().__init__()
        self._closings: dict[tuple[str, str], int] = {}
        self._last = date.min

    def tail(self) -> bytes:
        """What accounts come to, each with those below its name: so Beancount adds them up."""
        lines: list[str] = []
        for name, currency in self._closings:
            minor = sum(
                below
                for (other, code), below in self._closings.items()
                if code == currency and f"{other}:".startswith(f"{name}:")
            )
            amount, _, code = format_money(minor, currency).partition(" ")
            day = self._last + timedelta(days=1)
            lines.append(f"{day} balance {name}  {amount} ~ 0 {code}\n")
        return "".join(lines).encode()

    def head(self) -> bytes:
        """Without this option it takes up to half of a last digit for nothing."""
        return b'option "inferred_tolerance_multiplier" "0"\n'

    def _named(self, account: str) -> str:
        connected, root, parts = _parts(_plain(account))
        own = [part[:1].upper() + re.sub(r"[^A-Za-z0-9]", "-", part[1:]) for part in parts]
        fitting = [part if re.match(r"[A-Z0-9]", part) else f"X{part}" for part in own]
        return ":".join([self.ROOTS[root], *([f"Acct-{connected}"] if connected else []), *fitting])

    def _declared(self, currency: str) -> str:
        return f"{self._first} commodity {currency.upper()}\n"

    def _opened(self, account: str, name: str) -> str:
        return f"{self._first} open {name}\n  account: {_quoted(account)}\n"

    def _begun(self, day: date, entry: str, told: Sequence[str | None]) -> str:
        lines = [
            f"  {name}: {_quoted(text)}\n" for name, text in zip(_TOLD, told, strict=True) if text
        ]
        return f"\n{day} * {_quoted(_title(entry, told))}\n" + "".join(lines)

    def _asserted(self, day: date, name: str, minor: int, currency: str) -> str:
        self._last = day
        self._closings[name, currency] = minor
        return ""


class Hledger(PlainText):
    """https://hledger.org/hledger.html: the accounts' own names, with their types."""

    TYPES: Final = {
        "assets": "A",
        "liabilities": "L",
        "equity": "E",
        "income": "R",
        "contra": "R",
        "expenses": "X",
        "suspense": "A",
    }

    def head(self) -> bytes:
        """A point is never a thousands separator."""
        return b"decimal-mark .\n"

    def _named(self, account: str) -> str:
        return re.sub(r"[^A-Za-z0-9_:@.-]", "_", _plain(account))

    def _declared(self, currency: str) -> str:
        return f"commodity 1000.{'0' * decimals(currency)} {currency.upper()}\n"

    def _opened(self, account: str, name: str) -> str:
        return f"account {name}  ; type:{self.TYPES[_parts(account)[1]]}\n"

    def _begun(self, day: date, entry: str, told: Sequence[str | None]) -> str:
        lines = [
            f"  ; {name}:{_one_line(text).replace(',', ' ')}\n"
            for name, text in zip(_TOLD, told, strict=True)
            if text
        ]
        return f"\n{day} * {_title(entry, told)}\n" + "".join(lines)

    def _asserted(self, day: date, name: str, minor: int, currency: str) -> str:
        """An entry of its own, as hledger asserts in postings only."""
        begun = self._begun(day, _CLOSING, (None,) * len(_TOLD)) if self._entry != _CLOSING else ""
        self._entry = _CLOSING
        amount = format_money(minor, currency)
        return f"{begun}  {name}  {format_money(0, currency)} = {amount}\n"


_CLOSING: Final = "Closing balances"
_TOLD: Final = ("transaction", "category", "part", "order")
"""What a row tells of an entry, after its amount."""


def _parts(account: str) -> tuple[str | None, str, list[str]]:
    """The connected account, if it is one's, the kind of account, and the names within it."""
    first, *names = account.split(":")
    if first.startswith("acct_"):
        return first.removeprefix("acct_"), names[0], names[1:]
    return None, first, names


def _plain(account: str) -> str:
    """The name with letters that have no accents: not every program takes those."""
    apart = normalize("NFKD", account.replace("ß", "ss"))
    return "".join(each for each in apart if not combining(each))


def _title(entry: str, told: Sequence[str | None]) -> str:
    """What happened: an entry's own name, or what kind of transaction became what."""
    _, category, part, _ = told
    title = entry if part is None else f"{category or 'category not told'}: {PARTS[part]}"
    return _one_line(title).replace(";", ",").replace("|", "/")


def _one_line(text: str) -> str:
    """A text of one line: what is not printable is a blank."""
    return "".join(each if each.isprintable() else " " for each in text)


def _quoted(text: str) -> str:
    return '"' + _one_line(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
