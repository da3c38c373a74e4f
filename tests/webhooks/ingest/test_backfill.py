"""A backfill appends what Stripe lists, oldest first, and hides no gap."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from ledger.domain.events import StripeEventReceived
from ledger.errors import StripeRefused, StripeUnavailable
from ledger.log import Log
from ledger.postgres.database import Database
from tests.support.stripe_api import API_KEY, StripeApi, stripe_api
from webhooks.ingest.append import Difference
from webhooks.ingest.backfill import BackfillReport, Gap, backfill
from webhooks.stripe_client import StripeClient

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
SINCE = NOW - timedelta(days=10)


@pytest.fixture
def log(database: Database) -> Iterator[Log]:
    with Log(database.conninfo("app")) as log:
        yield log


@pytest.fixture
def api() -> Iterator[StripeApi]:
    with stripe_api() as api:
        yield api


def event(number: int, seconds: int | None = None, **changes: object) -> bytes:
    """The event that was made so many seconds after SINCE, as pretty as Stripe writes it."""
    fields = {
        "id": f"evt_{number}",
        "object": "event",
        "type": "customer.created",
        "created": int(SINCE.timestamp()) + (number if seconds is None else seconds),
        "data": {"object": {"id": f"cus_{number}", "name": "Zoë"}},
        "pending_webhooks": 0,
    }
    return json.dumps(fields | changes, indent=2, ensure_ascii=False).encode()


def pull(
    log: Log,
    api: StripeApi,
    *,
    since: datetime = SINCE,
    api_key: str = API_KEY,
    progress: Callable[[int], None] = lambda _: None,
) -> BackfillReport:
    return backfill(
        log,
        StripeClient(api_key, api.base, calls_per_second=10_000),
        since=since,
        progress=progress,
        clock=lambda: NOW,
    )


def bodies(log: Log) -> list[bytes]:
    return [r.event.body for r in log.read(limit=5000) if isinstance(r.event, StripeEventReceived)]


DAY = 24 * 60 * 60
SPREADS = {
    "none": [],
    "one": [5],
    "a page": list(range(100)),
    "a page and one": list(range(101)),
    "many in the first minute": [n // 5 for n in range(340)],
    "many in the last minute": [10 * DAY - 60 + n // 10 for n in range(340)],
    "evenly over the days": [n * 3000 for n in range(250)],
    "a few, then many": [3, *(5 * DAY + n // 50 for n in range(330))],
    "all in one second": [1234] * 350,
    "all now": [10 * DAY] * 150,
}


@pytest.mark.parametrize("seconds", SPREADS.values(), ids=SPREADS)
def test_everything_is_appended_oldest_first_and_byte_for_byte(
    log: Log, api: StripeApi, seconds: list[int]
) -> None:
    api.events = [event(number, at) for number, at in enumerate(seconds)]
    report = pull(log, api)
    assert bodies(log) == api.events
    assert report == BackfillReport(listed=len(seconds), appended=len(seconds))
    assert len(api.calls) <= 25 + 2 * len(seconds) / 100


def test_how_it_is_recorded(log: Log, api: StripeApi) -> None:
    api.events = [event(1)]
    pull(log, api)
    [recorded] = log.read()
    assert (recorded.stream, recorded.effective_at, recorded.meta.actor) == (
        "stripe/evt_1",
        NOW,
        "operator",
    )
    assert recorded.event == StripeEventReceived(
        event_id="evt_1", body=event(1), received_at=NOW, source="backfill"
    )


def test_older_events_than_asked_for_stay_out(log: Log, api: StripeApi) -> None:
    api.events = [event(1, -1), event(2, 0), event(3, 1)]
    pull(log, api)
    assert bodies(log) == api.events[1:]


def test_running_it_again_appends_the_rest(log: Log, api: StripeApi) -> None:
    api.events = [event(n) for n in range(150)]
    pull(log, api)
    api.events += [event(n) for n in range(150, 310)]
    report = pull(log, api)
    assert (report.listed, report.appended, report.duplicates) == (310, 160, 150)
    assert bodies(log) == api.events


def test_an_event_made_meanwhile_is_found(log: Log, api: StripeApi) -> None:
    api.events = [event(n) for n in range(400)]
    late = event(400, 10 * DAY + 5)
    events = [*api.events, late]

    def arrive(_: int) -> None:
        api.events = events

    pull(log, api, progress=arrive)
    assert bodies(log) == events


def test_what_a_webhook_brought_is_a_duplicate_and_a_difference_a_conflict(
    log: Log, api: StripeApi
) -> None:
    delivered = json.dumps(json.loads(event(1, pending_webhooks=2)), sort_keys=True).encode()
    api.events = [delivered, event(2)]
    pull(log, api)
    api.events = [event(1), event(2, type="customer.deleted"), event(3)]
    report = pull(log, api)
    assert (report.appended, report.duplicates) == (1, 1)
    assert report.conflicts == [Difference("listed event 2", "evt_2", 2)]
    assert bodies(log) == [delivered, event(2), event(3)]


def test_a_listed_thing_that_is_no_event_is_reported(log: Log, api: StripeApi) -> None:
    api.events = [event(1), event(2, type=None), event(3)]
    report = pull(log, api)
    assert bodies(log) == [event(1), event(3)]
    assert [rejection.where for rejection in report.rejected] == ["listed event 2"]


def test_a_lone_surrogate_spoils_no_page(log: Log, api: StripeApi) -> None:
    api.events = [event(1), event(2).replace(b"cus_2", rb"\ud83d"), event(3)]
    pull(log, api)
    assert bodies(log) == api.events


def test_a_gap_is_reported_never_closed_in_silence(log: Log, api: StripeApi) -> None:
    since = NOW - timedelta(days=31)
    api.events = [event(1)]
    report = pull(log, api, since=since)
    assert report.gap == Gap(since, NOW - timedelta(days=30))
    assert report.appended == 1
    assert pull(log, api, since=NOW - timedelta(days=30)).gap is None


def test_a_wrong_key_is_named(log: Log, api: StripeApi) -> None:
    with pytest.raises(StripeRefused, match="STRIPE_API_KEY"):
        pull(log, api, api_key="sk_test_wrong")
    assert log.head() == 0


def test_a_call_that_failed_is_tried_again(log: Log, api: StripeApi) -> None:
    api.failures = [500]
    api.events = [event(1)]
    assert pull(log, api).appended == 1


@pytest.mark.parametrize("status", [400, 403])
def test_a_refusal(log: Log, api: StripeApi, status: int) -> None:
    api.failures = [status]
    with pytest.raises(StripeRefused):
        pull(log, api)


def test_a_limited_call_waits_and_is_tried_again(log: Log, api: StripeApi) -> None:
    api.failures = [429, 429]
    api.events = [event(1)]
    assert pull(log, api).appended == 1


def test_a_call_is_limited_for_a_time_only(
    log: Log, api: StripeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhooks.stripe_client.LONGEST_LIMITED_SECONDS", 0.2)
    api.failures = [429] * 9
    with pytest.raises(StripeUnavailable, match="limits the calls"):
        pull(log, api)


def test_an_api_that_is_away(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhooks.stripe_client.RETRIES", 0)
    with pytest.raises(StripeUnavailable):
        backfill(log, StripeClient(API_KEY, "http://127.0.0.1:9"), since=SINCE)


@pytest.mark.parametrize("answer", [b"{}", b"[]", b'{"object":"list","data":[{}]}', b"7"])
def test_another_server(log: Log, api: StripeApi, answer: bytes) -> None:
    api.answer = answer
    with pytest.raises(StripeRefused, match="STRIPE_API_BASE"):
        pull(log, api)


def test_after_an_interruption_the_log_holds_the_oldest(log: Log, api: StripeApi) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(_: int) -> None:
        raise Interrupted

    api.events = [event(n) for n in range(400)]
    with pytest.raises(Interrupted):
        pull(log, api, progress=interrupt)
    assert bodies(log) == api.events[:256]
