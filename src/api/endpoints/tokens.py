"""Access tokens over HTTP: to see and to revoke; the terminal issues them."""

from datetime import datetime
from typing import Annotated

from msgspec.structs import asdict
from pydantic import Field
from starlette.requests import Request
from starlette.routing import Route

from api.operations import Shape, operation
from api.permissions import Surface, meta_of
from api.schemas import ReasonBody
from ledger.errors import Conflict, StoreUnavailable, UnknownToken
from ledger.tokens import listing, revoke


class ManyTokens(Shape):
    """What the list takes; `cursor` is the `next` of the page before."""

    limit: Annotated[int, Field(ge=1, le=200, description="How many at most.")] = 50
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")] = "0"


class TokenAnswer(Shape):
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


class TokensAnswer(Shape):
    """Some of the tokens, the oldest first; `next` is the cursor of the page that follows."""

    items: list[TokenAnswer]
    next: str | None


class RevokedAnswer(Shape):
    """The token, and where its end stands in the log; null where it was over before."""

    token_id: str
    position: int | None


@operation(
    surface=Surface.MANAGE_TOKENS,
    tag="tokens",
    query=ManyTokens,
    answers=TokensAnswer,
    errors=(StoreUnavailable,),
)
def list_tokens(request: Request, query: ManyTokens) -> TokensAnswer:
    """List the access tokens that were ever issued."""
    lines = [line for line in listing(request.state.log) if line.position > int(query.cursor)]
    page = [TokenAnswer(**asdict(line)) for line in lines[: query.limit]]
    more = len(lines) > query.limit
    return TokensAnswer(items=page, next=str(page[-1].position) if more else None)


@operation(
    surface=Surface.MANAGE_TOKENS,
    tag="tokens",
    body=ReasonBody,
    answers=RevokedAnswer,
    errors=(UnknownToken, Conflict, StoreUnavailable),
)
def revoke_token(request: Request, body: ReasonBody) -> RevokedAnswer:
    """Make a token worthless, for good; every process refuses it within a second.

    One that is revoked already stays so.
    """
    token_id: str = request.path_params["id"]
    position = revoke(request.state.log, token_id, meta_of(request, body.reason))
    return RevokedAnswer(token_id=token_id, position=position)


routes = [
    Route("/tokens", list_tokens),
    Route("/tokens/{id}/revoke", revoke_token, methods=["POST"]),
]
