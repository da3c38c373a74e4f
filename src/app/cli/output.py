"""What verbs print: a JSON document, or a table for people; progress and errors go to stderr."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from typer.core import TyperGroup

from ledger.domain.text import ascii_json, visible, visible_lines
from ledger.errors import (
    Ambiguous,
    InvalidRequest,
    InvalidWindow,
    LedgerError,
    NotFound,
    Refused,
    UnknownExport,
    UnknownFigure,
    UnknownProjection,
)

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress as Bars
    from rich.text import Text

    from app.demo.runner import Track

Item = TypeVar("Item")

BAD_ANSWER = 1
WRONG_USAGE = 2
CANNOT_RUN = 3
EXITS: dict[type[LedgerError], int] = {
    Refused: BAD_ANSWER,
    NotFound: BAD_ANSWER,
    Ambiguous: WRONG_USAGE,
    InvalidRequest: WRONG_USAGE,
    InvalidWindow: WRONG_USAGE,
    UnknownFigure: WRONG_USAGE,
    UnknownExport: WRONG_USAGE,
    UnknownProjection: WRONG_USAGE,
    LedgerError: CANNOT_RUN,
}
"""Exit codes by error; an error that does not stand here has that of its base class."""

UNBOUNDED = 10_000
_WANTS_JSON = "ledger.json"

TYPES = {"str": "text", "int": "number", "float": "number", "Path": "file"}
"""Python's types in words."""

Progress = Callable[[int, int], None]
"""Called with how much is done, and how much there is to do."""


VERB: ContextVar[str] = ContextVar("verb", default="")
"""The verb that runs, as it was called: `token list`."""


def _remember(ctx: typer.Context, value: bool) -> bool:
    VERB.set(ctx.command_path.removeprefix(ctx.find_root().info_name or "").strip())
    ctx.meta[_WANTS_JSON] = value
    return value


Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document and nothing else.", callback=_remember),
]


class Verbs(TyperGroup):
    """Commands that tell our errors in words, and exit as `EXITS` says."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        for parameter in _parameters(self):
            parameter.display_type = partial(_plain_type, parameter.display_type)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; an error that is not ours is a bug, and shows its traceback."""
        try:
            return super().invoke(ctx)
        except LedgerError as error:
            code = next(EXITS[base] for base in type(error).__mro__ if base in EXITS)
            fail(error, code, as_json=ctx.meta.get(_WANTS_JSON, False))


def _parameters(command: Any) -> Iterator[Any]:
    """Those of a command, and of all below it."""
    yield from command.params
    for inner in getattr(command, "commands", {}).values():
        yield from _parameters(inner)


def _plain_type(display: Callable[[Any], str], ctx: Any) -> str:
    """What a value is, for people: `<file>` where typer says `<list[Path]>`."""
    shown = re.sub(r"list\[(.*)\]| range", r"\1", display(ctx))
    return re.sub(r"str|int|float|Path", lambda found: TYPES[found[0]], shown)


def fail(error: LedgerError, code: int, *, as_json: bool) -> NoReturn:
    """Say what is wrong and the cure, and exit."""
    name, text = type(error).__name__, (str(error) or str(type(error).__doc__)) + reason_of(error)
    if as_json:
        print_json({"error": name, "detail": text})
    complain(f"[bold red]{name}:[/] ", text)
    raise typer.Exit(code)


def reason_of(error: LedgerError) -> str:
    """Why there is no connection, in the driver's words: they name the address, and no row."""
    import psycopg

    cause = error.__cause__
    unconnected = isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None
    return f" ({str(cause).strip()})" if unconnected else ""


def complain(markup: str, text: str = "") -> None:
    """Print to stderr: our markup, then text as it is."""
    from rich.markup import escape

    console(stderr=True).print(markup + escape(visible_lines(text)), soft_wrap=True)


def filters_of(given: Iterable[str], known: Sequence[str] | None = None) -> dict[str, str]:
    """Values by column from `COLUMN=VALUE`; of columns that are `known`, where they are."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name in found:
            raise typer.BadParameter(
                f"{text!r}: write COLUMN=VALUE, each once", param_hint="--filter"
            )
        if known is not None and name not in known:
            there = f"there are {', '.join(known)}." if known else "there is none."
            raise typer.BadParameter(f"no filter {name!r}; {there}", param_hint="--filter")
        found[name] = value
    return found


def show(document: Any, view: Callable[[], RenderableType], *, as_json: bool) -> None:
    """Print a verb's result: the document as JSON, or what people look at."""
    if as_json:
        print_json(document)
    elif isinstance(shown := view(), str):
        typer.echo(visible_lines(shown))
    else:
        console().print(shown)


def print_json(document: Any) -> None:
    """Print one JSON document to stdout; times as ISO 8601, bytes as base64."""
    import msgspec

    encoder = msgspec.json.Encoder(enc_hook=str, decimal_format="number")
    text = msgspec.json.format(encoder.encode(document), indent=2)
    typer.echo(ascii_json(text.decode()))


def console(*, stderr: bool = False) -> Console:
    """A console for the stream as it is now; lines into a file or a pipe are never cut."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False)
    if not (made.is_terminal or "COLUMNS" in os.environ):
        made.width = UNBOUNDED
    return made


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> RenderableType:
    """Rows below their heads. A head that begins with `>` aligns its column to the right.

    Where the columns do not fit side by side, as many as do stand in one line, and the others
    follow below it, each with its head; `=` marks a column whose values are never broken.
    """
    from app.cli.rows import Rows

    return Rows(columns, [[_text(value) for value in row] for row in rows])


def _text(value: object) -> Text:
    from rich.text import Text

    return value if isinstance(value, Text) else Text(_cell(value))


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else visible(str(value))


@contextmanager
def progress(label: str, *, as_json: bool) -> Generator[Progress]:
    """A bar on stderr while the block runs."""
    with _bars(as_json=as_json) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)


@contextmanager
def tracker(*, as_json: bool) -> Generator[Track]:
    """A bar on stderr for each act of a longer play."""
    with _bars(as_json=as_json) as bars:

        def track(label: str, items: Sequence[Item]) -> Iterable[Item]:
            return bars.track(items, description=label)

        yield track


def _bars(*, as_json: bool) -> Bars:
    """Bars that go when they are done; none for programs, or where nobody watches."""
    from rich import progress as bar

    watched = console(stderr=True)
    return bar.Progress(
        bar.TextColumn("{task.description:<14}"),
        bar.BarColumn(),
        bar.TaskProgressColumn(),
        bar.TimeElapsedColumn(),
        console=watched,
        transient=True,
        disable=as_json or not watched.is_terminal,
    )
