"""The first page of the book, docs/start.md: its commands, run one after the other."""

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.docs.pages import ROOT, fences

START = ROOT / "docs" / "start.md"
SHELL = "cat > payment.json"
NOT_HERE = {"make setup", 'export PATH="$PWD/.venv/bin:$PATH"', "ledger serve"}


def test_the_commands_of_the_start_page_make_a_fulfilled_order_and_proven_books(
    environment: Path, run: Callable[..., Any]
) -> None:
    outputs: dict[str, str] = {}
    for block in fences(START, "sh"):
        file, _, rest = block.rpartition("\nEND\n")
        if file:
            assert file.startswith(SHELL)
            subprocess.run(["bash", "-euc", f"{file}\nEND\n"], cwd=environment, check=True)
        for command in rest.splitlines():
            if command not in NOT_HERE:
                program, *arguments = shlex.split(command)
                assert program == "ledger"
                outputs[command] = run(*arguments).output
    assert "1 appended" in outputs["ledger import payment.json"]
    assert "order.fulfilled" in outputs["ledger history order A1"]
    assert "\nverified: " in outputs["ledger verify"]
    product = json.loads(run("stock", "show", "MUG", "--json").stdout)
    assert (product["on_hand"], product["reserved"]) == (38, 0)
