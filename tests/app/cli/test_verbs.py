"""What all verbs have in common: help, an example, --json, and how errors are told."""

import importlib
import json
import pkgutil
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from app import cli
from app.cli import app
from tests.app.cli.conftest import Run


def _verbs(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
    else:
        for name, found in inner.items():
            yield from _verbs(found, (*path, name))


VERBS = dict(_verbs(typer.main.get_command(app)))
EACH = pytest.mark.parametrize("path", VERBS, ids=" ".join)


def test_the_issues_verbs_are_there() -> None:
    wanted = (
        "serve follow demo import backfill rebuild verify digest history status migrate bench"
        " doctor docs"
    )
    assert {(verb,) for verb in wanted.split()} <= VERBS.keys()


def test_every_module_with_verbs_is_in_the_command_line() -> None:
    """A file that is forgotten in `GROUPS` would have verbs that nobody can call."""
    modules = {module.name for module in pkgutil.iter_modules(cli.__path__)} - {"__main__"}
    with_verbs = {
        name
        for name in modules
        if isinstance(getattr(importlib.import_module(f"app.cli.{name}"), "app", None), typer.Typer)
    }
    assert with_verbs == set(cli.GROUPS)


@EACH
def test_every_verb_explains_itself(path: tuple[str, ...]) -> None:
    """Help begins with a sentence that fits the list of verbs, and ends with an example."""
    text = CliRunner().invoke(app, [*path, "--help"]).stdout
    first = VERBS[path].help.splitlines()[0]
    assert first.endswith("."), first
    assert len(first) <= 66, first
    _, _, example = text.partition("Example: ")
    assert f"ledger {' '.join(path)}" in example


@pytest.mark.parametrize("path", [(), ("order",), *VERBS], ids=" ".join)
def test_help_of_a_verb_is_what_its_own_help_says(path: tuple[str, ...]) -> None:
    itself = CliRunner().invoke(app, [*path, "--help"])
    helped = CliRunner().invoke(app, ["help", *path])
    assert (helped.exit_code, helped.stdout) == (0, itself.stdout)


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        (("nonsense",), "ledger "),
        (("ordr",), "`ledger order`"),
        (("order", "plaice"), "`ledger order place`"),
        (("serve", "now"), "`ledger serve`"),
    ],
)
def test_help_for_what_is_no_verb_names_the_nearest(asked: tuple[str, ...], nearest: str) -> None:
    refused = CliRunner().invoke(app, ["help", *asked])
    assert refused.exit_code == 2
    told = " ".join(refused.stderr.split())
    assert f"there is no {' '.join(asked)!r}; the nearest is " in told
    assert nearest in told


@EACH
def test_every_verb_speaks_json(path: tuple[str, ...]) -> None:
    (option,) = [p for p in VERBS[path].params if "--json" in p.opts]
    assert option.is_flag


@EACH
def test_every_option_has_a_sentence(path: tuple[str, ...]) -> None:
    for parameter in VERBS[path].params:
        if any(o.startswith("--") for o in parameter.opts) and not parameter.hidden:
            assert (parameter.help or "").endswith("."), parameter.opts


@EACH
def test_help_speaks_of_no_python_type(path: tuple[str, ...]) -> None:
    text = CliRunner().invoke(app, [*path, "-h"]).stdout
    assert text.startswith("Usage: ")
    assert not re.search(r"<[^=>]*(\[|range|None|str|int|Path)", text), text


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"ledger \d+\.\d+\.\d+\n", CliRunner().invoke(app, ["--version"]).stdout)


def test_an_unknown_verb_is_wrong_usage() -> None:
    assert CliRunner().invoke(app, ["frobnicate"]).exit_code == 2


def test_help_is_quick() -> None:
    """Verbs import what they need when they run."""
    unwanted = "psycopg", "pydantic_settings", "rich", "starlette", "stripe", "structlog", "uvicorn"
    program = "import sys, app.cli; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not set(unwanted) & set(found.stdout.split())


def test_a_refusal_exits_1_with_its_reason(run: Run) -> None:
    result = run("order", "cancel", "A1", code=1)
    assert result.stdout == ""
    assert "There is no order 'A1'" in result.stderr


def test_what_cannot_run_exits_3_with_its_cure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_MODE", "sandbox")
    result = run("status", code=3)
    assert "LEDGER_MODE" in result.stderr
    assert "Traceback" not in result.output


def test_with_json_an_error_is_a_document_too(run: Run) -> None:
    result = run("order", "cancel", "A1", "--json", code=1)
    assert json.loads(result.stdout)["error"] == "UnknownOrder"


@EACH
def test_with_json_wrong_usage_is_a_document_too(environment: Path, path: tuple[str, ...]) -> None:
    """The verb is not run; what is said to people, and the exit code, stay as they are."""
    told = CliRunner().invoke(app, [*path, "--no-such-option"])
    result = CliRunner().invoke(app, [*path, "--no-such-option", "--json"])
    assert json.loads(result.stdout).keys() == {"error", "detail"}
    assert json.loads(result.stdout)["error"] == "WrongUsage"
    assert "--no-such-option" in json.loads(result.stdout)["detail"]
    assert (result.stderr, result.exit_code) == (told.stderr, 2)
    assert told.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "detail"),
    [
        (("frobnicate",), "frobnicate"),
        (("order", "frobnicate"), "frobnicate"),
        (("--frobnicate", "status"), "--frobnicate"),
        (("order", "cancel"), "Missing argument"),
        (("checks", "run", "--top", "many"), "--top"),
        (("checks", "run", "--top", "-1"), "--top"),
        (("audit", "--since", "yesteryear"), "yesteryear"),
        (("issues", "list", "--check", "frobnicate"), "frobnicate"),
        (("import", "no-such-file.json"), "no-such-file.json"),
    ],
)
def test_each_kind_of_wrong_usage_is_one_document(
    run: Run, arguments: tuple[str, ...], detail: str
) -> None:
    run("migrate")
    for given in ((*arguments, "--json"), ("--json", *arguments)):
        result = run(*given, code=2)
        document = json.loads(result.stdout)
        assert document["error"] == "WrongUsage"
        assert detail in document["detail"] or given[0] == "--json"
    assert run(*arguments, code=2).stdout == ""


def test_a_value_that_reads_like_the_option_asks_for_no_document(run: Run) -> None:
    result = run("order", "cancel", "--reason", "x", "--", "--json", code=1)
    assert result.stdout == ""
    assert "There is no order '--json'" in result.stderr


@pytest.mark.parametrize("verb", ["show payment", "history order", "books explain", "audit --text"])
def test_what_is_no_utf_8_is_wrong_usage(run: Run, verb: str) -> None:
    assert "'\\udcff' is not UTF-8 text." in run(*verb.split(), "\udcff", code=2).stderr


def test_a_database_that_is_away_is_told_in_words(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert "cannot be reached" in run("status", code=3).stderr


def test_sigterm_ends_a_verb_as_ctrl_c_does(environment: Path) -> None:
    """What it started is stopped: nothing of it is left in its data folder."""
    from tests.support.servers import short_lived_home

    with short_lived_home() as home:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "follow"],
            env={"PATH": "/usr/bin:/bin", "LEDGER_HOME": str(home)},
            stderr=subprocess.DEVNULL,
        )
        pid_file = home / "postgres" / "data" / "postmaster.pid"
        deadline = time.monotonic() + 60
        while not (pid_file.exists() and "ready" in pid_file.read_text()):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.terminate()
        assert process.wait(60) in {0, 130}
        assert not pid_file.exists()


@pytest.mark.parametrize(
    ("verb", "work", "kept"),
    [
        (
            ("rebuild",),
            "projections.engine.rebuild.rebuild",
            "the live read models are as they were",
        ),
        (("verify",), "projections.engine.verify.verify", "nothing is proven"),
        (
            ("import", "."),
            "webhooks.ingest.file_import.import_events",
            "what was appended stays; run it again for the rest",
        ),
    ],
)
def test_ctrl_c_says_what_is_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...], work: str, kept: str
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    Path("none.json").write_text("{}")
    run("stock", "define", "MUG", "--name", "Blue mug", "--price", "12.50 gbp")
    monkeypatch.setattr(work, interrupted)
    ended = run(*verb, code=130)
    assert ended.stderr == f"stopped: {kept}\n"
    assert ended.stdout == ""
