"""Figures: customer retention and churn, by period and by cohort.

Retention over a period is the share of those who were customers at its start
and still are at its end.  Whoever came meanwhile counts in neither: 50,000 at
the start, 1,000 acquired and 40,000 at the end are 39,000 of 50,000, 78 %; not
40,000 of 51,000, nor 40,000 of 49,000.
"""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.detector.calendar import LocalTime, date_of
from stream.detector.events import DAY_MS
from stream.detector.periods import Every, boundaries
from stream.detector.stays import Close
from stream.retention.spans import Ints, Spans

Bools = NDArray[np.bool_]


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """One period; counts are customers."""

    begin: str
    """Its first day, as 2026-01-31."""
    segment: str | None = None
    """Whom it counts: those who were in the segment when it began, and of those who came meanwhile
    those in it at the end; None: everybody."""
    at_start: int
    """Customers when it began, but for those whom nobody watched until its end."""
    new: int
    """Came for the first time, and are customers at its end."""
    back: int
    """Had left before it, came back, and are customers at its end."""
    lapsed: int
    """Of those at the start: fell silent for the horizon, and did not come back."""
    ended: int
    """Of those at the start: said that they left, and did not come back."""
    at_end: int
    """At its end: those at the start without the lapsed and the ended, the new and the back."""
    retention: float | None
    """Of those at the start, the share who are customers at the end.

    None: there was nobody, or the log had not gone on for a horizon when the period began, so
    that not everybody could lapse who would have."""
    churn: float | None
    """The others' share."""


class Cohort(msgspec.Struct, frozen=True, kw_only=True):
    """Those who came for the first time in one period."""

    begin: str
    size: int
    """How many there were."""
    kept: tuple[float, ...]
    """The share who are customers at the end of that period, and of each one after it."""


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a log."""

    every: Every
    horizon_days: float
    """The policy's."""
    periods: tuple[Period, ...]
    """Whole ones only, oldest first."""
    segments: tuple[Period, ...]
    """The same for each of the policy's segments by itself; none, where it has none."""
    cohorts: tuple[Cohort, ...]
    segment_horizon_days: dict[str, float] = {}
    """By segment, of those with a horizon of their own."""


def retention(spans: Spans, horizon_ms: int, every: Every = Every.MONTH) -> Retention:
    """Give the figures of every period that lies within the log as a whole."""
    moments = list(boundaries(spans.first, spans.until, every, spans.local))
    present = [_present(spans, moment) for moment in moments]
    first = np.full(spans.customers, np.iinfo(np.int64).max)
    np.minimum.at(first, spans.customer, spans.begin)
    longest_ms = max([horizon_ms, *spans.horizons.values()])
    periods: list[Period] = []
    segments: list[Period] = []
    for place in range(len(moments) - 1):
        between, there = moments[place : place + 2], present[place : place + 2]
        periods.append(_period(spans, longest_ms, first, between, there))
        was, became = (spans.moves.segment_at(moment, spans.customers) for moment in between)
        for number, name in enumerate(spans.moves.names if len(spans.moves.names) > 1 else ()):
            counted = np.where(there[0], was, became) == number
            of_it = [some & counted for some in there]
            if of_it[0].any() or of_it[1].any():
                found = _period(spans, longest_ms, first, between, of_it)
                segments.append(msgspec.structs.replace(found, segment=name))
    cohorts = _cohorts(spans, first, moments, present)
    return Retention(
        every=every,
        horizon_days=horizon_ms / DAY_MS,
        periods=tuple(periods),
        segments=tuple(segments),
        cohorts=tuple(cohorts),
        segment_horizon_days={name: ms / DAY_MS for name, ms in spans.horizons.items()},
    )


def _period(
    spans: Spans, longest_ms: int, first: Ints, moments: Sequence[int], present: Sequence[Bools]
) -> Period:
    """Count what became of whom between two moments."""
    begin, end = moments
    watched = np.ones(spans.customers, np.bool_)
    within = (spans.end > begin) & (spans.end <= end)
    watched[spans.customer[within & (spans.close == Close.UNOBSERVED)]] = False
    before, after = present[0] & watched, present[1] & watched
    gone = before & ~after
    said = np.zeros(spans.customers, np.bool_)
    # By how the last of its spans in the period ended: they are in order of time.
    said[spans.customer[within]] = spans.close[within] == Close.ENDED
    new = after & (first >= begin)
    at_start, left = int(before.sum()), int(gone.sum())
    known = at_start and begin - spans.first >= longest_ms
    return Period(
        begin=_day(begin, spans.local),
        at_start=at_start,
        new=int(new.sum()),
        back=int((after & ~before & ~new).sum()),
        lapsed=int((gone & ~said).sum()),
        ended=int((gone & said).sum()),
        at_end=int(after.sum()),
        retention=1 - left / at_start if known else None,
        churn=left / at_start if known else None,
    )


def _cohorts(
    spans: Spans, first: Ints, moments: Sequence[int], present: Sequence[Bools]
) -> Iterator[Cohort]:
    """Follow those who came first in each period, but for whom nobody watches any more."""
    unwatched = np.zeros(spans.customers, np.bool_)
    unwatched[spans.customer[spans.close == Close.UNOBSERVED]] = True
    for place, begin in enumerate(moments[:-1]):
        came = (first >= begin) & (first < moments[place + 1]) & ~unwatched
        size = int(came.sum())
        if size:
            kept = tuple(float((came & later).sum() / size) for later in present[place + 1 :])
            yield Cohort(begin=_day(begin, spans.local), size=size, kept=kept)


def _present(spans: Spans, moment: int) -> Bools:
    """Tell which customers are customers at a moment (ms), shape (customers,)."""
    present = np.zeros(spans.customers, np.bool_)
    present[spans.customer[(spans.begin < moment) & (spans.end > moment)]] = True
    return present


def _day(moment: int, local: LocalTime) -> str:
    """Write the local day that begins at a moment (ms)."""
    return date_of(local.day(moment)).isoformat()
