"""The documentation as its tests see it: pages, what stands in code, links."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^ {4,}(.+)$", re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text(page))


def fences(page: Path, language: str) -> list[str]:
    """The fenced blocks in a language."""
    return [code for found, code in _FENCE.findall(text(page)) if found == language]


def code_lines(page: Path) -> Iterator[str]:
    """Whatever stands in code: lines of fenced and indented blocks, and inline code."""
    for _, block in _FENCE.findall(text(page)):
        yield from block.splitlines()
    yield from _INDENTED.findall(prose(page))
    yield from _INLINE.findall(prose(page))


def links(page: Path) -> list[str]:
    """Targets of links within the project, as they are written."""
    return [link for link in _LINK.findall(prose(page)) if "://" not in link]


def target(page: Path, link: str) -> Path:
    """The file or folder that a link means; the page itself for a bare anchor."""
    path = link.partition("#")[0]
    return (page.parent / path).resolve() if path else page


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    return {_anchor(heading) for heading in _HEADING.findall(prose(page))}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
