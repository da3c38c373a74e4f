"""The how-tos work as they are written: their files are put into a copy, and their tests run there.

What a fence holds is said in the line above it, which begins with the path of a file: a new file,
or, in a `diff`, lines to add beside lines that are there. `make test ARGS='…'` names the tests.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from tests.docs.pages import ROOT, name, text

PAGES = sorted((ROOT / "docs" / "howto").glob("add-*.md"))
PLACED = re.compile(
    r"^`((?:src|tests)/[^`]+)`[^\n]*:\n\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
TESTS = re.compile(r"make test ARGS='([^']+)'")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which all how-tos were followed."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("src", "tests", "docs"):
        copytree(ROOT / folder, root / folder, ignore=ignore_patterns("__pycache__", "images"))
    for file in ("pyproject.toml", "README.md", "CHANGELOG.md", ".env.example"):
        (root / file).write_bytes((ROOT / file).read_bytes())
    for page in PAGES:
        for path, language, code in PLACED.findall(text(page)):
            place(root / path, language, code, name(page))
    return root


def place(file: Path, language: str, code: str, page: str) -> None:
    """Write a file, or the lines that a diff adds to one."""
    if language != "diff":
        assert not file.exists(), f"{page}: {file.name} is there already"
        file.write_text(code, encoding="utf-8")
        return
    for hunk in re.split(r"^@@.*\n", code, flags=re.MULTILINE):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if not line.startswith("+"))
        after = "".join(line[1:] for line in lines if not line.startswith("-"))
        whole = file.read_text(encoding="utf-8")
        assert whole.count(before) == 1, f"{page}: {file.name} has not these lines once:\n{before}"
        file.write_text(whole.replace(before, after), encoding="utf-8")


def run(checkout: Path, *call: str) -> None:
    """Run a module of Python in the copy; fails with what it printed."""
    paths = os.pathsep.join([str(checkout / "src"), str(checkout)])
    done = subprocess.run(
        [sys.executable, "-m", *call],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_how_to_says_what_to_write_and_what_to_run(page: Path) -> None:
    assert PLACED.search(text(page)), "name a file in the line above its fence: `src/…`:"
    assert TESTS.search(text(page)), "name the tests: make test ARGS='…'"


def test_the_tests_that_the_how_tos_name_pass_once_they_were_followed(checkout: Path) -> None:
    named = [shlex.split(args) for page in PAGES for args in TESTS.findall(text(page))]
    tests = dict.fromkeys(each for args in named for each in args)
    run(checkout, "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *tests)


def test_the_code_of_the_how_tos_is_written_as_all_of_ours(checkout: Path) -> None:
    placed = dict.fromkeys(path for page in PAGES for path, _, _ in PLACED.findall(text(page)))
    code = [path for path in placed if path.endswith(".py")]
    run(checkout, "ruff", "check", "-q", "--no-cache", *code)
    run(checkout, "ruff", "format", "-q", "--check", "--no-cache", *code)
