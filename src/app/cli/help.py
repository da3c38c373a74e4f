"""`ledger help`: what `--help` says of a verb, and which verb is meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any

import typer

from app.cli.output import paths_of, show

app = typer.Typer()


@app.command("help", epilog="Example: ledger help order place")
def help_(
    ctx: typer.Context,
    verb: Annotated[
        list[str] | None, typer.Argument(metavar="[VERB]...", help="As `order place`.")
    ] = None,
) -> None:
    """Show what a verb does and takes; without one, all verbs.

    The same as the verb's own --help.
    """
    words = verb or []
    text = _context_of(ctx.find_root(), words).get_help()
    show({"verb": " ".join(words), "help": text}, lambda: text)


def _context_of(context: Any, words: list[str]) -> Any:
    """The context of a verb, as its own --help has it."""
    found = context
    for word in words:
        inner = getattr(found.command, "commands", {}).get(word)
        if inner is None:
            raise _unknown(context.command, " ".join(words))
        found = type(context)(inner, info_name=word, parent=found)
    return found


def _unknown(root: Any, asked: str) -> typer.BadParameter:
    """That there is no such verb, and the one whose name is nearest."""
    (nearest,) = get_close_matches(asked, paths_of(root), 1, cutoff=0)
    return typer.BadParameter(
        f"there is no {asked!r}; the nearest is `ledger {nearest}`, and `ledger help` lists all.",
        param_hint="VERB",
    )
