"""A browser and a world for the tests of this folder, and visitors who must see nothing wrong."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, StorageState, expect, sync_playwright

from ledger.domain.access import Role
from tests.console.browser.visitor import PATIENCE_MS, Visitor, chromium, visitor
from tests.console.browser.world import World, open_shared

Entering = Callable[..., Visitor]
"""Opens a browser window of a role, None for nobody: `enter(Role.OPS, color_scheme="dark")`."""


def pytest_runtest_setup(item: pytest.Function) -> None:
    """Skip from here, so that the summary says it once for all tests."""
    if "browser" in item.fixturenames and chromium() is None:
        pytest.skip("no Chromium on PATH or in CHROMIUM: no browser looked at the console")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The browser; it leaves with this folder, as an event loop of its own runs meanwhile."""
    expect.set_options(timeout=PATIENCE_MS)
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium()) as launched,
    ):
        yield launched


@pytest.fixture(scope="package")
def world(browser: Browser, shared_home: Path) -> Iterator[World]:
    """Asked for after the browser: without one, no world is made."""
    with open_shared(shared_home / "browser") as opened:
        yield opened


@pytest.fixture(scope="package")
def sessions(browser: Browser, world: World) -> dict[Role, StorageState]:
    """The cookies of who signed in, by role."""
    return {role: _session(browser, world, token) for role, token in world.tokens.items()}


def _session(browser: Browser, world: World, token: str) -> StorageState:
    someone = visitor(browser, world.url)
    someone.look("/console/sign-in")
    someone.enter(token)
    someone.is_in()
    state = someone.context.storage_state()
    someone.context.close()
    return state


@pytest.fixture
def enter(browser: Browser, world: World, sessions: dict[Role, StorageState]) -> Iterator[Entering]:
    """At the end, none of the windows may have seen anything wrong."""
    opened: list[Visitor] = []

    def open_window(role: Role | None = None, **options: Any) -> Visitor:
        session = sessions[role] if role else None
        opened.append(visitor(browser, world.url, storage_state=session, **options))
        return opened[-1]

    yield open_window
    for each in opened:
        each.context.close()
    assert [wrong for each in opened for wrong in each.wrong] == []


@pytest.fixture
def ops(enter: Entering) -> Visitor:
    return enter(Role.OPS)


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def doer(enter: Entering, request: pytest.FixtureRequest) -> Visitor:
    """An operator whose browser runs scripts, and one whose does not."""
    return enter(Role.OPS, java_script_enabled=request.param)


@pytest.fixture
def admin(enter: Entering) -> Visitor:
    return enter(Role.ADMIN)
