"""Verbs for who works on the ledger itself, in a checkout of it: docs and bench."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from app.cli.output import BAD_ANSWER, CANNOT_RUN, Json, complain, show

app = typer.Typer()


@app.command(epilog="Example: ledger docs --check")
def docs(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 where a page is stale.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write the generated pages of docs/ anew."""
    root = _root("docs")
    fresh = {path: page() for path, page in pages().items()}
    stale = [path for path, text in fresh.items() if _text(root / path) != text]
    if not check:
        for path in stale:
            (root / path).write_text(fresh[path], encoding="utf-8")
    verb = "stale" if check else "written"
    show(
        {"pages": sorted(fresh), verb: stale},
        lambda: f"{verb}: {', '.join(stale)}" if stale else f"{len(fresh)} pages are fresh",
        as_json=as_json,
    )
    if check and stale:
        complain("Run `make docs` and commit what it writes.")
        raise typer.Exit(BAD_ANSWER)


@app.command(epilog="Example: ledger bench rebuild webhooks --quick")
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Benchmarks; all without a name.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes, to see that it runs.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a page of docs/.")] = False,
    as_json: Json = False,
) -> None:
    """Measure speed, as docs/performance.md reports it."""
    sys.path.insert(0, str(_root("benchmarks")))
    benchmarks = importlib.import_module("benchmarks.main")  # not a part of what is installed
    raise typer.Exit(benchmarks.run(names or [], json=as_json, quick=quick, markdown=markdown))


def pages() -> dict[str, Callable[[], str]]:
    """The generated pages by their path in the checkout; a new page is a new line."""
    from app.asgi import routes
    from app.cli.docs import checks, facts, figures, order_states, permissions
    from kpi.checks.declare import catalogue
    from projections.engine.registry import discover

    return {
        "docs/checks.md": lambda: checks.page(catalogue()),
        "docs/contract.md": lambda: facts.page(discover()),
        "docs/contracts/kpi_contract.json": figures.contract,
        "docs/kpi_definitions.md": figures.page,
        "docs/order_state_machine.md": order_states.page,
        "docs/rbac_matrix.md": lambda: permissions.page(routes),
    }


def _root(folder: str) -> Path:
    """The checkout that this package is installed from; it has the folder."""
    root = Path(__file__).parents[3]
    if not (root / folder).is_dir():
        complain(
            f"[bold red]No checkout[/] There is no folder {folder}/ beside the installed package;"
            " clone the repository and run this there."
        )
        raise typer.Exit(CANNOT_RUN)
    return root


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
