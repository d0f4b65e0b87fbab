"""Buckets: days, weeks or months, so many that a chart of them can be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.detector.events import DAY_MS
from stream.wire.times import iso

DAYS_MAX: Final = 62
"""A log of so many days is told by day, ..."""
WEEKS_MAX: Final = 62
"""... one of so many weeks by week, a longer one by month."""


class Step(StrEnum):
    """How long a bucket is."""

    DAY = "day"
    WEEK = "week"
    """From Monday on."""
    MONTH = "month"


@dataclass(frozen=True, eq=False)
class Buckets:
    """The first days (since 1970) of what lies between two days; the last may be cut short."""

    step: Step
    begins: NDArray[np.int64]
    first: int
    last: int

    def places(self, days: NDArray[np.int64]) -> NDArray[np.int64]:
        """Say in which bucket each day lies, from 0 on."""
        found: NDArray[np.int64] = np.searchsorted(self.begins, days, side="right") - 1
        return np.clip(found, 0, len(self.begins) - 1)

    def sums(self, daily: Mapping[int, int]) -> list[int]:
        """Add up what was counted by day."""
        days = np.fromiter(daily.keys(), np.int64, len(daily))
        counts = np.fromiter(daily.values(), np.int64, len(daily))
        summed = np.bincount(self.places(days), counts, len(self.begins))
        return [int(count) for count in summed]


NO_BUCKETS: Final = Buckets(Step.DAY, np.zeros(0, np.int64), 0, -1)
"""Of no time at all."""


def buckets_between(first: int, last: int) -> Buckets:
    """Cut the time from one day to another into days, weeks from Monday on, or months."""
    length = last - first + 1
    if length <= DAYS_MAX:
        return Buckets(Step.DAY, np.arange(first, last + 1), first, last)
    if length <= 7 * WEEKS_MAX:
        monday = first - (first + 3) % 7  # 1970 began on a Thursday
        return Buckets(Step.WEEK, np.arange(monday, last + 1, 7), first, last)
    months = np.arange(*(np.datetime64(day, "D").astype("M8[M]") for day in (first, last)))
    begins = np.append(months, np.datetime64(last, "D").astype("M8[M]")).astype("M8[D]")
    return Buckets(Step.MONTH, begins.astype(np.int64), first, last)


def date_of(day: int) -> str:
    """Write a day since 1970, as 2026-01-31."""
    return iso(int(day) * DAY_MS)[:10]
