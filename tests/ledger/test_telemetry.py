"""Log lines: structured, named by request, without what belongs to a person."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from ledger.telemetry import PERSONAL, configure, where


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.root.handlers[:], logging.root.level = handlers, level


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_json_and_carries_the_request_id(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", lines=True)
    structlog.contextvars.bind_contextvars(request_id="r1")
    structlog.get_logger().info("taken_in", events=3)
    (line,) = lines(capsys)
    assert line.pop("timestamp")
    assert line == {"event": "taken_in", "events": 3, "level": "info", "request_id": "r1"}


@pytest.mark.parametrize("name", sorted(PERSONAL))
def test_no_personal_value_reaches_the_log(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", lines=True)
    structlog.get_logger().info("seen", **{name: "ada@example.com"})
    assert "ada@example.com" not in json.dumps(lines(capsys))


def test_less_than_the_level_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure("warning", lines=True)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines(capsys)] == ["loud"]


def test_for_eyes_it_is_not_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", lines=False)
    structlog.get_logger().info("taken_in")
    text = capsys.readouterr().err
    assert "taken_in" in text
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


def test_what_a_library_logs_comes_along_without_the_text_of_its_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("info", lines=True)
    try:
        int("ada@example.com")
    except ValueError:
        logging.getLogger("psycopg.pool").exception("connection lost")
    (line,) = lines(capsys)
    assert (line["event"], line["logger"], line["error"]) == (
        "connection lost",
        "psycopg.pool",
        "ValueError",
    )
    assert "ada@example.com" not in json.dumps(line)


def test_a_librarys_chatter_stays_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", lines=True)
    logging.getLogger("uvicorn.error").info("Started server process")
    assert lines(capsys) == []


def test_an_error_says_where_it_was_raised() -> None:
    with pytest.raises(ValueError, match="ada") as raised:
        int("ada@example.com")
    (frame,) = where(raised.value)
    assert frame.startswith("test_telemetry.py:")
    assert "ada" not in frame
