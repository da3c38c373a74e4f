"""`ledger import-orders`: brings the orders of an existing shop, from files."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import Reason, catch_up, operator, ready
from app.cli.output import BAD_ANSWER, NOTHING_CHANGED, print_json, progress, wants_json
from ledger.domain.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.order_import import Told
    from ledger.command_handler import CommandHandler
    from ledger.domain.events import Metadata
    from ledger.log import Log
    from ledger.settings import Settings

app = typer.Typer()


@app.command("import-orders", epilog="Example: ledger import-orders orders.csv --dry-run")
def import_orders(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="Files of CSV or JSON lines."
        ),
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would become of each; import none.")
    ] = False,
    reason: Reason = None,
) -> None:
    """Record orders of the past from files, each whole and once.

    They take no stock. One that is there already is left as it is; where the file says something
    else, that is named.
    docs/howto/import-orders.md describes the format. Exits 1 where an order was not taken.
    """
    from app.wiring import open_engine
    from ledger.command_handler import CommandHandler
    from projections.engine.reads import Reads

    settings = ready()
    report = _Report(each=dry_run)
    with open_engine(settings) as engine:
        kept = NOTHING_CHANGED if dry_run else "the orders that were recorded stay; import again"
        with closing(Reads(engine, connections=1)) as reads, progress("importing", kept) as advance:
            handler, meta = CommandHandler(engine.log, reads.money), operator(reason)
            for done, (file, told) in enumerate(
                _all(files, settings, engine.log, handler, meta, dry=dry_run), 1
            ):
                report.add(file, told)
                advance(done, 0)
        if not dry_run:
            catch_up(engine)
    report.close()


def _all(
    files: list[Path],
    settings: Settings,
    log: Log,
    handler: CommandHandler,
    meta: Metadata,
    *,
    dry: bool,
) -> Iterator[tuple[Path, Told]]:
    """Each order of each file; a file that cannot be read on is one more that is wrong."""
    from app.order_files import Unreadable, drafts
    from app.order_import import Outcome, Told, import_orders

    for file in files:
        try:
            found = drafts(file, settings.ledger_time_zone)
            for told in import_orders(found, log, handler, meta, dry=dry):
                yield file, told
        except Unreadable as error:
            yield file, Told(0, "", Outcome.WRONG, str(error))


class _Report:
    """Says what became of orders: of each, or of those that were not taken; and how many."""

    def __init__(self, *, each: bool) -> None:
        self._each = each
        self._counts = Counter[str]()
        self._refused: list[dict[str, Any]] = []
        self._bad = False

    def add(self, file: Path, told: Told) -> None:
        outcome = told.outcome.value
        self._counts[outcome] += 1
        self._bad |= not told.is_taken
        if wants_json():
            if not told.is_taken:
                document = {"file": str(file), "line": told.line, "order_id": told.order_id}
                self._refused.append(document | {"outcome": outcome, "words": told.words})
        elif self._each or not told.is_taken:
            where = f"{file}:{told.line}" if told.line else str(file)
            said = filter(None, (where, told.order_id, outcome, told.words))
            typer.echo(visible("  ".join(said)))

    def close(self) -> None:
        """The sum of it; exits 1 where an order was not taken."""
        from app.order_import import Outcome

        counts = {each.value: self._counts[each.value] for each in Outcome}
        if wants_json():
            print_json({**counts, "not_taken": self._refused})
        else:
            verb = "would be imported" if self._each else "imported"
            new, same, differ, wrong = counts.values()
            typer.echo(
                f"{new:,} {verb}, {same:,} there already, {differ:,} there and not the same,"
                f" {wrong:,} wrong"
            )
        if self._bad:
            raise typer.Exit(BAD_ANSWER)
