"""Access tokens over HTTP: who calls, and tokens to issue, to see and to revoke."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from msgspec.structs import asdict
from pydantic import Field
from starlette.requests import Request
from starlette.routing import Route

from api.auth import Auth
from api.operations import Schema, operation
from api.permissions import MATRIX, Permission, identity_of, meta_of
from api.schemas import CustomerId, ReasonRequest, Text
from ledger.domain.access import Role
from ledger.domain.limits import CURSOR_PATTERN
from ledger.errors import Conflict, InvalidCommand, StoreUnavailable, UnknownToken
from ledger.log import Log
from ledger.tokens import issue, listing, revoke


class MeResponse(Schema):
    """Who calls, in which role, and the permissions that this gives."""

    actor: str
    name: str
    role: str
    customer_id: str | None
    surfaces: list[str]


@operation(Permission.SEE_SELF, "tokens")
def who_am_i(request: Request) -> MeResponse:
    """Say who calls, and what is open to this role."""
    identity, auth = identity_of(request), request.state.auth
    assert isinstance(auth, Auth)
    return MeResponse(
        actor=identity.actor,
        name=identity.name,
        role=identity.role.value,
        customer_id=identity.customer_id,
        surfaces=[permission.value for permission in MATRIX if auth.permits(identity, permission)],
    )


class IssueRequest(Schema):
    """A token for a person or a program: in which role, by which name, for how many `days`.

    Without `days` it is valid until it is revoked. `customer_id` is for the role customer only.
    """

    role: Role
    name: Text
    customer_id: CustomerId | None = None
    days: Annotated[int, Field(ge=1, le=3650)] | None = None
    reason: Text | None = None


class IssuedResponse(Schema):
    """A token just issued: it is never shown again, and nowhere stored."""

    token_id: str
    token: str
    expires_at: datetime | None
    position: int


class ManyTokens(Schema):
    """What the list takes; `cursor` is the `next` of the page before."""

    limit: Annotated[int, Field(ge=1, le=200, description="How many at most.")] = 50
    cursor: Annotated[str, Field(pattern=CURSOR_PATTERN)] = "0"


class TokenResponse(Schema):
    """A token: whose, by whom issued, and whether and why it is over; never the token itself."""

    position: int
    token_id: str
    role: str
    name: str
    customer_id: str | None
    state: str
    issued_at: datetime
    issued_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_because: str | None


class TokensResponse(Schema):
    """Some of the tokens, the oldest first; `next` is the cursor of the page that follows.

    `as_of_position` is up to which position of the log this goes.
    """

    items: list[TokenResponse]
    next: str | None
    as_of_position: int


class RevokedResponse(Schema):
    """The token, and where its end stands in the log; null where it was over before."""

    token_id: str
    position: int | None


@operation(Permission.MANAGE_TOKENS, "tokens", errors=(StoreUnavailable,))
def list_tokens(request: Request, query: ManyTokens) -> TokensResponse:
    """List the access tokens that were ever issued."""
    log: Log = request.state.log
    position = log.head()  # before it is read: all until then is in
    lines = [line for line in listing(log) if line.position > int(query.cursor)]
    page = [TokenResponse(**asdict(line)) for line in lines[: query.limit]]
    more = len(lines) > query.limit
    following = str(page[-1].position) if more else None
    return TokensResponse(items=page, next=following, as_of_position=position)


@operation(
    Permission.MANAGE_TOKENS, "tokens", status=201, errors=(InvalidCommand, StoreUnavailable)
)
def issue_token(request: Request, body: IssueRequest) -> IssuedResponse:
    """Issue a token; its text is in this answer, and nowhere else.

    Sent twice, it issues two: revoke the one that is not needed.
    """
    issued = issue(
        request.state.log,
        body.role,
        body.name,
        meta_of(request, body.reason),
        customer_id=body.customer_id,
        lifetime=None if body.days is None else timedelta(days=body.days),
    )
    return IssuedResponse(**asdict(issued))


@operation(Permission.MANAGE_TOKENS, "tokens", errors=(UnknownToken, Conflict, StoreUnavailable))
def revoke_token(request: Request, body: ReasonRequest) -> RevokedResponse:
    """Make a token worthless, for good; every process refuses it within a second, this one at once.

    One that is revoked already stays so.
    """
    token_id: str = request.path_params["id"]
    position = revoke(request.state.log, token_id, meta_of(request, body.reason))
    auth: Auth = request.state.auth
    auth.issued.read()
    return RevokedResponse(token_id=token_id, position=position)


routes = [
    Route("/me", who_am_i),
    Route("/tokens", list_tokens),
    Route("/tokens", issue_token, methods=["POST"]),
    Route("/tokens/{id}/revoke", revoke_token, methods=["POST"]),
]
