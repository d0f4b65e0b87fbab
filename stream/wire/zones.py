"""Time zones by their IANA names, as offsets between moments.

They are read from the package that is released with us, not from the machine:
its database may be older or newer, and two workers would count other days.
"""

import difflib
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from stream.detector.events import DAY_MS, EARLIEST_MS

UNTIL_MS = 2_871_763_200_000
"""2061-01-01: what clocks do later nobody has decided; the last offset goes on."""
_PACKAGE = "tzdata"


@lru_cache(maxsize=64)
def offsets(name: str) -> tuple[tuple[int, int], ...]:
    """Give since when (ms since 1970 UTC) a zone's clocks are how far ahead of UTC (ms), from 1990.

    ValueError: there is no such zone, with what was probably meant.
    """
    return tuple(_changes(zone(name)))


def names() -> list[str]:
    """Name all zones."""
    return files(_PACKAGE).joinpath("zones").read_text().split()


def zone(name: str) -> ZoneInfo:
    """Give a zone as it is in the package; ValueError as `offsets`."""
    if name not in names():
        raise ValueError(f'"{name}" is no time zone{_meant(name)}')
    with files(_PACKAGE).joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def _meant(name: str) -> str:
    """Say which zone was probably meant: by its name, or by its city alone."""
    known = names()
    exactly = [one for one in known if one.casefold() == name.casefold()]
    cities: dict[str, str] = {}
    for one in known:
        cities.setdefault(_city(one), one)
    close = exactly or difflib.get_close_matches(name, known, n=1)
    if not close:
        close = [cities[city] for city in difflib.get_close_matches(_city(name), cities, n=1)]
    if close:
        return f': did you mean "{close[0]}"?'
    return ': write a name such as "Europe/London", or "UTC"'


def _city(name: str) -> str:
    return name.rpartition("/")[2].replace(" ", "_").casefold()


def _changes(zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """Find the changes of a zone's offset: none lasts less than a day."""
    now = _offset(zone, EARLIEST_MS)
    yield 0, now
    for day in range(EARLIEST_MS + DAY_MS, UNTIL_MS, DAY_MS):
        offset = _offset(zone, day)
        if offset != now:
            seconds = range((day - DAY_MS) // 1_000, day // 1_000)
            place = bisect_left(seconds, 1, key=lambda second: _offset(zone, second * 1_000) != now)
            yield seconds[place] * 1_000 if place < len(seconds) else day, offset
            now = offset


def _offset(zone: ZoneInfo, at: int) -> int:
    moment = datetime.fromtimestamp(at // 1_000, UTC).astimezone(zone)
    return (moment.utcoffset() or timedelta()) // timedelta(milliseconds=1)
