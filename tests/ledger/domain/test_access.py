"""Access tokens: given events, when a command comes, then events or a refusal."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.domain.access import IssueToken, RevokeToken, Role, Token, decide, evolve
from ledger.domain.events import TokenIssued, TokenRevoked
from ledger.errors import AlreadyExists, InvalidCommand, Refused, UnknownToken

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ISSUED = TokenIssued(token_id="t1", sha256="ab" * 32, role="ops", name="Warehouse")
REVOKED = TokenRevoked(token_id="t1")


def given(*events: TokenIssued | TokenRevoked) -> Token | None:
    token = None
    for event in events:
        token = evolve(token, event)
    return token


def issue(**changes: Any) -> IssueToken:
    wanted = {"token_id": "t1", "sha256": "ab" * 32, "role": Role.OPS, "name": "Warehouse"}
    return IssueToken(**{**wanted, "at": NOW, **changes})


def test_a_token_is_issued() -> None:
    assert decide(issue(), None) == [ISSUED]


def test_a_customers_token_names_the_customer() -> None:
    until = NOW + timedelta(days=1)
    (event,) = decide(issue(role=Role.CUSTOMER, customer_id="c1", expires_at=until), None)
    assert event == TokenIssued(
        token_id="t1", sha256="ab" * 32, role="customer", name="Warehouse",
        customer_id="c1", expires_at=until,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"role": Role.CUSTOMER}, InvalidCommand),
        ({"customer_id": "c1"}, InvalidCommand),
        ({"name": ""}, InvalidCommand),
        ({"name": "a\nb"}, InvalidCommand),
        ({"role": Role.CUSTOMER, "customer_id": ""}, InvalidCommand),
        ({"expires_at": NOW}, InvalidCommand),
        ({"expires_at": NOW - timedelta(days=1)}, InvalidCommand),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], refusal: type[Refused]) -> None:
    with pytest.raises(refusal):
        decide(issue(**changes), None)


def test_an_id_is_given_once() -> None:
    for past in ([ISSUED], [ISSUED, REVOKED]):
        with pytest.raises(AlreadyExists):
            decide(issue(), given(*past))


def test_revoking_twice_adds_nothing() -> None:
    command = RevokeToken(token_id="t1", at=NOW)
    assert decide(command, given(ISSUED)) == [REVOKED]
    assert decide(command, given(ISSUED, REVOKED)) == []


def test_what_was_not_issued_is_not_revoked() -> None:
    with pytest.raises(UnknownToken):
        decide(RevokeToken(token_id="t2", at=NOW), None)


@pytest.mark.parametrize(
    ("expires", "events", "because"),
    [
        (None, [], None),
        (NOW + timedelta(microseconds=1), [], None),
        (NOW, [], "expired"),
        (None, [REVOKED], "revoked"),
        (NOW, [REVOKED], "revoked"),
    ],
)
def test_a_token_is_valid_until_it_expires_or_is_revoked(
    expires: datetime | None, events: list[TokenRevoked], because: str | None
) -> None:
    issued = TokenIssued(
        token_id="t1", sha256="ab" * 32, role="ops", name="Warehouse", expires_at=expires
    )
    token = given(issued, *events)
    assert token is not None
    assert token.invalid_because(NOW) == because
