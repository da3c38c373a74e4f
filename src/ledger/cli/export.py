"""`ledger export`: an export as a file, with its manifest beside it, or on standard output."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Annotated

import typer

from ledger.cli.desk import Reason, operator
from ledger.cli.kpi import CurrencyOption, From, To, WindowDays, window_of
from ledger.cli.output import Json, complain, show
from ledger.cli.parts import catch_up, engine

if TYPE_CHECKING:
    from kpi.exports.manifest import Manifest
    from kpi.exports.transfer import Asked, Transfer
    from ledger.domain.events import Meta
    from projections.engine.build import Engine

app = typer.Typer()

STANDARD_OUTPUT = "-"


@app.command(epilog="Example: ledger export orders --window 30 -o orders.csv")
def export(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="kpi-summary, orders, products or customers.")
    ],
    *,
    window: WindowDays = None,
    first: From = None,
    last: To = None,
    currency: CurrencyOption = None,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", metavar="COLUMN=VALUE", help="refund_state=full; may be repeated."
        ),
    ] = None,
    chosen: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="csv, jsonl or parquet.")
    ] = "csv",
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Standard output without.")
    ] = STANDARD_OUTPUT,
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Take out an export of a window of days; it goes on record.

    Beside FILE comes FILE.manifest.json: columns, rows, SHA-256 and what the file rests on.
    """
    if as_json and output == STANDARD_OUTPUT:
        raise typer.BadParameter(
            "goes with -o: standard output is the file's.", param_hint="--json"
        )
    given = _filters([*(filters or []), *([f"currency={currency}"] if currency else [])])
    with engine() as opened:
        asked = _asked(opened, name, (window, first, last), given, chosen)
        catch_up(opened)
        made = _made(opened, asked, output, operator(reason))
    if output == STANDARD_OUTPUT:
        complain(_told(made, "standard output"))
    else:
        show(made.model_dump(), lambda: _told(made, output), as_json=as_json)


def _filters(given: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name in found:
            raise typer.BadParameter(
                f"{text!r}: write COLUMN=VALUE, each once", param_hint="--filter"
            )
        found[name] = value
    return found


def _asked(
    opened: Engine,
    name: str,
    days: tuple[str | None, str | None, str | None],
    filters: dict[str, str],
    chosen: str,
) -> Asked:
    from kpi.exports import declare
    from kpi.exports.formats import Format
    from kpi.exports.transfer import Asked

    if chosen not in list(Format):
        raise typer.BadParameter(
            f"{chosen!r} is none of csv, jsonl, parquet", param_hint="--format"
        )
    window = window_of(opened, *days)
    return Asked(declare.export(name), window, Format(chosen), filters, by_length=days[1] is None)


def _made(opened: Engine, asked: Asked, output: str, meta: Meta) -> Manifest:
    from kpi.exports.manifest import ENDING, manifest
    from kpi.exports.transfer import begin
    from ledger.evidence import Witness
    from projections.engine.reads import Reads

    with closing(Reads(opened, connections=1)) as reads:
        transfer = begin(reads, Witness(opened.log), asked, meta)
        _write(transfer, output)
    made = manifest(opened.log, transfer.export_id)
    if output == STANDARD_OUTPUT:
        return made
    path = Path(output)
    made = made.model_copy(update={"file": path.name})
    with _replacing(path.with_name(path.name + ENDING)) as beside:
        beside.write(made.model_dump_json(indent=2).encode() + b"\n")
    return made


def _write(transfer: Transfer, output: str) -> None:
    with closing(transfer):
        if output == STANDARD_OUTPUT:
            _pour(transfer, sys.stdout.buffer)
        else:
            with _replacing(Path(output)) as file:
                _pour(transfer, file)


def _pour(transfer: Transfer, file: IO[bytes]) -> None:
    for chunk in transfer.chunks:
        file.write(chunk)
        file.flush()


@contextmanager
def _replacing(path: Path) -> Generator[IO[bytes]]:
    """A file that takes this name when it is whole, and is nowhere if it never is.

    Only its owner may read it: it may hold what is personal.
    """
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            part = Path(file.name)
            try:
                yield file
                file.flush()
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="-o") from None


def _told(made: Manifest, where: str) -> str:
    return (
        f"{made.name} to {where}: {made.rows:,} rows, {made.window.first} to {made.window.last}"
        f" ({made.time_zone}), as of position {made.as_of_position:,}, SHA-256 {made.sha256[:16]}…"
    )
