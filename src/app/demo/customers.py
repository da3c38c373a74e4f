"""The demo shop's customers: sixty who come again, some of them often; guests; and prospects."""

from random import Random
from typing import Final

from msgspec import Struct

from app.demo.shop import PEOPLE, customer_id_of, email_of

_FIRST: Final = (  # noqa: SIM905 - names read better without quotes
    "Aiko Amara Andrei Anya Arif Beatriz Bilal Bruno Carmen Cedric Clara Daan Deniz Edda Elif"
    " Erik Fatou Felix Freya Goran Greta Hana Henrik Idris Ilse Imran Jana Joao Kaja Kofi Lars"
    " Leila Lucia Mads Marek Maya Milan Nadia Nils Nora Omar Paola Pavel Quentin Rosa Samir"
    " Tariq Tove Uma Yusuf"
).split()
_LAST: Final = (  # noqa: SIM905 - as above
    "Adeyemi Bauer Castro Dubois Eriksen Fischer Ganesan Haddad Ivanov Jansen Kaplan Larsen"
    " Moreau Novak Osei Park Quinn Rossi Sandoval Tanaka Usman Vargas Wong"
).split()


_PROSPECTS: Final = 45


class Person(Struct, frozen=True):
    """A buyer; `customer_id` is None for a guest."""

    name: str
    email: str
    customer_id: str | None


def _customer(name: str) -> Person:
    return Person(name, email_of(name), customer_id_of(name))


def _name(number: int) -> str:
    """Different for each number: the counts of first and last names have no common factor."""
    return f"{_FIRST[number % len(_FIRST)]} {_LAST[number % len(_LAST)]}"


CUSTOMERS: Final = tuple(map(_customer, (*PEOPLE, *map(_name, range(len(_FIRST))))))
_LOYALTY: Final = tuple(300 // (rank + 6) for rank in range(len(CUSTOMERS)))
"""How often a customer comes: the first of them about ten times as often as the last."""


def customer(random: Random) -> Person:
    """Which of the customers comes next."""
    return random.choices(CUSTOMERS, _LOYALTY)[0]


def guest(number: int) -> Person:
    """A guest, who comes once and leaves an address only."""
    name = _name(len(_FIRST) + number)
    return Person(name, f"{_words(name)}@example.com", None)


def prospect(random: Random) -> Person:
    """A prospect, who has an account and buys nothing."""
    name = _name(len(_FIRST) * (len(_LAST) - 1) + random.randrange(_PROSPECTS))
    return Person(name, f"{_words(name)}@example.com", _words(name))


def _words(name: str) -> str:
    return name.replace(" ", ".").lower()
