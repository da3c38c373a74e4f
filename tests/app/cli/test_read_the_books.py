"""docs/howto/read-the-books.md: its commands, one after the other, in a shop that was pulled."""

import csv
import json
import shlex
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


def test_an_accountant_takes_a_month_into_his_own_ledger(
    pulled: Run, environment: Path, run_json: Callable[..., Any]
) -> None:
    for block in fences(PAGE, "sh"):
        for command in block.splitlines():
            program, *arguments = shlex.split(command)
            assert program == "ledger"
            pulled(*arguments, code=1 if "close" in arguments else 0)
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
    ):
        if is_installed(chosen):
            file = (environment / f"{name}.{chosen}").read_bytes()
            assert complaint(chosen, file, environment) is None
    trial = run_json("books", "trial", "--period", "2026-09")
    assert trial["period"] == "2026-09"
