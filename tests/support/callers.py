"""Callers of a service in this process: an administrator who needs no event in the log."""

from typing import Final

from starlette.testclient import TestClient

from api.auth import Auth
from ledger.domain.access import Role, Token
from ledger.tokens import ID_LENGTH, digest, new_token

NAME: Final = "Ada"


def administrator(auth: Auth) -> tuple[str, str]:
    """An administrator's token that this service alone knows; with the actor, as events name it."""
    token = new_token()
    token_sha256 = digest(token)
    assert token_sha256 is not None
    token_id = token_sha256[:ID_LENGTH]
    known = Token(token_id=token_id, sha256=token_sha256, role=Role.ADMIN, name=NAME)
    auth.issued._tokens[token_id] = known
    return token, f"token/{token_id}"


def let_in(client: TestClient) -> str:
    """Let all calls of a client be an administrator's; answers the actor."""
    token, actor = administrator(client.app_state["auth"])
    client.headers["authorization"] = f"Bearer {token}"
    return actor
