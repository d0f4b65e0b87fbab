"""Local days and holidays: what a zone's clocks do, and what of the time is holidays."""

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.detector.calendar import Calendar, Holiday, LocalTime
from stream.detector.events import DAY_MS, EARLIEST_MS, HOUR_MS, MINUTE_MS
from stream.wire import zones
from stream.wire.calendars import calendar_of

ODD = (
    "Europe/London",
    "Asia/Kathmandu",  # three quarters of an hour
    "America/St_Johns",  # half an hour, and until 2011 turned at a minute past midnight
    "Pacific/Apia",  # a day left out
    "Asia/Beirut",  # midnights that never were
    "Australia/Lord_Howe",  # half an hour of summer
    "Antarctica/Troll",  # two hours of it
    "America/Sao_Paulo",
    "Africa/Casablanca",
)
EPOCH = date(1970, 1, 1).toordinal()
moments = st.integers(EARLIEST_MS, zones.UNTIL_MS - 1)


def ms(text: str) -> int:
    """Give a moment that names its offset, or is of UTC, in milliseconds."""
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def number(text: str) -> int:
    """Give a date as days since 1970."""
    return date.fromisoformat(text).toordinal() - EPOCH


@lru_cache
def local(zone: str, *holidays: tuple[str, str]) -> LocalTime:
    """Give a zone's local time, with holidays from one date to another."""
    calendar = calendar_of(zone)
    days = tuple(Holiday(f"h{n}", number(a), number(b)) for n, (a, b) in enumerate(holidays))
    return LocalTime(
        Calendar(time_zone=zone, offsets=calendar.offsets, holidays=days),
    )


@settings(deadline=None)
@given(st.sampled_from(ODD), moments)
def test_offsets_are_those_of_the_zones_own_database(name: str, at: int) -> None:
    """At any moment, to the second of a change."""
    moment = datetime.fromtimestamp(at // 1_000, UTC).astimezone(zones.zone(name))
    said = (moment.utcoffset() or timedelta()) // timedelta(milliseconds=1)
    assert local(name).offset_ms(at // 1_000 * 1_000) == said


@pytest.mark.parametrize("name", ODD)
def test_offsets_change_at_the_second_they_change(name: str) -> None:
    """Each change that was found is one, and lies between the two offsets."""
    zone = zones.zone(name)
    for (_, before), (since, after) in pairwise(zones.offsets(name)):
        said = [
            (datetime.fromtimestamp(at // 1_000, UTC).astimezone(zone).utcoffset() or timedelta())
            // timedelta(milliseconds=1)
            for at in (since - 1_000, since)
        ]
        assert said == [before, after]


@settings(deadline=None)
@given(st.sampled_from(ODD), moments)
def test_a_day_begins_once_and_days_follow_each_other(name: str, at: int) -> None:
    """However the clock is turned."""
    where = local(name)
    day = where.day(at)
    begin = where.midnight(day)
    assert begin <= at < where.midnight(day + 1)
    assert where.day(begin) == day > where.day(begin - 1)
    assert where.next_midnight(at) in (begin, where.midnight(day + 1))
    assert where.next_midnight(begin) == begin


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/London", "2026-03-29", 23),
        ("Europe/London", "2026-10-25", 25),
        ("Europe/London", "2026-10-26", 24),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Asia/Kathmandu", "2026-03-29", 24),
        ("Europe/London", "1990-03-25", 23),
    ],
)
def test_a_day_is_as_long_as_its_clock_makes_it(zone: str, day: str, hours: float) -> None:
    """Put forward, put back, and never."""
    where = local(zone)
    begin, end = where.midnight(number(day)), where.midnight(number(day) + 1)
    assert end - begin == hours * HOUR_MS


def test_a_day_that_a_zone_left_out_begins_with_the_next() -> None:
    """Samoa had no 30 December 2011."""
    where = local("Pacific/Apia")
    left_out = number("2011-12-30")
    assert where.midnight(left_out) == where.midnight(left_out + 1) == ms("2011-12-30T10:00")
    assert where.day(ms("2011-12-30T10:00") - 1) == left_out - 1


def test_a_clock_turned_back_over_midnight_begins_no_day_twice() -> None:
    """In St. John's, at 00:01 on 7 November 2010 it was 23:01 of the day before again."""
    where = local("America/St_Johns")
    sunday = number("2010-11-07")
    begin = ms("2010-11-07T02:30")
    assert where.midnight(sunday) == begin
    assert [where.day(begin + n * MINUTE_MS) for n in (-1, 0, 1, 30, 61)] == [
        sunday - 1,
        *([sunday] * 4),
    ]


@pytest.mark.parametrize(
    ("zone", "text", "at"),
    [
        ("Europe/London", "2026-07-01", "2026-06-30T23:00"),
        ("Europe/London", "2026-03-29T09:00", "2026-03-29T08:00"),
        ("Europe/London", "2026-10-25T09:00", "2026-10-25T09:00"),
        ("Asia/Kathmandu", "2026-01-01", "2025-12-31T18:15"),
        ("Asia/Beirut", "2021-03-28", "2021-03-27T22:00"),
        ("Asia/Beirut", "2021-03-28T09:00", "2021-03-28T06:00"),
    ],
)
def test_what_a_local_clock_shows_is_found(zone: str, text: str, at: str) -> None:
    """A date is its begin."""
    assert local(zone).moment(ms(text)) == ms(at)


def test_before_and_after_what_is_known_the_nearest_offset_holds() -> None:
    """The year 1971 and the year 9999 are days, too."""
    where = local("Europe/Berlin")
    assert where.offset_ms(DAY_MS * 365) == HOUR_MS
    assert where.offset_ms(ms("9999-07-01T00:00")) == HOUR_MS
    assert where.weekday(ms("2026-11-22T23:30")) == 0, "Monday there"


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=6),
    st.integers(-300, 1_800),
    st.integers(0, 1_500),
)
def test_holidays_are_counted_hour_by_hour(
    spans: list[tuple[int, int]], begin: int, length: int
) -> None:
    """Those that overlap count once."""
    first = number("2026-03-01")
    days = tuple(Holiday("h", first + a, first + a + n) for a, n in spans)
    where = LocalTime(
        Calendar(offsets=calendar_of("Europe/London").offsets, holidays=days),
    )
    free = {first + a + k for a, n in spans for k in range(n + 1)}
    start = where.midnight(first) + begin * HOUR_MS
    hours = range(start, start + length * HOUR_MS, HOUR_MS)
    counted = sum(HOUR_MS for hour in hours if where.day(hour) in free)
    assert where.holidays_ms(start, start + length * HOUR_MS) == counted


def test_holidays_in_a_silence_are_named_once_in_order() -> None:
    """Also those that it only touches."""
    where = local("UTC", ("2026-12-24", "2026-12-26"), ("2027-01-01", "2027-01-01"))
    names = where.holidays_in(ms("2026-12-26T23:00"), ms("2027-01-01T00:01"))
    assert list(names) == ["h0", "h1"]
    assert list(where.holidays_in(ms("2026-12-27T00:00"), ms("2026-12-31T23:00"))) == []


def test_the_machines_own_database_is_not_asked() -> None:
    """It may be older, newer, or absent."""
    before = zones.offsets("Europe/London")
    zones.offsets.cache_clear()
    path = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=("/nowhere",))
    try:
        assert zones.offsets("Europe/London") == before
    finally:
        zoneinfo.reset_tzpath(to=path)
