"""The generated reference has every setting, event and operation, in words."""

import re

import pytest
from pydantic.fields import FieldInfo

from api.openapi import describe
from app.asgi import STATUSES, routes
from app.cli import app
from app.cli.docs import commands, events, operations, settings
from ledger.domain.events import CATALOGUE
from ledger.settings import Settings
from tests.docs.pages import ROOT

DOCUMENT = describe(routes, "Ledger", "0", STATUSES)
SETTINGS = settings.page((ROOT / ".env.example").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("field", "info"), Settings.model_fields.items())
def test_a_setting_has_one_row_with_its_meaning(field: str, info: FieldInfo) -> None:
    (row,) = re.findall(rf"^\| `{field.upper()}` \| (.+)$", SETTINGS, re.MULTILINE)
    meaning, kind, default = row.strip("| ").split(" | ")
    assert re.match(r"[A-Z].+\.$", meaning)  # all of it, from its first word on
    assert kind
    assert default == "none" or default.startswith("`")


def test_a_settings_type_limits_and_default_are_the_classs() -> None:
    assert "| whole number, 1 to 65535 | `8420` |" in SETTINGS
    assert "| `test` or `live` | `test` |" in SETTINGS
    assert "| text, secret | none |" in SETTINGS


def test_a_stored_event_has_one_section_with_its_fields() -> None:
    page = events.page()
    assert sorted(re.findall(r"^### `(.+)`$", page, re.MULTILINE)) == sorted(CATALOGUE)
    assert "| `prices` | map of text to whole number |" in page
    assert "| `signature` | text or null; may be left out |" in page


def test_an_operation_has_one_section_with_who_may_call_it() -> None:
    page = operations.page(DOCUMENT)
    expected = [
        f"{method.upper()} {path}" for path, ops in DOCUMENT["paths"].items() for method in ops
    ]
    assert sorted(re.findall(r"^### `(.+)`$", page, re.MULTILINE)) == sorted(expected)
    assert page.count("* **Who:** ") == len(expected)
    assert "* **Who:** Stripe, by its signature" in page
    assert "* **Who:** customer (own), " in page


def test_a_verb_shows_its_example_and_options() -> None:
    page = commands.page(app)
    assert "### ledger order refund\n" in page
    assert "\n    ledger order refund A1 '12.50 gbp' --reason 'arrived late'\n" in page
    assert "| `--follow`, `--no-follow` |" in page
    assert "Default: `--follow`." in page
