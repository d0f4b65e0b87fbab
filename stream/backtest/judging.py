"""Judging: what became of each alert, and when each lapse was noticed.

* A customer is **eligible** from the first activity of its third active day (UTC).
* A **lapse** is an activity, of a customer eligible by then, that is followed by
  none for a horizon, all of which the log covers.  The horizon is that of the customer's
  segment at its last activity, if that segment has one, here and below.
* An alert is **false** if its customer is active within a horizon after it, and
  **true** if not.  One so near the log's end that nobody can know is `unscored`;
  one raised after more than a horizon of silence is `late`: neither counts.
* **Eligible time** runs from eligibility to a horizon after the last activity
  before a lapse, and again from the return; none of it lies in the last horizon.

A rate of false alarms is per month of eligible time.  The delay of a lapse is
counted from its activity to the first alert within the horizon; the mean counts
a lapse that nobody noticed as a whole horizon, so waiting is not rewarded.
"""

from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.backtest.history import NEVER, Floats, History, Ints
from stream.detector.events import DAY_MS

ACTIVE_DAYS_MIN = 3
MONTH_DAYS = 30.4375

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Alerts:
    """Alerts that opened, in whatever order."""

    customer: Ints
    """Places in `History.customers`, shape (n,)."""
    time: Ints
    """Milliseconds since 1970 UTC."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """What became of alerts, one entry each, by customer and then by time."""

    customer: Ints
    not_eligible: Bools
    late: Bools
    unscored: Bools
    true: Bools
    false: Bools
    delay: Floats
    """Days from each of the court's lapses to its first alert; NaN where there was none."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one set of alerts; days and customer-months.  None: there was nothing to count."""

    alerts: int
    not_eligible: int
    late: int
    unscored: int
    true: int
    false: int
    customer_months: float
    false_per_customer_month: float | None
    precision: float | None
    lapses: int
    recall: float | None
    recall_by_half_horizon: float | None
    median_delay_days: float | None
    mean_delay_days: float | None
    """A lapse that nobody noticed counts as a whole horizon."""


class Court:
    """Holds alerts against one history, from `begin` on (ms)."""

    def __init__(self, history: History, begin: int = -NEVER) -> None:
        """Find who was eligible when, and the lapses to be noticed."""
        self.history = history
        self.begin = begin
        known = history.next > history.time + history.horizons
        known &= history.time + history.horizons <= history.end[history.customer]
        known &= history.time >= np.maximum(begin, self.eligible[history.customer])
        self.lapsed = history.customer[known]
        """The customer of each lapse."""
        self.since = history.time[known]
        """The last activity before it."""
        self.horizon_days = history.horizons[known] / DAY_MS
        """How long it took each to be one."""
        self.lapses = np.bincount(self.lapsed, minlength=len(history.customers))
        """How many lapses each customer has; shape (customers,)."""

    @cached_property
    def missed_days(self) -> Floats:
        """What each customer's lapses come to if nobody notices any, in days of delay."""
        days = np.bincount(self.lapsed, self.horizon_days, len(self.lapses))
        return days.astype(np.float64)

    @cached_property
    def eligible(self) -> Ints:
        """When each customer became eligible, NEVER if it did not; shape (customers,)."""
        history = self.history
        day = history.time // DAY_MS
        fresh = history.first.copy()
        fresh[1:] |= day[1:] != day[:-1]
        customer, time = history.customer[fresh], history.time[fresh]
        begins = np.searchsorted(customer, np.arange(len(history.customers)))
        nth = np.arange(len(customer)) - begins[customer]
        eligible = np.full(len(history.customers), NEVER)
        third = nth == ACTIVE_DAYS_MIN - 1
        eligible[customer[third]] = time[third]
        return eligible

    @cached_property
    def spans(self) -> tuple[Ints, Ints, Ints]:
        """Eligible time: customers, and from when until when (ms)."""
        history = self.history
        silent_before = np.zeros(len(history.time), np.int64)
        silent_before[1:] = history.time[1:] - history.time[:-1]
        before = np.roll(history.horizons, 1)
        starts = np.flatnonzero(history.first | (silent_before > before))
        stops = np.append(starts[1:], len(history.time)) - 1 if len(starts) else starts
        customer, last = history.customer[starts], history.time[stops]
        since = np.maximum(history.time[starts], self.eligible[customer])
        since = np.maximum(since, self.begin)
        horizon = history.horizons[stops]
        until = np.minimum(last, history.end[customer] - 2 * horizon) + horizon
        some = (last >= self.eligible[customer]) & (until > since)
        return customer[some], since[some], until[some]

    @cached_property
    def months(self) -> Floats:
        """Each customer's eligible time, in months; shape (customers,)."""
        customer, since, until = self.spans
        return np.bincount(customer, (until - since) / DAY_MS, len(self.lapses)) / MONTH_DAYS

    @cached_property
    def counted(self) -> Ints:
        """Who has eligible time, or a lapse: everybody that any figure is about."""
        return np.flatnonzero((self.months > 0) | (self.lapses > 0))

    def judge(self, alerts: Alerts) -> Judgement:
        """Say what became of each alert."""
        history = self.history
        order = np.lexsort((alerts.time, alerts.customer))
        customer, time = alerts.customer[order], alerts.time[order]
        last, following = history.around(customer, time)
        eligible = time >= np.maximum(self.eligible[customer], self.begin)
        horizon = history.horizon_of(customer, time)
        late = eligible & (time - last > horizon)
        settled = time + horizon <= history.end[customer]
        scored = eligible & ~late & settled
        back = following <= time + horizon
        return Judgement(
            customer=customer,
            not_eligible=~eligible,
            late=late,
            unscored=eligible & ~late & ~settled,
            true=scored & ~back,
            false=scored & back,
            delay=self._delays(customer, last, time),
        )

    def _delays(self, customer: Ints, last: Ints, time: Ints) -> Floats:
        """Give the days from each lapse to the first alert that follows its last activity."""
        delay = np.full(len(self.since), np.nan)
        after = (last > -NEVER) & (time > last)
        customer, last, time = customer[after], last[after], time[after]
        if not len(time):
            return delay
        # The first alert after an activity is the first of its customer with that one as its last.
        new = np.ones(len(time), np.bool_)
        new[1:] = (customer[1:] != customer[:-1]) | (last[1:] != last[:-1])
        history = self.history
        alerted = history.places(customer[new], last[new]) - 1
        waited = time[new] - last[new]
        of_lapse = history.places(self.lapsed, self.since) - 1
        found = np.searchsorted(alerted, of_lapse)
        inside = np.minimum(found, len(alerted) - 1)
        hit = (alerted[inside] == of_lapse) & (waited[inside] <= history.horizons[alerted[inside]])
        delay[hit] = waited[inside][hit] / DAY_MS
        return delay

    def score(self, alerts: Alerts) -> Score:
        """Count what became of all of them."""
        found = self.judge(alerts)
        true, false = int(found.true.sum()), int(found.false.sum())
        noticed = ~np.isnan(found.delay)
        delay, lapses, months = found.delay[noticed], len(found.delay), float(self.months.sum())
        horizon, missed = self.horizon_days[noticed], float(self.horizon_days[~noticed].sum())
        return Score(
            alerts=len(alerts.time),
            not_eligible=int(found.not_eligible.sum()),
            late=int(found.late.sum()),
            unscored=int(found.unscored.sum()),
            true=true,
            false=false,
            customer_months=months,
            false_per_customer_month=_ratio(false, months),
            precision=_ratio(true, true + false),
            lapses=lapses,
            recall=_ratio(len(delay), lapses),
            recall_by_half_horizon=_ratio(int((delay <= horizon / 2).sum()), lapses),
            median_delay_days=float(np.median(delay)) if len(delay) else None,
            mean_delay_days=_ratio(float(delay.sum()) + missed, lapses),
        )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
