"""Access tokens: who may hold one, how issuing and revoking change them, and which are valid."""

from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never

from msgspec import Struct
from msgspec.structs import replace

from ledger.domain.events import TokenIssued, TokenRevoked
from ledger.domain.limits import check_customer_id, check_text
from ledger.errors import AlreadyExists, InvalidCommand, UnknownToken

STREAM: Final = "access/tokens"
"""All tokens share one stream, because a question about one needs all of them."""


class Role(StrEnum):
    """What a token's holder is to the shop."""

    CUSTOMER = "customer"
    ANALYST = "analyst"
    ACCOUNTANT = "accountant"
    OPS = "ops"
    AUDITOR = "auditor"
    ADMIN = "admin"
    MIGRATION = "migration"


class Token(Struct, frozen=True, kw_only=True):
    """What is known of a token; the token itself is nowhere, only its SHA-256 (hex)."""

    token_id: str
    sha256: str
    role: Role
    name: str
    customer_id: str | None = None
    expires_at: datetime | None = None
    revoked: bool = False

    def invalid_because(self, now: datetime) -> str | None:
        """`revoked` or `expired`; None while it is valid."""
        if self.revoked:
            return "revoked"
        expired = self.expires_at is not None and self.expires_at <= now
        return "expired" if expired else None


class IssueToken(Struct, frozen=True, kw_only=True):
    """Let the holder of a token act in a role, until it expires or is revoked.

    A customer's token names the customer, whose things alone it opens; no other token does.
    """

    token_id: str
    sha256: str
    at: datetime
    role: Role
    name: str
    customer_id: str | None = None
    expires_at: datetime | None = None


class RevokeToken(Struct, frozen=True, kw_only=True):
    """Make a token worthless, for good."""

    token_id: str
    at: datetime


AccessCommand = IssueToken | RevokeToken
AccessEvent = TokenIssued | TokenRevoked


def evolve(token: Token | None, event: AccessEvent) -> Token:
    """A token after an event of its own; None is one that was not issued yet."""
    match event:
        case TokenIssued():
            return Token(
                token_id=event.token_id,
                sha256=event.sha256,
                role=Role(event.role),
                name=event.name,
                customer_id=event.customer_id,
                expires_at=event.expires_at,
            )
        case TokenRevoked():
            assert token is not None, "only what was issued is revoked"
            return replace(token, revoked=True)
        case _:
            assert_never(event)


def decide(command: AccessCommand, token: Token | None) -> list[AccessEvent]:
    """What a command does to the token with its id; raises a `Refused`.

    Revoking twice adds nothing.
    """
    match command:
        case IssueToken():
            return [_issue(command, token)]
        case RevokeToken():
            return _revoke(command, token)
        case _:
            assert_never(command)


def _issue(command: IssueToken, token: Token | None) -> TokenIssued:
    check_text("name", command.name)
    check_customer_id(command.customer_id)
    if (command.role is Role.CUSTOMER) != (command.customer_id is not None):
        raise InvalidCommand("A customer's token names the customer, and no other token does.")
    if command.expires_at is not None and command.expires_at <= command.at:
        raise InvalidCommand("A token must expire later than it is issued.")
    if token is not None:
        raise AlreadyExists(f"There is a token {command.token_id!r} already.")
    return TokenIssued(
        token_id=command.token_id,
        sha256=command.sha256,
        role=command.role.value,
        name=command.name,
        customer_id=command.customer_id,
        expires_at=command.expires_at,
    )


def _revoke(command: RevokeToken, token: Token | None) -> list[AccessEvent]:
    if token is None:
        raise UnknownToken(f"There is no token {command.token_id[:20]!r}; see `ledger token list`.")
    return [] if token.revoked else [TokenRevoked(token_id=token.token_id)]
