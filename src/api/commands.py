"""From a call to a command: carried out in the caller's name, and safe to repeat by a key."""

from hashlib import sha256
from typing import Final

from starlette.requests import Request

from api.operations import Schema
from api.permissions import identity_of, meta_of
from ledger.command_handler import CommandHandler
from ledger.decisions import Result
from ledger.domain.aggregate import Command
from ledger.errors import (
    Conflict,
    IdempotencyMismatch,
    InvalidCommand,
    LedgerError,
    StoreUnavailable,
    Unstorable,
)

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
