"""token issue, list, revoke: from the terminal."""

from collections.abc import Callable
from getpass import getuser
from typing import Any

import pytest

from ledger.domain.access import Role
from ledger.tokens import digest
from tests.app.cli.conftest import Run

RunJson = Callable[..., Any]


def test_its_help_explains_every_role(run: Run) -> None:
    said = run("token", "issue", "--help").stdout
    assert all(f"\n  {role}: " in said for role in Role)


def test_a_token_is_printed_once_and_alone(run: Run, run_list: RunJson) -> None:
    """So that a script can take it from stdout; what a person must know stands on stderr."""
    result = run("token", "issue", "ops", "--name", "Warehouse", "--expires-in", "90")
    token = result.stdout.strip()
    assert digest(token) is not None
    assert "never shown again" in result.stderr
    assert token not in run("token", "list").output
    (line,) = run_list("token", "list")
    assert (line["role"], line["name"], line["state"]) == ("ops", "Warehouse", "valid")
    assert line["issued_by"] == getuser()
    assert token not in str(line)


def test_with_json_it_is_a_document(run_json: RunJson) -> None:
    made = run_json("token", "issue", "customer", "--name", "Ann", "--customer", "cus_1")
    assert made.keys() == {"token_id", "token", "expires_at", "position"}
    assert digest(made["token"]) is not None
    assert (made["expires_at"], made["position"]) == (None, 1)


def test_a_token_is_revoked_with_a_reason(run: Run, run_json: RunJson) -> None:
    made = run_json("token", "issue", "admin", "--name", "Ada")
    revoked = run("token", "revoke", made["token_id"], "--reason", "laptop was lost")
    assert revoked.stdout == f"revoked: {made['token_id']}\n"
    again = run("token", "revoke", made["token_id"])
    assert again.stdout == f"revoked before: {made['token_id']}\n"
    shown = run("token", "list").stdout
    assert all(word in shown for word in (made["token_id"], "revoked", "laptop was lost"))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("issue", "boss", "--name", "x"), 2, "boss"),
        (("issue", "ops"), 2, "--name"),
        (("issue", "customer", "--name", "x"), 2, "names the customer"),
        (("issue", "ops", "--name", "x", "--customer", "c1"), 2, "names the customer"),
        (("issue", "ops", "--name", "x", "--expires-in", "0"), 2, "--expires-in"),
        (("issue", "ops", "--name", "a\tb"), 2, "name must be"),
        (("revoke", "0123456789ab"), 1, "There is no token"),
    ],
)
def test_what_does_not_fit_says_why(
    run: Run, arguments: tuple[str, ...], code: int, words: str
) -> None:
    assert words in run("token", *arguments, code=code).stderr
    assert "No token yet" in run("token", "list").stdout
