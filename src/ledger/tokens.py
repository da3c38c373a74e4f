"""Access tokens: how one is made and read, and those that were issued, as the log says."""

import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import Final
from zlib import crc32

from msgspec import Struct
from msgspec.structs import replace

from ledger.domain.access import (
    STREAM,
    AccessCommand,
    AccessEvent,
    IssueToken,
    RevokeToken,
    Role,
    Token,
    decide,
    evolve,
)
from ledger.domain.events import (
    Metadata,
    NewEvent,
    RecordedEvent,
    TokenIssued,
    TokenRevoked,
    UnreadableEvent,
)
from ledger.errors import UnknownTopic
from ledger.log import Log, LogWatch
from ledger.races import until_fastest
from ledger.recorder import VersionTaken

PREFIX: Final = "lgr_"
ID_LENGTH: Final = 12
_SHAPE: Final = re.compile(r"lgr_([A-Za-z0-9_-]{43})_([0-9a-zA-Z]{6})")
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


# ── What a token looks like ─────────────────────────────────────────────────────────────────────


def new_token() -> str:
    """A token that cannot be guessed: 32 random bytes, with a prefix that scanners find."""
    random = secrets.token_urlsafe(32)
    return f"{PREFIX}{random}_{_checksum(random)}"


def digest(token: str) -> str | None:
    """The SHA-256 (hex) of a token; None for a text that is none, by its shape and checksum.

    A stored token needs no slow hash: 32 random bytes cannot be tried out.
    """
    found = _SHAPE.fullmatch(token)
    if found is None or not compare_digest(found[2], _checksum(found[1])):
        return None
    return sha256(token.encode()).hexdigest()


def _checksum(random: str) -> str:
    """CRC-32 in base 62, so that a typing error is found without a look into the log."""
    number, digits = crc32(random.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


# ── What was issued ─────────────────────────────────────────────────────────────────────────────


class Issued:
    """The tokens that were issued, kept in memory and read on from where they were last read.

    Read again from the first one where the log is not the one that they were read from.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._tokens: dict[str, Token] = {}
        self._version = 0
        self._watch = LogWatch(log)
        self._replaced = False
        self._read_at = float("-inf")

    def read_since(self, moment: float) -> bool:
        """Whether they were read after a moment of the monotonic clock."""
        return self._read_at >= moment

    def read(self) -> None:
        """Read what is new; raises `StoreUnavailable`."""
        started = time.monotonic()
        self._replaced |= self._watch.was_replaced()
        tokens, version = ({}, 0) if self._replaced else (dict(self._tokens), self._version)
        for recorded in self._log.streams({STREAM: version}):
            event = _event(recorded)
            tokens[event.token_id] = evolve(tokens.get(event.token_id), event)
            version = recorded.version
            self._watch.reached(recorded.position)
        self._tokens, self._version, self._replaced = tokens, version, False
        self._read_at = started

    def find(self, token_sha256: str) -> Token | None:
        """The token with this hash; compared in constant time, since callers choose the hash."""
        token = self._tokens.get(token_sha256[:ID_LENGTH])
        if token is None or not compare_digest(token.sha256, token_sha256):
            return None
        return token

    def by_id(self, token_id: str) -> Token | None:
        """The token with this id; for callers who have proven that they hold it."""
        return self._tokens.get(token_id)

    def execute(self, command: AccessCommand, meta: Metadata) -> int | None:
        """Carry out a command; answers its position, None where there was nothing to add.

        Raises a `Refused`, `Conflict`, or `StoreUnavailable`.
        """
        return until_fastest(self._attempt, command, meta)

    def _attempt(self, command: AccessCommand, meta: Metadata) -> int | None:
        self.read()
        token = self._tokens.get(command.token_id)
        entries = [
            NewEvent(STREAM, self._version + number, event, command.at, meta)
            for number, event in enumerate(decide(command, token), 1)
        ]
        return self._log.append(entries)[-1] if entries else None


def _event(recorded: RecordedEvent) -> AccessEvent:
    """An event of the tokens' stream.

    One that cannot be read may have revoked any of them: until it can be, none opens anything.
    """
    if isinstance(recorded.event, UnreadableEvent):
        raise UnknownTopic(f"Of the tokens, position {recorded.position}: {recorded.event.cause}")
    assert isinstance(recorded.event, AccessEvent), "the stream of the tokens holds theirs only"
    return recorded.event


# ── For administrators ──────────────────────────────────────────────────────────────────────────


class NewToken(Struct, frozen=True):
    """A token just issued: the one moment at which it can be read."""

    token_id: str
    token: str
    expires_at: datetime | None
    position: int


def issue(
    log: Log,
    role: Role,
    name: str,
    meta: Metadata,
    *,
    customer_id: str | None = None,
    lifetime: timedelta | None = None,
) -> NewToken:
    """Issue a token; raises a `Refused` where role, name, customer and lifetime do not fit."""
    token, command = _new(log, role, name, customer_id, lifetime)
    position = Issued(log).execute(command, meta)
    assert position is not None, "a token's id is new"
    return NewToken(command.token_id, token, command.expires_at, position)


def issue_first(
    log: Log, role: Role, name: str, meta: Metadata, *, keep: Callable[[str], None]
) -> NewToken | None:
    """Issue a token where none was ever issued; None where one was, even a moment ago.

    `keep` stores the token before it is issued: afterwards it cannot be read anywhere.
    Raises `StoreUnavailable`.
    """
    token, command = _new(log, role, name, None, None)
    keep(token)
    entries = [NewEvent(STREAM, 1, event, command.at, meta) for event in decide(command, None)]
    try:
        return NewToken(command.token_id, token, None, log.append(entries)[0])
    except VersionTaken:
        return None


def _new(
    log: Log, role: Role, name: str, customer_id: str | None, lifetime: timedelta | None
) -> tuple[str, IssueToken]:
    """A token, and the command that issues it; it lasts by whichever clock is ahead."""
    log.state()
    token, now = new_token(), log.clocks.later()
    token_sha256 = digest(token)
    assert token_sha256 is not None, "what is made here has the right shape"
    return token, IssueToken(
        token_id=token_sha256[:ID_LENGTH],
        sha256=token_sha256,
        at=now,
        role=role,
        name=name,
        customer_id=customer_id,
        expires_at=None if lifetime is None else now + lifetime,
    )


def revoke(log: Log, token_id: str, meta: Metadata) -> int | None:
    """Revoke a token; answers the position, None where it was revoked before.

    Raises `UnknownToken`.
    """
    return Issued(log).execute(RevokeToken(token_id=token_id, at=datetime.now(UTC)), meta)


class TokenLine(Struct, frozen=True, kw_only=True):
    """A token in the list: whose it is, who issued it, and whether and why it is over.

    `state` is `valid`, `expired` or `revoked`; `position` is where it was issued.
    """

    position: int
    token_id: str
    role: str
    name: str
    customer_id: str | None
    state: str
    issued_at: datetime
    issued_by: str
    expires_at: datetime | None
    revoked_at: datetime | None = None
    revoked_because: str | None = None


def listing(log: Log) -> list[TokenLine]:
    """All tokens that were ever issued, the oldest first."""
    lines: dict[str, TokenLine] = {}
    now = log.now()
    for recorded in log.stream(STREAM):
        match recorded.event:
            case TokenIssued() as issued:
                lines[issued.token_id] = _issued(issued, recorded, now)
            case UnreadableEvent():
                pass  # `ledger verify` names it
            case TokenRevoked(token_id=token_id):
                lines[token_id] = _revoked(lines[token_id], recorded)
            case _:
                raise AssertionError("the stream of the tokens holds theirs only")
    return list(lines.values())


def _issued(event: TokenIssued, recorded: RecordedEvent, now: datetime) -> TokenLine:
    expired = event.expires_at is not None and event.expires_at <= now
    return TokenLine(
        position=recorded.position,
        token_id=event.token_id,
        role=event.role,
        name=event.name,
        customer_id=event.customer_id,
        state="expired" if expired else "valid",
        issued_at=recorded.effective_at,
        issued_by=recorded.meta.actor_name or recorded.meta.actor,
        expires_at=event.expires_at,
    )


def _revoked(line: TokenLine, recorded: RecordedEvent) -> TokenLine:
    return replace(
        line,
        state="revoked",
        revoked_at=recorded.effective_at,
        revoked_because=recorded.meta.reason,
    )
