"""The documentation leads somewhere: links, anchors, and the names of tests."""

import ast
import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, README, ROOT, anchors, links, name, target, text

PAGE_NAME = re.compile(r"\bdocs/[\w/-]+\.md\b|\b[A-Z]{2,}\.md\b")
DECISION = re.compile(r"\b(?:decision |docs/decisions/)(\d{1,4})\b")
EACH = pytest.mark.parametrize("page", PAGES, ids=name)


@EACH
def test_every_link_leads_to_a_file(page: Path) -> None:
    missing = [link for link in links(page) if not target(page, link).exists()]
    assert not missing


@EACH
def test_every_anchor_is_a_heading(page: Path) -> None:
    missing = [
        link
        for link in links(page)
        if "#" in link and link.partition("#")[2] not in anchors(target(page, link))
    ]
    assert not missing


@EACH
def test_no_link_leaves_the_project(page: Path) -> None:
    assert all(target(page, link).is_relative_to(ROOT) for link in links(page))


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = {README}, [README]
    while waiting:
        page = waiting.pop()
        found = {target(page, link) for link in links(page)} & set(PAGES)
        waiting += found - reached
        reached |= found
    assert [name(page) for page in PAGES if page not in reached] == []


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = folder / "README.md"
    written = sorted(page for page in folder.glob("*.md") if page != index)
    assert [target(index, link) for link in links(index)] == written


def test_every_test_that_is_named_exists() -> None:
    """The failure table says which test shows what; a renamed test must be renamed there too."""
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"def (test_\w+)", sources))
    named = {each for page in PAGES for each in re.findall(r"`(test_\w+)`", text(page))}
    assert named, "docs/architecture.md names tests"
    missing = named - defined
    assert not missing


def test_the_glossary_is_in_the_order_of_the_alphabet() -> None:
    words = re.findall(r"^\*\*(.+?)\.\*\*", text(ROOT / "docs" / "glossary.md"), re.MULTILINE)
    assert len(words) > 30
    assert words == sorted(words, key=str.casefold)


def test_every_page_that_code_names_is_a_page_of_the_project() -> None:
    """The source of a rule is a page here, by its path or by the number of a decision."""
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.sql")]
    files += [*(ROOT / "benchmarks").rglob("*.py"), ROOT / "pyproject.toml", ROOT / "Makefile"]
    code = {name(path): text(path) for path in files}
    for path in (ROOT / "tests").rglob("*.py"):
        code[name(path)] = ast.get_docstring(ast.parse(text(path))) or ""
    named = {(path, page) for path, said in code.items() for page in PAGE_NAME.findall(said)}
    assert len(named) > 20
    assert not [(path, page) for path, page in named if not (ROOT / page).exists()]
    decided = {int(page.name[:4]) for page in (ROOT / "docs" / "decisions").glob("0*.md")}
    numbers = {int(each) for said in code.values() for each in DECISION.findall(said)}
    assert numbers
    assert numbers <= decided
