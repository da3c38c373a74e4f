"""Schemathesis against our own OpenAPI document: whatever is sent, the answers are as it says.

It plays callers who read the document, and such as do the contrary of it; what stands in no
document (bytes, encodings, absurd bodies) is in `test_hostile.py`.
"""

from typing import Any, Final

import pytest
import requests
import schemathesis
from httpx2 import Response
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, CheckFunction, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.openapi import describe
from api.operations import permission_by_route
from api.permissions import OPEN
from app.asgi import STATUSES, routes
from ledger.domain.access import Role
from ledger.domain.events import Metadata
from ledger.tokens import issue
from projections.engine.follow import Follower
from tests.acceptance.conftest import Service, verify_alone

CHECKS: Final[list[CheckFunction]] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
"""Not that all that fits a schema is accepted: that totals agree, and ids exist, no schema says."""

SCHEMA = schemathesis.openapi.from_dict(describe(routes, "Ledger", "0", STATUSES))
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)]
EACH = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
GUARDED = {
    f"{method} {path}"
    for method, path, permission in permission_by_route(routes)
    if permission not in OPEN
}


def bounded(examples: int) -> settings:
    """So many calls; a call that is wrong is small enough as it is."""
    return settings(
        max_examples=examples,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


@pytest.fixture(scope="module")
def admin(service: Service) -> str:
    return issue(service.engine.log, Role.ADMIN, "Ada", Metadata()).token


def send(service: Service, case: Case) -> Response:
    """A call, byte for byte as Schemathesis would send it."""
    made: dict[str, Any] = case.as_transport_kwargs("http://127.0.0.1")
    made.pop("timeout", None)
    call: Any = requests.Request(**made).prepare()
    return service.client.request(
        call.method, call.url, headers=dict(call.headers), content=call.body
    )


def takes_more_than_a_name(operation: APIOperation) -> bool:
    """Whether it takes more than a name in its path, which may be any text."""
    return bool(operation.query or operation.body)


def point_at(case: Case, name: str | None) -> None:
    """Let a call be about something that is there, and wait for what the log has."""
    if name is not None:
        case.path_parameters.update(dict.fromkeys(case.path_parameters, name))
    if isinstance(case.query.get("after"), int):
        case.query["after"] %= 4


@EACH
@pytest.mark.parametrize("mode", GenerationMode)
def test_every_answer_is_documented_and_none_is_a_failure(
    service: Service, admin: str, mode: GenerationMode, operation: APIOperation
) -> None:
    """Whatever fits the document, and whatever does not, which is refused."""
    if mode is GenerationMode.NEGATIVE and not takes_more_than_a_name(operation):
        return  # nothing can be wrong with such a call by the document
    calls = operation.as_strategy(mode, headers={"Authorization": f"Bearer {admin}"})

    @bounded(8)
    @given(case=calls, name=st.sampled_from([None, *service.names]))
    def check(case: Case, name: str | None) -> None:
        if mode is GenerationMode.POSITIVE:
            point_at(case, name)
        answer = send(service, case)
        case.validate_response(answer, checks=CHECKS)

    check()


@EACH
def test_without_a_token_the_answer_is_documented_and_gives_nothing(
    service: Service, admin: str, operation: APIOperation
) -> None:
    @bounded(2)
    @given(case=operation.as_strategy(GenerationMode.POSITIVE))
    def check(case: Case) -> None:
        answer = send(service, case)
        case.validate_response(answer, checks=CHECKS)
        if operation.label in GUARDED:
            assert answer.status_code in {401, 429}

    check()


def test_afterwards_everything_follows_and_is_proven(service: Service) -> None:
    """What was accepted of all this stopped nothing, and a rebuild says the same."""
    Follower(service.engine).catch_up()
    proof = verify_alone(service.engine)
    assert proof.holds, proof
