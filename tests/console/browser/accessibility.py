"""What axe-core finds wrong with a page for people who do not see it, or see it less well."""

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

_AXE: Final = (Path(__file__).parent / "axe.min.js").read_text(encoding="utf-8")
_EVERYTHING: Final = {"resultTypes": ["violations"]}
_COLOURS: Final = _EVERYTHING | {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
}
SERIOUS: Final = {"serious", "critical"}


def findings(page: Page) -> list[str]:
    """Serious findings: each rule with the first places where it is broken."""
    page.emulate_media(color_scheme="light")
    page.evaluate(_AXE)
    light = _run(page, _EVERYTHING)
    page.emulate_media(color_scheme="dark")
    return light + [f"in the dark: {finding}" for finding in _run(page, _COLOURS)]


def _run(page: Page, options: dict[str, Any]) -> list[str]:
    found = page.evaluate("(options) => axe.run(document, options)", options)
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}"
        for rule in found["violations"]
        if rule["impact"] in SERIOUS
        for node in rule["nodes"][:3]
    ]
