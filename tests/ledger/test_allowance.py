"""Allowances: how often a refusal is explained."""

import pytest

from ledger import allowance
from ledger.allowance import Allowance, Allowances


def test_an_allowance_refills() -> None:
    bucket = Allowance(size=2, per_second=10)
    assert [bucket.take(5.0) for _ in range(3)] == [True, True, False]
    assert [bucket.take(5.125), bucket.take(5.125)] == [True, False]
    assert [bucket.take(99.0) for _ in range(3)] == [True, True, False]


def test_each_key_has_its_own() -> None:
    now = 0.0
    buckets = Allowances(size=1, per_second=1, clock=lambda: now)
    assert [buckets.take(key) for key in ("a", "a", "b", "b")] == [True, False, True, False]
    now = 1.0
    assert buckets.take("a")


def test_the_longest_unused_of_too_many_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood from a million addresses does not fill the memory."""
    monkeypatch.setattr(allowance, "MAX_REMEMBERED", 2)
    buckets = Allowances(size=1, per_second=0, clock=lambda: 0.0)
    assert [buckets.take(key) for key in ("a", "b", "a", "c")] == [True, True, False, True]
    assert not buckets.take("a")
    assert buckets.take("b")
