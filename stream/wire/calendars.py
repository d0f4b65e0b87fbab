"""The calendar of a policy: its zone's offsets, its countries' holidays and its own, in one."""

from collections.abc import Iterator, Sequence
from datetime import date

import msgspec

from stream.detector.calendar import Calendar, Holiday, date_of, local_time
from stream.wire import zones
from stream.wire.holiday_dates import days_of, holidays_of

CLOSED_MOST_DAYS = 366
"""A product that is closed for longer has ended."""


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """Days on which a product's own customers are away."""

    name: str
    first: date
    last: date | None = None
    """None: it is the one day."""

    @property
    def days(self) -> int:
        """Count its days; below one, it ends before it begins."""
        return ((self.last or self.first) - self.first).days + 1


def calendar_of(
    time_zone: str = "UTC", places: Sequence[str] = (), closings: Sequence[Closing] = ()
) -> Calendar:
    """Look up a zone and the holidays of places; ValueError names what does not exist."""
    own = (days_of(one.first, one.last or one.first, one.name) for one in closings)
    public = (holiday for place in places for holiday in holidays_of(place))
    return Calendar(
        time_zone=time_zone,
        offsets=zones.offsets(time_zone),
        holidays=tuple(sorted({*public, *own}, key=_in_time)),
    )


def backwards(closings: Sequence[Closing]) -> Iterator[tuple[int, str]]:
    """Yield (place, what is wrong) of closings that cannot be."""
    for place, closing in enumerate(closings):
        if closing.days < 1:
            yield place, f"is before from ({closing.first})"
        elif closing.days > CLOSED_MOST_DAYS:
            yield place, f"makes it {closing.days} days: at most {CLOSED_MOST_DAYS}"


def next_holiday(calendar: Calendar, at: int) -> str:
    """Say when the next holiday after a moment (ms) is, and which; empty if none is known."""
    today = local_time(calendar).day(at)
    for holiday in calendar.holidays:
        if holiday.first > today:
            return f"{date_of(holiday.first)}, {holiday.name}"
    return ""


def _in_time(holiday: Holiday) -> tuple[int, int, str]:
    return holiday.first, holiday.last, holiday.name
