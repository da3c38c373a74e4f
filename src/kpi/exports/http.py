"""Exports over HTTP: what there is, each as a download, and the manifests of what was taken."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Final

import anyio
from pydantic import Field, create_model
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from api.operations import Handler, Schema, operation
from api.permissions import Permission, meta_of
from kpi.declare import CONTRACT_VERSION
from kpi.exports.declare import Export, exports
from kpi.exports.formats import Format, formats_of
from kpi.exports.manifest import ColumnResponse, Manifest, manifest
from kpi.exports.transfer import Asked, Transfer, begin
from kpi.http import window_of
from kpi.schemas import Currency, WindowQuery
from ledger.disclosures import DisclosureLog
from ledger.errors import InvalidWindow, NotFound, StoreUnavailable
from ledger.log import Log
from projections.engine.reads import Reads
from projections.queries.schemas import READ, Filter, Reason

EXPORT_SECONDS: Final = 90.0
"""How long a caller waits for the first bytes of an export."""

STALLED_SECONDS: Final = 60.0
"""A caller who takes nothing for so long is hung up on: a snapshot is held for each."""


class DownloadQuery(WindowQuery):
    """Which days, in which format, and why."""

    period: Annotated[
        str | None, Field(max_length=20, description="A month in place of days, such as 2026-09.")
    ] = None
    format: Annotated[Format, Field(description="One of the export; Parquet is an extra.")] = (
        Format.CSV
    )
    reason: Reason = None


class ExportResponse(Schema):
    """An export: what it asks, the file that it is, its columns, and what may be filtered by."""

    name: str
    title: str
    question: str
    file: str
    columns: list[ColumnResponse]
    filters: list[str]
    formats: list[str]


class ExportsResponse(Schema):
    """All exports, by which contract, and the formats that some or all of them have."""

    contract_version: int
    formats: list[str]
    items: list[ExportResponse]


class Download(StreamingResponse):
    """The chunks of a transfer; it is closed whatever becomes of the connection.

    A body has no length, and its end is sent when the export is on record: a transfer that breaks
    off, or cannot be put on record, never looks whole.
    """

    def __init__(self, transfer: Transfer) -> None:
        named = {
            "Export-Id": transfer.export_id,
            "As-Of-Position": str(transfer.rests_on.position),
        }
        super().__init__(transfer.chunks, headers=_headers(transfer.asked) | named)
        self._transfer = transfer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, unless the caller hangs up or takes nothing for too long."""

        async def patient(message: Message) -> None:
            with anyio.fail_after(STALLED_SECONDS):
                await send(message)

        try:
            with suppress(ClientDisconnect, TimeoutError):
                await super().__call__(scope, receive, patient)
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(self._transfer.close)


def _headers(asked: Asked) -> dict[str, str]:
    return {
        "Content-Type": asked.format.media_type,
        "Content-Disposition": f'attachment; filename="{asked.file_name}"',
    }


@operation(Permission.EXPORT, "exports")
def list_exports(_request: Request) -> ExportsResponse:
    """List the exports: the columns of each file, and what may be filtered by."""
    return ExportsResponse(
        contract_version=CONTRACT_VERSION,
        formats=list(Format),
        items=[
            ExportResponse(
                name=each.name,
                title=each.title,
                question=each.about,
                file=each.file,
                columns=[ColumnResponse(name=name, kind=kind) for name, kind in each.columns],
                filters=list(each.filters),
                formats=list(formats_of(each)),
            )
            for each in exports()
        ],
    )


@operation(Permission.EXPORT, "exports", errors=(NotFound, StoreUnavailable))
def read_manifest(request: Request) -> Manifest:
    """Show what was taken out: columns, rows, SHA-256, and the position that it rests on.

    It is there when the file was sent to its end, or the caller hung up.
    """
    log: Log = request.state.log
    return manifest(log, request.path_params["id"])


def _download(export: Export) -> Handler:
    """The operation that sends one export, with a query of its own filters."""

    def download(request: Request, query: Any) -> Response:
        asked = _asked(request, export, query)
        if request.method == "HEAD":
            return Response(headers=_headers(asked))
        reads: Reads = request.state.exports
        disclosure_log: DisclosureLog = request.state.disclosure_log
        meta = meta_of(request, query.reason)
        return Download(begin(reads, disclosure_log, asked, meta, query.after))

    download.__name__ = f"download_{export.name}".replace("-", "_")
    download.__doc__ = (
        f"Take out: {export.title.lower()}, as a file.\n\n{export.about} `Export-Id` names it for"
        " its manifest, `As-Of-Position` is what it rests on. That it was sent is put on record"
        " before its end is; a body that breaks off is no export."
    )
    return operation(
        permission=Permission.EXPORT,
        tag="exports",
        query=_query(export),
        sends=tuple(sorted({each.media_type for each in formats_of(export)})),
        errors=(InvalidWindow, *READ),
        seconds=EXPORT_SECONDS,
    )(download)


def _query(export: Export) -> type[DownloadQuery]:
    kinds: Mapping[str, Any] = {"currency": Currency}
    fields: dict[str, Any] = {name: (kinds.get(name, Filter), None) for name in export.filters}
    name = f"Download{export.name.title().replace('-', '')}"
    return create_model(name, __base__=DownloadQuery, **fields)


def _asked(request: Request, export: Export, query: Any) -> Asked:
    return Asked(
        export,
        window_of(request, query, query.period),
        query.format,
        query.model_dump(include=set(export.filters), exclude_none=True),
        by_length=query.first is None and query.period is None,
    )


routes = [
    Route("/exports", list_exports),
    *(Route(f"/exports/{each.name}", _download(each)) for each in exports()),
    Route("/exports/{id}/manifest", read_manifest),
]
