"""The documentation and the product have the same words: verbs, options, settings."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from app.cli import app
from tests.docs.pages import PAGES, ROOT, code_lines, name, text

EACH = pytest.mark.parametrize("page", PAGES, ids=name)
EVERYTHING = "\n".join(text(page) for page in PAGES)
CALL = re.compile(r"(?:^|[\s$(])ledger((?: [a-z-]+)+)(.*)")
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


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_verb_is_documented(path: tuple[str, ...]) -> None:
    """By its whole call, or, in a group, by its own word on a line that names the group."""
    *group, word = path
    named = re.compile(rf"`ledger {' '.join(group)} …`.*`{word}`") if group else None
    whole = re.compile(rf"\bledger {re.escape(' '.join(path))}\b")
    assert whole.search(EVERYTHING) or (named and named.search(EVERYTHING))


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
    missing = set(SETTINGS) - set(SETTING.findall(EVERYTHING))
    assert not missing


@EACH
def test_every_setting_that_is_named_exists(page: Path) -> None:
    unknown = set(SETTING.findall(text(page))) - set(SETTINGS)
    assert not unknown
