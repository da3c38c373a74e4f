"""Calls that were turned away: a line a minute in the service's log, with how many and why."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from ledger.errors import BadSignature, EndpointOff, LedgerError, PayloadTooLarge
from tests.support import loops
from webhooks import rejections
from webhooks.ingest.signature import verify_signature
from webhooks.rejections import Rejections

MINUTE = 0.05
NOW = datetime.fromtimestamp(1_700_000_000, UTC)


def told(*waves: Sequence[LedgerError], close: bool = False) -> list[Any]:
    """What is logged where these come, each wave a little more than a minute after the other."""

    async def play() -> None:
        log = Rejections()
        for wave in waves:
            for error in wave:
                log.saw(error)
            if not close:
                await asyncio.sleep(3 * MINUTE)
        log.close()

    with capture_logs() as logs:
        loops.run(play())
    return logs


@pytest.fixture(autouse=True)
def short_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejections, "EVERY_SECONDS", MINUTE)


def wrong_secret() -> BadSignature:
    with pytest.raises(BadSignature) as caught:
        verify_signature(b"{}", "t=1700000000,v1=00", ["whsec_other"], NOW)
    return caught.value


def test_the_first_is_told_at_once_and_the_others_together_after_a_minute() -> None:
    first, rest = told([wrong_secret()] * 40)
    assert (first["log_level"], first["count"], rest["count"]) == ("warning", 1, 39)
    assert rest["errors"] == {"bad_signature": 39}
    assert "STRIPE_WEBHOOK_SECRETS" in rest["likely_cause"]


def test_after_a_quiet_minute_the_next_one_is_told_at_once() -> None:
    assert [line["count"] for line in told([wrong_secret()], [], [wrong_secret()])] == [1, 1]


def test_what_was_not_told_yet_is_told_in_the_end() -> None:
    assert [line["count"] for line in told([wrong_secret()] * 3, close=True)] == [1, 2]


def test_the_cause_of_the_most_is_the_likely_one_and_nothing_that_was_sent_is_told() -> None:
    secret = PayloadTooLarge("ada@example.com is too large")
    waves = [wrong_secret(), secret, secret, secret, EndpointOff("None is set.")]
    _, rest = told(waves)
    assert rest["errors"] == {"payload_too_large": 3, "endpoint_off": 1}
    assert rest["likely_cause"] == "The body is larger than this endpoint takes."
    assert "ada" not in str(rest)
