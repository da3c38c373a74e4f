"""Allowances: how often a refusal is explained."""

import time

import pytest

from api import rate_limit
from api.rate_limit import RateLimit


def test_a_window_ends_and_another_begins() -> None:
    windows = RateLimit("2 per second")
    assert [windows.take("a") for _ in range(3)] == [True, True, False]
    time.sleep(1.05)
    assert windows.take("a")


def test_each_key_has_its_own() -> None:
    windows = RateLimit("1 per hour")
    assert [windows.take(key) for key in ("a", "a", "b", "b")] == [True, False, True, False]


def test_a_flood_from_a_million_addresses_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limit, "MAX_REMEMBERED", 2)
    windows = RateLimit("1 per hour")
    assert [windows.take(key) for key in ("a", "b", "c", "a")] == [True, True, True, True]
    assert len(windows._storage.storage) == 1
