"""The site of docs/: every page is in its navigation, links hold, nothing comes from elsewhere."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown import Markdown
from markdown_it import MarkdownIt

from tests.docs.book import path_outside
from tests.docs.pages import ROOT, name, text

DOCS = ROOT / "docs"
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


def in_navigation(part: Any) -> Iterator[str]:
    """The pages of a part of the navigation: a page, a list of parts, or parts by their titles."""
    match part:
        case str():
            yield part
        case list():
            for each in part:
                yield from in_navigation(each)
        case dict():
            yield from in_navigation(list(part.values()))


def extensions() -> Iterator[tuple[str, dict[str, Any]]]:
    """Those of the site, with their settings."""
    for each in CONFIG["markdown_extensions"]:
        yield from each.items() if isinstance(each, dict) else [(each, {})]


MARKDOWN = Markdown(
    extensions=[extension for extension, _ in extensions()],
    extension_configs=dict(extensions()),
)
BLOCK = re.compile(r"<(pre|ul|ol|li|table|tr|h\d|img|blockquote)\b")


def blocks(html: str) -> Counter[str]:
    return Counter(BLOCK.findall(html))


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "mkdocs.yml", folder)
    return subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_navigation_has_every_page_once() -> None:
    pages = sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))
    named = sorted(in_navigation(CONFIG["nav"]))
    assert named == pages, "mkdocs.yml, nav: one line for each page of docs/, decisions too"


def test_a_strict_build_finds_nothing_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    shutil.copytree(DOCS, tmp_path / "docs")
    result = build(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    built = {page: page.read_text("utf-8") for page in (tmp_path / "build/site").rglob("*.html")}
    assert len(built) >= len(list(DOCS.rglob("*.md")))
    loaded = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//""")
    assert not [page for page, text in built.items() if loaded.search(text)]
    outside = re.compile(r"""href=["']?(?:\.\./)+(?:src|tests)/""")
    assert not [page for page, text in built.items() if outside.search(text)]
    assert (
        'title="src/api/auth.py, in the repository"' in built[tmp_path / "build/site/security.html"]
    )


def test_a_strict_build_ends_at_a_link_to_no_page(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("# Page\n\n[Another](another.md)\n")
    result = build(tmp_path)
    assert result.returncode != 0
    assert "page does not exist" in result.stdout + result.stderr


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=name)
def test_a_page_has_the_same_blocks_on_the_site_and_in_the_repository(page: Path) -> None:
    """The site reads Markdown by older rules than code hosts, which differ in lists above all."""
    on_the_site = MARKDOWN.reset().convert(text(page))
    in_the_repository = MarkdownIt("commonmark").enable("table").render(text(page))
    assert blocks(on_the_site) == blocks(in_the_repository)


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("../src/api/auth.py", "src/api/auth.py"),
        ("../../tests/docs/book.py#L3", "tests/docs/book.py"),
        ("../.env.example", ".env.example"),
        ("../architecture.md#the-log", None),
        ("decisions/README.md", None),
        ("https://docs.stripe.com/webhooks", None),
        ("#install", None),
    ],
)
def test_a_link_out_of_docs_becomes_a_path(link: str, path: str | None) -> None:
    assert path_outside(link) == path
