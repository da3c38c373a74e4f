"""Manifests: what a file holds, as the log has it on record."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Final

from pydantic import Field

from api.operations import Schema
from kpi.exports.declare import Export, export
from kpi.exports.formats import Format
from kpi.exports.transfer import file_name
from ledger.domain.events import ExportMade, RecordedEvent
from ledger.log import Log
from projections.queries.answers import not_there

ENDING: Final = ".manifest.json"
_ID: Final = re.compile(r"[0-9a-f]{32}")


class ColumnResponse(Schema):
    """A column of a file: its heading, and what its values are."""

    name: str
    kind: str


class DaysResponse(Schema):
    """The days of a window, both included."""

    days: int
    first: date
    last: date


class Manifest(Schema):
    """What a file is: with both one can tell that it is whole, and make it again.

    `sha256` (hex) is of the file's bytes. Not `complete`: the caller hung up, and has only a part.
    """

    export_id: str
    name: str
    file: str
    format: str
    columns: list[ColumnResponse]
    rows: int
    sha256: str
    complete: bool
    as_of_position: int
    contract_version: int
    window: DaysResponse
    time_zone: str
    filter: dict[str, str] = Field(description="What columns had to equal.")
    made_at: datetime


def manifest(log: Log, export_id: str) -> Manifest:
    """The manifest of an export that was made; raises `NotFound`, `StoreUnavailable`."""
    found = log.stream(f"export/{export_id}") if _ID.fullmatch(export_id) else []
    if not found:
        raise not_there("export", export_id, log.head())
    return _manifest(export_id, found[0])


def _manifest(export_id: str, recorded: RecordedEvent) -> Manifest:
    made = recorded.event
    assert isinstance(made, ExportMade), "a stream of its own"
    declared = export(made.name)
    first, last = (date.fromisoformat(made.filter[name]) for name in ("from", "to"))
    return Manifest(
        export_id=export_id,
        name=made.name,
        file=file_name(declared, made.filter, Format(made.format)),
        format=made.format,
        columns=_columns(declared, made),
        rows=made.rows,
        sha256=made.sha256,
        complete=made.complete,
        as_of_position=made.position,
        contract_version=made.contract_version,
        window=DaysResponse(days=(last - first).days + 1, first=first, last=last),
        time_zone=made.filter["time_zone"],
        filter={name: v for name, v in made.filter.items() if name in declared.filters},
        made_at=recorded.effective_at,
    )


def _columns(declared: Export, made: ExportMade) -> list[ColumnResponse]:
    """Those that the file has; a column is never taken away, nor changes its kind."""
    return [
        ColumnResponse(name=column.name, kind=column.kind)
        for column in declared.columns
        if column.name in made.columns
    ]
