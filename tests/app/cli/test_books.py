"""books: what an accountant reads and decides in the terminal."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ledger.log import Log
from ledger.postgres.database import Database
from tests.app.cli.conftest import Run
from tests.books.ledger import Account, on, quiet_shop

RunJson = Callable[..., Any]


@pytest.fixture
def account(database: Database) -> Iterator[Account]:
    with Log(database.conninfo("app")) as log:
        yield Account(database, log)


@pytest.fixture
def quiet(account: Account) -> Account:
    quiet_shop(account)
    return account


def test_a_trial_balance_is_80_columns_wide_and_foots(run: Run, quiet: Account) -> None:
    shown = run("books", "trial", "--period", "2024-09", "--currency", "eur").stdout
    print(shown)
    print(run("books", "trial", "--period", "2024-08").stdout)
    print(run("books", "accounts").stdout)
    print(run("books", "account", "assets:stripe:payments:pending", "--period", "2024-09").stdout)
    print(run("books", "explain", "txn_3").stdout)
    print(run("books", "rules").stdout)
    print(run("books", "periods").stdout)
    print(run("books", "ready", "2024-09").stdout)
    print(run("books", "close", "2024-09", "--reason", "x").stdout)
    print(run("books", "periods").stdout)
    print(run("books", "ready", "2024-09", code=1).stdout)
    print(run("books", "trial", "--period", "2024-09").stdout)
    print(run("books", "trial", "--period", "2024-10","--currency","eur", "--as-of", "4").stdout)
    raise SystemError
