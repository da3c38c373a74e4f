"""Words: the glossary explains each once, and earlier ones are written nowhere."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import typer

from app.cli import app
from tests.docs.pages import README, ROOT, name, prose, text

GLOSSARY = ROOT / "docs" / "glossary.md"
RECORDS = ("docs/decisions/", "docs/acceptance_matrix.md")
"""Pages that say what was, or name tests."""
A_ROLE = "the role (customer, operator, analyst, auditor), another writer, anyone who"
REPLACED = {
    "desk": "command handler",
    "guard": "authentication, permission",
    "doorkeeper": "authentication, permission",
    "surface": "permission",
    "witness": "disclosure log",
    "stretch": "batch, or part of the log",
    "stretches": "batches, or parts of the log",
    "islands": "independent groups",
    "bell": "notification",
    "take_in": "ingest",
    "intake": "ingest",
    "workshop": "rebuild lock",
    "prover": "background task",
    "chip": "badge",
    "fate": "outcome",
    "fates": "outcomes",
    "diary": "timeline",
    "anew": "again",
    "whoever": A_ROLE,
    "somebody": A_ROLE,
    "someone": A_ROLE,
}
"""Earlier words of this project, and those of the field that are written instead."""
TERM = re.compile(r"^\*\*([^*]+)\.\*\*", re.MULTILINE)
CODE = re.compile(r"`[^`\n]*`|\{%.*?%\}|\{\{.*?\}\}|<[^>]*>|\]\([^)]*\)", re.DOTALL)


def helps(command: Any) -> Iterator[str]:
    yield command.help or ""
    for parameter in command.params:
        yield getattr(parameter, "help", None) or ""
    for each in getattr(command, "commands", {}).values():
        yield from helps(each)


def texts() -> Iterator[tuple[str, str]]:
    """What people read, without code: pages, the console's templates, the terminal's help."""
    for page in (README, *sorted((ROOT / "docs").rglob("*.md"))):
        if not name(page).startswith(RECORDS):
            yield name(page), prose(page)
    for template in sorted((ROOT / "src" / "console" / "templates").glob("*.html")):
        yield name(template), text(template)
    yield "ledger --help", "\n".join(helps(typer.main.get_command(app)))


def test_a_term_is_explained_once() -> None:
    terms = Counter(TERM.findall(text(GLOSSARY)))
    assert len(terms) > 60
    assert [term for term, times in terms.items() if times > 1] == []


def test_a_replaced_word_is_written_nowhere() -> None:
    any_of_them = re.compile(rf"\b({'|'.join(REPLACED)})\b", re.IGNORECASE)
    found = [
        f"{place}: {word!r}; write {REPLACED[word.lower()]}"
        for place, said in texts()
        for word in any_of_them.findall(CODE.sub(" ", said))
        if (place, word.lower()) not in IN_ANOTHER_SENSE
    ]
    assert found == []


IN_ANOTHER_SENSE = {("README.md", "desk")}
"""A desk lamp is a product."""
