"""Periods: where weeks, months, quarters and years begin, by the calendar in UTC."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Every(StrEnum):
    """How long a period is; all begin at midnight UTC."""

    WEEK = "week"
    """From Monday on."""
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


_DAYS_MORE = {Every.WEEK: 7, Every.MONTH: 32, Every.QUARTER: 95, Every.YEAR: 370}
"""Days from the begin of any period to somewhere in the next one."""
_MONTHS = {Every.MONTH: 1, Every.QUARTER: 3, Every.YEAR: 12}


def boundaries(first: int, until: int, every: Every) -> Iterator[int]:
    """Give where periods begin, from the one that `first` lies in up to `until` (ms)."""
    moment = _floor(datetime.fromtimestamp(first / 1000, UTC), every)
    while (at := round(moment.timestamp() * 1000)) <= until:
        yield at
        moment = _floor(moment + timedelta(days=_DAYS_MORE[every]), every)


def _floor(moment: datetime, every: Every) -> datetime:
    """Give the begin of the period that a moment lies in."""
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if every is Every.WEEK:
        return day - timedelta(days=day.weekday())
    months = _MONTHS[every]
    return day.replace(day=1, month=(day.month - 1) // months * months + 1)
