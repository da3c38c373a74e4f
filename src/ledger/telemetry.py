"""Logging: structured lines, without secrets or personal data."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final

import structlog

PERSONAL: Final = frozenset(
    {
        "address",
        "authorization",
        "body",
        "customer_name",
        "email",
        "name",
        "password",
        "payload",
        "phone",
        "secret",
        "shipping_address",
        "signature",
        "token",
        "user_agent",
    }
)
"""Names of log fields whose values are always withheld."""

WITHHELD: Final = "withheld"
FRAMES: Final = 6

EventDict = MutableMapping[str, Any]


def configure(level: str, *, lines: bool | None = None) -> None:
    """Write what is logged from `level` on to stderr.

    As JSON `lines`, or for eyes; without a choice, for eyes where stderr is a terminal. What
    libraries log comes along from warnings on. Calling it again replaces what was chosen.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    as_lines = not sys.stderr.isatty() if lines is None else lines
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso", utc=True),
            withhold_personal,
            structlog.processors.JSONRenderer() if as_lines else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=_logger,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(
        level=max(threshold, logging.WARNING), handlers=[_FromLibraries()], force=True
    )


def withhold_personal(_logger: object, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: the values of `PERSONAL` names do not reach the log."""
    for name in event.keys() & PERSONAL:
        event[name] = WITHHELD
    return event


def where(error: BaseException) -> list[str]:
    """The last frames of an error as `file:line function`; its text may hold a customer's data."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def _logger(*_: object) -> structlog.WriteLogger:
    """Stderr as it is now: tests and terminals put another one in its place."""
    return structlog.WriteLogger(sys.stderr)


class _FromLibraries(logging.Handler):
    """Hands on what libraries log through the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, object] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            fields |= {"error": type(error).__name__, "where": where(error)}
        structlog.get_logger().log(record.levelno, record.getMessage(), **fields)
