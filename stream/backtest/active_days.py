"""Active days: a history a day at a time, and what was known of a customer on each."""

from bisect import insort
from functools import cached_property

import numpy as np

from stream.backtest.history import NEVER, Floats, History, Ints
from stream.backtest.judging import Alerts
from stream.detector.events import DAY_MS


class ActiveDays:
    """The days (UTC) on which customers were active, by customer and then by day.

    All arrays have an entry for each; nothing in them looks ahead, but `next`.
    """

    customer: Ints
    """Places in `History.customers`."""
    day: Ints
    """Days since 1970."""
    first: Ints
    """The first activity of the day (ms)."""
    last: Ints
    """The last activity of the day (ms)."""
    next: Ints
    """The first activity of a later day (ms), NEVER where there is none."""
    horizon: Floats
    """The customer's, in days."""
    volume: Floats
    earlier: Ints
    """How many active days the customer had before."""
    span: Ints
    """Days from its first active day."""
    gap: Ints
    """Days from the active day before; 0 on the first."""

    def __init__(self, history: History) -> None:
        """Put together what was done on a day."""
        self.history = history
        day = history.time // DAY_MS
        new = history.first.copy()
        new[1:] |= day[1:] != day[:-1]
        begin = np.flatnonzero(new)
        end = np.append(begin[1:], len(day))[: len(begin)] - 1
        self.customer, self.day = history.customer[begin], day[begin]
        self.first, self.last, self.next = history.time[begin], history.time[end], history.next[end]
        self.horizon = history.horizons[end] / DAY_MS
        self.volume = np.add.reduceat(history.volume, begin) if len(begin) else np.zeros(0)
        starts = history.first[begin]
        origin = np.maximum.accumulate(np.where(starts, np.arange(len(begin)), 0))
        self.earlier = np.arange(len(begin)) - origin
        self.span = self.day - self.day[origin]
        self.gap = np.where(starts, 0, np.diff(self.day, prepend=0))

    def __len__(self) -> int:
        """Count the active days of everybody."""
        return len(self.day)

    @cached_property
    def usual_gap(self) -> Floats:
        """The median of the gaps so far, in days; NaN before the first."""
        usual = np.full(len(self), np.nan)
        known: list[int] = []
        for place, gap in enumerate(self.gap.tolist()):
            if not gap:
                known = []
                continue
            insort(known, gap)
            middle = len(known) // 2
            usual[place] = (known[middle] + known[~middle]) / 2
        return usual

    def refits(self, days: int) -> Ints:
        """Give the midnights (ms) at which something is fitted anew, every so many days."""
        end = int(self.history.end.max(initial=0))
        return np.arange(self.history.start + days * DAY_MS, end, days * DAY_MS)

    def known_at(self, moment: int) -> Ints:
        """Give the place of everybody's last active day that began before a moment."""
        past = np.flatnonzero(self.first < moment)
        last = np.append(self.customer[past][1:] != self.customer[past][:-1], True)[: len(past)]
        known: Ints = past[last]
        return known

    def silences(self, allowed_days: Floats) -> Alerts:
        """Alert on who is silent for longer than allowed after an active day; NaN: for ever."""
        allowed = np.where(np.isfinite(allowed_days), allowed_days, NEVER / DAY_MS / 4)
        at = self.last + np.rint(allowed * DAY_MS).astype(np.int64)
        said = (at < self.next) & (at <= self.history.end[self.customer])
        return Alerts(self.customer[said], at[said])
