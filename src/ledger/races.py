"""Races between writers: the slower one loads and decides again, within a limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import stamina
import structlog
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from ledger.errors import Conflict
from ledger.postgres.failures import told
from ledger.recorder import VersionTaken
from ledger.telemetry import where

ATTEMPTS: Final = 20
SECONDS: Final = 5.0

P = ParamSpec("P")
Answer = TypeVar("Answer")
logger = structlog.get_logger(__name__)


def until_fastest(attempt: Callable[P, Answer], *args: P.args, **kwargs: P.kwargs) -> Answer:
    """Attempt to load, decide and append, again and again while other writers are faster.

    Only a version that another writer took (`VersionTaken`) is a race; every other error is the
    attempt's own, and is raised at once. Raises `Conflict` after `ATTEMPTS` or `SECONDS`.
    """
    retrying = stamina.retry(
        on=VersionTaken,
        attempts=ATTEMPTS,
        timeout=SECONDS,
        wait_initial=0.002,
        wait_max=0.05,
        wait_jitter=0.02,
    )
    try:
        return retrying(attempt)(*args, **kwargs)
    except VersionTaken as error:
        raise Conflict("Other writers were faster again and again; try again.") from error


def _tell(details: RetryDetails) -> None:
    """One line a retry: what is tried, where it failed and why. Never an argument or a message."""
    logger.info(
        "tried_again",
        operation=details.name,
        where=where(details.caused_by)[-1:],
        attempt=details.retry_num,
        error=told(details.caused_by),
    )


# The library's own hooks log every argument, and the message with its DETAIL.
set_on_retry_hooks([_tell])
