"""Where periods begin."""

from datetime import UTC, datetime

import pytest

from stream.detector.calendar import Calendar, local_time
from stream.detector.periods import Every, boundaries
from stream.wire.calendars import calendar_of


def ms(text: str) -> int:
    """Give a moment of UTC in milliseconds."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("every", "first", "until", "begins"),
    [
        (Every.WEEK, "2026-01-01T12:00", "2026-01-12", ["2025-12-29", "2026-01-05", "2026-01-12"]),
        (Every.MONTH, "2024-01-31T23:59", "2024-03-31", ["2024-01-01", "2024-02-01", "2024-03-01"]),
        (Every.QUARTER, "2025-12-31", "2026-04-01", ["2025-10-01", "2026-01-01", "2026-04-01"]),
        (Every.YEAR, "2024-02-29", "2025-12-31T23:59", ["2024-01-01", "2025-01-01"]),
    ],
)
def test_periods_begin_by_the_calendar(
    every: Every, first: str, until: str, begins: list[str]
) -> None:
    """From the one that the first moment lies in; what begins at the last one counts."""
    found = list(boundaries(ms(first), ms(until), every, local_time(Calendar())))
    assert found == [ms(begin) for begin in begins]


def test_months_begin_where_the_customers_are() -> None:
    """In summer an hour before UTC's, in Kathmandu at a quarter past six in the evening."""
    london = local_time(calendar_of("Europe/London"))
    months = list(boundaries(ms("2026-02-28T23:30"), ms("2026-05-01"), Every.MONTH, london))
    assert months == [
        ms(begin) for begin in ("2026-02-01", "2026-03-01", "2026-03-31T23:00", "2026-04-30T23:00")
    ]
    kathmandu = local_time(calendar_of("Asia/Kathmandu"))
    (month,) = boundaries(ms("1991-05-31T18:15"), ms("1991-06-15"), Every.MONTH, kathmandu)
    assert month == ms("1991-05-31T18:15")


def test_every_month_of_forty_years_begins_on_its_first() -> None:
    """However long the month before was."""
    begins = list(
        boundaries(ms("1990-01-15"), ms("2029-12-31"), Every.MONTH, local_time(Calendar()))
    )
    days = [datetime.fromtimestamp(begin / 1000, UTC) for begin in begins]
    assert len(days) == 480
    assert all(day.day == 1 and day.hour == 0 for day in days)
