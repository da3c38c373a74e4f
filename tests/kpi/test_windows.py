"""Windows: whole days of the reporting zone, the last 7, 30 or 90 of them or any others."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kpi.windows import MAX_DAYS, Window, day_of, ending, parse
from ledger.errors import InvalidWindow
from tests.projections.days import reporting_in
from tests.projections.models import Models

TODAY = date(2026, 3, 31)
DAYS = st.dates(date(1970, 1, 1), date(2999, 12, 31))


def window(first: str, last: str) -> Window:
    return Window(date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, window("2026-03-02", "2026-03-31")),
        ({"window": "7"}, window("2026-03-25", "2026-03-31")),
        ({"window": "30"}, window("2026-03-02", "2026-03-31")),
        ({"window": "90"}, window("2026-01-01", "2026-03-31")),
        ({"first": "2026-02-01", "last": "2026-02-28"}, window("2026-02-01", "2026-02-28")),
        ({"first": "2026-03-29", "last": "2026-03-29"}, window("2026-03-29", "2026-03-29")),
        ({"first": "2027-01-01", "last": "2027-01-02"}, window("2027-01-01", "2027-01-02")),
        ({"first": "1970-01-01", "last": "1970-01-01"}, window("1970-01-01", "1970-01-01")),
        ({"first": "2999-12-31", "last": "2999-12-31"}, window("2999-12-31", "2999-12-31")),
        ({"first": "2016-03-24", "last": "2026-03-31"}, window("2016-03-24", "2026-03-31")),
    ],
)
def test_a_window_is_so_many_days_up_to_today_or_two_dates(asked: dict[str, str], expected: Window):
    """Both days are in it; two dates may lie in the future, for nothing forbids to look there."""
    assert parse(TODAY, **asked) == expected


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"window": "0"}, "7, 30, 90"),
        ({"window": "-7"}, "7, 30, 90"),
        ({"window": "14"}, "7, 30, 90 days, not '14'"),
        ({"window": "30.0"}, "7, 30, 90"),
        ({"window": " 30"}, "7, 30, 90"),
        ({"window": "٣٠"}, "7, 30, 90"),
        ({"window": "month"}, "7, 30, 90"),
        ({"window": "9" * 400}, "7, 30, 90"),
        ({"window": "30", "first": "2026-03-01", "last": "2026-03-31"}, "not both"),
        ({"window": "30", "last": "2026-03-31"}, "not both"),
        ({"first": "2026-03-01"}, "to: give both dates"),
        ({"last": "2026-03-31"}, "from: give both dates"),
        ({"first": "2026-03-01", "last": ""}, "to: give both dates"),
        ({"first": "1900-01-01", "last": "2026-03-01"}, "from: give a day from 1970-01-01 to"),
        ({"first": "2026-03-01", "last": "march"}, "to: 'march' is no date"),
        ({"first": "2026-03-31", "last": "2026-03-30"}, "later than"),
        ({"first": "2026-02-29", "last": "2026-03-30"}, "from: .* like 2026-03-29"),
        ({"first": "31/03/2026", "last": "2026-03-31"}, "from: .* like 2026-03-29"),
        ({"first": "2026-03-01T00:00", "last": "2026-03-31"}, "from: .* like 2026-03-29"),
        ({"first": "1969-12-31", "last": "2026-03-31"}, "from"),
        ({"first": "2026-03-31", "last": "3000-01-01"}, "to"),
        ({"first": "2016-03-23", "last": "2026-03-31"}, "3,661 days"),
    ],
)
def test_any_other_window_is_refused_and_never_quietly_another_one(asked: dict[str, str], why: str):
    with pytest.raises(InvalidWindow, match=why):
        parse(TODAY, **asked)


@pytest.mark.parametrize(
    ("this", "previous"),
    [
        (window("2026-03-31", "2026-03-31"), window("2026-03-30", "2026-03-30")),
        (window("2026-03-25", "2026-03-31"), window("2026-03-18", "2026-03-24")),
        (window("2026-03-02", "2026-03-31"), window("2026-01-31", "2026-03-01")),
        (window("2024-03-01", "2024-03-01"), window("2024-02-29", "2024-02-29")),
    ],
)
def test_the_window_to_compare_with_is_as_long_and_right_before(this: Window, previous: Window):
    assert this.previous == previous


@given(last=DAYS, length=st.integers(1, MAX_DAYS))
def test_windows_of_a_length_tile_the_days(last: date, length: int):
    """Neither a gap nor a day in two of them."""
    this = ending(last, length)
    assert (this.days, this.previous.days) == (length, length)
    assert this.previous.last + timedelta(days=1) == this.first
    days = this.each_day()
    assert [day.first for day in days] == [day.last for day in days]
    assert (days[0].first, days[-1].last, len(days)) == (*this, length)


@pytest.mark.parametrize(
    ("zone", "utc", "day"),
    [
        ("UTC", "2026-03-28 23:59:59.999999", "2026-03-28"),
        ("UTC", "2026-03-29 00:00:00", "2026-03-29"),
        # In London 29 March 2026 has 23 hours and 25 October 25.
        ("Europe/London", "2026-03-28 23:59:59", "2026-03-28"),
        ("Europe/London", "2026-03-29 00:00:00", "2026-03-29"),
        ("Europe/London", "2026-03-29 22:59:59", "2026-03-29"),
        ("Europe/London", "2026-03-29 23:00:00", "2026-03-30"),
        ("Europe/London", "2026-10-24 22:59:59", "2026-10-24"),
        ("Europe/London", "2026-10-24 23:00:00", "2026-10-25"),
        ("Europe/London", "2026-10-25 23:59:59", "2026-10-25"),
        ("Europe/London", "2026-10-26 00:00:00", "2026-10-26"),
        ("America/New_York", "2026-03-08 04:59:59", "2026-03-07"),
        ("America/New_York", "2026-03-09 03:59:59", "2026-03-08"),
        ("America/New_York", "2026-03-09 04:00:00", "2026-03-09"),
        ("Pacific/Kiritimati", "2026-03-29 10:00:00", "2026-03-30"),
        ("Asia/Kathmandu", "2026-03-29 18:14:59", "2026-03-29"),
        ("Asia/Kathmandu", "2026-03-29 18:15:00", "2026-03-30"),
    ],
)
def test_a_day_begins_at_midnight_of_the_zone(zone: str, utc: str, day: str):
    moment = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert day_of(moment, ZoneInfo(zone)) == date.fromisoformat(day)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moment=st.datetimes(datetime(1970, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants bounds without a zone
    zone=st.sampled_from(["UTC", "Europe/London", "America/New_York", "Pacific/Apia"]),
)
def test_the_database_cuts_days_in_the_same_places(models: Models, moment: datetime, zone: str):
    """Also where a zone once skipped a day (Apia had no 30 December 2011)."""
    with reporting_in(models, zone):
        ((day,),) = models.cursor.execute("select ledger.business_day(%s)", [moment]).fetchall()
    assert day == day_of(moment, ZoneInfo(zone))
