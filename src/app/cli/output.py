"""What verbs print: a JSON document, or a table for people; progress and errors go to stderr."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from typer._click.exceptions import ClickException, NoSuchOption
from typer.core import TyperGroup

from ledger.domain.text import as_of, ascii_json, visible, visible_lines
from ledger.errors import (
    Ambiguous,
    InvalidCommand,
    InvalidRequest,
    InvalidWindow,
    LedgerError,
    NotFound,
    Refused,
    UnknownExport,
    UnknownFigure,
    UnknownProjection,
    Unstorable,
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
    InvalidCommand: WRONG_USAGE,
    Unstorable: WRONG_USAGE,
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

TYPES = {"str": "text", "int": "number", "float": "number", "Path": "file"}
"""Python's types in words."""

Progress = Callable[[int, int], None]
"""Called with how much is done, and how much there is to do."""

NOTHING_CHANGED = "nothing was changed"


VERB: ContextVar[str] = ContextVar("verb", default="")
"""The verb that runs, as it was called: `token list`."""


_JSON: ContextVar[bool] = ContextVar("json", default=False)


def wants_json() -> bool:
    """Whether the verb that runs was called with `--json`."""
    return _JSON.get()


def _remember(ctx: typer.Context, value: bool) -> None:
    VERB.set(ctx.command_path.removeprefix(ctx.find_root().info_name or "").strip())
    _JSON.set(value)


Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document and nothing else.", callback=_remember),
]


def _json_option() -> Any:
    """`--json`, which every verb takes; typer makes options of a function's parameters only."""
    maker = typer.Typer(add_completion=False)

    @maker.command()
    def verb(*, json: Json = False) -> None: ...

    option: Any = typer.main.get_command(maker).params[0]
    option.expose_value = False  # verbs ask `wants_json`
    return option


class Verbs(TyperGroup):
    """Commands that take `--json`, tell our errors in words, and exit as `EXITS` says."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        option = _json_option()
        for parameter in (*_parameters(self), option):
            parameter.display_type = partial(_plain_type, parameter.display_type)
        for verb in _verbs(self):
            verb.params.append(option)

    def make_context(self, info_name: Any, args: list[str], *more: Any, **extra: Any) -> Any:
        """Read what is given to all verbs."""
        before = args.index("--") if "--" in args else len(args)
        _JSON.set("--json" in args[:before])  # known also where reading the arguments fails
        with _wrong_usage():
            return super().make_context(info_name, args, *more, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; an error that is not ours is a bug, and shows its traceback."""
        try:
            with _wrong_usage():
                return super().invoke(ctx)
        except LedgerError as error:
            code = next(EXITS[base] for base in type(error).__mro__ if base in EXITS)
            fail(error, code)
        except UnicodeEncodeError as error:
            if not any("\udc80" <= each <= "\udcff" for each in error.object):
                raise
            refuse("WrongUsage", f"{error.object!r} is not UTF-8 text.", WRONG_USAGE)


@contextmanager
def _wrong_usage() -> Generator[None]:
    """Wrong usage is a document too where one is wanted; typer tells people, and exits."""
    try:
        yield
    except ClickException as error:
        if isinstance(error, NoSuchOption) and error.option_name[1:].isdigit():
            error.message = "A negative number is not taken here"
        if wants_json():
            print_json({"error": "WrongUsage", "detail": error.format_message()})
        raise


def _verbs(command: Any) -> Iterator[Any]:
    """All below a group that are no groups themselves."""
    for inner in getattr(command, "commands", {}).values():
        yield from _verbs(inner) if hasattr(inner, "commands") else (inner,)


def paths_of(command: Any) -> list[str]:
    """The verbs and groups below a group, each as it is called: `order`, `order place`."""
    found: list[str] = []
    for name, inner in getattr(command, "commands", {}).items():
        found += [name, *(f"{name} {below}" for below in paths_of(inner))]
    return found


def _parameters(command: Any) -> Iterator[Any]:
    """Those of a command, and of all below it."""
    yield from command.params
    for inner in getattr(command, "commands", {}).values():
        yield from _parameters(inner)


def _plain_type(display: Callable[[Any], str], ctx: Any) -> str:
    """What a value is, for people: `<file>` where typer says `<list[Path]>`."""
    shown = re.sub(r"list\[(.*)\]| range", r"\1", display(ctx))
    return re.sub(r"str|int|float|Path", lambda found: TYPES[found[0]], shown)


def fail(error: LedgerError, code: int) -> NoReturn:
    """Say what is wrong and the cure, and exit."""
    text = (str(error) or str(type(error).__doc__)) + reason_of(error)
    if not wants_json():
        text = _amounts_of(error) or text
    refuse(type(error).__name__, text, code)


def _amounts_of(error: LedgerError) -> str:
    """Amounts that are too small or too large as people write them; empty for other errors."""
    from ledger.domain.money import format_money

    told: list[str] = []
    for field, _, _, value, least, most, currency in error.errors:
        if currency is None or value is None or least is None or most is None or least == most:
            return ""
        name = field.removesuffix("_minor").replace("_", " ")
        said, lowest, highest = (format_money(each, currency) for each in (value, least, most))
        told.append(f"The {name} is {said}; it must be from {lowest} to {highest}.")
    return " ".join(told)


def refuse(name: str, text: str, code: int) -> NoReturn:
    """Say that something is not done, by the name of what is wrong and in words, and exit."""
    if wants_json():
        print_json({"error": name, "detail": text})
    complain(f"[bold red]{name}:[/] ", text)
    raise typer.Exit(code)


def reason_of(error: LedgerError) -> str:
    """Why there is no connection, in the driver's words: they name the address, and no row.

    Its lines and tabs become one line.
    """
    import psycopg

    cause = error.__cause__
    unconnected = isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None
    return f" ({' '.join(str(cause).split())})" if unconnected else ""


def complain(markup: str, text: str = "") -> None:
    """Print to stderr: our markup, then text as it is."""
    from rich.markup import escape

    made = console(stderr=True)
    made.print(markup + escape(visible_lines(text)), soft_wrap=not made.is_terminal)


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


def show(document: Any, view: Callable[[], RenderableType]) -> None:
    """Print a verb's result: the document as JSON, or what people look at."""
    if wants_json():
        print_json(document)
    elif isinstance(shown := view(), str):
        typer.echo(_wrapped(visible_lines(shown), console().width))
    else:
        console().print(shown)


def _wrapped(text: str, width: int) -> str:
    """Lines that are too long, broken between words; what follows of one is indented by two."""
    return "\n".join(_in_lines(line, width) for line in text.split("\n"))


def _in_lines(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def show_list(
    rows: Sequence[Any],
    position: int,
    empty: str | None,
    view: Callable[[], RenderableType],
    *,
    more: str = "",
) -> None:
    """Print a list as over HTTP: its rows, up to which position it goes, and why there are none.

    `more` says to people what is left out.
    """
    document = {"items": rows, "as_of_position": position, "empty": None if rows else empty}
    show(document, lambda: _with_end(view(), position, more) if rows else empty or "none")


def show_as_of(document: dict[str, Any], position: int, view: Callable[[], RenderableType]) -> None:
    """Print one thing, and up to which position of the log it goes."""
    show(document | {"as_of_position": position}, lambda: _with_end(view(), position))


def _with_end(shown: RenderableType, position: int, more: str = "") -> RenderableType:
    """What is shown, and below it how far it goes."""
    from rich.console import Group
    from rich.text import Text

    end = "; ".join(filter(None, [as_of(position), more]))
    return Group(shown, "", Text(end, "dim"))


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


def counted(number: int, noun: str) -> str:
    """How many of something, in words: `1 event`, `2,000 events`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


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
def progress(label: str, kept: str) -> Generator[Progress]:
    """A bar on stderr while the block runs; where Ctrl-C ends it, what of its work is `kept`."""
    try:
        with _bars() as bars:
            task = bars.add_task(label, total=None)
            yield lambda done, total: bars.update(task, completed=done, total=total or None)
    except KeyboardInterrupt:
        complain("[yellow]stopped[/]: ", kept)
        raise


@contextmanager
def tracker() -> Generator[Track]:
    """A bar on stderr for each act of a longer play."""
    with _bars() as bars:

        def track(label: str, items: Sequence[Item]) -> Iterable[Item]:
            return bars.track(items, description=label)

        yield track


def _bars() -> Bars:
    """Bars that go when they are done; none for programs, or where the output is no terminal."""
    from rich import progress as bar

    watched = console(stderr=True)
    return bar.Progress(
        bar.TextColumn("{task.description:<14}"),
        bar.BarColumn(),
        bar.TaskProgressColumn(),
        bar.TimeElapsedColumn(),
        console=watched,
        transient=True,
        disable=wants_json() or not watched.is_terminal,
    )
