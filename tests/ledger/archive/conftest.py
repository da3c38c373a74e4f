"""Segments are sealed and verified in the process of the test."""

import pytest

from ledger.archive import sealing


@pytest.fixture(autouse=True)
def in_this_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments are sealed and verified here, but by the test that marks itself for processes."""
    if request.node.get_closest_marker("processes") is None:
        monkeypatch.setattr(sealing, "spread", lambda work, tasks: (work(*each) for each in tasks))
