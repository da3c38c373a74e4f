"""Exports of the books: any months, closed or open, add up and stand their own programs' checks."""

import csv
import io
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import settings

from kpi.exports.formats import Format
from kpi.exports.plain_text import ACCOUNT, POSTING, Beancount, Hledger, Line
from kpi.windows import Window
from ledger.domain.account_names import OwnName
from ledger.domain.balance_facts import TransactionFact, TransactionFee
from ledger.domain.period import month
from ledger.errors import InvalidRequest, InvalidWindow
from tests.books.desk import Desk
from tests.books.lives import some_money
from tests.books.over_ledger import LiveBooks, books_on, complaint, is_installed
from tests.projections.models import at
from tests.support.servers import Server

SEEDS = range(max(4, settings().max_examples // 10))
ENTRIES = 4_000
PLAIN_TEXT = (Format.BEANCOUNT, Format.HLEDGER)
MARCH = Window(date(2026, 3, 1), date(2026, 3, 31))
OURS = ("income:sales", "expenses:stripe:tax_on_fees", "contra:refunds", "income:shipping")
THEIRS = (
    OwnName("1576", "Abziehbare Vorsteuer 19 %", "assets"),
    OwnName("4400", "Erlöse", "income"),
    OwnName("4400", "Erlöse", "income"),
    OwnName(None, "Fees; of Stripe | é", None),
    OwnName("8400", None, None),
    OwnName(None, None, "liabilities"),
    OwnName(),
)
"""Some are the same: then two of our accounts are one of the shop's."""
Balances = dict[tuple[str, str], Decimal]


@pytest.fixture(scope="module")
def made(servers: Callable[[str], Server]) -> Iterator[LiveBooks]:
    with books_on(servers("embedded")) as books:
        yield books


@pytest.fixture
def books(made: LiveBooks) -> LiveBooks:
    made.forget()
    return made


@pytest.fixture
def program_of() -> Callable[[Format], None]:
    """Skips the test where a format's program is missing, unless it is CI that runs it."""

    def needed(chosen: Format) -> None:
        if not is_installed(chosen):
            assert "CI" not in os.environ, f"install the program that checks {chosen}"
            pytest.skip(f"the program that checks {chosen} is not installed (apt-get install it)")

    return needed


def rows(books: LiveBooks, name: str, window: Window, **filters: str) -> list[dict[str, str]]:
    file = books.exported(name, Format.CSV, window, **filters).decode()
    return list(csv.DictReader(io.StringIO(file, newline="")))


def some_months(random: Random) -> Window:
    first = month(f"2026-0{random.randrange(2, 5)}")
    last = random.choice((first, first, first.following))
    return Window(first.first, last.following.first - timedelta(days=1))


def closed_at_times(books: LiveBooks, random: Random, lives: int = 25) -> None:
    """Months of money, heard of in any order, while months are closed and reopened."""
    desk = Desk(books)
    told = some_money(random.randrange(10_000), lives=lives)
    told = random.sample(told, len(told))
    parts = [told[n::4] for n in range(4)]
    for part in parts:
        books.take_all(part)
        closed = desk.periods.closed
        open_month = str(month(closed[-1]).following) if closed else "2026-02"
        for _ in range(random.randrange(3)):
            desk.map(random.choice(OURS), open_month, random.choice(THEIRS))
        if closed and not random.randrange(4):
            desk.reopen(closed[-1])
        elif random.randrange(4) and (not closed or closed[-1] < "2026-04"):
            desk.close(str(month(closed[-1]).following) if closed else "2026-02")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_journal_leads_from_opening_to_closing_whatever_was_closed(
    books: LiveBooks, seed: int
) -> None:
    random = Random(seed)
    closed_at_times(books, random)
    for _ in range(3):
        window = some_months(random)
        trial = rows(books, "trial_balance", window)
        first, last = trial[0]["Period"] if trial else "", f"{window.last:%Y-%m}"
        sums: Balances = defaultdict(Decimal)
        entries: Balances = defaultdict(Decimal)
        for row in trial:
            if row["Period"] == f"{window.first:%Y-%m}":
                sums[row["Account"], row["Currency"]] += Decimal(row["Opening"])
        for row in rows(books, "journal", window):
            moved = Decimal(row["Debit"]) - Decimal(row["Credit"])
            sums[row["Account"], row["Currency"]] += moved
            entries[row["EntryID"], row["Currency"]] += moved
            assert window.first.isoformat() <= row["Day"] <= window.last.isoformat()
        closing = {
            (row["Account"], row["Currency"]): Decimal(row["Closing"])
            for row in trial
            if row["Period"] == last
        }
        assert {key: sum_ for key, sum_ in sums.items() if sum_} == {
            key: sum_ for key, sum_ in closing.items() if sum_
        }, (first, last)
        assert not any(entries.values())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("chosen", PLAIN_TEXT)
def test_other_programs_find_nothing_wrong_with_any_months(
    books: LiveBooks,
    program_of: Callable[[Format], None],
    tmp_path: Path,
    chosen: Format,
    seed: int,
) -> None:
    program_of(chosen)
    random = Random(seed)
    closed_at_times(books, random)
    for name in ("journal", "trial_balance"):
        window = some_months(random)
        assert complaint(chosen, books.exported(name, chosen, window), tmp_path) is None
        in_euros = books.exported(name, chosen, window, currency="eur")
        assert complaint(chosen, in_euros, tmp_path) is None


@pytest.mark.parametrize("chosen", PLAIN_TEXT)
def test_other_programs_find_nothing_wrong_with_thousands_of_entries(
    books: LiveBooks, program_of: Callable[[Format], None], tmp_path: Path, chosen: Format
) -> None:
    program_of(chosen)
    books.take_all(some_money(7, lives=900))
    [(count,)] = books.rows(
        "select count(distinct transaction_id || part) from postings"
        " where day between '2026-03-01' and '2026-03-31'"
    )
    assert 1_500 < count < ENTRIES + 1_000
    assert complaint(chosen, books.exported("journal", chosen, MARCH), tmp_path) is None


@pytest.mark.parametrize("chosen", PLAIN_TEXT)
def test_other_programs_find_a_posting_that_is_missing_or_wrong(
    books: LiveBooks, program_of: Callable[[Format], None], tmp_path: Path, chosen: Format
) -> None:
    """Without this the laws above could hold of files that nobody checks."""
    program_of(chosen)
    books.take_all(some_money(11, lives=20))
    lines = books.exported("journal", chosen, MARCH).decode().splitlines(keepends=True)
    begins = [n for n, line in enumerate(lines) if line.startswith("\n") or not line.strip()]
    entry = begins[1]  # a whole entry, which balances
    end = begins[2]
    without = "".join(lines[:entry] + lines[end:])
    assert complaint(chosen, without.encode(), tmp_path) is not None
    amount = next(
        n
        for n in range(entry + 1, end)
        if lines[n].startswith("  assets:") or lines[n].startswith("  Assets:")
    )
    digits = max(n for n, each in enumerate(lines[amount]) if each.isdigit())
    other = str((int(lines[amount][digits]) + 1) % 10)
    lines[amount] = lines[amount][:digits] + other + lines[amount][digits + 1 :]
    assert complaint(chosen, "".join(lines).encode(), tmp_path) is not None


def sold(
    number: int, amount: int, currency: str, fee: int = 0, minutes: int = 0
) -> TransactionFact:
    fees = (TransactionFee(type="stripe_fee", amount_minor=fee, currency=currency),) if fee else ()
    return TransactionFact(
        transaction_id=f"txn_{number}",
        type="charge",
        category="charge",
        amount_minor=amount,
        fee_minor=fee,
        net_minor=amount - fee,
        currency=currency,
        created_at=at(minutes),
        available_at=None,
        source_id=f"ch_{number}",
        balance_type="payments",
        fees=fees,
    )


def of_two_months(books: LiveBooks) -> None:
    """Ten euros before March; in it twelve euros less a fee, 500 yen, and 1.250 dinars."""
    books.take(sold(1, 1000, "eur", minutes=-3 * 24 * 60))
    books.take(sold(2, 1200, "eur", 43), minutes=1)
    books.take(sold(3, 500, "jpy"), minutes=2)
    books.take(sold(4, 1250, "kwd"), minutes=3)


def test_a_month_in_beancount_has_balances_around_its_entries(books: LiveBooks) -> None:
    of_two_months(books)
    assert books.exported("journal", Format.BEANCOUNT, MARCH).decode() == BEANCOUNT


BEANCOUNT = """\
option "inferred_tolerance_multiplier" "0"
; 2026-03 (UTC): open
2026-03-01 commodity EUR
2026-03-01 commodity JPY
2026-03-01 commodity KWD
2026-03-01 open Assets:Stripe:Payments:Available
  account: "assets:stripe:payments:available"
2026-03-01 open Expenses:Stripe:Processing
  account: "expenses:stripe:processing"
2026-03-01 open Income:Sales
  account: "income:sales"

2026-03-01 * "Opening balances of 2026-03 eur"
  Assets:Stripe:Payments:Available  10.00 EUR
  Income:Sales  -10.00 EUR

2026-03-01 * "charge: when Stripe booked it"
  transaction: "txn_2"
  category: "charge"
  part: "booked"
  Assets:Stripe:Payments:Available  11.57 EUR
  Income:Sales  -12.00 EUR
  Expenses:Stripe:Processing  0.43 EUR

2026-03-01 * "charge: when Stripe booked it"
  transaction: "txn_3"
  category: "charge"
  part: "booked"
  Assets:Stripe:Payments:Available  500 JPY
  Income:Sales  -500 JPY

2026-03-01 * "charge: when Stripe booked it"
  transaction: "txn_4"
  category: "charge"
  part: "booked"
  Assets:Stripe:Payments:Available  1.250 KWD
  Income:Sales  -1.250 KWD
2026-04-01 balance Assets:Stripe:Payments:Available  21.57 ~ 0 EUR
2026-04-01 balance Assets:Stripe:Payments:Available  500 ~ 0 JPY
2026-04-01 balance Assets:Stripe:Payments:Available  1.250 ~ 0 KWD
2026-04-01 balance Expenses:Stripe:Processing  0.43 ~ 0 EUR
2026-04-01 balance Income:Sales  -22.00 ~ 0 EUR
2026-04-01 balance Income:Sales  -500 ~ 0 JPY
2026-04-01 balance Income:Sales  -1.250 ~ 0 KWD
"""


def test_a_month_in_hledger_declares_each_currency_with_its_digits(books: LiveBooks) -> None:
    of_two_months(books)
    file = books.exported("trial_balance", Format.HLEDGER, MARCH, currency="jpy").decode()
    assert file == HLEDGER
    every = books.exported("journal", Format.HLEDGER, MARCH).decode()
    assert "commodity 1000.00 EUR\ncommodity 1000. JPY\ncommodity 1000.000 KWD\n" in every
    assert (
        "\n2026-03-01 * charge: when Stripe booked it\n"
        "  ; transaction:txn_4\n  ; category:charge\n  ; part:booked\n"
        "  assets:stripe:payments:available  1.250 KWD\n  income:sales  -1.250 KWD\n"
    ) in every


HLEDGER = """\
decimal-mark .
; 2026-03 (UTC): open
commodity 1000. JPY
account assets:stripe:payments:available  ; type:A
account income:sales  ; type:R

2026-03-31 * Movements of 2026-03 jpy
  assets:stripe:payments:available  500 JPY
  income:sales  -500 JPY

2026-03-31 * Closing balances
  assets:stripe:payments:available  0 JPY = 500 JPY
  income:sales  0 JPY = -500 JPY
"""


def test_what_came_after_a_close_is_an_entry_of_the_closed_month_and_of_the_open_one(
    books: LiveBooks,
) -> None:
    """Both files end with what the trial balances say: the closed one without the late charge."""
    of_two_months(books)
    Desk(books).close("2026-03")
    books.take(sold(5, 700, "eur"), minutes=9)
    april = Window(date(2026, 4, 1), date(2026, 4, 30))
    late = {
        window: [
            (row["EntryID"], row["Account"], row["Debit"], row["Credit"])
            for row in rows(books, "journal", window)
            if row["Part"] == "late"
        ]
        for window in (MARCH, april)
    }
    assert late == {
        MARCH: [
            ("late 2026-03", "assets:stripe:payments:available", "0.00", "7.00"),
            ("late 2026-03", "income:sales", "7.00", "0.00"),
        ],
        april: [
            ("late 2026-04", "assets:stripe:payments:available", "7.00", "0.00"),
            ("late 2026-04", "income:sales", "0.00", "7.00"),
        ],
    }


def test_a_file_has_the_names_of_the_shops_own_chart_of_accounts(books: LiveBooks) -> None:
    """Named example: an expense with an accent, and income that is a liability there."""
    of_two_months(books)
    desk = Desk(books)
    desk.map("expenses:stripe:processing", "2026-03", OwnName("4970", "Gebühren", None))
    desk.map("income:sales", "2026-03", OwnName("1406", None, "liabilities"))
    desk.map("income:sales", "2026-04", OwnName())
    file = books.exported("journal", Format.HLEDGER, MARCH, currency="eur").decode()
    assert "; expenses:stripe:processing is expenses:4970 Gebühren\n" in file
    assert "account expenses:4970_Gebuhren  ; type:X\n" in file
    assert "account liabilities:1406  ; type:L\n" in file
    assert "  expenses:4970_Gebuhren  0.43 EUR\n" in file
    assert "  liabilities:1406  0.00 EUR = -22.00 EUR\n" in file
    (sale,) = [r for r in rows(books, "journal", MARCH, currency="eur") if r["Credit"] == "12.00"]
    named = [sale[name] for name in ("Account", "OwnCode", "OwnName", "OwnKind")]
    assert named == ["income:sales", "1406", "", "liabilities"]
    april = Window(date(2026, 4, 1), date(2026, 4, 30))
    told = {row["Account"]: row["OwnCode"] for row in rows(books, "trial_balance", april)}
    assert (told["income:sales"], told["expenses:stripe:processing"]) == ("", "4970")


def test_only_whole_months_are_exported(books: LiveBooks) -> None:
    with pytest.raises(InvalidWindow, match="ask for a period such as 2026-03"):
        books.exported("journal", Format.CSV, MARCH._replace(first=date(2026, 3, 2)))


def test_an_export_without_entries_has_no_file_of_entries(books: LiveBooks) -> None:
    with pytest.raises(InvalidRequest, match="these have: journal, trial_balance"):
        books.exported("orders", Format.BEANCOUNT, MARCH)


ODD = (
    "acct_1Abc:assets:bank:in_transit:ba_1@acct_1Abc",
    "assets:bank:in_transit:née €;  x|y",
    "assets:bank:in_transit:née €,  x|y",
    "assets:bank:in_transit:-",
    "contra:refunds",
    "suspense:fee_detail",
    "liabilities:sales_tax",
    "equity:opening",
)


@pytest.mark.parametrize("chosen", PLAIN_TEXT)
def test_odd_names_and_texts_stay_what_they_are_and_apart(
    program_of: Callable[[Format], None], tmp_path: Path, chosen: Format
) -> None:
    """Ids are Stripe's and the shop's: nothing in them is taken for the file's own language."""
    program_of(chosen)
    write = Beancount() if chosen is Format.BEANCOUNT else Hledger()
    told = ('t"\\1', "cate;gory\n, odd", "booked", "A-1, B:2")
    lines = [
        Line("note", MARCH.first, "2026-03\nopen"),
        Line("currency", MARCH.first, currency="eur"),
        *(Line(ACCOUNT, MARCH.first, account=account) for account in ODD),
        *(Line(POSTING, MARCH.first, "e1", account, 5, "eur", *told) for account in ODD[:-1]),
        Line(POSTING, MARCH.first, "e1", ODD[-1], -5 * (len(ODD) - 1), "eur", *told),
        *(Line("closing", MARCH.last, "", account, 5, "eur") for account in ODD[:-1]),
    ]
    file = write.head() + b"".join(write.block([line]) for line in lines) + write.tail()
    assert complaint(chosen, file, tmp_path) is None
    assert (b"Assets:Acct-1Abc:Bank:In-transit" in file) == (chosen is Format.BEANCOUNT)
