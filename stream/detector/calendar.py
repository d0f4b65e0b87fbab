"""The calendar: whose days are counted, and on which of them nobody is expected.

Times are milliseconds since 1970 UTC everywhere; a day is a local one only
where people count it.  What a time zone is, and when its holidays are, is looked
up once, when the policy is read: here are the offsets and the dates that came of
it, so that the same policy gives the same days on every machine.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from itertools import accumulate, pairwise

import msgspec

from stream.detector.events import DAY_MS, HOUR_MS

NO_DAY = -1 << 40
"""Before any day."""
AHEAD_MOST_MS = 15 * HOUR_MS
"""No local time is further from UTC."""


_EPOCH = date(1970, 1, 1).toordinal()


def day_of(of: date) -> int:
    """Count the days from 1970-01-01 to a date."""
    return of.toordinal() - _EPOCH


def date_of(day: int) -> date:
    """Give the date that so many days after 1970-01-01 is."""
    return date.fromordinal(day + _EPOCH)


class Holiday(msgspec.Struct, frozen=True, array_like=True):
    """Local days on which hardly anybody is expected."""

    name: str
    first: int
    """The first of them, counted from 1970-01-01."""
    last: int


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy says of days."""

    time_zone: str = "UTC"
    """Its name in the IANA database."""
    offsets: tuple[tuple[int, int], ...] = ((0, 0),)
    """Since when (ms since 1970 UTC), how far ahead of UTC (ms); the first, since ever."""
    holidays: tuple[Holiday, ...] = ()
    """The dates in force, in order; part of the policy's version as they are."""


class LocalTime:
    """Local days and holidays by a calendar."""

    def __init__(self, calendar: Calendar) -> None:
        """Lay out what is asked for often."""
        self.time_zone = calendar.time_zone
        self._since = [since for since, _ in calendar.offsets]
        self._offsets = [offset for _, offset in calendar.offsets]
        before = [
            (since - 1 + earlier) // DAY_MS
            for (_, earlier), (since, _) in pairwise(calendar.offsets)
        ]
        self._least = [NO_DAY, *before]  # days that have begun before a clock is turned back
        self._holidays = sorted(calendar.holidays, key=lambda holiday: holiday.first)
        spans = list(
            _joined((self.midnight(h.first), self.midnight(h.last + 1)) for h in self._holidays)
        )
        self._begins = [begin for begin, _ in spans]
        self._ends = [end for _, end in spans]
        self._before = [0, *accumulate(end - begin for begin, end in spans)]

    def offset_ms(self, at: int) -> int:
        """Give how far local time is ahead of UTC at a moment (ms)."""
        return self._offsets[max(0, bisect_right(self._since, at) - 1)]

    def day(self, at: int) -> int:
        """Give the local day that a moment (ms) lies in, counted from 1970-01-01.

        Days follow each other: a clock that is turned back over midnight begins no day twice.
        """
        place = max(0, bisect_right(self._since, at) - 1)
        return max((at + self._offsets[place]) // DAY_MS, self._least[place])

    def midnight(self, day: int) -> int:
        """Give when (ms) a local day begins; of a day that a zone has left out, the next one."""
        place = max(0, bisect_right(self._since, day * DAY_MS - AHEAD_MOST_MS) - 1)
        while True:
            at = day * DAY_MS - self._offsets[place]
            if place:
                at = max(at, self._since[place])
            if place + 1 == len(self._since) or at < self._since[place + 1]:
                return at
            place += 1

    def moment(self, clock_ms: int) -> int:
        """Give when (ms) the local clock shows a time, counted from its own 1970-01-01 00:00.

        Of a time that a day lacks, or has twice, a moment within an hour of it.
        """
        day, past_midnight = divmod(clock_ms, DAY_MS)
        begin = self.midnight(day)
        if not past_midnight:
            return begin
        return clock_ms - self.offset_ms(clock_ms - self.offset_ms(begin))

    def next_midnight(self, at: int) -> int:
        """Give the first midnight (ms) at or after a moment."""
        day = self.day(at)
        begin = self.midnight(day)
        return at if begin == at else self.midnight(day + 1)

    def weekday(self, at: int) -> int:
        """Give the local day of the week, 0 for Monday (1970-01-01 was a Thursday)."""
        return (self.day(at) + 3) % 7

    def holidays_ms(self, since: int, until: int) -> int:
        """Give how much (ms) of the time from one moment to another was holidays."""
        if not self._begins or until <= since:
            return 0
        return self._holidays_until(until) - self._holidays_until(since)

    def holidays_in(self, since: int, until: int) -> Iterator[str]:
        """Name the holidays that lie between two moments (ms), in part or whole, each once."""
        if not self.holidays_ms(since, until):
            return iter(())
        first, last = self.day(since), self.day(until - 1)
        names = (h.name for h in self._holidays if h.first <= last and first <= h.last)
        return iter(dict.fromkeys(names))

    def _holidays_until(self, moment: int) -> int:
        place = bisect_right(self._begins, moment)
        if not place:
            return 0
        return self._before[place] - max(0, self._ends[place - 1] - moment)


@lru_cache(maxsize=16)
def local_time(calendar: Calendar) -> LocalTime:
    """Give the local time of a calendar; laid out once, for it is asked for in many places."""
    return LocalTime(calendar)


def _joined(spans: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join spans, in order, that touch or overlap."""
    held: tuple[int, int] | None = None
    for begin, end in spans:
        if held is not None and begin <= held[1]:
            held = held[0], max(held[1], end)
            continue
        if held is not None:
            yield held
        held = begin, end
    if held is not None:
        yield held
