"""Exports: what was taken out of the books, by whom; one row a file that was sent."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import msgspec

from api.permissions import Permission
from ledger.domain.events import ExportMade
from ledger.domain.facts import EventContext
from projections.engine.declare import Change, Listing, Mirror, Projection, key, latest
from projections.engine.row import Few, Row


class ExportRecord(Row):
    """A file that was taken out of the books, by whom and why."""

    export_id: str
    name: Few
    format: Literal["csv", "jsonl", "parquet", "beancount", "hledger"]
    filter: dict[str, str]
    """What was asked for: the days, and what columns had to equal."""
    columns: list[str]
    rows: int
    sha256: str
    rests_on_position: int
    """Up to which position of the log the file goes."""
    contract_version: int
    complete: bool
    """Whether it was sent to its end."""
    actor: str
    actor_name: str | None
    reason: str | None
    exported_at: datetime


# Another name than the module's: exports themselves are made at `/exports/{name}`.
export_log = Mirror(
    "export_log",
    export_id=key(),
    name=latest("text"),
    format=latest("text"),
    filter=latest("jsonb"),
    columns=latest("jsonb"),
    rows=latest("bigint"),
    sha256=latest("text"),
    rests_on_position=latest("bigint"),
    contract_version=latest("bigint"),
    complete=latest("boolean"),
    actor=latest("text"),
    actor_name=latest("text"),
    reason=latest("text"),
    exported_at=latest("timestamptz"),
    indexes=("exported_at, export_id", "sha256"),
)
projection = Projection(
    "export_log",
    tables=(export_log,),
    listing=Listing(
        export_log,
        ExportRecord,
        noun="export",
        filled_by="Take one out with `ledger export`, or on the page of exports.",
        sort="exported_at",
        filters=("name", "format", "actor", "complete", "sha256"),
        permission=Permission.SEE_EVIDENCE,
    ),
)


@projection.handles(ExportMade)
def made(fact: ExportMade, at: EventContext) -> Iterator[Change]:
    """An export is what its one event says; its id is that of its stream."""
    _, _, export_id = at.source.partition("/")
    yield export_log.action(
        at,
        export_id=export_id,
        name=fact.name,
        format=fact.format,
        filter=msgspec.json.encode(fact.filter, order="sorted").decode(),
        columns=msgspec.json.encode(fact.columns).decode(),
        rows=fact.rows,
        sha256=fact.sha256,
        rests_on_position=fact.position,
        contract_version=fact.contract_version,
        complete=fact.complete,
        actor=at.meta.actor,
        actor_name=at.meta.actor_name,
        reason=at.meta.reason,
        exported_at=at.effective_at,
    )
