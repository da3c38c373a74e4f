"""books: what an accountant reads and decides in the terminal."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.log import Log
from ledger.postgres.database import Database
from tests.app.cli.conftest import Run
from tests.books.ledger import Account, on, quiet_shop

RunJson = Callable[..., Any]
WHY = ("--reason", "agrees with the bank")


@pytest.fixture
def account(database: Database) -> Iterator[Account]:
    with Log(database.conninfo("app")) as log:
        yield Account(database, log)


@pytest.fixture
def quiet(account: Account) -> Account:
    quiet_shop(account)
    return account


def test_a_trial_balance_is_one_line_an_account_in_80_columns(run: Run, quiet: Account) -> None:
    heading, heads, *lines = run(
        "books", "trial", "--period", "2024-09", "--currency", "EUR"
    ).stdout.splitlines()
    assert re.fullmatch(
        r"2024-09 \(UTC\) as of position \d+, open; every entry sums to 0; suspense 0", heading
    )
    assert heads.split() == ["account", "opening", "debit", "credit", "closing"]
    assert lines[0].startswith("assets:stripe:payments:pending ")
    assert lines[-1].split() == ["total", "0.00", "740.03", "740.03", "0.00"]
    assert max(map(len, [heads, *lines])) <= 80
    assert len({len(line) for line in [heads, *lines]}) == 1, "amounts end below each other"


def test_several_months_are_one_trial_balance(run: Run, run_json: RunJson, quiet: Account) -> None:
    asked = ("books", "trial", "--currency", "eur", "--period")
    heading = run(*asked, "2024-09", "--to", "2024-11").stdout.splitlines()[0]
    assert heading.startswith("2024-09 to 2024-11 (UTC) as of position ")
    whole = run_json(*asked, "2024-09", "--to", "2024-11")
    months = [run_json(*asked, f"2024-{each}") for each in ("09", "10", "11")]
    totals = [each["totals"]["eur"] for each in months]
    assert whole["totals"]["eur"]["debit_minor"] == sum(each["debit_minor"] for each in totals)
    assert (whole["period"], whole["to_period"], months[0]["to_period"]) == (
        "2024-09",
        "2024-11",
        None,
    )
    assert "give a month after 2024-09" in run(*asked, "2024-09", "--to", "2024-08", code=2).stderr


def test_as_of_a_time_a_month_has_begun_by_that_time(
    run_json: RunJson, quiet: Account, database: Database
) -> None:
    with database.connect("reader") as conn:
        row = conn.execute("select date_trunc('month', now()), now()").fetchone()
    assert row
    first, now = row
    by = {"1": "open", now.isoformat(): "open"}
    for as_of, state in by.items():
        made = run_json("books", "trial", "--period", f"{now:%Y-%m}", "--as-of", as_of)
        assert made["state"] == state
    following = f"{first + timedelta(days=32):%Y-%m}"
    assert run_json("books", "trial", "--period", following, "--as-of", "1")["state"] == "not_begun"


def test_a_month_that_has_not_begun_says_so(run: Run, run_json: RunJson, quiet: Account) -> None:
    shown = run("books", "trial", "--period", "2999-05").stdout
    assert "which has not begun" in shown
    assert "what accounts hold by now" in shown
    document = run_json("books", "trial", "--period", "2999-05", "--currency", "gbp")
    assert document["state"] == "not_begun"
    (pending,) = [b for b in document["balances"] if b["account"] == "income:sales"]
    assert pending["opening_minor"] == pending["closing_minor"] == -4_000
    assert run_json("books", "trial", "--period", "2024-12")["state"] == "open"
    listed = run("books", "account", "contra:refunds", "--period", "2999-05").stdout
    assert "2999-05 (UTC), which has not begun, EUR" in listed
    assert "2999-05 has not begun" in run("books", "ready", "2999-05", code=1).stdout
    begin = ("books", "begin", "2999-05", "--empty")
    refused = run(*begin, "--dry-run", code=1).stderr
    assert "has not begun" in refused
    assert run(*begin, *WHY, code=1).stderr == refused


def test_names_that_have_no_room_beside_their_amounts_stand_above_them(
    run: Run, account: Account
) -> None:
    account.moved(on(9), 123_456_789_012, kind="charge")
    account.moved(on(9), -123_456_789_012, "stripe_balance_payment_debit")
    account.moved(on(9), 99_999_999_999_999)
    lines = run("books", "trial", "--period", "2024-09").stdout.splitlines()
    assert "assets:stripe:payments:available" in lines
    assert max(map(len, lines)) <= 80


def test_several_currencies_are_never_added(run: Run, run_json: RunJson, quiet: Account) -> None:
    shown = run("books", "trial", "--period", "2024-09").stdout
    assert "\nEUR\n" in shown
    assert "\nGBP\n" in shown
    document = run_json("books", "trial", "--period", "2024-09")
    assert document["totals"].keys() == {"eur", "gbp"}
    assert document["uneven_entries"] == 0
    assert document["state"] == "open"


def test_what_was_known_before_is_shown_again(run: Run, run_json: RunJson, quiet: Account) -> None:
    before = run_json("books", "trial", "--period", "2024-09")
    head = quiet.log.head()
    quiet.moved(on(9, 9), 777)
    assert run_json("books", "trial", "--period", "2024-09") != before
    assert run_json("books", "trial", "--period", "2024-09", "--as-of", str(head)) == before
    shown = run("books", "trial", "--period", "2024-09", "--as-of", str(head)).stdout
    assert f"as of position {head}, open" in shown
    told = run("books", "trial", "--period", "2024-09", "--as-of", "999", code=2).stderr
    assert "the log ends at" in told


def test_an_account_runs_from_its_opening_to_its_closing(
    run: Run, run_json: RunJson, quiet: Account
) -> None:
    name = "assets:stripe:payments:available"
    shown = run("books", "account", name, "--period", "2024-09").stdout
    assert "at Stripe, to be paid out" in shown
    assert re.search(r"2024-09-07  txn_3 available +242\.45 +339\.25", shown)
    eur, gbp = run_json("books", "account", name, "--period", "2024-09")
    assert eur["balance"]["closing_minor"] == eur["items"][-1]["running_minor"]
    assert gbp["items"] == []
    few = run("books", "account", name, "--period", "2024-09", "--limit", "1").stdout
    assert "a greater --limit shows them" in few
    assert "ledger books accounts" in run("books", "account", "income:sails", code=1).stderr


def test_accounts_are_told_in_the_order_of_a_report(run_json: RunJson, quiet: Account) -> None:
    names = [each["account"].partition(":")[0] for each in run_json("books", "accounts")]
    kinds = ["assets", "income", "contra", "expenses"]
    assert list(dict.fromkeys(names)) == kinds


def test_a_transaction_is_explained(run: Run, run_json: RunJson, quiet: Account) -> None:
    shown = run("books", "explain", "txn_4").stdout
    assert "against contra:refunds" in shown
    assert "booked: when Stripe booked it" in shown
    document = run_json("books", "explain", "txn_4")
    assert document["rule"]["against"] == "contra:refunds"
    assert document["parts"]["booked"][1]["account"] == "contra:refunds"
    assert "ledger stripe pull" in run("books", "explain", "txn_none", code=1).stderr


def test_an_explanation_says_how_to_read_the_events_that_it_rests_on(
    run: Run, run_json: RunJson, quiet: Account, tmp_path: Path
) -> None:
    charge = {"id": "ch_3", "object": "charge", "amount": 25_000, "currency": "eur"}
    event = {"id": "evt_3", "object": "event", "type": "charge.succeeded", "livemode": False}
    created = int(on(9, 5).timestamp())
    told = event | {"created": created, "data": {"object": charge | {"created": created}}}
    (tmp_path / "event.json").write_text(json.dumps(told))
    run("import", str(tmp_path / "event.json"))
    document = run_json("books", "explain", "txn_3")
    assert [each["stripe_event_id"] for each in document["rests_on"]] == [None, "evt_3"]
    shown = run("books", "explain", "txn_3").stdout
    assert "evt_3" in shown
    for verb in ("ledger history transaction txn_3", "ledger history charge ch_3"):
        assert f"`{verb}`" in shown
        run(*verb.split()[1:])


def test_the_rules_are_told(run: Run, run_json: RunJson) -> None:
    run("migrate")
    assert "charge_failure, partial_capture_reversal" in run("books", "rules").stdout
    assert run_json("books", "rules")["fee_types"]["withheld_tax"] == "liabilities:sales_tax"


def test_a_month_is_closed_and_reopened(run: Run, run_json: RunJson, quiet: Account) -> None:
    assert "No periods yet" in run("books", "periods").stdout
    assert "can be closed" in run("books", "close", "2024-08", "--dry-run").stdout
    assert run_json("books", "periods")["items"] == []
    run("books", "close", "2024-08", code=2)  # without a reason
    assert "closed: 2024-08" in run("books", "close", "2024-08", *WHY).stdout
    closed = run_json("books", "trial", "--period", "2024-08")
    late = quiet.moved(on(8, 31), -1_000, "refund", source="re_late")
    assert run_json("books", "trial", "--period", "2024-08") == closed
    september = run("books", "trial", "--period", "2024-09").stdout
    assert "late, of closed months: " in september
    assert "contra:refunds 10.00 EUR" in september
    listed = run("books", "account", "contra:refunds", "--period", "2024-09").stdout
    assert f"2024-08-31  {late} booked (late)" in listed
    (row,) = run_json("books", "periods")["items"]
    assert (row["state"], row["actor"], row["reason"]) == ("closed", "operator", WHY[1])
    assert row["actor_name"] in run("books", "periods").stdout.splitlines()[2].split()
    assert "reopen 2024-08" in run("books", "close", "2024-08", *WHY, code=1).stderr
    run("books", "reopen", "2024-08", *WHY)
    assert "open" in run("books", "periods").stdout
    assert run_json("books", "trial", "--period", "2024-08") != closed


def test_an_account_is_called_as_the_shop_calls_it(
    run: Run, run_json: RunJson, quiet: Account
) -> None:
    own = ("--code", "8400", "--name", "Sales 19 %")
    told = run("books", "map", "income:sales", "--from", "2024-09", *own, *WHY).stdout
    assert "income:sales is mapped from: 2024-09" in told
    assert "income:sales (8400 Sales 19 %)" in run("books", "trial", "--period", "2024-09").stdout
    assert "8400" not in run("books", "trial", "--period", "2024-08").stdout
    assert "8400" in run("books", "accounts").stdout
    trial = run_json("books", "trial", "--period", "2024-09", "--currency", "eur")
    (sales,) = [each for each in trial["balances"] if each["account"] == "income:sales"]
    assert sales["own"] == {"code": "8400", "name": "Sales 19 %", "kind": None}
    other = ("books", "map", "contra:refunds", "--from", "2024-10", "--code", "8400", *WHY)
    for wrong in (("--name", "Refunds"), ("--name", "Sales 19 %")):
        told = " ".join(run(*other, *wrong, code=1).stderr.split())
        assert "8400 is Sales 19 %, of income, in 2024-10: income:sales has that code" in told
        assert "`ledger books map income:sales --from 2024-10 --ours`" in told
    run(*other, "--name", "Sales 19 %", "--kind", "income")
    run("books", "map", "contra:refunds", "--from", "2024-10", "--ours", *WHY)
    run("books", "map", "income:sales", "--from", "2024-09", *WHY, code=2)
    run("books", "map", "income:sales", "--from", "2024-09", "--ours", *WHY)
    assert "8400" not in run("books", "trial", "--period", "2024-09").stdout


def test_several_are_classified_by_a_rule(run: Run, run_json: RunJson, account: Account) -> None:
    for day in (1, 2):
        account.moved(on(9, day), 500, "other_adjustment", description="Bank charge")
    account.moved(on(9, 3), 700, "other_adjustment", description="Goodwill")
    rule = ("books", "classify", "--kind", "other_adjustment", "--description", "bank*")
    told = run(*rule, "--account", "expenses:bank", "--dry-run").stdout
    assert "2 found, for expenses:bank" in told
    assert "Goodwill" not in told
    for wrong in ("nonsense", "assets:stripe:payments:available"):
        told = run(*rule, "--account", wrong, "--dry-run", code=2).stderr
        assert "`expenses:misc`" in told
        assert told == run(*rule, "--account", wrong, *WHY, code=2).stderr
    run(*rule, "--account", "expenses:bank", code=2)
    done = run_json(*rule, "--account", "expenses:bank", *WHY)
    assert done["outcomes"] == {"classified": 2}
    assert [each["description"] for each in done["items"]] == ["Bank charge"] * 2
    assert "nothing stands in suspense" in run(*rule, "--account", "expenses:bank", *WHY).stdout
    other = ("books", "classify", "--account", "expenses:bank", "--dry-run", "--kind")
    told = run(*other, "zzz").stdout
    assert "no transaction is of a kind zzz" in told
    assert "what stands there is of other_adjustment" in told
    assert "no transaction" not in run(*other, "other_adjustment", "--currency", "gbp").stdout
    run("books", "classify", "--account", "expenses:bank", *WHY, code=2)
    run("books", "classify", "txn_3", "--kind", "x", "--account", "expenses:x", *WHY, code=2)
    last = ("books", "classify", "--kind", "other_adjustment", "--account", "expenses:banks", *WHY)
    told = " ".join(run(*last, code=2).stderr.split())
    assert "nothing is booked in expenses:banks yet, and there is expenses:bank;" in told
    assert run_json(*last, "--new-account")["outcomes"] == {"classified": 1}


def test_the_books_begin_with_what_a_person_enters(
    run: Run, run_json: RunJson, account: Account
) -> None:
    account.moved(on(9, 20), 10_000, fee=320)
    account.listed((on(9, 10), on(10, 30)))
    shown = run("books", "trial", "--period", "2024-09").stdout
    assert "transactions before 2024-09-10 were not listed" in shown
    assert "ledger books begin 2024-10" in run("books", "ready", "2024-10", code=1).stdout
    begin = ("books", "begin", "2024-10", "--balance", "liabilities:sales_tax = -120.50 EUR")
    told = run(*begin, "--dry-run").stdout
    assert "liabilities:sales_tax" in told
    assert "120.50 EUR" in told
    assert "none was entered" in run("books", "opening").stdout
    assert "a reason" in run(*begin, code=2).stderr.lower()
    assert "the books begin with: 2024-10" in run(*begin, *WHY).stdout
    assert "entered" in run("books", "opening").stdout
    found = run_json("books", "opening")
    assert [(each["account"], each["opening_minor"]) for each in found["balances"]] == [
        ("equity:opening", 12_050),
        ("liabilities:sales_tax", -12_050),
    ]
    shown = run("books", "trial", "--period", "2024-10").stdout
    assert "the books begin here" in shown
    assert "not listed" not in shown
    assert "before the first month" in run("books", "trial", "--period", "2024-09").stdout
    for wrong in ((), ("--empty", "--from-stripe"), ("--balance", "sales_tax 5 eur")):
        run("books", "begin", "2024-10", *wrong, *WHY, code=2)


def test_a_dry_run_refuses_what_the_call_refuses_in_the_same_words(
    run: Run, run_json: RunJson, quiet: Account
) -> None:
    run("books", "close", "2024-08", *WHY)
    begin = ("books", "begin", "2024-10", "--empty")
    refused = run(*begin, "--dry-run", code=1).stderr
    assert "reopen 2024-08" in refused
    assert run(*begin, *WHY, code=1).stderr == refused
    twice = ("--balance", "assets:disputes=5.00 eur") * 2
    refused = run("books", "begin", "2024-10", *twice, "--dry-run", code=2).stderr
    assert "there twice" in refused
    for period in ("2024-08", "2024-07", "2024-11"):
        (reason,) = run_json("books", "close", period, "--dry-run", code=1)["reasons"][:1]
        told = run_json("books", "close", period, *WHY, code=1)["detail"]
        assert told == f"{reason['says']} {reason['cure']}"
    (reason,) = run_json("books", "close", "2024-07", "--dry-run", code=1)["reasons"]
    assert "lies before 2024-08, the first month" in reason["says"]


def test_what_stands_in_the_way_of_a_close_is_named(
    run: Run, run_json: RunJson, quiet: Account
) -> None:
    name = quiet.moved(on(9, 9), 500, "quantum_entanglement")
    told = run("books", "ready", "2024-09", code=1).stdout
    assert f"ledger books classify {name} --account ACCOUNT --reason WHY" in told
    assert run("books", "close", "2024-09", "--dry-run", code=1).stdout == told
    refused = run("books", "close", "2024-09", *WHY, code=1).stderr
    assert "NotReady" in refused
    assert f"classify {name}" in " ".join(refused.split())
    (reason,) = run_json("books", "ready", "2024-09", code=1)["reasons"]
    assert (reason["code"], reason["transactions"]) == ("suspense", [name])
    assert run_json("books", "periods")["items"] == []
    run("books", "classify", name, "--account", "income:games", *WHY)
    assert run_json("books", "ready", "2024-09") == {
        "period": "2024-09",
        "ready": True,
        "reasons": [],
    }
    again = run("books", "classify", name, "--account", "income:games", *WHY).stdout
    assert "nothing to record" in again
    assert (
        "Nothing of txn_3"
        in run("books", "classify", "txn_3", "--account", "income:games", *WHY, code=1).stderr
    )


def test_of_an_account_that_was_never_pulled_no_month_is_closed(run: Run, account: Account) -> None:
    account.moved(on(9), 500)
    told = run("books", "ready", "2024-09", code=1).stdout
    assert "Run `ledger stripe pull`." in told


def test_what_is_no_month_is_refused(run: Run, quiet: Account) -> None:
    for verb in (("trial", "--period"), ("ready",), ("account", "contra:refunds", "--period")):
        assert "write a month as 2026-09" in run("books", *verb, "2024-13", code=2).stderr
