"""Find the Stripe events in a file, byte for byte, whatever kind of JSON it holds."""

from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO, NamedTuple

from ledger.errors import NotAStripeEvent
from ledger.log import APPEND_BYTES
from webhooks.documents import elements, is_json
from webhooks.translate.objects import parse_event

MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Found(NamedTuple):
    """An event; `line` is where it begins, from 1."""

    line: int
    event_id: str
    body: bytes


class Unreadable(NamedTuple):
    """Something else; `line` is where it begins, from 1."""

    line: int
    cause: str


_Numbered = Iterator[tuple[int, bytes]]


def events_in(file: BinaryIO) -> Iterator[Found | Unreadable]:
    """The events of a file, in order, and what is none.

    A file is lines of JSON, or one JSON document: an event, an array of events, or one of Stripe's
    list objects; its content tells which. A line, or a document that is not one line, is read
    whole, so both are limited to `MAX_DOCUMENT_BYTES`.
    """
    lines = _lines(file)
    first_line, first = next(((n, text) for n, text in lines if text.strip()), (1, b""))
    if not first or is_json(first):
        yield from _of_line(first_line, first)
        yield from _of_lines(lines)
        return
    document = first + file.read(MAX_DOCUMENT_BYTES + 1 - len(first))
    if is_json(document):
        yield from _of_document(first_line, document)
    elif any(_is_event(line) for line in BytesIO(document)):
        document += file.readline(MAX_DOCUMENT_BYTES)
        yield from _of_lines(_lines(BytesIO(document), first_line))
        yield from _of_lines(_lines(file, first_line + document.count(b"\n")))
    else:
        yield Unreadable(first_line, _why_not_json(document))


def _lines(file: BinaryIO, number: int = 1) -> _Numbered:
    """The lines with their numbers; of one that is too long only its beginning."""
    while line := file.readline(MAX_DOCUMENT_BYTES + 1):
        yield number, line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
        while len(line) > MAX_DOCUMENT_BYTES and not line.endswith(b"\n"):
            line = file.readline(MAX_DOCUMENT_BYTES + 1)
        number += 1


def _of_lines(lines: _Numbered) -> Iterator[Found | Unreadable]:
    for number, line in lines:
        yield from _of_line(number, line)


def _of_line(number: int, line: bytes) -> Iterator[Found | Unreadable]:
    if line.strip():
        yield from _of_document(number, line)


def _of_document(line: int, document: bytes) -> Iterator[Found | Unreadable]:
    """The event that a document is, or those that it holds."""
    whole = _event(line, document.strip())
    if isinstance(whole, Found):
        yield whole
        return
    try:
        inner = elements(document)
    except NotAStripeEvent:
        yield whole
        return
    counted = 0
    for offset, body in inner:
        line += document.count(b"\n", counted, offset)
        counted = offset
        yield _event(line, body)


def _why_not_json(document: bytes) -> str:
    if len(document) > MAX_DOCUMENT_BYTES:
        return f"A document that is not lines of JSON has at most {MAX_DOCUMENT_BYTES} bytes."
    return "This is not JSON, neither as a whole nor line by line."


def _is_event(line: bytes) -> bool:
    return isinstance(_event(1, line.strip()), Found)


def _event(line: int, body: bytes) -> Found | Unreadable:
    if len(body) > APPEND_BYTES:
        return Unreadable(line, f"An event has at most {APPEND_BYTES} bytes.")
    try:
        return Found(line, parse_event(body).id, body)
    except NotAStripeEvent as error:
        return Unreadable(line, str(error))
