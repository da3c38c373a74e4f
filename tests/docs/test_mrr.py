"""The page of MRR: every clause of the declaration, with its source and tests that are there."""

import re

import pytest

from kpi.declare import Clause, figure
from tests.docs.pages import ROOT, text

PAGE = ROOT / "docs" / "mrr.md"
CLAUSES = figure("mrr").clauses
ROWS = [line.strip("|").split(" | ") for line in text(PAGE).splitlines() if line.startswith("| ")]
PROOFS = {says.strip(): (source, proofs) for says, source, proofs in ROWS[1:]}


def test_the_page_has_the_clauses_of_the_declaration_and_no_others() -> None:
    assert list(PROOFS) == [clause.says for clause in CLAUSES]


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.says)
def test_a_clause_has_its_source_and_tests(clause: Clause) -> None:
    source, proofs = PROOFS[clause.says]
    assert source == clause.source
    named = re.findall(r"\]\(([^)]+)\): ((?:`\w+`(?:, )?)+)", proofs)
    assert named
    for file, names in named:
        defined = re.findall(r"^def (test_\w+)", text(PAGE.parent / file), re.MULTILINE)
        assert set(re.findall(r"`(\w+)`", names)) <= set(defined)
