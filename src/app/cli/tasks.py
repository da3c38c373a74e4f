"""`ledger task`: the work of a rebuild from the archive, share by share, without an engine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.output import counted, progress, show

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from projections.engine.fold_objects import Done, FoldTask, MergeTask

app = typer.Typer(
    name="task",
    help="A share of a rebuild's work, for schedulers of batch jobs.",
    no_args_is_help=True,
)

Share = Annotated[
    str, typer.Argument(metavar="I/N", help="Which of how many equal shares, as 1/4.")
]


@app.command(epilog="Example: ledger task fold 1/4")
def fold(share: Share) -> None:
    """Fold a share of the sealed events.

    Needs LEDGER_ARCHIVE and the settings of the service, and no database. What is folded already is
    left as it is. When all shares are done, `ledger task merge` can begin.
    """
    from projections.engine import fold_objects

    folds, _ = _tasks()
    _run(share, fold_objects.fold, folds)


@app.command(epilog="Example: ledger task merge 1/4")
def merge(share: Share) -> None:
    """Merge a share of what was folded.

    Needs all folds, LEDGER_ARCHIVE and the settings of the service, and no database. After that
    `ledger rebuild` finds everything made, and copies it in.
    """
    from projections.engine import fold_objects

    _, merges = _tasks()
    _run(share, fold_objects.merge, merges)


def _tasks() -> tuple[list[FoldTask], list[MergeTask]]:
    from app.wiring import fold_job
    from ledger import settings, telemetry
    from ledger.archive import segments
    from ledger.archive.store import Store
    from ledger.errors import ArchiveUnavailable, SettingsError
    from projections.engine import fold_objects

    loaded = settings.load()
    telemetry.configure("warning")
    if not loaded.ledger_archive:
        raise SettingsError("LEDGER_ARCHIVE is not set: it says where the archive lies.")
    store = Store(loaded.ledger_archive)
    sealed = segments.from_the_first(segments.manifests(store))
    if not sealed:
        raise ArchiveUnavailable(
            f"Nothing is sealed in {store.address} from position 1 on: `ledger archive seal`, where"
            " the database is, does it."
        )
    job = fold_job(loaded, store.address)
    folds = fold_objects.fold_tasks(job, sealed)
    return folds, fold_objects.merge_tasks(job, folds)


def _run(share: str, work: Callable[[Any], Done], tasks: Sequence[Any]) -> None:
    from ledger.errors import ProjectionStopped
    from projections.engine.fold import ProjectionFailed

    found = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", share)
    if not found or int(found[1]) > int(found[2]):
        raise typer.BadParameter("it is no share: write 1/4 for the first of four.")
    mine = tasks[int(found[1]) - 1 :: int(found[2])]
    done: list[Done] = []
    kept = "what was made stays, and the same share makes the rest"
    with progress("working", kept) as report:
        for task in mine:
            try:
                done.append(work(task))
            except ProjectionFailed as failure:
                raise ProjectionStopped(
                    f"{failure.projection} cannot be made of {task.name}: {failure.because}."
                ) from failure
            report(len(done), len(mine))
    made = sum(each.made for each in done)
    show(
        {
            "share": share,
            "tasks": len(mine),
            "made": made,
            "of": len(tasks),
            "fingerprint": tasks[0].job.fingerprint if tasks else None,
        },
        lambda: f"share {share}: {counted(len(mine), 'task')} of {len(tasks)}, {made} made now",
    )
