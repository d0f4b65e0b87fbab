"""Periods: where weeks, months, quarters and years begin, by the calendar of the policy's zone."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

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
_AHEAD_MS: Final = 400 * 86_400_000
"""Boundaries are looked up this far ahead at a time: a year and more."""


def boundaries(first: int, until: int, every: Every, local: LocalTime) -> Iterator[int]:
    """Give where periods begin, from the one that `first` lies in up to `until` (ms)."""
    day = _floor(date_of(local.day(first)), every)
    while (at := local.midnight(day_of(day))) <= until:
        yield at
        day = _floor(day + timedelta(days=_DAYS_MORE[every]), every)


class Boundaries:
    """The same boundaries, to be asked for one at a time; all times in ms."""

    def __init__(self, every: Every, local: LocalTime) -> None:
        """Know the begins of such periods."""
        self._every = every
        self._local = local
        self._known: list[int] = []

    def begin(self, moment: int) -> int:
        """Give where the period began that a moment lies in."""
        known = self._around(moment)
        return known[bisect_right(known, moment) - 1]

    def last(self, moment: int, count: int) -> list[int]:
        """Give the begins of so many periods up to the one that a moment lies in, in order."""
        found = [self.begin(moment)]
        while len(found) < count:
            found.append(self.begin(found[-1] - 1))
        return found[::-1]

    def next(self, moment: int) -> int:
        """Give the first boundary after a moment."""
        known = self._around(moment)
        return known[bisect_right(known, moment)]

    def reached(self, moment: int) -> int:
        """Give the first boundary at or after a moment."""
        known = self._around(moment)
        return known[bisect_left(known, moment)]

    def _around(self, moment: int) -> list[int]:
        """Give boundaries from before a moment to after it."""
        known = self._known
        if not known or not known[0] <= moment < known[-1]:
            first = min([*known[:1], moment])
            last = max([*known[-1:], moment])
            known = self._known = list(
                boundaries(first, last + _AHEAD_MS, self._every, self._local)
            )
        return known


def _floor(day: date, every: Every) -> date:
    """Give the begin of the period that a day lies in."""
    if every is Every.WEEK:
        return day - timedelta(days=day.weekday())
    months = _MONTHS[every]
    return day.replace(day=1, month=(day.month - 1) // months * months + 1)
