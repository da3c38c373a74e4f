"""Let Beancount and hledger check many entries: `python -m tests.books --entries 100000`."""

import argparse
import sys
import time
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.console import Console

from benchmarks.server import running
from kpi.exports.formats import Format
from kpi.windows import Window
from ledger.log import Log
from tests.books.lives import some_money
from tests.books.over_ledger import LiveBooks, complaint, is_installed
from tests.kpi.builder import LedgerBuilder

CONSOLE: Final = Console(width=100, highlight=False, markup=False)
SPRING: Final = Window(date(2026, 2, 1), date(2026, 5, 31))
ENTRIES_OF_A_LIFE: Final = 4.8
COUNT: Final = (
    "select count(*) from (select from postings group by transaction_id, part) as entries"
)


def main() -> int:
    """Check a journal of so many entries; 1 where a program finds something wrong or is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    wrong = False
    with running() as server:
        database = server.database()
        with Log(database.conninfo("app")) as log, TemporaryDirectory() as folder:
            books = LiveBooks(LedgerBuilder(database, log).engine)
            books.take_all(some_money(asked.seed, lives=int(asked.entries / ENTRIES_OF_A_LIFE)))
            [(entries,)] = books.rows(COUNT)
            for chosen in (Format.BEANCOUNT, Format.HLEDGER):
                wrong |= not _stands(books, chosen, entries, Path(folder))
    return int(wrong)


def _stands(books: LiveBooks, chosen: Format, entries: int, folder: Path) -> bool:
    if not is_installed(chosen):
        CONSOLE.print(f"{chosen}: its program is not installed (apt-get install beancount hledger)")
        return False
    file = books.exported("journal", chosen, SPRING)
    started = time.perf_counter()
    found = complaint(chosen, file, folder)
    seconds = time.perf_counter() - started
    CONSOLE.print(
        f"{chosen}: {entries:,} entries, {len(file):,} bytes, {seconds:.1f} s: {found or 'right'}"
    )
    return found is None


if __name__ == "__main__":
    sys.exit(main())
