"""The site's Markdown extension: a link to code becomes the path at which the code stands.

The pages of docs/ link to code and tests, which stand beside docs/ in the repository and not on the
site. `test_links.py` proves that every such path leads to a file.
"""

from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor

DOCS = Path(__file__).parents[2] / "docs"


class _Paths(Treeprocessor):
    def run(self, root: Element) -> None:
        for link in root.iter("a"):
            if path := path_outside(link.get("href", "")):
                link.tag = "span"
                link.attrib = {"class": "in-repository", "title": f"{path}, in the repository"}


class _Book(Extension):
    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - the library's name
        after_links = 5
        md.treeprocessors.register(_Paths(md), "paths", after_links)


def makeExtension(**given: Any) -> Extension:  # noqa: N802 - the library's name
    """What Markdown calls to make an extension of a module."""
    return _Book(**given)


def path_outside(href: str) -> str | None:
    """The path in the repository, for a link that leaves docs/; None for any other."""
    path = PurePosixPath(href.partition("#")[0])
    rest = PurePosixPath(*(part for part in path.parts if part != ".."))
    return None if path.parts[:1] != ("..",) or (DOCS / rest).exists() else str(rest)
