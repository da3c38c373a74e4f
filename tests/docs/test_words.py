"""The documentation and the product have the same words: verbs, options, settings."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from app.cli import app
from app.cli.dev import pages
from tests.docs.pages import PAGES, ROOT, code_lines, name, text

EACH = pytest.mark.parametrize("page", PAGES, ids=name)
GENERATED = {ROOT / path for path in pages()}
WRITTEN = "\n".join(text(page) for page in PAGES if page not in GENERATED)
CALL = re.compile(r"(?:^|[\s$(])ledger((?: [a-z][a-z-]*)+)(.*)")
OPTION = re.compile(r"(?<=\s)--[a-z-]+")
SETTING = re.compile(r"\b(?:LEDGER|STRIPE|POSTGRES|DATABASE)_[A-Z_]*[A-Z]\b")


def _verbs(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for word, found in getattr(command, "commands", {}).items():
        yield from _verbs(found, (*path, word))


VERBS = dict(_verbs(typer.main.get_command(app)))
LEAVES = [path for path, command in VERBS.items() if not hasattr(command, "commands")]
SETTINGS = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)


def calls(page: Path) -> Iterator[tuple[list[str], list[str]]]:
    """The calls of our command line in a page's code: words after `ledger`, and options."""
    for line in code_lines(page):
        if found := CALL.search(line.partition("#")[0]):
            yield found[1].split(), OPTION.findall(found[0])


def test_every_verb_has_its_section_on_the_page_of_the_command_line() -> None:
    titles = re.findall(r"^###? ledger (.+)$", text(ROOT / "docs" / "cli.md"), re.MULTILINE)
    assert len(LEAVES) > 30
    assert {" ".join(path) for path in LEAVES} <= set(titles)


@EACH
def test_every_call_names_a_verb_and_options_that_exist(page: Path) -> None:
    for words, options in calls(page):
        path = (words[0],) if (words[0],) in VERBS else ()
        assert path, f"there is no `ledger {words[0]}`"
        if hasattr(VERBS[path], "commands") and len(words) > 1:
            path = (*path, words[1])
            assert path in VERBS, f"there is no `ledger {' '.join(path)}`"
        known = {option for p in VERBS[path].params for option in (*p.opts, *p.secondary_opts)} | {
            "--help"
        }
        assert set(options) <= known, f"ledger {' '.join(path)}"


def test_calls_are_found() -> None:
    assert sum(len(list(calls(page))) for page in PAGES) > 30


def test_every_setting_is_documented() -> None:
    assert len(SETTINGS) > 10
    missing = set(SETTINGS) - set(SETTING.findall(WRITTEN))
    assert not missing


@EACH
def test_every_setting_that_is_named_exists(page: Path) -> None:
    unknown = set(SETTING.findall(text(page))) - set(SETTINGS)
    assert not unknown
