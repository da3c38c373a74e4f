"""Times as a test writes them, and days as another zone cuts them."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import date, datetime

from tests.projections.models import NOON, Models


def on(text: str) -> int:
    """When `2026-03-29 23:30` in UTC is, in minutes after noon."""
    return int((datetime.fromisoformat(f"{text}+00:00") - NOON).total_seconds()) // 60


def day(text: str) -> date:
    return date.fromisoformat(text)


@contextmanager
def reporting_in(models: Models, zone: str) -> Generator[None]:
    """What is taken meanwhile falls on days of this zone."""
    models.cursor.execute("select set_config('ledger.time_zone', %s, false)", [zone])
    try:
        yield
    finally:
        models.cursor.execute("reset ledger.time_zone")
