"""Calls within the process: an id stays one part of a path."""

from urllib.parse import unquote

import pytest

from console.api import part


@pytest.mark.parametrize("name", ["A1/cancel", "../tokens", "a b", "é", "100%", "a?b#c", ""])
def test_no_id_reaches_another_path(name: str) -> None:
    path = unquote(f"/orders/{part(name)}/history")
    assert path.count("/") == 3
    if "/" not in name:
        assert path == f"/orders/{name}/history"
