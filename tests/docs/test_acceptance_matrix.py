"""The acceptance matrix: each claim names code and tests, and they are there."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docs.pages import ROOT, text

PAGE = ROOT / "docs" / "acceptance_matrix.md"
TARGET = re.compile(r"\]\(([^)]+)\)")
PROOF = re.compile(r"\]\((?P<file>[^)]+)\): (?P<names>`\w+`(?:, `\w+`)*)")


class Row(NamedTuple):
    claim: str
    code: list[Path]
    proofs: dict[Path, list[str]]


def files(cell: str) -> list[Path]:
    return [(PAGE.parent / target).resolve() for target in TARGET.findall(cell)]


def row(line: str) -> Row:
    claim, code, proofs = (cell.strip() for cell in line.strip("|").split(" | "))
    found = {
        (PAGE.parent / each["file"]).resolve(): re.findall(r"`(\w+)`", each["names"])
        for each in PROOF.finditer(proofs)
    }
    return Row(claim, files(code), found)


LINES = [line for line in text(PAGE).splitlines() if line.startswith("| ")]
ROWS = [row(line) for line in LINES if not line.startswith("| claim")]
EACH = pytest.mark.parametrize("claimed", ROWS, ids=lambda claimed: claimed.claim)


@EACH
def test_the_code_of_a_claim_is_there(claimed: Row) -> None:
    assert claimed.code
    assert all(file.is_file() and file.is_relative_to(ROOT / "src") for file in claimed.code)


@EACH
def test_the_tests_of_a_claim_stand_in_the_file_that_is_named(claimed: Row) -> None:
    assert claimed.proofs
    for file, names in claimed.proofs.items():
        assert file.is_relative_to(ROOT / "tests")
        defined = re.findall(r"^(?:async )?def (test_\w+)", text(file), re.MULTILINE)
        assert set(names) <= set(defined)


def test_every_claim_is_made_once() -> None:
    claims = [claimed.claim for claimed in ROWS]
    assert len(claims) > 25
    assert len(set(claims)) == len(claims)
