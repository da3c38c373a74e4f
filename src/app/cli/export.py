"""`ledger export`: an export as a file, with its manifest beside it, or on standard output."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from errno import EISDIR, ELOOP
from os import strerror
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Annotated, Final

import typer

from app.cli.context import Reason, catch_up, engine, operator
from app.cli.kpi import CurrencyOption, From, To, WindowDays, window_of
from app.cli.output import complain, counted, filters_of, show, wants_json
from ledger.domain.text import as_of

if TYPE_CHECKING:
    from kpi.exports.manifest import Manifest
    from kpi.exports.transfer import Asked
    from ledger.domain.events import Metadata
    from projections.engine.build import ProjectionContext

app = typer.Typer()

STANDARD_OUTPUT = "-"


SPREADSHEETS: Final = frozenset({"ods", "xls", "xlsb", "xlsm", "xlsx"})
"""Endings of files that a spreadsheet alone can write."""


@app.command(epilog="Example: ledger export orders --window 30 -o orders.csv")
def export(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="orders, or journal, or another one.")
    ],
    *,
    window: WindowDays = None,
    first: From = None,
    last: To = None,
    period: Annotated[
        str | None, typer.Option("--period", metavar="MONTH", help="A whole month: 2026-09.")
    ] = None,
    currency: CurrencyOption = None,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", metavar="COLUMN=VALUE", help="refund_state=full; may be repeated."
        ),
    ] = None,
    chosen: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="csv, jsonl or parquet; of the books beancount or hledger, too;"
            " default: as FILE ends, or csv where it has no ending.",
        ),
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Default: standard output.")
    ] = STANDARD_OUTPUT,
    force: Annotated[
        bool, typer.Option("--force", help="Replace FILE where there is one already.")
    ] = False,
    reason: Reason = None,
) -> None:
    """Export a window of days to a file; this is recorded.

    Beside FILE comes FILE.manifest.json: columns, rows, SHA-256 and what the file rests on. A
    device or a named pipe is written to, and has no manifest beside it.
    """
    if wants_json() and output == STANDARD_OUTPUT:
        raise typer.BadParameter(
            "goes with -o: standard output is the file's.", param_hint="--json"
        )
    given = filters_of([*(filters or []), *([f"currency={currency.lower()}"] if currency else [])])
    with engine() as opened:
        chosen = _format(chosen, output)
        asked = _asked(opened, name, (window, first, last, period), given, chosen)
        target = None if output == STANDARD_OUTPUT else _target(output, force=force)
        catch_up(opened)
        made = _made(opened, asked, target, operator(reason))
    if output == STANDARD_OUTPUT:
        complain(_told(made, "standard output"))
    else:
        show(made.model_dump(), lambda: _told(made, output))


def _format(chosen: str | None, output: str) -> str:
    """The format that is chosen or that a file's name ends with; csv where neither says one.

    A name that says another format than the chosen one would mislead all who open the file.
    """
    from kpi.exports.formats import Format

    if chosen is not None and chosen not in list(Format):
        raise typer.BadParameter(
            f"{chosen!r} is none of {', '.join(Format)}", param_hint="--format"
        )
    ending = Path(output).suffix.removeprefix(".").lower()
    if ending in SPREADSHEETS:
        raise typer.BadParameter(
            f"{output} would not be one: write .csv, which a spreadsheet opens.", param_hint="-o"
        )
    if ending not in list(Format):
        if chosen is None and ending and _is_replaceable(Path(output)):
            raise typer.BadParameter(
                f"{output} says no format that there is: end the name in"
                f" {', '.join(f'.{each}' for each in Format)}, or say --format.",
                param_hint="-o",
            )
        return chosen or "csv"
    if chosen not in {None, ending}:
        raise typer.BadParameter(
            f"{chosen} contradicts -o {output}, which ends as {ending} does: leave --format out,"
            f" or end the name in .{chosen}.",
            param_hint="--format",
        )
    return ending


def _asked(
    opened: ProjectionContext,
    name: str,
    days: tuple[str | None, str | None, str | None, str | None],
    filters: dict[str, str],
    chosen: str,
) -> Asked:
    from kpi.exports import declare
    from kpi.exports.formats import Format
    from kpi.exports.transfer import Asked

    window = window_of(opened, *days)
    by_length = days[1] is None and days[3] is None
    return Asked(declare.export(name), window, Format(chosen), filters, by_length)


def _made(opened: ProjectionContext, asked: Asked, target: Path | None, meta: Metadata) -> Manifest:
    from kpi.exports.manifest import manifest
    from kpi.exports.transfer import begin
    from ledger.disclosures import DisclosureLog
    from projections.engine.reads import Reads

    with closing(Reads(opened, connections=1)) as reads:
        transfer = begin(reads, DisclosureLog(opened.log), asked, meta)
        with closing(transfer), _opened(target) as file:
            for chunk in transfer.chunks:
                file.write(chunk)
                file.flush()
    made = manifest(opened.log, transfer.export_id)
    if target is None or not _is_replaceable(target):
        return made
    made = made.model_copy(update={"file": target.name})
    with _opened(_manifest_of(target)) as beside:
        beside.write(made.model_dump_json(indent=2).encode() + b"\n")
    return made


def _target(output: str, *, force: bool) -> Path:
    """The file that is meant: what a symbolic link points at, and not the link.

    One that is there, or whose manifest is, is replaced by `force` only.
    """
    path = Path(output)
    try:
        if path.is_dir() or not output:
            raise IsADirectoryError(EISDIR, strerror(EISDIR))
        meant = path.resolve()  # RuntimeError for a link that points at itself, before Python 3.13
    except (OSError, RuntimeError) as error:
        raise _unusable(path, error) from None
    if meant.is_symlink():
        raise _unusable(path, OSError(ELOOP, strerror(ELOOP)))
    for each in (meant, _manifest_of(meant)) if _is_replaceable(meant) and not force else ():
        if each.exists():
            raise typer.BadParameter(
                f"{each} is there already: name another file, or replace it with --force.",
                param_hint="-o",
            )
    return meant


def _manifest_of(path: Path) -> Path:
    from kpi.exports.manifest import ENDING

    return path.with_name(path.name + ENDING)


def _is_replaceable(path: Path) -> bool:
    """Whether it is a regular file, or nothing yet; a device or a pipe is written to instead."""
    return path.is_file() or not path.exists()


@contextmanager
def _opened(path: Path | None) -> Generator[IO[bytes]]:
    """Standard output, a device or a pipe as it is; or a file that takes its name when it is whole.

    A file that was begun and not finished is nowhere. Only its owner may read it: it may hold what
    is personal.
    """
    if path is None:
        yield sys.stdout.buffer
        return
    try:
        with _replacing(path) if _is_replaceable(path) else path.open("wb") as file:
            yield file
    except OSError as error:
        raise _unusable(path, error) from None


@contextmanager
def _replacing(path: Path) -> Generator[IO[bytes]]:
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        part = Path(file.name)
        try:
            yield file
            file.flush()
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _unusable(path: Path, error: Exception) -> typer.BadParameter:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return typer.BadParameter(f"{path}: {reason}", param_hint="-o")


def _told(made: Manifest, where: str) -> str:
    return (
        f"{made.name} to {where}: {counted(made.rows, 'row')},"
        f" {made.window.first} to {made.window.last}"
        f" ({made.time_zone}), {as_of(made.as_of_position)}, SHA-256 {made.sha256[:16]}…"
    )
