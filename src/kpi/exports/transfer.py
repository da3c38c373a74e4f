"""Sending an export: rows become bytes at constant memory, and what was sent is on record."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from hashlib import sha256
from threading import Event
from typing import Any, NamedTuple
from uuid import uuid4

from kpi.declare import CONTRACT_VERSION
from kpi.evaluate import currencies
from kpi.exports.declare import Blocks, Export, Selection
from kpi.exports.formats import Format, Writer, writer
from kpi.windows import Window
from ledger import waits
from ledger.disclosures import DisclosureLog
from ledger.domain.events import ExportMade, Metadata
from ledger.errors import InvalidRequest
from projections.engine.reads import Reads
from projections.engine.replay import AsOf, as_of_projections
from projections.engine.tables import AnyCursor
from projections.queries.listing import CURRENCY, Lister, check_texts, unknown_word


class Asked(NamedTuple):
    """What is to be exported; `by_length` where the window is the last so many days."""

    export: Export
    window: Window
    format: Format
    filters: dict[str, str]
    by_length: bool = True

    @property
    def terms(self) -> dict[str, str]:
        """The window and the filters, in words."""
        length = {"window": str(self.window.days)} if self.by_length else {}
        days = {"from": self.window.first.isoformat(), "to": self.window.last.isoformat()}
        return length | days | self.filters

    @property
    def file_name(self) -> str:
        """Such as `orders_paid_30d.csv`, or `orders_paid_2026-11-01_2026-11-25.csv`."""
        return file_name(self.export, self.terms, self.format)


def file_name(export: Export, terms: dict[str, str], ending: str) -> str:
    """The name of the file that an export by these terms is."""
    length = terms.get("window")
    days = f"{terms['from']}_{terms['to']}" if length is None else f"{length}d"
    return f"{export.file}_{days}.{ending}"


class Transfer:
    """The bytes of an export, in `chunks`; its maker must `close` it, even when it failed.

    After the last chunk, and so before a caller knows that it was the last, `ExportMade` is
    appended, also where chunks are no longer asked for or a row cannot be read: then it is not
    `complete`, and counts what was handed out. Where appending fails, `chunks` raise, and `close`
    too: a transfer that ends well is on record.
    """

    def __init__(self, asked: Asked, rests_on: AsOf, opened: _Opened) -> None:
        self.export_id = uuid4().hex
        self.asked = asked
        self.rests_on = rests_on
        self.rows = 0
        self._opened = opened
        self._digest = sha256()
        self.chunks = self._chunks()

    def close(self) -> None:
        """End it, wherever it is; a second time nothing is left to do."""
        self.chunks.close()
        self._opened.stack.close()

    def _chunks(self) -> Generator[bytes]:
        complete = False
        try:
            with self._opened.stack:
                for chunk in self._written():
                    self._digest.update(chunk)
                    yield chunk
            complete = True
        finally:
            opened = self._opened
            opened.disclosure_log.exported(self._event(complete), opened.meta, self.export_id)

    def _written(self) -> Iterator[bytes]:
        write = self._opened.writer
        yield write.head()
        while (rows := self._next()) is not None:
            chunk = write.block(rows)
            self.rows += len(rows)
            yield chunk
        yield write.tail()

    def _next(self) -> Any:
        """The next block of rows, from whichever thread; None after the last."""
        with waits.until(*self._opened.stops):
            return next(self._opened.blocks, None)

    def _event(self, complete: bool) -> ExportMade:
        asked = self.asked
        return ExportMade(
            name=asked.export.name,
            format=asked.format.value,
            filter=asked.terms | {"time_zone": self.rests_on.time_zone},
            rows=self.rows,
            sha256=self._digest.hexdigest(),
            position=self.rests_on.position,
            contract_version=CONTRACT_VERSION,
            columns=()
            if asked.format.is_plain_text
            else tuple(column.name for column in asked.export.columns),
            complete=complete,
        )


class _Opened(NamedTuple):
    """What a transfer reads from, writes with, and is put on record by."""

    stack: ExitStack
    blocks: Blocks
    writer: Writer
    disclosure_log: DisclosureLog
    meta: Metadata
    stops: tuple[Event, ...]


def begin(
    reads: Reads, disclosure_log: DisclosureLog, asked: Asked, meta: Metadata, after: int = 0
) -> Transfer:
    """Open an export, from read models that have taken in everything up to `after`.

    All of it is of one moment. Raises what `Reads.snapshot` does, `StoreUnavailable` too where the
    log is away that must know of it; `InvalidRequest` for a filter that the export does not have, a
    value that none can be, or a format whose library is missing.
    """
    for name in asked.filters.keys() - set(asked.export.filters):
        known = ", ".join(asked.export.filters)
        raise InvalidRequest(f"{asked.export.name} has no filter {name[:50]!r}; it has {known}.")
    write = writer(asked.export, asked.format)
    reads.engine.log.head()
    filters = {
        name: value.lower() if name == CURRENCY else value for name, value in asked.filters.items()
    }
    asked = asked._replace(filters=filters)
    selection = Selection(asked.window, filters, write.block_rows)
    check_texts(filters.values())
    with ExitStack() as stack:
        cursor = stack.enter_context(reads.snapshot(asked.export.reads, after, current=True))
        _check_words(reads, cursor, asked)
        rests_on = as_of_projections(cursor, asked.export.reads)
        source = asked.export.plain_text if asked.format.is_plain_text else asked.export.rows
        assert source is not None, "its writer was made"
        blocks = stack.enter_context(source(cursor, selection))
        opened = _Opened(stack.pop_all(), blocks, write, disclosure_log, meta, waits.stops())
    return Transfer(asked, rests_on, opened)


def _check_words(reads: Reads, cursor: AnyCursor, asked: Asked) -> None:
    """Raise `InvalidRequest` for a filter's value that cannot be, and say which can."""
    wanted = asked.filters.get(CURRENCY)
    there = currencies(cursor) if wanted is not None else []
    if there and wanted is not None and wanted not in there:
        raise unknown_word(CURRENCY, wanted, there)
    others = {name: value for name, value in asked.filters.items() if name != CURRENCY}
    for name in asked.export.reads:
        if (listing := reads.engine.registry.by_name[name].listing) is not None:
            Lister(listing).check_values(cursor, others)
            Lister(listing).check_words(cursor, others)
