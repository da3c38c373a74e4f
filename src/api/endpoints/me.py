"""Who calls: what a client needs to know of the token that it holds."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Route

from api.auth import Guard
from api.operations import Shape, operation
from api.permissions import MATRIX, Surface, identity_of


class MeAnswer(Shape):
    """Who calls, in which role, and the surfaces that are open to it."""

    actor: str
    name: str
    role: str
    customer_id: str | None
    surfaces: list[str]


@operation(surface=Surface.SEE_SELF, tag="tokens", answers=MeAnswer)
def who_am_i(request: Request) -> MeAnswer:
    """Say who calls, and what is open to this role."""
    identity, guard = identity_of(request), request.state.guard
    assert isinstance(guard, Guard)
    return MeAnswer(
        actor=identity.actor,
        name=identity.name,
        role=identity.role.value,
        customer_id=identity.customer_id,
        surfaces=[surface.value for surface in MATRIX if guard.permits(identity, surface)],
    )


routes = [Route("/me", who_am_i)]
