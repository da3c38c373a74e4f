"""From a call to a command: carried out in the caller's name, and safe to repeat by a key."""

from collections.abc import Callable
from hashlib import sha256
from typing import Final, TypeVar

from starlette.requests import Request

from api.operations import Schema
from api.permissions import identity_of, meta_of
from ledger.command_handler import CommandHandler
from ledger.decisions import Result
from ledger.domain.aggregate import Command
from ledger.domain.events import Metadata
from ledger.errors import (
    Conflict,
    IdempotencyMismatch,
    InvalidCommand,
    LedgerError,
    StoreUnavailable,
    Unstorable,
)

Answer = TypeVar("Answer", bound=Schema)
Errors = tuple[type[LedgerError], ...]
COMMAND: Final[Errors] = (
    InvalidCommand,
    Unstorable,
    IdempotencyMismatch,
    Conflict,
    StoreUnavailable,
)
"""What every command may be answered."""


def execute(request: Request, command: Command, body: Schema, reason: str | None = None) -> Result:
    """Carry out what a call asks for, in the caller's name, with its `Idempotency-Key` if any."""
    key = key_of(request)
    return command_handler_of(request).execute(
        command,
        meta_of(request, reason),
        key=key,
        key_owner=identity_of(request).customer_id,
        request_sha256="" if key is None else fingerprint(request, body),
    )


def execute_many(
    request: Request,
    body: Schema,
    reason: str | None,
    answer_type: type[Answer],
    carry_out: Callable[[Metadata], Answer],
) -> Answer:
    """Carry out many commands in the caller's name, and answer how each ended.

    Where the call's `Idempotency-Key` was seen before, nothing is done, and the first answer comes
    again.
    """
    handler, key, meta = command_handler_of(request), key_of(request), meta_of(request, reason)
    if key is None:
        return carry_out(meta)
    asked, owner = fingerprint(request, body), identity_of(request).customer_id
    before = handler.answered(key, asked, key_owner=owner)
    if before is not None:
        return answer_type.model_validate_json(before["report"])
    answer = carry_out(meta)
    handler.remember(key, asked, {"report": answer.model_dump_json()}, meta, key_owner=owner)
    return answer


def key_of(request: Request) -> str | None:
    """The call's `Idempotency-Key`, if it has one."""
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise InvalidCommand("Send one `Idempotency-Key`; there are several, and each is another.")
    return keys[0] if keys else None


def command_handler_of(request: Request) -> CommandHandler:
    """What carries out commands, as the application opened it."""
    return request.state.command_handler


def fingerprint(request: Request, body: Schema) -> str:
    """SHA-256 of what is asked: operation, object, what was sent however spaced, which customer."""
    asked = f"{request.method} {request.url.path}\n{body.model_dump_json(exclude_unset=True)}"
    if own := identity_of(request).customer_id:
        asked += f"\n{own}"
    return sha256(asked.encode()).hexdigest()
