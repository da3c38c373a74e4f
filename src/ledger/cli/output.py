"""What verbs print: a JSON document, or a table for people; progress and errors go to stderr."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from typer.core import TyperGroup

from ledger.errors import LedgerError, NotFound, Refused

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress as Bars
    from rich.table import Table

    from ledger.demo.play import Track

Item = TypeVar("Item")

BAD_ANSWER = 1
CANNOT_RUN = 3
WIDE = 160
_WANTS_JSON = "ledger.json"

Progress = Callable[[int, int], None]
"""Called with how much is done, and how much there is to do."""


def _remember(ctx: typer.Context, value: bool) -> bool:
    ctx.meta[_WANTS_JSON] = value
    return value


Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document and nothing else.", callback=_remember),
]


class Verbs(TyperGroup):
    """Commands that tell our errors in words: exit 1 for a no, 3 for what cannot run."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; an error that is not ours is a bug, and shows its traceback."""
        try:
            return super().invoke(ctx)
        except LedgerError as error:
            code = BAD_ANSWER if isinstance(error, Refused | NotFound) else CANNOT_RUN
            fail(error, code, as_json=ctx.meta.get(_WANTS_JSON, False))


def fail(error: LedgerError, code: int, *, as_json: bool) -> NoReturn:
    """Say what is wrong and the cure, and exit."""
    name, text = type(error).__name__, (str(error) or str(type(error).__doc__)) + _reason(error)
    if as_json:
        print_json({"error": name, "detail": text})
    complain(f"[bold red]{name}:[/] ", text)
    raise typer.Exit(code)


def _reason(error: LedgerError) -> str:
    """Why there is no connection, in the driver's words: they name the address, and no row."""
    import psycopg

    cause = error.__cause__
    unconnected = isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None
    return f" ({str(cause).strip()})" if unconnected else ""


def complain(markup: str, text: str = "") -> None:
    """Print to stderr: our markup, then text as it is."""
    from rich.markup import escape

    console(stderr=True).print(markup + escape(text), soft_wrap=True)


def show(document: Any, view: Callable[[], RenderableType], *, as_json: bool) -> None:
    """Print a verb's result: the document as JSON, or what people look at."""
    if as_json:
        print_json(document)
    elif isinstance(shown := view(), str):
        typer.echo(shown)
    else:
        console().print(shown)


def print_json(document: Any) -> None:
    """Print one JSON document to stdout; times as ISO 8601, bytes as base64."""
    import msgspec

    encoder = msgspec.json.Encoder(enc_hook=str, decimal_format="number")
    text = msgspec.json.format(encoder.encode(document), indent=2)
    typer.echo(text.decode())


def console(*, stderr: bool = False) -> Console:
    """A console for the stream as it is now; where nobody watches, lines have room."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False)
    if not (made.is_terminal or "COLUMNS" in os.environ):
        made.width = WIDE
    return made


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table without lines between rows.

    A head that begins with `>` aligns its column to the right, one with `=` never breaks a value,
    one with `~` cuts values where the terminal is narrow.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        header_style="dim",
    )
    for column in columns:
        made.add_column(
            column.lstrip(">=~"),
            justify="right" if column.startswith(">") else "left",
            overflow="ellipsis" if column.startswith("~") else "fold",
            no_wrap=column.startswith("="),
        )
    for row in rows:
        made.add_row(*(c if isinstance(c, Text) else Text(_cell(c)) for c in row))
    return made


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


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
