"""Only verbs that may be a ledger's first one make or migrate it; all others refuse to."""

import shlex
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.cli.context import MAY_MAKE
from ledger.postgres.database import Database
from tests.app.cli.test_verbs import VERBS

WITHOUT = {
    "alerts list",
    "bench",
    "books rules",
    "checks list",
    "connect",
    "docs",
    "help",
    "kpi definitions",
    "simulate",
    "task fold",
    "task merge",
}
"""Verbs that look at no ledger at all."""
OTHERS = sorted({" ".join(path) for path in VERBS} - MAY_MAKE - WITHOUT)


def arguments(verb: str) -> list[str]:
    """Those of the verb's own example."""
    example = VERBS[tuple(verb.split())].epilog or ""
    words = shlex.split(example.partition("Example: ")[2])
    return words[words.index("ledger") + 1 :]


def test_every_verb_that_may_make_a_ledger_exists() -> None:
    assert {" ".join(path) for path in VERBS} >= MAY_MAKE | WITHOUT


@pytest.mark.parametrize("verb", OTHERS)
def test_no_other_verb_makes_a_ledger_in_a_folder(environment: Path, verb: str) -> None:
    result = CliRunner().invoke(app, arguments(verb))
    assert result.exit_code == 3, (result.output, result.exception)
    assert str(environment / ".ledger") in result.stderr.replace("\n", "")
    assert "ledger serve" in result.stderr
    assert list(environment.iterdir()) == []


def test_without_a_terminal_connect_says_how_to_give_a_key(environment: Path) -> None:
    result = CliRunner().invoke(app, ["connect"], input="")
    assert result.exit_code == 3
    assert "STRIPE_API_KEY is not set, and there is no terminal" in result.stderr
    assert list(environment.iterdir()) == []


@pytest.mark.parametrize("verb", ["verify", "status", "digest", "doctor", "token list"])
def test_nor_in_a_database(
    environment: Path, empty_database: Database, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database.admin_conninfo)
    assert CliRunner().invoke(app, verb.split()).exit_code == 3
    with psycopg.connect(empty_database.admin_conninfo) as conn:
        assert conn.execute("select to_regnamespace('ledger')").fetchone() == (None,)


@pytest.mark.parametrize(
    "verb",
    ["migrate", "stock define MUG --name Mug --price '1.00 gbp'", "token issue ops --name O"],
)
def test_a_verb_that_may_be_the_first_makes_one(
    environment: Path, empty_database: Database, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database.admin_conninfo)
    assert CliRunner().invoke(app, shlex.split(verb)).exit_code == 0
    assert CliRunner().invoke(app, ["status", "--json"]).exit_code == 0


def test_no_other_verb_migrates_a_ledger_of_an_older_version(
    environment: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database.admin_conninfo)
    with psycopg.connect(database.admin_conninfo, autocommit=True) as conn:
        *before, (last,) = conn.execute(
            "select name from ledger.ledger_migrations order by name"
        ).fetchall()
        conn.execute("delete from ledger.ledger_migrations where name = %s", [last])
        for verb in sorted({*OTHERS} - {"doctor"}):
            result = CliRunner().invoke(app, arguments(verb))
            assert result.exit_code == 3, (verb, result.output, result.exception)
            words = " ".join(result.stderr.split())
            assert f"{last} not applied. Run `ledger migrate`" in words, verb
        found = CliRunner().invoke(app, ["doctor", "--json"])
        assert found.exit_code == 1
        assert f"{last} not applied" in found.stdout
        after = conn.execute("select name from ledger.ledger_migrations order by name").fetchall()
    assert after == before


def test_an_empty_ledger_is_no_proof(
    environment: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database.admin_conninfo)
    result = CliRunner().invoke(app, ["verify"])
    assert result.exit_code == 1
    assert "nothing to prove: the log is empty" in result.stdout
