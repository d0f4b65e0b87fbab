"""Periods: where weeks, months, quarters and years begin, by the calendar of the policy's zone."""

from collections.abc import Iterator
from datetime import date, timedelta
from enum import StrEnum

from stream.detector.calendar import LocalTime, date_of, day_of


class Every(StrEnum):
    """How long a period is; all begin at a local midnight."""

    WEEK = "week"
    """From Monday on."""
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


_DAYS_MORE = {Every.WEEK: 7, Every.MONTH: 32, Every.QUARTER: 95, Every.YEAR: 370}
"""Days from the begin of any period to somewhere in the next one."""
_MONTHS = {Every.MONTH: 1, Every.QUARTER: 3, Every.YEAR: 12}


def boundaries(first: int, until: int, every: Every, local: LocalTime) -> Iterator[int]:
    """Give where periods begin, from the one that `first` lies in up to `until` (ms)."""
    day = _floor(date_of(local.day(first)), every)
    while (at := local.midnight(day_of(day))) <= until:
        yield at
        day = _floor(day + timedelta(days=_DAYS_MORE[every]), every)


def _floor(day: date, every: Every) -> date:
    """Give the begin of the period that a day lies in."""
    if every is Every.WEEK:
        return day - timedelta(days=day.weekday())
    months = _MONTHS[every]
    return day.replace(day=1, month=(day.month - 1) // months * months + 1)
