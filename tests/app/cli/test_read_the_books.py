"""docs/howto/read-the-books.md: its commands, one after the other, in a shop that was pulled."""

import csv
import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kpi.exports.formats import Format
from simulator import past_shop
from simulator.memory import Shelf
from tests.app.cli.conftest import Run
from tests.books.over_ledger import complaint, is_installed
from tests.docs.pages import ROOT, fences
from tests.simulator.api.shop import SECRET, shop

PAGE = ROOT / "docs" / "howto" / "read-the-books.md"
OCTOBER_2 = int(datetime(2026, 10, 2, tzinfo=UTC).timestamp())


@pytest.fixture
def pulled(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """The command line over the ledger of a shop's last year."""
    past = past_shop(3, years=1, objects=600, until=OCTOBER_2)
    assert past.stripe.memory is not None
    past.stripe.memory.events = Shelf()
    with shop(past.stripe) as served:
        monkeypatch.setenv("STRIPE_API_BASE", served.base)
        monkeypatch.setenv("STRIPE_API_KEY", SECRET.secret)
        monkeypatch.setenv("STRIPE_CALLS_PER_SECOND", "100")
        run("stripe", "pull")
        yield run


def _commands(block: str) -> Iterator[list[str]]:
    """The arguments of each call of `ledger` that a shell makes of a block."""
    say = "ledger() { printf '%s\\0' \"$@\"; printf '\\n'; }"
    called = subprocess.check_output(["bash", "-euc", f"{say}\n{block}"], text=True)
    for line in called.splitlines():
        yield line.removesuffix("\0").split("\0")


def test_an_accountant_takes_a_month_into_his_own_ledger(
    pulled: Run, environment: Path, run_json: Callable[..., Any]
) -> None:
    told = {
        " ".join(each): pulled(*each, code=1 if each[:2] == ["books", "ready"] else 0).stdout
        for block in fences(PAGE, "sh")
        for each in _commands(block)
    }
    with (environment / "trial.csv").open(newline="") as file:
        closing = {
            (row["Account"], row["Currency"]): row["Closing"] for row in csv.DictReader(file)
        }
    assert {currency for _, currency in closing} == {"eur", "jpy", "kwd"}
    manifest = json.loads((environment / "september.hledger.manifest.json").read_text())
    assert manifest["filter"] == {}
    assert manifest["window"] == {"days": 30, "first": "2026-09-01", "last": "2026-09-30"}
    for chosen, name in (
        (Format.BEANCOUNT, "september"),
        (Format.HLEDGER, "september"),
        (Format.HLEDGER, "summary"),
        (Format.HLEDGER, "summer"),
    ):
        if is_installed(chosen):
            file = (environment / f"{name}.{chosen}").read_bytes()
            assert complaint(chosen, file, environment) is None
    shown = [line for block in fences(PAGE, "console") for line in block.splitlines()]
    calls = [line.removeprefix("$ ") for line in shown if line.startswith("$ hledger")]
    for call in calls if is_installed(Format.HLEDGER) else ():
        subprocess.run(["bash", "-c", call], cwd=environment, check=True, capture_output=True)
    assert any("--monthly" in call for call in calls)
    (found,) = [words for call, words in told.items() if "bank_charges --dry-run" in call]
    assert "1 found, for expenses:bank_charges" in found
    months = ["2026-07", "2026-08", "2026-09"]
    with (environment / "year-trial.csv").open(newline="") as file:
        states = {row["Period"]: row["State"] for row in csv.DictReader(file)}
    assert states == dict.fromkeys(months, "closed")
    assert all(month in told["books periods"] for month in months)
    totals = run_json("books", "trial", "--period", "2026-09")["totals"]
    assert [each["suspense_minor"] for each in totals.values()] == [0] * 3
